import type { Backend, Recording } from './recordings.ts'
import { settingsOf } from './recordings.ts'
import {
  afterResponse,
  type Cookie,
  type Outcome,
  type SessionState,
  type Step,
  type StoreState,
  seedKeys,
} from './script.ts'
import { momentOf, offsetAt, spell } from './values.ts'

/** What Django did, as the steps that the scripts make of a world. */

/** Names of errors that are one to us. */
const REASONS: Record<string, string> = {
  UpdateError: 'gone',
  SessionInterrupted: 'gone',
  CreateError: 'exists',
  TypeError: 'data',
  ValueError: 'data',
  AttributeError: 'data',
  OverflowError: 'data',
  NotImplementedError: 'CommandError',
}

class Reader {
  readonly seeds: Record<string, string>
  readonly backend: Backend
  readonly settings: ReturnType<typeof settingsOf>
  #now: number

  constructor({ input, expect }: Recording) {
    this.seeds = seedKeys({ input, expect })
    this.backend = input.backend ?? 'db'
    this.settings = settingsOf(input.settings)
    this.#now = (input.now ?? 1_700_000_000) * 1e6
  }

  get now(): number {
    return this.#now
  }

  advance(operation: [string, ...any[]]): void {
    if (operation[0] === 'advance') this.#now += Math.round(operation[1] * 1e6)
  }

  value(value: any): any {
    return spell(value, this.settings.zone)
  }

  key(key: any): any {
    return this.seeds[key] ?? key
  }

  outcome({ returns, value = returns, raises }: { returns?: any; value?: any; raises?: string }): Outcome {
    return raises === undefined
      ? { value: this.value(this.key(value)) }
      : { raises: REASONS[raises] ?? raises }
  }

  /** An age that Python calls True is 1. */
  age(recorded: any): Outcome {
    const isBoolean = typeof recorded.value === 'boolean'
    return isBoolean ? { value: Number(recorded.value) } : this.outcome(recorded)
  }

  state(step: any): SessionState {
    const { accessed, modified, empty, loaded, data } = step
    return { accessed, modified, ...(loaded && { data: this.value(data) }), key: this.key(step.key), empty }
  }

  /** The living sessions; of `cached_db` the rows, of which the cache is a copy. */
  store(recorded: any): StoreState {
    const part = recorded?.[this.backend === 'cached_db' ? 'db' : this.backend] ?? {}
    const state: StoreState = {}
    for (const [key, entry] of Object.entries<any>(part)) {
      if (key.startsWith('file:')) continue
      const ttl = this.backend === 'file' ? this.ttlOfFile(entry) : entry.ttl
      if (ttl === 'never ends' || ttl > 0) state[this.key(key)] = { data: this.value(entry.data), ttl }
    }
    return state
  }

  /** What is left of a file, by SEMANTICS.md section 4; 0 from when Django takes it for expired. */
  ttlOfFile({ data, mtime_ago }: { data: any; mtime_ago: number }): number | 'never ends' {
    const { age, zone } = this.settings
    if (data.$empty_file) return 'never ends'
    const expiry = data.$corrupt ? null : data._session_expiry
    if (typeof expiry === 'number' && expiry) return expiry > 0 ? 'never ends' : 0
    const written = this.now - mtime_ago * 1e6
    const shift = zone === undefined ? 0 : offsetAt(written, zone) - offsetAt(this.now, zone)
    const end = expiry ? momentOf(expiry, zone) : written + shift + age * 1e6
    return Math.floor((end - this.now) / 1e6) <= 0 ? 0 : (end - this.now) / 1e6
  }
}

export function recordedTrace(recording: Recording): Step[] {
  const reader = new Reader(recording)
  const { input, expect } = recording
  let store = expect.store
  const steps: Step[] = [{ store: reader.store(store) }]
  for (const [index, recorded] of expect.steps.entries()) {
    reader.advance(input.ops[index])
    if (recorded.store) store = recorded.store
    steps.push({
      outcome: reader.outcome(recorded),
      state: 'accessed' in recorded ? reader.state(recorded) : undefined,
      store: reader.store(store),
    })
  }
  return steps
}

