import { randomBytes } from '#crypto'
import type { Adopter } from './adopt.ts'
import type { Backend } from './backend.ts'
import { type Carrier, type HeaderCarrier, headerCarrier, isCarrier } from './carrier.ts'
import { type Check, flag, oneOf, readOptions, type Table } from './check.ts'
import { type Codec, isObject, json } from './codec.ts'
import { type CookieByRequest, type CookieOptions, type CookiePolicy, cookiePolicy } from './cookie.ts'
import { cookieBackend } from './cookie-backend.ts'
import { assertCanIsolate, settingsOfRequest } from './cookie-by-request.ts'
import { EngineState } from './engine-state.ts'
import { ConfigError } from './errors.ts'
import { looksLikeMilliseconds } from './expiry.ts'
import { FOREIGN_OPTIONS } from './foreign.ts'
import type { Hooks } from './hooks.ts'
import type { RandomBytes } from './key.ts'
import type { Clash } from './key-change.ts'
import type { MaxSessions } from './max-sessions.ts'
import type { Data } from './merge.ts'
import type { Migrate, StandardSchema } from './schema.ts'
import { checkSecrets } from './secrets.ts'
import { serverBackend } from './server-backend.ts'
import { type CookieStore, type MaybePromise, RETURNS, type Store } from './store.ts'

/** What `createSessions` and every adapter take. Only `store` is required. */
export interface SessionsOptions<D extends object = any> {
  /** Where sessions live: a Store, or a CookieStore that keeps them in the cookie itself. */
  store: Store | CookieStore
  /** For cookie sessions: 32 bytes or more each. The first one seals, and all of them unseal. */
  secret?: string | readonly string[] | undefined
  /** A function is short for `{ byRequest }`. */
  cookie?: CookieOptions | CookieByRequest | undefined
  /**
   * Where clients keep the key: `'cookie'` (default), `{ header: 'authorization' }` or `{ header: 'x-session' }` for apps
   * without a cookie jar, and `{ header, cookie: true }` for both.
   */
  carrier?: Carrier | undefined
  /**
   * Seconds of inactivity after which a session ends. Default 1,209,600: two weeks (Django SESSION_COOKIE_AGE). A value
   * of 3,600,000 or more must be a whole number of days, at most 400, so that milliseconds are not taken for seconds.
   */
  age?: number | undefined
  /** Seconds after creation, or after the last new subject, when a session ends however active. Default: none. */
  absoluteAge?: number | undefined
  /** Cookies that end with the browser, unless `setExpiry` says otherwise. Default false. */
  expireAtBrowserClose?: boolean | undefined
  /**
   * Every request extends the session's life, not only one that changes it. Default false. `touchAfter`: at most once
   * in so many seconds.
   */
  saveEveryRequest?: boolean | { touchAfter: number } | undefined
  /**
   * Milliseconds that one load or one commit may wait for the store, retries and a `save()` that was not awaited included.
   * Default 5,000.
   */
  timeout?: number | undefined
  /**
   * Decides a value that both requests replaced and that cannot be merged: `'last'` keeps the later save's value (default), `'error'` is a
   * SessionConflictError, and a function returns the value to keep (`undefined` removes the key).
   */
  onConflict?: 'last' | 'error' | ((key: string, clash: Clash) => unknown) | undefined
  /** At most so many sessions of one subject, and what happens at a login that is one too many. Default: no limit. */
  maxSessions?: MaxSessions | undefined
  /** Adapters note the user agent and the address in `session.device` when the subject is set. Default false. */
  devices?: boolean | undefined
  /**
   * What happens when a key is used more than 30 s after its rotation, which probably means that it was stolen:
   * `'report'` calls the hook `reused`, `'end-all'` also ends the session that took its place. Default: old keys are
   * forgotten after 30 s.
   */
  reuse?: 'report' | 'end-all' | undefined
  /**
   * Paths of background polls, such as `'/unread'` or `'/events/*'`: requests to them do not extend the session's life
   * (`session.extend`). `*` at the end stands for any rest. Default: none.
   */
  background?: readonly string[] | undefined
  /** Milliseconds since the epoch: sessions of that subject that authenticated before then are void. */
  notBefore?: ((subject: string) => MaybePromise<number | undefined>) | undefined
  /**
   * The most bytes of payload (UTF-8). More is a SessionDataError at commit. Default 1,048,576, or the store's own
   * `maxBytes` if that is less.
   */
  maxBytes?: number | undefined
  /** Adapters do not load the session; the handler says `await session.load()` where it needs it. Default false. */
  lazy?: boolean | undefined
  /** A nested mutation (`session.get('cart').push(x)`) is noticed and saved. `false` is Django's rule. Default true. */
  trackMutations?: boolean | undefined
  /**
   * A Standard Schema of the data (zod, valibot, arktype): types the session and validates it.
   *
   * - What comes out of the store is validated; what does not fit is an empty session and a `corrupt` event.
   * - What goes in is validated at commit: a SessionDataError names the key, and nothing is saved.
   * - What the request did not change is written back as it was stored, so that a release whose schema does not know a
   *   key does not delete it.
   * - Its defaults apply to new sessions, if it returns no promise.
   */
  schema?: StandardSchema<unknown, D> | undefined
  /**
   * Makes stored data that no longer fit `schema` fit again: gets a copy of them and the schema's issues, and returns
   * the data to validate instead, or `undefined` for an empty session. The next save stores what it returned.
   */
  migrate?: Migrate | undefined
  /** Data to text and back. Default `json()`. */
  codec?: Codec | undefined
  /** The store sees a hash of the key, never the key itself. `false` only to share a table with Django. Default true. */
  hashKeys?: boolean | undefined
  /**
   * Sessions of another library that are taken over: a visitor who has an old cookie, and no session yet, gets one with the
   * old data. `@sess/adopt` has adopters for express-session, cookie-session, koa-session, iron-session and Django's signed
   * cookies. Not for cookie sessions.
   */
  adopt?: readonly Adopter[] | undefined
  hooks?: Hooks | undefined
  /** The time in milliseconds since the epoch. Default `Date.now`. */
  clock?: (() => number) | undefined
  /** So many cryptographically secure random bytes. Default: the platform's generator. */
  random?: RandomBytes | undefined
}

