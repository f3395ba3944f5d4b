import { randomBytes } from '#crypto'
import type { Clash } from './changes.ts'
import { type Checks, checkOptions } from './check.ts'
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

const flag = [true, false] as const
const callable = [(value: unknown) => typeof value === 'function', 'a function'] as const
const object = [(value: unknown) => typeof value === 'object' && value !== null, 'an object'] as const
const positive = (value: unknown): boolean => typeof value === 'number' && value > 0 && value < Infinity
const methods =
  (...names: string[]) =>
  (value: any): boolean =>
    names.every(name => typeof value?.[name] === 'function')

const CHECKS: Checks<SessionsOptions> = {
  store: object,
  secret: [() => true, ''],
  cookie: object,
  age: [positive, 'seconds: a number above 0, such as 1209600'],
  absoluteAge: [positive, 'seconds: a number above 0'],
  expireAtBrowserClose: flag,
  saveEveryRequest: [
    (value: any) => typeof value === 'boolean' || value?.touchAfter === 0 || positive(value?.touchAfter),
    'true, false or { touchAfter: seconds }',
  ],
  // A timer of 2 ** 31 ms or more fires at once.
  timeout: [(value: any) => positive(value) && value < 2 ** 31, 'milliseconds: a number above 0'],
  onConflict: [
    (value: any) => value === 'last' || value === 'error' || typeof value === 'function',
    "'last', 'error' or a function",
  ],
  notBefore: callable,
  maxBytes: [positive, 'bytes: a number above 0'],
  lazy: flag,
  trackMutations: flag,
  schema: [(value: any) => typeof value?.['~standard']?.validate === 'function', 'a Standard Schema'],
  codec: [methods('encode', 'decode'), 'a codec, such as json()'],
  hashKeys: flag,
  hooks: object,
  clock: [
    (value: any) => typeof value === 'function' && Number.isFinite(value()),
    'a function that gives milliseconds',
  ],
  random: [
    (value: any) => typeof value === 'function' && value(1) instanceof Uint8Array,
    'a function (size) => Uint8Array',
  ],
}

const HOOKS = Object.fromEntries(
  'created,loaded,saved,touched,rotated,destroyed,conflict,interrupted,corrupt,storeError,error'
    .split(',')
    .map(name => [name, callable]),
) as unknown as Checks<Hooks>

/** Checks every option; a wrong one is a ConfigError that names it. */
export function resolveOptions(options: SessionsOptions): Settings {
  checkOptions(options ?? {}, CHECKS, '')
  checkOptions(options?.hooks ?? {}, HOOKS, 'hooks.')
  const { store, saveEveryRequest } = options ?? ({} as SessionsOptions)
  const inCookie = methods('seal', 'unseal')(store)
  const missing = ['read', 'insert', 'replace', 'touch', 'remove'].filter(name => !methods(name)(store))
  if (!inCookie && missing[0]) {
    throw new ConfigError(
      'store',
      store
        ? `is neither a Store (it lacks ${missing.join(', ')}) nor a CookieStore (seal, unseal).`
        : "is required, such as sqliteStore('sessions.db').",
    )
  }
  return {
    age: 1_209_600,
    absoluteAge: undefined,
    expireAtBrowserClose: false,
    timeout: 5000,
    onConflict: 'last',
    notBefore: undefined,
    maxBytes: 1_048_576,
    lazy: false,
    trackMutations: true,
    schema: undefined,
    codec: json(),
    hashKeys: true,
    hooks: {},
    clock: Date.now,
    random: randomBytes,
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    store: inCookie ? undefined : (store as Store),
    cookieStore: inCookie ? (store as CookieStore) : undefined,
    secrets: checkSecrets(options.secret, inCookie ? (store as CookieStore) : undefined),
    cookie: cookiePolicy(options.cookie ?? {}),
    touchAfter:
      typeof saveEveryRequest === 'object' ? saveEveryRequest.touchAfter : saveEveryRequest ? 0 : undefined,
  }
}
