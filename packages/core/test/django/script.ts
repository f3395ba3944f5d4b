import { type DjangoSettings, type Operation, type Recording, type Seed, settingsOf } from './recordings.ts'
import { spell } from './values.ts'

/** The keys that are made in a replay tell their number. */
export function newKey(number: number): string {
  return `gk${String(number).padStart(30, '0')}`
}

/** An error, by the name that Django's and ours share: `gone`, `exists`, `data`, … */
export class Raised extends Error {
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }
}

export interface Cookie {
  name: string
  value: string
  deleted: boolean
  maxAge?: number
  expires?: string
  path?: string
  domain?: string
  secure?: boolean
  httpOnly?: boolean
  sameSite?: string
}

export interface SessionState {
  accessed?: boolean
  modified: boolean
  key: string | null
  empty: boolean
  data?: Record<string, any>
}

/** Live sessions by key. */
export type StoreState = Record<string, { data: any; ttl: number | 'never ends' }>

export type Outcome = { value: any } | { raises: string }

/** What one step of a case left behind. */
export interface Step {
  outcome?: Outcome
  state?: SessionState | undefined
  store?: StoreState
  [other: string]: unknown
}

/** Something that can act out a recording: the model, or Sess over a store. Methods may answer with promises. */
export interface World<S> {
  advance(seconds: number): void
  seed(key: string, seed: Seed): unknown
  seedFile(name: string, writtenAgo: number): unknown
  files(): unknown
  open(key: string | null): S
  openHeader(header: string | undefined): S
  /** One operation. An error is a `Raised`. In a request nothing is saved before its end. */
  act(session: S, operation: Operation, inRequest: boolean): unknown
  /** With data: the session counts as loaded, and is. */
  state(session: S, withData: boolean): unknown
  /** Another process changes the store. */
  external(name: string, key: string, data?: Record<string, any>): unknown
  store(): unknown
  /** When the record of that key ends or ended, in microseconds since the epoch. */
  expiresAt(key: string): number | undefined
  /** The end of the request. `dropped`: the handler removed the session from it. */
  finish(session: S, status: number, dropped: boolean): unknown
  clearExpired(): unknown
}

/** The life of one case. */
class Run<S> {
  readonly world: World<S>
  readonly seeds: Record<string, string>
  readonly settings: DjangoSettings
  readonly jar = new Map<string, string>()

  constructor(world: World<S>, { input, expect }: Recording) {
    this.world = world
    this.seeds = seedKeys({ input, expect })
    this.settings = settingsOf(input.settings)
  }

  async seed(seeds: Record<string, Seed> = {}): Promise<void> {
    for (const [name, seed] of Object.entries(seeds)) await this.world.seed(this.seeds[`$${name}`]!, seed)
  }

  async outcome(act: () => unknown): Promise<Outcome> {
    try {
      return { value: spell(await act(), this.settings.zone) }
    } catch (error) {
      return { raises: reasonOf(error) }
    }
  }

  /** The real key for a recording's symbol. */
  async real(key: any, session: S | undefined): Promise<any> {
    if (key === '$key') return ((await this.world.state(session as S, false)) as SessionState).key
    return this.seeds[key] ?? key
  }

  async act(session: S | undefined, [name, ...args]: Operation, inRequest: boolean): Promise<unknown> {
    const { world } = this
    if (name === 'advance') return world.advance(args[0])
    if (name.startsWith('ext_')) return world.external(name, await this.real(args[0], session), args[1])
    if (KEYED.has(name) && args.length > 0) args[0] = await this.real(args[0], session)
    return world.act(session as S, [name, ...args], inRequest)
  }
}

/** Operations whose argument is a session key. */
const KEYED = new Set(['delete', 'exists'])

export function reasonOf(error: unknown): string {
  if (error instanceof Raised) return error.reason
  throw error
}

/** Symbol → key of the seeded sessions; some recordings do not list them. */
export function seedKeys({ input, expect }: Pick<Recording, 'input' | 'expect'>): Record<string, string> {
  if (expect.seeds) return expect.seeds
  const key = (name: string): string => `seeded0000000000000000000000${name.toLowerCase().padStart(4, '0')}`
  return Object.fromEntries(Object.keys(input.seeds ?? {}).map(name => [`$${name}`, key(name)]))
}

