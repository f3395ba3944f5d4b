// `pnpm bench:in-process [--rounds 60] [--only REGEX] [--into FILE]`: what sessions cost on Express, with the requests
// injected in one process. There is no socket and no kernel in it, so it is steadier than `pnpm bench` on a machine
// that others use too. A report: no number makes it fail.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { requireServer, startRedis } from '@sess/test-fixtures/servers'
import { BARE, type Contestant, contestants, type Storage } from './contestants.ts'
import { LIMITS, type Limit } from './goals.ts'
import { inject, send } from './inject.ts'
import { type Scenario, scenarios } from './measure.ts'

/** Each contestant serves so many requests in a turn: about 5 ms, so that a disturbance spoils few turns. */
const REQUESTS = 256
const SESSIONS = 256
/** V8 has compiled everything by then. */
const WARM_UP = 20

/** Microseconds of processor time a request by contestant, the least of all turns. */
type Least = Record<string, number>

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    only: { type: 'string', default: '' },
    into: { type: 'string', default: join(import.meta.dirname, 'results/in-process.md') },
    scenario: { type: 'string' },
    storage: { type: 'string' },
  },
})
const rounds = Number(values.rounds)

if (values.scenario === undefined) await measureAll()
else {
  const scenario = scenarios.find(({ name }) => name === values.scenario)!
  const least = await measureOne(scenario, values.storage as Storage)
  // Redis clients would keep the process alive.
  process.send!(least, () => process.exit())
}

/** Each scenario and storage has a process of its own, because what else ran there changes what V8 makes of the code. */
async function measureAll(): Promise<void> {
  const redis = requireServer('redis') ? await startRedis() : undefined
  try {
    const found: Record<string, Least> = {}
    for (const { name } of scenarios) {
      if (!new RegExp(values.only).test(name)) continue
      found[name] = {}
      for (const storage of ['memory', ...(redis ? ['redis'] : [])]) {
        Object.assign(found[name], await measureApart(name, storage, redis?.url))
      }
      const line = Object.entries(found[name]).map(([who, cost]) => `${who} ${cost.toFixed(1)}`)
      console.log(`${name}: ${line.join(', ')}`)
    }
    const page = report(found)
    console.log(`\n${page}`)
    writeFileSync(values.into, page)
  } finally {
    await redis?.stop()
  }
}

/** Runs one scenario in a process of its own. Returns the cost above the bare framework. */
async function measureApart(scenario: string, storage: string, redisUrl = ''): Promise<Least> {
  const options = ['--scenario', scenario, '--storage', storage, '--rounds', values.rounds]
  const child = fork(import.meta.filename, options, {
    env: { ...process.env, NODE_ENV: 'production', REDIS_URL: redisUrl },
    execArgv: ['--expose-gc', '--no-warnings'],
    // express-session warns of its MemoryStore.
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
  })
  const ended = once(child, 'exit')
  const [message] = await Promise.race([once(child, 'message'), ended])
  if (typeof message !== 'object') throw new Error(`The process for ${scenario} with ${storage} failed.`)
  await ended
  const { [BARE]: bare, ...others } = message as Least
  return Object.fromEntries(Object.entries(others).map(([name, each]) => [name, each - bare!]))
}

async function measureOne(scenario: Scenario, storage: Storage): Promise<Least> {
  const here = contestants.filter(
    each => each.framework === 'Express' && (each.name === BARE || each.storage === storage),
  )
  const field = await Promise.all(
    here.map(async contestant => {
      const app = await contestant.app()
      return { contestant, app, cookies: await cookiesFor(contestant, app, scenario) }
    }),
  )
  const least: Least = {}
  for (let round = -Math.min(WARM_UP, rounds); round < rounds; round++) {
    for (const { contestant, app, cookies } of field) {
      globalThis.gc?.({ type: 'minor' })
      const { user, system } = process.cpuUsage()
      await serve(app, scenario.path, cookies)
      const used = process.cpuUsage({ user, system })
      const each = (used.user + used.system) / REQUESTS
      if (round >= 0) least[contestant.name] = Math.min(least[contestant.name] ?? Infinity, each)
    }
  }
  return least
}

/** Sixteen requests are under way at a time: a store on a socket must not wait for each alone. */
function serve(app: RequestListener, path: string, cookies: readonly string[]): Promise<void> {
  return new Promise(resolve => {
    let sent = 0
    let ended = 0
    const next = (): void => {
      if (sent < REQUESTS) send(app, path, cookies[sent++ % SESSIONS], finished)
    }
    const finished = (): void => {
      if (++ended === REQUESTS) resolve()
      // Not at once: a response that ended synchronously would nest its successor.
      else queueMicrotask(next)
    }
    for (let at = 0; at < 16; at++) next()
  })
}

async function cookiesFor(
  contestant: Contestant,
  app: RequestListener,
  { data }: Scenario,
): Promise<string[]> {
  if (data === undefined) return []
  // The bare framework gets a cookie too, because receiving one is no part of what a session costs.
  if (contestant.name === BARE) return Array.from({ length: SESSIONS }, () => `sessionid=${'bare'.repeat(8)}`)
  const cookies: string[] = []
  while (cookies.length < SESSIONS) {
    const { cookie } = await inject(app, `/${data}`)
    if (cookie === undefined) throw new Error(`${contestant.name} sets no cookie.`)
    cookies.push(cookie)
  }
  const { body } = await inject(app, '/read', cookies[0])
  if (!body.endsWith('1')) throw new Error(`${contestant.name} reads ${body} where 1 was written.`)
  return cookies
}

function report(found: Record<string, Least>): string {
  const names = Object.keys(Object.values(found)[0] ?? {})
  const cells = names.map(name => [name, ...Object.values(found).map(least => least[name]?.toFixed(1) ?? '')])
  const limits = LIMITS.flatMap(limit => judge(limit, found[limit.scenario]))
  return `# What sessions cost in one process

${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown processor'}. Made by \`pnpm bench:in-process\`: requests are injected into
Express without a socket, the contestants of a storage take turns of ${REQUESTS} requests in one process, and each figure is the least of
${rounds} turns. The cost is processor time a request, less that of Express without sessions.

## Limits

${table(['request', 'Sess', 'beside', 'µs', 'µs', 'ratio', 'limit', ''], limits)}

## Session cost, µs a request

${table(['', ...Object.keys(found)], cells)}
`
}

function judge({ scenario, sess, peer, atMost }: Limit, least: Least | undefined): string[][] {
  const ours = least?.[sess]
  const theirs = least?.[peer]
  if (ours === undefined || theirs === undefined) return []
  const ratio = ours / theirs
  const row = [scenario, sess, peer, ours.toFixed(1), theirs.toFixed(1), ratio.toFixed(2), `≤ ${atMost}`]
  return [[...row, ratio <= atMost ? 'met' : '**missed**']]
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}
