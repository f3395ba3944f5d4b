import type { RedisTarget } from '../redis.ts'
import { compareClocks } from './clock.ts'
import { bad, type Finding, ok, warn } from './finding.ts'

/** Looks at each primary of Redis. */
export async function examineRedis({ ask }: RedisTarget): Promise<Finding[]> {
  const before = Date.now()
  const times = (await ask('TIME')) as [string, string][]
  const after = Date.now()
  const clocks = times.map(([seconds, micros]) =>
    compareClocks(Number(seconds) * 1000 + Number(micros) / 1000, before, after),
  )
  const infos = (await ask('INFO')).map(String)
  const findings = [
    worst(clocks),
    worst(infos.map(role)),
    worst(infos.map(memory)),
    worst(infos.map(durability)),
  ]
  return findings
}

/** The servers of a cluster are told apart only where one is worse than the others. */
function worst(findings: Finding[]): Finding {
  const rank = { ok: 0, warn: 1, bad: 2 }
  return findings.reduce((a, b) => (rank[b.level] > rank[a.level] ? b : a))
}

function field(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''
}

function role(info: string): Finding {
  if (field(info, 'role') === 'master') return ok('this server is a primary')
  return bad('this server is a replica', 'Name the primary: sessions are written.')
}

function memory(info: string): Finding {
  const policy = field(info, 'maxmemory_policy')
  if (policy === 'noeviction') return ok('maxmemory-policy is noeviction: no session is thrown out')
  if (Number(field(info, 'maxmemory')) === 0) {
    return warn(
      `maxmemory-policy is ${policy}, and maxmemory is not set`,
      'CONFIG SET maxmemory-policy noeviction, before somebody sets a limit.',
    )
  }
  return bad(
    `maxmemory-policy is ${policy}: Redis logs people out when its memory is full`,
    'CONFIG SET maxmemory-policy noeviction, or give sessions a server of their own.',
  )
}

function durability(info: string): Finding {
  if (field(info, 'aof_enabled') === '1') return ok('appendonly is on: sessions outlive a restart')
  return warn('appendonly is off: a crash loses the last sessions, or all', 'CONFIG SET appendonly yes')
}