/** The options, checked, with their defaults. They never change. */
export interface Settings {
  /** What does change: the state that all requests of this engine share. */
  engine: EngineState
  /** The `store` option. If it is a cookie store, only `close()` may be called on it. */
  store: Store
  /** Where sessions are kept: in that store, or in the cookie. */
  backend: Backend
  secrets: readonly string[]
  cookie: CookiePolicy
  /** `undefined`: keys are in cookies alone. */
  carrier: HeaderCarrier | undefined
  /** Gives the settings of one request, if cookies depend on it. */
  ofRequest: ((request: unknown) => Settings) | undefined
  age: number
  absoluteAge: number | undefined
  expireAtBrowserClose: boolean
  /** Seconds. `undefined`: only changes extend a session's life. */
  touchAfter: number | undefined
  timeout: number
  onConflict: NonNullable<SessionsOptions['onConflict']>
  maxSessions: MaxSessions | undefined
  devices: boolean
  reuse: SessionsOptions['reuse']
  background: readonly string[]
  notBefore: SessionsOptions['notBefore']
  maxBytes: number
  lazy: boolean
  trackMutations: boolean
  schema: StandardSchema | undefined
  migrate: Migrate | undefined
  codec: Codec
  /** Payloads are decoded during loading, because decoding may be asynchronous. Otherwise at the first access. */
  decodesEarly: boolean
  /** Writes data or a value as the text by which it is compared. `parse` reads that text. */
  stringify: (value: unknown) => string
  parse: (text: string, isBase: boolean) => unknown
  /** The text of loaded data, for later comparisons. It is the payload itself, unless payloads are decoded early. */
  baseOf: (data: Data, payload: string) => string
  hashKeys: boolean
  /** `undefined` if the list is empty. */
  adopt: readonly Adopter[] | undefined
  clock: () => number
  random: RandomBytes
}

const anything: Check = [() => true, '']
const object: Check = [isObject, 'an object']
const callable: Check = [isFunction, 'a function']

