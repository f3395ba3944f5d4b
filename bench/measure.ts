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

/** Measures all contestants of a framework; in each round one after the other in every scenario, the bare framework first. */
export async function measure(contestants: readonly Contestant[], options: MeasureOptions): Promise<Cell[]> {
  const plan = scenarios.flatMap(scenario => {
    const chosen = contestants.filter(each => takesPart(each, scenario, options.only))
    return chosen.some(each => each.name !== BARE) ? chosen.map(contestant => ({ contestant, scenario })) : []
  })
  const running = new Map<Contestant, Running>()
  try {
    for (const contestant of new Set(plan.map(({ contestant }) => contestant))) {
      running.set(contestant, await Running.start(contestant, options.env))
    }
    const cookies = new Map<string, string[]>()
    const cells = plan.map(({ contestant: { framework, name }, scenario }): Cell => {
      return { framework, name, scenario: scenario.name, rounds: [] }
    })
    // The first round is for the compiler.
    for (let round = 0; round <= options.rounds; round++) {
      options.onProgress?.(`${contestants[0]!.framework}: round ${round} of ${options.rounds}`)
      for (const [at, { contestant, scenario }] of plan.entries()) {
        const server = running.get(contestant)!
        const key = `${contestant.name} ${scenario.data}`
        if (!cookies.has(key)) cookies.set(key, await cookiesFor(server, scenario))
        const sample = await server.measure(scenario.path, cookies.get(key)!, options.seconds)
        if (round > 0) cells[at]!.rounds.push(sample)
      }
    }
    return cells
  } finally {
    for (const server of running.values()) await server.stop()
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
