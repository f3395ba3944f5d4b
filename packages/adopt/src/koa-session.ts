import { type Adopter, ConfigError, type MaybePromise, type OldRecord, type OldSession } from '@sess/core'
import { readOptions } from '@sess/core/store'
import { type OldCookieOptions, oldCookieTable, placeOf, recordOf } from './old-cookies.ts'
import { type Keys, keygripOf, keysCheck, signedPair } from './signed-pair.ts'
import { base64Json, isObject } from './values.ts'

/** What is called of an external store of koa-session. It gets no `ctx`. */
export interface KoaStore {
  get(key: string, maxAge?: any, options?: any): MaybePromise<unknown>
  destroy(key: string, options?: any): MaybePromise<unknown>
}

/** The options that koa-session has had. */
export interface KoaSessionOptions extends OldCookieOptions {
  /** `app.keys`. Sessions without a signature are not adopted. */
  keys: Keys
  /** The option `key` of koa-session. Default `koa.sess`. */
  name?: string | undefined
  /** The external store. Absent: the session is in the cookie. */
  store?: KoaStore | undefined
  /** The option `maxAge`, in milliseconds, which the external store gets. Default one day. */
  maxAge?: number | 'session' | undefined
  /** The option `decode`: the data in a cookie. Default: base64 of JSON. */
  decode?: ((text: string) => unknown) | undefined
}

/**
 * Takes over sessions of koa-session (5.x to 7.x), in cookies or in an external store.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const sessions = createSessions({ store, adopt: [koaSession({ keys: app.keys })] })
 */
export function koaSession(options: KoaSessionOptions): Adopter {
  const read = readOptions<KoaSessionOptions, 'domain' | 'convert' | 'subject' | 'store'>(options, {
    ...oldCookieTable('koa.sess'),
    keys: [undefined, keysCheck],
    store: [undefined, [isStore, 'the external store of koa-session, with get() and destroy()']],
    maxAge: [
      86_400_000,
      [value => value === 'session' || Number.isFinite(value), "milliseconds, or 'session'"],
    ],
    decode: [base64Json, [value => typeof value === 'function', 'a function']],
  })
  const { keys, name, store, maxAge, decode } = read
  if (!keys) throw new ConfigError('keys', 'is missing: the keys that koa-session has used (app.keys).')
  const keygrip = keygripOf(keys)

  return (_, context) => {
    const pair = signedPair(name, keygrip, context)
    if (!pair) return null
    const { value, id } = pair
    const record = (data: unknown): OldRecord | null => {
      if (!isObject(data)) return null
      const { _expire, _maxAge, _session, ...rest } = data
      return recordOf(read, rest, typeof _expire === 'number' ? _expire : undefined)
    }
    const session: OldSession = {
      id,
      read: () => record(decode(value)),
      ...placeOf(read, [name, `${name}.sig`]),
    }
    if (!store) return session
    return {
      ...session,
      read: async () => record(await store.get(value, maxAge, { rolling: false })),
      done: () => store.destroy(value, {}),
    }
  }
}

function isStore(value: unknown): boolean {
  const { get, destroy } = Object(value) as Partial<KoaStore>
  return typeof get === 'function' && typeof destroy === 'function'
}