/** Of seconds, milliseconds or bytes. */
function above0(unit: string, limit = Infinity): Check {
  return [value => typeof value === 'number' && value > 0 && value < limit, `${unit}: a number above 0`]
}

const seconds = above0('seconds')

const OPTIONS: Table<SessionsOptions> = {
  // Both are checked below, together.
  store: [undefined, anything],
  secret: [undefined, anything],
  cookie: [{}, [value => isObject(value) || isFunction(value), 'an object, or a function of the request']],
  carrier: [
    'cookie',
    [
      isCarrier,
      "'cookie', { header: 'authorization' }, { header: 'x-session' }, or one of these with `cookie: true`",
    ],
  ],
  age: [1_209_600, seconds],
  absoluteAge: [undefined, seconds],
  expireAtBrowserClose: [false, flag],
  saveEveryRequest: [
    false,
    [
      value => typeof value === 'boolean' || value?.touchAfter === 0 || seconds[0](value?.touchAfter),
      'true, false or { touchAfter: seconds }',
    ],
  ],
  // A timer of 2 ** 31 ms or more fires at once.
  timeout: [5000, above0('milliseconds', 2 ** 31)],
  onConflict: [
    'last',
    [value => value === 'last' || value === 'error' || isFunction(value), "'last', 'error' or a function"],
  ],
  maxSessions: [
    undefined,
    [isMaxSessions, "{ count, then }: a whole number above 0, and 'end-oldest' or 'refuse'"],
  ],
  devices: [false, flag],
  reuse: [undefined, oneOf('report', 'end-all')],
  background: [[], [isPaths, "a list of paths that begin with '/', such as ['/unread', '/events/*']"]],
  notBefore: [undefined, callable],
  maxBytes: [1_048_576, above0('bytes')],
  lazy: [false, flag],
  trackMutations: [true, flag],
  schema: [undefined, [value => isFunction(value?.['~standard']?.validate), 'a Standard Schema']],
  migrate: [undefined, callable],
  codec: [
    json(),
    [value => isFunction(value?.encode) && isFunction(value.decode), 'a codec, such as json()'],
  ],
  hashKeys: [true, flag],
  adopt: [
    undefined,
    [
      value => Array.isArray(value) && value.every(isFunction),
      "a list of adopters, such as [expressSession({ store, secret })] of '@sess/adopt'",
    ],
  ],
  hooks: [{}, object],
  clock: [
    Date.now,
    [value => isFunction(value) && Number.isFinite(value()), 'a function that gives milliseconds'],
  ],
  random: [
    randomBytes,
    [value => isFunction(value) && value(1) instanceof Uint8Array, 'a function (size) => Uint8Array'],
  ],
}

const HOOKS = Object.fromEntries(
  'created,adopted,loaded,saved,touched,rotated,reused,destroyed,conflict,interrupted,corrupt,storeError,warning,error'
    .split(',')
    .map(name => [name, [undefined, callable]]),
) as unknown as Table<Hooks>