/** traces.json: one session object at a time, operation by operation. */
export async function runTrace<S>(world: World<S>, recording: Recording): Promise<Step[]> {
  const run = new Run(world, recording)
  await run.seed(recording.input.seeds)
  const steps: Step[] = [{ store: (await world.store()) as StoreState }]
  const objects = new Map<string, S>()
  let name = 'main'
  for (const [index, operation] of (recording.input.ops as Operation[]).entries()) {
    const step: Step = {}
    const session = objects.get(name)
    step.outcome = await run.outcome(async () => {
      if (operation[0] !== 'use' && operation[0] !== 'new') return run.act(session, operation, false)
      if (operation[0] === 'use') name = operation[1]
      else objects.set(name, world.open(await run.real(operation[1], session)))
      return null
    })
    const now = objects.get(name)
    const recorded = recording.expect.steps[index]
    step.state = now && ((await world.state(now, recorded.loaded)) as SessionState)
    step.store = (await world.store()) as StoreState
    steps.push(step)
  }
  return steps
}

/** expiry.json: what `set_expiry` and the `get_expiry_…` functions make of an expiry, and what is saved of it. */
export async function runExpiry<S>(world: World<S>, recording: Recording): Promise<Step[]> {
  const { input } = recording
  const run = new Run(world, recording)
  const session = world.open(null)
  const act = async (on: S, ...operation: Operation): Promise<Outcome> =>
    run.outcome(() => run.act(on, operation, false))
  const steps: Step[] = []
  if ('set_expiry' in input) steps.push({ outcome: await act(session, 'set_expiry', input.set_expiry) })
  if ('stored' in input) await act(session, 'set', '_session_expiry', input.stored)
  const { accessed, modified } = (await world.state(session, false)) as SessionState
  steps.push({ accessed, modified, stored: ((await world.state(session, true)) as SessionState).data })
  steps.push({ outcome: await act(session, 'get_expire_at_browser_close') })
  for (const query of input.queries ?? [{}]) {
    steps.push({
      age: await act(session, 'get_expiry_age', query),
      date: await act(session, 'get_expiry_date', query),
    })
  }
  const saved = await act(session, 'save')
  steps.push({ saved })
  if ('raises' in saved) return steps
  const { key } = (await world.state(session, false)) as SessionState
  steps.push({ rowExpires: world.expiresAt(key!) })
  const again = world.open(key)
  const { data, key: keyAgain } = (await world.state(again, true)) as SessionState
  steps.push({ data, keyKept: key === keyAgain })
  steps.push({ age: await act(again, 'get_expiry_age') })
  steps.push({ outcome: await act(again, 'get_expire_at_browser_close') })
  return steps
}

/** middleware.json: whole requests. */
export async function runMiddleware<S>(world: World<S>, recording: Recording): Promise<Step[]> {
  const run = new Run(world, recording)
  await run.seed(recording.input.seeds)
  const steps: Step[] = []
  for (const [index, request] of recording.input.requests.entries()) {
    const step = await serve(run, request, recording.expect.requests[index])
    steps.push({ ...step, store: (await world.store()) as StoreState })
  }
  return steps
}

const STATUS: Record<string, number> = { Http404: 404, PermissionDenied: 403, SuspiciousOperation: 400 }

