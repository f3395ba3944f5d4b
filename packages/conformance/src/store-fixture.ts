import type { MaybePromise, SessionRecord, Store, StoreContext, StoredRecord } from '@sess/core'
import type { Case } from './case.ts'
import { equal, fail, show } from './check.ts'

/** What a store author hands over for one case: a store on a backend that may be shared, for ids never repeat. */
export interface StoreSetup {
  store: Store
  /** Another store object on the same backend, as a second process would have. */
  second?: Store | (() => MaybePromise<Store>) | undefined
  /** Makes the backend unreachable: stop the server, cut the connection. */
  breakBackend?: (() => MaybePromise<void>) | undefined
  healBackend?: (() => MaybePromise<void>) | undefined
  /** From now on the backend does not answer, and keeps its connections, as a process that gets SIGSTOP. */
  freezeBackend?: (() => MaybePromise<void>) | undefined
  /** The backend continues where it stopped: SIGCONT. */
  thawBackend?: (() => MaybePromise<void>) | undefined
  /** The backend's time in milliseconds, where the backend expires by itself and owns the clock (Redis). */
  now?: (() => number) | undefined
  /** Moves the backend's clock, where that can be done; with `now` and without this the cases really wait. */
  advance?: ((ms: number) => MaybePromise<void>) | undefined
  /**
   * A path from which a second process makes a store on the same backend: the module's default export is called with
   * `argument` (what JSON can carry) and returns a store, or an object with one.
   */
  module?: string | { path: string; argument?: unknown } | undefined
  /**
   * From now on the backend fails with an error of its own, until `healBackend()`: every call, or with `read-only` those that
   * write. With `after`, so many of these calls work before. Returns `false` if the backend has no such error: its cases do not
   * apply.
   */
  fail?: ((kind: FailKind, options?: FailOptions) => MaybePromise<unknown>) | undefined
  /**
   * The next write reaches the backend and is done, and its answer is lost (the connection breaks). With `nth` it is the second
   * write from now on, or the third. A factory may ignore `nth`.
   */
  loseAnswer?: ((nth?: number) => MaybePromise<void>) | undefined
  /**
   * The backend starts again and keeps its data. Connections, loaded scripts and prepared statements are gone. Resolves when it
   * is back.
   */
  restartBackend?: (() => MaybePromise<void>) | undefined
  /** Records that the backend gives in one page, where it has pages. */
  pageSize?: number | undefined
  /** When the backend itself will drop the record, in milliseconds since the epoch; `undefined`: never. */
  expiryOf?: ((id: string) => MaybePromise<number | undefined>) | undefined
  /** The same of what the store keeps for a subject beside the records: its index. */
  expiryOfSubject?: ((subject: string) => MaybePromise<number | undefined>) | undefined
  /** Called after the case, whatever came of it. */
  cleanup?: (() => MaybePromise<void>) | undefined
}

/** Errors that a backend has besides "no connection": it starts, takes no writes, has no room, has too many clients. */
export type FailKind = 'loading' | 'read-only' | 'out-of-memory' | 'too-many-connections'

/** When a backend begins to fail. */
export interface FailOptions {
  /** How many of the calls work before they fail; 0 unless given. A factory may ignore it. */
  after?: number | undefined
}

/** Makes a store for one case: called once for each. */
export type StoreFactory = () => MaybePromise<StoreSetup>

/** A case of the store contract. */
export type StoreCase = Case<StoreFixture>

/** The time by which a case goes. */
export interface CaseClock {
  now(): number
  /** Lets time pass: a moved number, or a real pause where the backend owns the clock. */
  advance(ms: number): Promise<void>
  /** Milliseconds to live for a record that the case wants to see expire. */
  life: number
  /** Whether the case says what time it is, so that single milliseconds can be told apart. */
  exact: boolean
  /** Whether the backend owns it: the store may go by that clock instead of `now`. */
  ofBackend: boolean
}

/** What a case gets. */
export interface StoreFixture {
  store: Store
  /** The second store object, or the store itself. */
  other: Store
  hasSecond: boolean
  clock: CaseClock
  breakBackend?(): MaybePromise<void>
  healBackend?(): MaybePromise<void>
  freezeBackend?(): MaybePromise<void>
  thawBackend?(): MaybePromise<void>
  module?: { path: string; argument?: unknown }
  /** Whether the backend has such an error, and fails from now on. */
  fail?(kind: FailKind, options?: FailOptions): Promise<boolean>
  loseAnswer?(nth?: number): MaybePromise<void>
  restartBackend?(): MaybePromise<void>
  pageSize?: number
  expiryOf?(id: string): MaybePromise<number | undefined>
  expiryOfSubject?(subject: string): MaybePromise<number | undefined>
  /** Milliseconds that a call to a broken backend may take. */
  callTimeout: number
  /** Fewer points, rounds and records, for a quick look. */
  quick: boolean
  /** Bytes of payload that the store must hold: 1 MiB, or its own `maxBytes` if that is less. */
  maxBytes: number
  /** Milliseconds that a call takes, measured once. */
  pace(): Promise<number>
  /** Waits a moment of its own, of no or a few turns up to about a call's time, so that calls do not run in lockstep. */
  jitter(): Promise<void>
  /** What random choices are made by, a whole number below 2^32. Ids are not: they never repeat. */
  seed: number
  /** `{ now }`, for the last argument of a call. */
  context(): StoreContext
  /** A fresh id: 40 hexadecimal digits. */
  id(): string
  /** A record nobody else has, for an hour. */
  record(part?: Partial<SessionRecord>): SessionRecord
  /** Inserts one and reads it back. */
  stored(
    part?: Partial<SessionRecord>,
    id?: string,
  ): Promise<{ id: string; record: SessionRecord; version: string }>
  read(id: string): Promise<StoredRecord | null>
  /** The record, or the failure that there is none. */
  readLive(id: string, what: string): Promise<StoredRecord>
}

