import { randomBytes } from '#crypto'
import type { Clash } from './changes.ts'
import { type Codec, json } from './codec.ts'
import { type CookieOptions, type CookiePolicy, cookiePolicy } from './cookie.ts'
import { ConfigError } from './errors.ts'
import type { Hooks } from './hooks.ts'
import type { RandomBytes } from './key.ts'
import type { StandardSchema } from './schema.ts'
import { checkSecrets } from './secrets.ts'
import type { CookieStore, MaybePromise, Store } from './store.ts'

/** What `createSessions` and every adapter take. Only `store` is required. */
export interface SessionsOptions<Data extends object = any> {
  /** Where sessions live: a Store, or a CookieStore that keeps them in the cookie itself. */
  store: Store | CookieStore
  /** For cookie sessions: 32 bytes or more each; the first seals, all unseal. */
  secret?: string | readonly string[]
  cookie?: CookieOptions
  /** Seconds of inactivity after which a session ends. Default 1,209,600: two weeks (Django SESSION_COOKIE_AGE). */
  age?: number
  /** Seconds after creation, or after the last new subject, when a session ends however active. Default: none. */
  absoluteAge?: number
  /** Cookies that end with the browser, unless `setExpiry` says otherwise. Default false. */
  expireAtBrowserClose?: boolean
  /**
   * Every request extends the session's life, not only one that changes it. Default false. `touchAfter`: at most once
   * in so many seconds.
   */
  saveEveryRequest?: boolean | { touchAfter: number }
  /** Milliseconds that one load or one commit may wait for the store, retries included. Default 5,000. */
  timeout?: number
  /**
   * For what two requests replaced and no merge can join: `'last'` keeps the later save's value (default), `'error'` is a
   * SessionConflictError, and a function answers with the value to keep (`undefined` removes the key).
   */
  onConflict?: 'last' | 'error' | ((key: string, clash: Clash) => unknown)
  /** Milliseconds since the epoch: sessions of that subject that authenticated before then are void. */
  notBefore?: (subject: string) => MaybePromise<number | undefined>
  /** The most bytes of payload (UTF-8). More is a SessionDataError at commit. Default 1,048,576. */
  maxBytes?: number
  /** Adapters do not load the session; the handler says `await session.load()` where it needs it. Default false. */
  lazy?: boolean
  /** A nested mutation (`session.get('cart').push(x)`) is noticed and saved. `false` is Django's rule. Default true. */
  trackMutations?: boolean
  /** A Standard Schema of the data: types the session, and what comes out of the store is validated. */
  schema?: StandardSchema<unknown, Data>
  /** Data to text and back. Default `json()`. */
  codec?: Codec
  /** The store sees a hash of the key, never the key itself. `false` only to share a table with Django. Default true. */
  hashKeys?: boolean
  hooks?: Hooks
  /** The time in milliseconds since the epoch. Default `Date.now`. */
  clock?: () => number
  /** So many cryptographically secure random bytes. Default: the platform's generator. */
  random?: RandomBytes
}

/** The options, checked, with their defaults. */
export interface Settings {
  store: Store | undefined
  cookieStore: CookieStore | undefined
  secrets: readonly string[]
  cookie: CookiePolicy
  age: number
  absoluteAge: number | undefined
  expireAtBrowserClose: boolean
  /** Seconds; `undefined`: only changes extend a session's life. */
  touchAfter: number | undefined
  timeout: number
  onConflict: NonNullable<SessionsOptions['onConflict']>
  notBefore: SessionsOptions['notBefore']
  maxBytes: number
  lazy: boolean
  trackMutations: boolean
  schema: StandardSchema | undefined
  codec: Codec
  hashKeys: boolean
  hooks: Hooks
  clock: () => number
  random: RandomBytes
}

type Check = [test: (value: any) => boolean, expected: string]

const positive = (value: unknown): boolean => typeof value === 'number' && value > 0 && Number.isFinite(value)
const boolean: Check = [value => typeof value === 'boolean', 'true or false']
const callable: Check = [value => typeof value === 'function', 'a function']
const object: Check = [value => typeof value === 'object' && value !== null, 'an object']
const methods =
  (...names: string[]) =>
  (value: unknown): boolean =>
    names.every(name => typeof (value as Record<string, unknown> | null)?.[name] === 'function')

