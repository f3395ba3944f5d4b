import { BARE, type Contestant } from './contestants.ts'
import { ask, Running, type Sample } from './process.ts'

export interface Scenario {
  name: string
  path: string
  /** The data of the sessions that the requests bring, or none. */
  data: 'small' | 'medium' | undefined
}

export const scenarios: readonly Scenario[] = [
  { name: 'untouched', path: '/none', data: undefined },
  { name: 'untouched, with a cookie', path: '/none', data: 'small' },
  { name: 'read', path: '/read', data: 'small' },
  { name: 'write', path: '/write', data: 'small' },
  { name: 'new', path: '/small', data: undefined },
  { name: 'read 4 KB', path: '/read', data: 'medium' },
  { name: 'write 4 KB', path: '/write', data: 'medium' },
]

/** One contestant in one scenario, round by round. */
export interface Cell {
  framework: string
  name: string
  scenario: string
  rounds: Sample[]
}

export interface MeasureOptions {
  rounds: number
  seconds: number
  /** Of `framework/name/scenario`; the bare frameworks run in any case. */
  only: RegExp
  env: Record<string, string>
  onProgress?(line: string): void
}

/** So many that none is asked for more than a few times a second, … */
const SESSIONS = 2048
/** … and for sessions in cookies, which know nothing of that, twice the connections. */
const COOKIES = 128

/**
 * Measures all contestants of a framework; in each round of a scenario one after the other, the bare framework first. A
 * scenario has processes of its own, for what a process has served before changes what V8 makes of the next.
 */
export async function measure(contestants: readonly Contestant[], options: MeasureOptions): Promise<Cell[]> {
  const cells: Cell[] = []
  for (const scenario of scenarios) {
    const chosen = contestants.filter(each => takesPart(each, scenario, options.only))
    if (chosen.every(each => each.name === BARE)) continue
    options.onProgress?.(`${contestants[0]!.framework}: ${scenario.name}`)
    cells.push(...(await measureScenario(chosen, scenario, options)))
  }
  return cells
}

async function measureScenario(
  contestants: readonly Contestant[],
  scenario: Scenario,
  { rounds, seconds, env }: MeasureOptions,
): Promise<Cell[]> {
  const plan: { server: Running; cookies: string[]; cell: Cell }[] = []
  try {
    for (const contestant of contestants) {
      const { framework, name } = contestant
      const server = await Running.start(contestant, env)
      plan.push({ server, cookies: [], cell: { framework, name, scenario: scenario.name, rounds: [] } })
    }
    for (const each of plan) each.cookies = await cookiesFor(each.server, scenario)
    // The first round is for the compiler.
    for (let round = 0; round <= rounds; round++) {
      for (const { server, cookies, cell } of plan) {
        const sample = await server.measure(scenario.path, cookies, seconds)
        if (round > 0) cell.rounds.push(sample)
      }
    }
    return plan.map(({ cell }) => cell)
  } finally {
    for (const { server } of plan) await server.stop()
  }
}

function takesPart({ framework, name, storage }: Contestant, scenario: Scenario, only: RegExp): boolean {
  // A browser keeps no cookie of more than 4 KB.
  if (storage === 'cookie' && scenario.data === 'medium') return false
  return name === BARE || only.test(`${framework}/${name}/${scenario.name}`)
}

async function cookiesFor({ url, contestant }: Running, { data }: Scenario): Promise<string[]> {
  if (data === undefined) return []
  // Reading the header is no part of what a session costs.
  if (contestant.name === BARE) return [`sessionid=${'bare'.repeat(8)}`]
  const count = contestant.storage === 'cookie' ? COOKIES : SESSIONS
  const cookies: string[] = []
  while (cookies.length < count) {
    const answers = await Promise.all(Array.from({ length: 64 }, () => ask(url, `/${data}`)))
    for (const { cookie } of answers) {
      if (cookie === undefined) throw new Error(`${contestant.name} sets no cookie.`)
      cookies.push(cookie)
    }
  }
  const { text } = await ask(url, '/read', cookies[0])
  if (text !== '1') throw new Error(`${contestant.name} reads ${text} where 1 was written.`)
  return cookies
}

/** Microseconds of processor time that each request of a round took above the bare framework in the same round. */
export function costs(cells: readonly Cell[], framework: string, name: string, scenario: string): number[] {
  const find = (of: string): Sample[] =>
    cells.find(cell => cell.framework === framework && cell.name === of && cell.scenario === scenario)
      ?.rounds ?? []
  const bare = find(BARE)
  return find(name).map((sample, round) => perRequest(sample) - perRequest(bare[round]!))
}

export function perRequest({ cpu, requests }: Sample): number {
  return cpu / requests
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