export interface FixtureOptions {
  /** Leaves most points of the generated cases out. */
  quick?: boolean | undefined
  /** Milliseconds that one call to a broken backend may take; 5000 unless given. */
  callTimeout?: number | undefined
  /** Makes the random choices of an earlier run again: a whole number below 2^32, as a failure names it. */
  seed?: number | undefined
}

const HOUR = 3_600_000

export async function openStoreFixture(
  setup: StoreSetup,
  options: FixtureOptions = {},
): Promise<StoreFixture> {
  const { store } = setup
  const clock = caseClock(setup)
  const second = typeof setup.second === 'function' ? await setup.second() : setup.second
  const context = () => ({ now: clock.now() })

  let pace: Promise<number> | undefined
  const fixture: StoreFixture = {
    store,
    other: second ?? store,
    hasSecond: second !== undefined,
    clock,
    callTimeout: options.callTimeout ?? 5_000,
    seed: options.seed ?? randomSeed(),
    quick: options.quick ?? false,
    maxBytes: Math.min(1_048_576, store.maxBytes ?? Number.POSITIVE_INFINITY),
    pace: () => (pace ??= measured(store, context)),
    async jitter() {
      const most = Math.min(20, 2 * (await fixture.pace()))
      if (most < 1) for (let n = Math.floor(Math.random() * 8); n > 0; n--) await null
      else await new Promise(resolve => setTimeout(resolve, Math.random() * most))
    },
    context,
    id: randomId,
    record: part => ({ payload: `{"is":"${randomId()}"}`, expiresAt: unround(clock.now() + HOUR), ...part }),
    async stored(part, id = randomId()) {
      const record = fixture.record(part)
      equal(await store.insert(id, record, context()), true, 'the answer of insert() for a fresh id')
      const { version } = await fixture.readLive(id, 'a record just inserted')
      return { id, record, version }
    },
    read: async id => await store.read(id, context()),
    async readLive(id, what) {
      const found = await store.read(id, context())
      if (typeof found !== 'object' || found === null)
        fail(`${what} to be read`, `read() answered ${show(found)}`)
      return found
    },
  }
  if (setup.breakBackend) fixture.breakBackend = () => setup.breakBackend?.()
  if (setup.healBackend) fixture.healBackend = () => setup.healBackend?.()
  if (setup.freezeBackend) fixture.freezeBackend = () => setup.freezeBackend?.()
  if (setup.thawBackend) fixture.thawBackend = () => setup.thawBackend?.()
  if (setup.fail) fixture.fail = async (kind, options = {}) => (await setup.fail?.(kind, options)) !== false
  if (setup.loseAnswer) fixture.loseAnswer = (nth = 1) => setup.loseAnswer?.(nth)
  if (setup.restartBackend) fixture.restartBackend = () => setup.restartBackend?.()
  if (setup.expiryOf) fixture.expiryOf = id => setup.expiryOf?.(id)
  if (setup.expiryOfSubject) fixture.expiryOfSubject = subject => setup.expiryOfSubject?.(subject)
  if (setup.pageSize !== undefined) fixture.pageSize = setup.pageSize
  if (setup.module !== undefined)
    fixture.module = typeof setup.module === 'string' ? { path: setup.module } : setup.module
  return fixture
}

/** The quickest of three reads, of an id that is not there. */
async function measured(store: Store, context: () => StoreContext): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let n = 0; n < 3; n++) {
    const started = performance.now()
    await store.read(randomId(), context())
    least = Math.min(least, performance.now() - started)
  }
  return least
}

function caseClock(setup: StoreSetup): CaseClock {
  const { now, advance } = setup
  if (now && advance) {
    return {
      now: () => now(),
      advance: async ms => await advance.call(setup, ms),
      life: 60_000,
      exact: true,
      ofBackend: true,
    }
  }
  if (now) {
    const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms + 30))
    return { now: () => now(), advance: pause, life: 400, exact: false, ofBackend: true }
  }
  let passed = 0
  const start = Date.now()
  return {
    now: () => start + passed,
    advance: async ms => {
      passed += ms
    },
    life: 60_000,
    exact: true,
    ofBackend: false,
  }
}

/** What a record says, without its version and whatever else a store may add. */
export function facts(record: SessionRecord | null | undefined): SessionRecord | null {
  if (!record) return null
  const { payload, expiresAt, subject } = record
  return subject === undefined ? { payload, expiresAt } : { payload, expiresAt, subject }
}

/** 160 random bits in lower-case hexadecimal, as the engine's ids. Not for security: it names test records. */
export function randomId(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(20))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

function randomSeed(): number {
  return globalThis.crypto.getRandomValues(new Uint32Array(1))[0] as number
}

/** For `skip`: the reason why a case needs an optional method that this store does not offer. */
export function without(...methods: (keyof Store)[]): (fixture: StoreFixture) => string | undefined {
  return ({ store }) => {
    const missing = methods.filter(method => typeof store[method] !== 'function')
    return missing.length > 0
      ? `the store offers no ${missing.map(name => `${name}()`).join(', ')}`
      : undefined
  }
}

/** Never a whole second, or a store that keeps whole seconds would pass once in a thousand runs. */
function unround(ms: number): number {
  return ms % 1_000 === 0 ? ms + 1 : ms
}
