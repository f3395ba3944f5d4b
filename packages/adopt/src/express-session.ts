import { type Adopter, ConfigError } from '@sess/core'
import { readOptions } from '@sess/core/store'
import { sign, unsign } from 'cookie-signature'
import { type OldCookieOptions, oldCookieTable, placeOf, recordOf } from './old-cookies.ts'
import { decodedValue } from './values.ts'

/** What is called of a store of express-session, such as that of connect-redis. */
export interface ExpressStore {
  get(id: string, callback: (error: any, session?: any) => void): unknown
  destroy(id: string, callback?: (error?: any) => void): unknown
}

/** The options that `session()` of express-session has had. */
export interface ExpressSessionOptions extends OldCookieOptions {
  store: ExpressStore
  /** All of its secrets: a cookie that another one signed is not adopted. */
  secret: string | readonly string[]
  /** Default `connect.sid`. */
  name?: string | undefined
}

/**
 * Takes over sessions of express-session (1.x). The store is asked for the data, and removes the record afterwards.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const sessions = createSessions({
 *   store: redisStore(client),
 *   adopt: [expressSession({ store: new RedisStore({ client }), secret: 'keyboard cat' })],
 * })
 */
export function expressSession(options: ExpressSessionOptions): Adopter {
  const read = readOptions<ExpressSessionOptions, 'domain' | 'convert' | 'subject'>(options, {
    ...oldCookieTable('connect.sid'),
    store: [undefined, [isStore, 'the store of express-session, with get() and destroy()']],
    secret: [undefined, [isSecret, 'the secret of express-session, or a list of them']],
  })
  const { store, name } = read
  const secrets = [read.secret].flat()
  if (!store) throw new ConfigError('store', 'is missing: the store that express-session has used.')
  if (!secrets[0]) throw new ConfigError('secret', 'is missing: the secret that express-session has used.')

  return (_, { cookies }) => {
    const ids = new Set(cookies(name).map(value => signedId(value, secrets)))
    ids.delete(undefined)
    const [id, other] = ids
    // Two genuine cookies: nobody can tell which one is this visitor's.
    if (!id || other) return null
    return {
      id: sign(id, secrets[0]!),
      async read() {
        const session = await load(store, id)
        if (!session) return null
        const { cookie, ...data } = session
        return recordOf(read, data, endOf(cookie))
      },
      done: () => destroy(store, id),
      ...placeOf(read, [name]),
    }
  }
}

/** The id in a cookie value `s:id.signature`, if the signature is good. */
function signedId(value: string, secrets: readonly string[]): string | undefined {
  const text = decodedValue(value)
  if (!text.startsWith('s:')) return
  for (const secret of secrets) {
    const id = unsign(text.slice(2), secret)
    if (id) return id
  }
  return
}

function load(store: ExpressStore, id: string): Promise<Record<string, unknown> | null> {
  return new Promise((resolve, reject) => {
    store.get(id, (error, session) => {
      // express-session takes this code for "not found".
      if (error && error.code !== 'ENOENT') reject(error)
      else resolve(session ?? null)
    })
  })
}

function destroy(store: ExpressStore, id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    store.destroy(id, error => {
      if (error && error.code !== 'ENOENT') reject(error)
      else resolve()
    })
  })
}

/** When the session ends, in milliseconds since the epoch, if its cookie says so. */
function endOf(cookie: unknown): number | undefined {
  const { expires } = Object(cookie) as { expires?: unknown }
  return typeof expires === 'string' || expires instanceof Date ? new Date(expires).getTime() : undefined
}

function isStore(value: unknown): boolean {
  const { get, destroy } = Object(value) as Partial<ExpressStore>
  return typeof get === 'function' && typeof destroy === 'function'
}

function isSecret(value: unknown): boolean {
  const secrets = [value].flat()
  return secrets.length > 0 && secrets.every(secret => typeof secret === 'string' && secret !== '')
}