export function recordedExpiry(recording: Recording): Step[] {
  const reader = new Reader(recording)
  const { input, expect } = recording
  const steps: Step[] = []
  if ('set_expiry' in input) steps.push({ outcome: reader.outcome({ raises: expect.set_expiry_raises }) })
  steps.push({ accessed: expect.accessed, modified: expect.modified, stored: reader.value(expect.stored) })
  steps.push({ outcome: { value: expect.at_browser_close } })
  for (const { age, date } of expect.queries) steps.push({ age: reader.age(age), date: reader.outcome(date) })
  steps.push({ saved: reader.outcome({ raises: expect.save_raises }) })
  if (expect.save_raises) return steps
  const { data, key_kept, age, at_browser_close } = expect.reloaded
  const { zone } = reader.settings
  steps.push({ rowExpires: momentOf(expect.row_expire_date, zone) })
  steps.push({ data: reader.value(data), keyKept: key_kept })
  steps.push({ age: reader.age(age) })
  steps.push({ outcome: { value: at_browser_close } })
  return steps
}

export function recordedMiddleware(recording: Recording): Step[] {
  const reader = new Reader(recording)
  return recording.expect.requests.map((recorded: any, index: number) => {
    for (const operation of recording.input.requests[index].before ?? []) reader.advance(operation)
    return {
      ...recordedRequest(reader, recording.input.requests[index], recorded),
      store: reader.store(recorded.store),
    }
  })
}

function recordedRequest(reader: Reader, request: any, recorded: any): Step {
  const nested = (request.ops ?? []).filter(([name]: [string]) => name === 'request')
  const results = (recorded.results ?? []).map(([name, outcome]: [string, any]) => [
    name,
    name === 'request' ? recordedRequest(reader, nested.shift()[1], outcome) : reader.outcome(outcome),
  ])
  const raised = (request.ops ?? []).some(([name]: [string]) => name === 'raise')
  const step: Step = {
    status: recorded.status,
    error: raised || !recorded.error ? undefined : (REASONS[recorded.error] ?? recorded.error),
    results,
    cookies: recorded.set_cookie.map((cookie: any) => recordedCookie(reader, cookie)),
    vary: recorded.vary,
  }
  if (recorded.session) step.state = afterResponse(reader.state(recorded.session), reader.settings, request)
  return step
}

function recordedCookie(reader: Reader, recorded: any): Cookie {
  const { name, value, deleted, max_age, expires, path, domain, secure, httponly, samesite } = recorded
  const cookie: Cookie = { name, value: reader.key(value), deleted }
  if (name !== reader.settings.cookieName || value === 'mine') return { ...cookie, maxAge: max_age }
  if (max_age !== undefined) cookie.maxAge = Number(max_age)
  if (expires !== undefined) cookie.expires = expires
  if (path !== undefined) cookie.path = path
  if (domain !== undefined) cookie.domain = domain
  if (secure) cookie.secure = true
  if (httponly) cookie.httpOnly = true
  if (samesite) cookie.sameSite = samesite.toLowerCase()
  return cookie
}

export function recordedClear(recording: Recording): Step[] {
  const reader = new Reader(recording)
  const { input, expect } = recording
  const seeds = Object.keys(input.seeds ?? {}).map(name => `$${name}`)
  const names = (input.files ?? []).map((file: any) => file.name)
  const left = Object.keys(expect.after.file ?? {})
  const files = names.filter((name: string) =>
    left.some(key => key === `file:${name}` || `${reader.settings.cookieName}${key}` === name),
  )
  const steps: Step[] = [
    {
      outcome: reader.outcome({ raises: expect.result.raises }),
      ...(input.backend !== 'cache' && { removed: expect.removed.length }),
      files,
    },
  ]
  for (const symbol of input.backend === 'signed_cookies' ? [] : seeds) {
    const { value, key_kept } = expect.then_loaded[symbol] ?? { value: {}, key_kept: false }
    steps.push({ loaded: reader.key(symbol), data: reader.value(value), keyKept: key_kept })
  }
  steps.push({ store: reader.store(expect.after) })
  return steps
}
