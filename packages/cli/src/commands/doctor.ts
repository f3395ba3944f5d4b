import { randomBytes } from 'node:crypto'
import { type Console, say, sayJson, styled } from '../console.ts'
import { bad, type Finding, ok, warn } from '../doctor/finding.ts'
import { type ExitCode, WRONG } from '../failure.ts'
import { need, openTarget, type StoreOptions, type Target } from '../target.ts'

export interface DoctorOptions extends StoreOptions {
  json?: boolean
}

const MARKS = { ok: '✓', warn: '!', bad: '✗' } as const
const STYLES = { ok: 'green', warn: 'yellow', bad: 'red' } as const

/** Examines a store and says what to change. 1 if something breaks sessions. Writes nothing. */
export async function doctor(console: Console, options: DoctorOptions): Promise<ExitCode> {
  const target = await openTarget(options, { cwd: console.cwd() })
  try {
    const findings = [await roundTrip(target), ...(await examine(target))]
    const isBad = findings.some(({ level }) => level === 'bad')
    if (options.json) sayJson(console, { store: target.label, ok: !isBad, findings }, 2)
    else {
      say(console, styled(console, 'bold', target.label))
      for (const { level, what, remedy } of findings) {
        say(console, `${styled(console, STYLES[level], MARKS[level])} ${what}`)
        if (remedy) say(console, `    ${remedy}`)
      }
    }
    return isBad ? WRONG : 0
  } finally {
    await target.close()
  }
}

/** Median of five reads of a session that is not there. */
async function roundTrip(target: Target): Promise<Finding> {
  const read = need(target, 'read', 'doctor')
  const times: number[] = []
  for (let turn = 0; turn < 5; turn++) {
    const id = randomBytes(20)
      .toString('hex')
      .slice(0, target.hashKeys ? 40 : 32)
    const started = performance.now()
    try {
      await read(id, { now: Date.now() })
    } catch (error) {
      // The store rejects its own place, because others could forge sessions there.
      if ((error as { code?: unknown }).code !== 'CONFIG') throw error
      return bad((error as Error).message, 'Until then the application does not start.')
    }
    times.push(performance.now() - started)
  }
  const median = times.sort((a, b) => a - b)[2]!
  const what = `a read takes ${median.toFixed(1)} ms`
  return median < 50
    ? ok(what)
    : warn(what, 'Each request with a session waits for one. Move the store nearer.')
}

async function examine(target: Target): Promise<Finding[]> {
  const { examinePermissions } = await import('../doctor/permissions.ts')
  const here = target.path === undefined ? [] : examinePermissions(target.path)
  if (target.sql) return [...here, ...(await (await import('../doctor/sql.ts')).examineSql(target.sql))]
  if (target.redis) return (await import('../doctor/redis.ts')).examineRedis(target.redis)
  return here
}
