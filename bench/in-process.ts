// `pnpm bench:in-process [--rounds 60] [--only REGEX] [--into FILE]`: what sessions cost, with the requests injected in one
// process. `--only` is of `framework/storage/scenario`, such as '^Express/memory/read$'. There is no socket and no kernel in it, so it is steadier than `pnpm bench` on a machine
// that others use too. A report: no number makes it fail.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { requireServer, startRedis } from '@sess/test-fixtures/servers'
import { BARE, type Contestant, contestants, type Framework, type Storage } from './contestants.ts'
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
    // For the processes that it starts.
    framework: { type: 'string' },
    storage: { type: 'string' },
    scenario: { type: 'string' },
  },
})
const rounds = Number(values.rounds)

/** What one scenario with one storage costs on a framework, above the bare framework. */
interface Cell {
  framework: Framework
  scenario: string
  least: Least
}

const FRAMEWORKS: Framework[] = ['Express', 'Fastify', 'Hono', 'fetch']

if (values.scenario === undefined) await measureAll()
else {
  const scenario = scenarios.find(({ name }) => name === values.scenario)!
  const least = await measureOne(values.framework as Framework, values.storage as Storage, scenario)
  // Redis clients would keep the process alive.
  process.send!(least, () => process.exit())
}

/** Each cell has a process of its own, because what else ran there changes what V8 makes of the code. */
async function measureAll(): Promise<void> {
  const redis = requireServer('redis') ? await startRedis() : undefined
  try {
    const cells: Cell[] = []
    for (const cell of cellsToMeasure(redis !== undefined)) {
      const { framework, storage, scenario } = cell
      const least = await measureApart(cell, redis?.url)
      cells.push({ framework, scenario, least })
      const line = Object.entries(least).map(([who, cost]) => `${who} ${cost.toFixed(1)}`)
      console.log(`${framework}, ${storage}, ${scenario}: ${line.join(', ')}`)
    }
    const page = report(cells)
    console.log(`\n${page}`)
    writeFileSync(values.into, page)
  } finally {
    await redis?.stop()
  }
}

interface CellToMeasure {
  framework: Framework
  storage: Storage
  scenario: string
}

function cellsToMeasure(hasRedis: boolean): CellToMeasure[] {
  const only = new RegExp(values.only)
  const cells = FRAMEWORKS.flatMap(framework =>
    scenarios.flatMap(({ name: scenario, data }) => {
      const storages = contestants.filter(each => each.framework === framework).map(each => each.storage)
      return (
        [...new Set(storages)]
          .filter(storage => storage !== undefined)
          .filter(storage => storage !== 'redis' || hasRedis)
          // A browser keeps no cookie of more than 4 KB.
          .filter(storage => storage !== 'cookie' || data !== 'medium')
          .map(storage => ({ framework, storage, scenario }))
      )
    }),
  )
  return cells.filter(({ framework, storage, scenario }) => only.test(`${framework}/${storage}/${scenario}`))
}

/** Measures in a process of its own. Returns the cost above the bare framework. */
async function measureApart(cell: CellToMeasure, redisUrl = ''): Promise<Least> {
  const options = Object.entries(cell).flatMap(([name, value]) => [`--${name}`, value])
  const child = fork(import.meta.filename, [...options, '--rounds', values.rounds], {
    env: { ...process.env, NODE_ENV: 'production', REDIS_URL: redisUrl },
    execArgv: ['--expose-gc', '--no-warnings'],
    // express-session warns of its MemoryStore.
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
  })
  const ended = once(child, 'exit')
  const [message] = await Promise.race([once(child, 'message'), ended])
  if (typeof message !== 'object') throw new Error(`The process for ${Object.values(cell)} failed.`)
  await ended
  const { [BARE]: bare, ...others } = message as Least
  return Object.fromEntries(Object.entries(others).map(([name, each]) => [name, each - bare!]))
}

async function measureOne(framework: Framework, storage: Storage, scenario: Scenario): Promise<Least> {
  const here = contestants.filter(
    each => each.framework === framework && (each.name === BARE || each.storage === storage),
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

function report(cells: readonly Cell[]): string {
  const limits = LIMITS.flatMap(limit => judge(limit, cells))
  return `# What sessions cost in one process

${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown processor'}. Made by \`pnpm bench:in-process\`: requests are injected into
the framework without a socket, the contestants of a storage take turns of ${REQUESTS} requests in one process, and each figure is the
least of ${rounds} turns. The cost is processor time a request, less that of the framework without sessions.

## Limits

${table(['on', 'request', 'Sess', 'beside', 'µs', 'µs', 'ratio', 'limit', ''], limits)}

## Session cost, µs a request

${table(['', '', ...columns(cells)], rows(cells))}
`
}

function columns(cells: readonly Cell[]): string[] {
  return [...new Set(cells.map(({ scenario }) => scenario))]
}

/** A row for each contestant. */
function rows(cells: readonly Cell[]): string[][] {
  const names = new Map<string, [Framework, string]>()
  for (const { framework, least } of cells) {
    for (const name of Object.keys(least)) names.set(`${framework}/${name}`, [framework, name])
  }
  return [...names.values()].map(([framework, name]) => [
    framework,
    name,
    ...columns(cells).map(scenario => costOf(cells, framework, name, scenario)?.toFixed(1) ?? ''),
  ])
}

function costOf(
  cells: readonly Cell[],
  framework: string,
  name: string,
  scenario: string,
): number | undefined {
  return cells.find(cell => cell.framework === framework && cell.scenario === scenario && name in cell.least)
    ?.least[name]
}

function judge({ framework, scenario, sess, peer, atMost }: Limit, cells: readonly Cell[]): string[][] {
  const ours = costOf(cells, framework, sess, scenario)
  const theirs = costOf(cells, framework, peer, scenario)
  if (ours === undefined || theirs === undefined) return []
  const ratio = ours / theirs
  const row = [
    framework,
    scenario,
    sess,
    peer,
    ours.toFixed(1),
    theirs.toFixed(1),
    ratio.toFixed(2),
    `≤ ${atMost}`,
  ]
  return [[...row, ratio <= atMost ? 'met' : '**missed**']]
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}