async function serve<S>(run: Run<S>, request: any, recorded: any): Promise<Step> {
  const { world } = run
  for (const operation of request.before ?? []) await run.act(undefined, operation, true)
  const session = world.openHeader(await headerOf(run, request))
  const results: [string, unknown][] = []
  let status: number = request.status ?? 200
  let vary: string | undefined
  let cookies: Cookie[] = []
  let dropped = false
  let stream: Operation[] = []
  for (const operation of request.ops ?? []) {
    const [name, ...args] = operation
    if (name === 'raise') {
      status = STATUS[args[0]] ?? 500
      vary = undefined
      cookies = []
      break
    }
    if (name === 'request') {
      const nested = recorded.results.find(
        (result: any, at: number) => result[0] === 'request' && at >= results.length,
      )
      results.push(['request', await serve(run, args[0], nested[1])])
    } else if (name === 'vary') vary = args[0]
    else if (name === 'own_cookie')
      cookies.push({ name: args[0], value: args[1], deleted: false, maxAge: args[2] })
    else if (name === 'drop_session') dropped = true
    else if (name === 'stream') stream = args[0]
    else {
      const outcome = await run.outcome(() => run.act(session, operation, true))
      if ('raises' in outcome || outcome.value !== null) results.push([name, outcome])
    }
  }
  let error: string | undefined
  try {
    const end = (await world.finish(session, status, dropped)) as { cookie?: Cookie; vary: boolean }
    const { cookie } = end
    if (cookie) cookies = [...cookies.filter(own => own.name !== cookie.name), cookie]
    if (end.vary) vary = withCookie(vary)
  } catch (refusal) {
    error = reasonOf(refusal)
    // Django calls a key that cannot be one suspicious, and responds without an error's name.
    status = error === 'gone' || error === 'InvalidSessionKey' ? 400 : 500
    if (error === 'InvalidSessionKey') error = undefined
    cookies = []
    vary = undefined
  }
  for (const operation of stream) {
    const outcome = await run.outcome(() => run.act(session, operation, true))
    if ('raises' in outcome) results.push(['late', outcome])
  }
  for (const cookie of cookies) {
    if (cookie.deleted) run.jar.delete(cookie.name)
    else run.jar.set(cookie.name, cookie.value)
  }
  const step: Step = { status, error, results, cookies, vary: vary ?? null }
  // A request that dropped the session has nothing left to look at.
  if (recorded.session) {
    const state = (await world.state(session, recorded.session.loaded)) as SessionState
    step.state = afterResponse(state, run.settings, request)
  }
  return step
}

/**
 * Django's middleware looks at the session itself before it saves, and a streamed body after it: then `accessed` tells
 * nothing any more.
 */
export function afterResponse(
  state: SessionState,
  { saveEveryRequest }: DjangoSettings,
  request: any,
): SessionState {
  const { accessed, ...others } = state
  const streams = (request.ops ?? []).some(([name]: Operation) => name === 'stream')
  return state.modified || saveEveryRequest || streams ? others : state
}

async function headerOf<S>(run: Run<S>, request: any): Promise<string | undefined> {
  if ('cookie_header' in request) {
    return (request.cookie_header as string).replace(/\$S\d/g, symbol => run.seeds[symbol]!)
  }
  const value =
    request.cookie === 'jar'
      ? run.jar.get(run.settings.cookieName)
      : await run.real(request.cookie, undefined)
  return value === undefined ? undefined : `${run.settings.cookieName}=${value}`
}

function withCookie(vary: string | undefined): string {
  if (!vary) return 'Cookie'
  return /(^|,)\s*(\*|cookie)\s*(,|$)/i.test(vary) ? vary : `${vary}, Cookie`
}

/** clear_expired.json */
export async function runClear<S>(world: World<S>, recording: Recording): Promise<Step[]> {
  const { input } = recording
  const run = new Run(world, recording)
  await run.seed(input.seeds)
  for (const { name, mtime_ago } of input.files ?? []) await world.seedFile(name, mtime_ago)
  let removed = 0
  const outcome = await run.outcome(async () => {
    removed = (await world.clearExpired()) as number
  })
  // Nothing expired is ever found in a cache.
  const steps: Step[] = [
    { outcome, ...(input.backend !== 'cache' && { removed }), files: await world.files() },
  ]
  for (const key of input.backend === 'signed_cookies' ? [] : Object.values(run.seeds)) {
    const { data, key: after } = (await world.state(world.open(key), true)) as SessionState
    steps.push({ loaded: key, data, keyKept: after === key })
  }
  steps.push({ store: (await world.store()) as StoreState })
  return steps
}