const CHECKS: Record<keyof SessionsOptions, Check> = {
  store: object,
  secret: [() => true, ''],
  cookie: object,
  age: [positive, 'a number of seconds above 0, such as 1209600'],
  absoluteAge: [positive, 'a number of seconds above 0'],
  expireAtBrowserClose: boolean,
  saveEveryRequest: [
    value => typeof value === 'boolean' || (typeof value?.touchAfter === 'number' && value.touchAfter >= 0),
    'true, false or { touchAfter: seconds }',
  ],
  timeout: [value => positive(value) && value < 2 ** 31, 'a number of milliseconds above 0'],
  onConflict: [
    value => value === 'last' || value === 'error' || typeof value === 'function',
    "'last', 'error' or a function",
  ],
  notBefore: callable,
  maxBytes: [positive, 'a number of bytes above 0'],
  lazy: boolean,
  trackMutations: boolean,
  schema: [value => typeof value?.['~standard']?.validate === 'function', 'a Standard Schema'],
  codec: [methods('encode', 'decode'), 'a codec with encode and decode, such as json()'],
  hashKeys: boolean,
  hooks: object,
  clock: [
    value => typeof value === 'function' && Number.isFinite(value()),
    'a function that gives milliseconds',
  ],
  random: [
    value => typeof value === 'function' && value(1) instanceof Uint8Array,
    'a function (size) => Uint8Array',
  ],
}

const HOOKS =
  'created,loaded,saved,touched,rotated,destroyed,conflict,interrupted,corrupt,storeError,error'.split(',')
const STORE_METHODS = ['read', 'insert', 'replace', 'touch', 'remove']

/** Checks every option; a wrong one is a ConfigError that names it. */
export function resolveOptions(options: SessionsOptions): Settings {
  if (!object[0](options))
    throw new ConfigError('options', 'createSessions takes an object with at least a `store`.')
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name as keyof SessionsOptions] : undefined
    if (!check) throw new ConfigError(name, `unknown option; there are ${Object.keys(CHECKS).join(', ')}.`)
    if (value !== undefined && !check[0](value)) throw new ConfigError(name, `must be ${check[1]}.`)
  }
  for (const [name, hook] of Object.entries(options.hooks ?? {})) {
    if (!HOOKS.includes(name))
      throw new ConfigError(`hooks.${name}`, `unknown hook; there are ${HOOKS.join(', ')}.`)
    if (hook !== undefined && typeof hook !== 'function')
      throw new ConfigError(`hooks.${name}`, 'must be a function.')
  }
  const { store, saveEveryRequest } = options
  const inCookie = methods('seal', 'unseal')(store)
  const missing = STORE_METHODS.filter(name => !methods(name)(store))
  if (!inCookie && missing.length > 0) {
    throw new ConfigError(
      'store',
      store
        ? `is neither a Store (it lacks ${missing.join(', ')}) nor a CookieStore (seal, unseal).`
        : "is required, such as sqliteStore('sessions.db').",
    )
  }
  return {
    store: inCookie ? undefined : (store as Store),
    cookieStore: inCookie ? (store as CookieStore) : undefined,
    secrets: options.secret === undefined && !inCookie ? [] : checkSecrets(options.secret ?? []),
    cookie: cookiePolicy(options.cookie ?? {}),
    age: options.age ?? 1_209_600,
    absoluteAge: options.absoluteAge,
    expireAtBrowserClose: options.expireAtBrowserClose ?? false,
    touchAfter:
      typeof saveEveryRequest === 'object' ? saveEveryRequest.touchAfter : saveEveryRequest ? 0 : undefined,
    timeout: options.timeout ?? 5000,
    onConflict: options.onConflict ?? 'last',
    notBefore: options.notBefore,
    maxBytes: options.maxBytes ?? 1_048_576,
    lazy: options.lazy ?? false,
    trackMutations: options.trackMutations ?? true,
    schema: options.schema,
    codec: options.codec ?? json(),
    hashKeys: options.hashKeys ?? true,
    hooks: options.hooks ?? {},
    clock: options.clock ?? Date.now,
    random: options.random ?? randomBytes,
  }
}