/** Reads every option; a wrong one is a ConfigError that names it. */
export function resolveOptions(options: SessionsOptions): Settings {
  if (isStore(options))
    throw new ConfigError('store', 'is an option: write session({ store: cacheStore() }).')
  const { secret, cookie, carrier, saveEveryRequest, hooks, ...settings } = readOptions<
    SessionsOptions,
    'secret' | 'absoluteAge' | 'maxSessions' | 'reuse' | 'notBefore' | 'schema' | 'migrate' | 'adopt'
  >(options, OPTIONS, '', FOREIGN_OPTIONS)
  assertSeconds('age', settings.age)
  assertSeconds('absoluteAge', settings.absoluteAge)
  const { codec, schema, notBefore, store, reuse } = settings
  readOptions(hooks, HOOKS, 'hooks.')
  if (settings.migrate && !schema) throw new ConfigError('migrate', 'needs a `schema`.')
  const lacks = (methods: string[]): string =>
    methods.filter(name => !isFunction((store as any)?.[name])).join(', ')
  const missing = lacks(Object.keys(RETURNS))
  const cookieStore = lacks(['seal', 'unseal']) ? undefined : (store as CookieStore)
  if (missing && !cookieStore) {
    throw new ConfigError(
      'store',
      `must be a Store such as sqliteStore('sessions.db'), or a CookieStore; this lacks ${missing}.`,
    )
  }
  assertStoreFits(settings, cookieStore !== undefined)
  const stringify = (value: unknown): string => (codec.stringify ?? JSON.stringify).call(codec, value)
  const decodesEarly = !codec.sync || Boolean(schema ?? notBefore ?? reuse)
  const cookieOptions: CookieOptions = typeof cookie === 'function' ? { byRequest: cookie } : cookie
  const resolved: Settings = {
    ...settings,
    engine: new EngineState(hooks),
    store: store as Store,
    backend: cookieStore ? cookieBackend(cookieStore) : serverBackend,
    secrets: checkSecrets(secret, cookieStore),
    cookie: cookiePolicy(cookieOptions),
    carrier: headerCarrier(carrier),
    ofRequest: undefined,
    maxBytes: Math.min(settings.maxBytes, storeLimit((store as Store).maxBytes)),
    touchAfter: saveEveryRequest
      ? ((saveEveryRequest as { touchAfter?: number }).touchAfter ?? 0)
      : undefined,
    adopt: settings.adopt?.[0] && settings.adopt,
    decodesEarly,
    stringify,
    baseOf: (data, payload) => (decodesEarly ? stringify(data) : payload),
    // Without early decoding it is the payload that data are compared with.
    parse: (text, isBase) =>
      isBase && !decodesEarly ? codec.decode(text) : (codec.parse ?? JSON.parse).call(codec, text),
  }
  assertCanIsolate(resolved, cookieOptions)
  const ofRequest = settingsOfRequest(resolved, cookieOptions)
  return ofRequest ? { ...resolved, ofRequest } : resolved
}

/** Options that not every store can have. */
function assertStoreFits(
  {
    adopt,
    maxSessions,
    reuse,
    store,
    hashKeys,
  }: Pick<SessionsOptions, 'adopt' | 'maxSessions' | 'reuse' | 'store' | 'hashKeys'>,
  isInCookie: boolean,
): void {
  if (adopt?.[0] && isInCookie) {
    throw new ConfigError(
      'adopt',
      'needs a store on the server. A cookie session cannot remember which old cookies were used.',
    )
  }
  if (maxSessions && !isFunction((store as Partial<Store>).scanBySubject)) {
    throw new ConfigError(
      'maxSessions',
      'needs a store with scanBySubject(), such as those of @sess/store-sql and @sess/store-redis.',
    )
  }
  if (reuse && isInCookie) throw new ConfigError('reuse', 'needs a store that keeps sessions on the server.')
  if (reuse && !hashKeys)
    throw new ConfigError('reuse', 'needs `hashKeys: true`: without it a rotation leaves no marker.')
}

function isMaxSessions({ count, then, ...unknown }: Partial<MaxSessions>): boolean {
  return (
    Number.isSafeInteger(count) &&
    count! > 0 &&
    (then === 'end-oldest' || then === 'refuse') &&
    Object.keys(unknown).length === 0
  )
}

function isPaths(paths: unknown): boolean {
  return Array.isArray(paths) && paths.every(path => typeof path === 'string' && /^\/[^*?#]*\*?$/.test(path))
}

function storeLimit(bytes: number | undefined): number {
  if (bytes === undefined) return Infinity
  if (typeof bytes === 'number' && bytes > 0) return bytes
  throw new ConfigError('store.maxBytes', 'must be bytes: a number above 0, or absent if there is no limit.')
}

function isStore(value: unknown): boolean {
  const { read, insert, seal, unseal } = Object(value) as Record<string, unknown>
  return (isFunction(read) && isFunction(insert)) || (isFunction(seal) && isFunction(unseal))
}

/** Rejects milliseconds that were given as seconds: an age of 3,600,000 or more must be a whole number of days, at most 400. */
function assertSeconds(option: string, age: number | undefined): void {
  if (age === undefined || !looksLikeMilliseconds(age)) return
  throw new ConfigError(
    option,
    `is in seconds, and ${age} looks like milliseconds. An hour is 3600. From 3,600,000 on it is whole days, 400 at most.`,
  )
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}
