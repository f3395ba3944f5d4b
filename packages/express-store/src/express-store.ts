import { createHash } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import {
  ConfigError,
  SessionInterruptedError,
  SessionStoreError,
  type Store as SessStore,
  safeCause,
} from '@sess/core'
import { isSessionId, oneOf, readOptions } from '@sess/core/store'
import expressSession from 'express-session'
import { LRUCache } from 'lru-cache'

/** Options of `toExpressStore`. */
export interface ExpressStoreOptions {
  /** Seconds that a session lives whose cookie has no end. Default 86,400: a day. */
  ttl?: number | undefined
  /**
   * Whose session it is: the subject of the record, for `removeBySubject` of the store.
   *
   * @example
   * toExpressStore(store, { subject: session => session.passport?.user })
   */
  subject?: ((session: any) => string | number | undefined) | undefined
  /**
   * What happens if a request changes a session that has ended meanwhile. `'event'`: the store emits `interrupted`, and the
   * callback gets no error. `'error'`: the callback gets a `SessionInterruptedError`. Default `'event'`, because an error ends
   * the process under next-session, and comes after the response under express-session.
   */
  interrupted?: 'event' | 'error' | undefined
}

type Callback<T = void> = (error?: any, result?: T) => void

/** What express-session keeps: the data of a session, and its cookie. */
export interface ExpressSessionData {
  cookie: any
  [key: string]: any
}

/** A store for express-session over a store of Sess. It fits the type `Store` of `@types/express-session`. */
export interface ExpressStore extends EventEmitter {
  get(sid: string, callback: (error: any, session?: any) => void): void
  set(sid: string, session: any, callback?: (error?: any) => void): void
  touch(sid: string, session: any, callback?: (error?: any) => void): void
  destroy(sid: string, callback?: (error?: any) => void): void
  /** All live sessions, each with an `id` that `destroy` takes. Absent if the store of Sess has no `scan`. */
  all?: (callback: (error: any, sessions?: any) => void) => void
  /** Removes all sessions. Absent if the store of Sess has no `scan`. */
  clear?: (callback?: (error?: any) => void) => void
  /** How many live sessions there are. Absent if the store of Sess has no `scan`. */
  length?: (callback: (error: any, length?: number) => void) => void
  /** Of express-session's base class. */
  regenerate(req: any, callback: (error?: any) => any): void
  load(sid: string, callback: (error: any, session?: any) => any): void
  createSession(req: any, session: any): any
}

/**
 * Makes a store for express-session of any store of Sess. It also fits what takes such a store: express-openid-connect,
 * `@fastify/session`, next-session, keycloak-connect.
 *
 * A session that was destroyed while a request ran is not brought back by that request's `set`. If the request has changed
 * something, the store emits the event `interrupted` with the session's id.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * app.use(session({ store: toExpressStore(sqliteStore('sessions.db')), secret, resave: false, saveUninitialized: false }))
 */
export function toExpressStore(store: SessStore, options: ExpressStoreOptions = {}): ExpressStore {
  return new BridgeStore(store, options) as unknown as ExpressStore
}

// Without types, because the users of `@types/express-session` and those of the facade have different ones.
const Store: any = expressSession.Store

/** What a `get` has returned: a digest of the data, to see whether a request has changed them. */
type Seen = string

/** So many sessions are remembered for libraries that do not hand back what `get` returned. */
const MAX_SEEN = 100_000
/** So often a write is tried that others overtake. Each loss means that another write of this session succeeded. */
const MAX_TRIES = 100

class BridgeStore extends Store {
  readonly #store: SessStore
  readonly #ttl: number
  readonly #subject: ExpressStoreOptions['subject']
  readonly #isError: boolean
  /** By the session object. express-session makes one for each request. */
  readonly #seenBy = new WeakMap<object, Seen>()
  /** By id, for libraries that pass another object to `set`. Only `get` adds to it. */
  readonly #seen = new LRUCache<string, Seen>({ max: MAX_SEEN })
  declare all?: ExpressStore['all']
  declare clear?: ExpressStore['clear']
  declare length?: ExpressStore['length']

  constructor(store: SessStore, options: ExpressStoreOptions) {
    super()
    if (typeof store?.read !== 'function' || typeof store.replace !== 'function') {
      throw new ConfigError(
        'store',
        "must be a store of Sess on the server, such as sqliteStore('sessions.db').",
      )
    }
    const { ttl, subject, interrupted } = readOptions<ExpressStoreOptions, 'subject'>(options, {
      ttl: [86_400, [value => Number.isFinite(value) && value > 0, 'seconds: a number above 0']],
      subject: [undefined, [value => typeof value === 'function', 'a function']],
      interrupted: ['event', oneOf('event', 'error')],
    })
    this.#store = store
    this.#ttl = ttl
    this.#subject = subject
    this.#isError = interrupted === 'error'
    if (store.scan) {
      this.all = callback => call(this.#all(), callback)
      this.clear = callback => call(this.#clear(), callback)
      this.length = callback => call(this.#length(), callback)
    }
  }

  get(sid: string, callback: Callback<ExpressSessionData | null>): void {
    call(this.#get(sid), callback)
  }

  set(sid: string, session: ExpressSessionData, callback?: Callback): void {
    call(this.#set(sid, session), callback)
  }

  touch(sid: string, session: ExpressSessionData, callback?: Callback): void {
    call(this.#touch(sid, session), callback)
  }

  destroy(sid: string, callback?: Callback): void {
    call(this.#destroy(sid), callback)
  }

  /** express-session makes the session of a request from what `get` returned. */
  createSession(req: unknown, data: ExpressSessionData): ExpressSessionData {
    const session = super.createSession(req, data)
    const seen = this.#seenBy.get(data)
    if (seen !== undefined) this.#seenBy.set(session, seen)
    return session
  }

  async #get(sid: string): Promise<ExpressSessionData | null> {
    const record = await this.#store.read(idOf(sid))
    if (!record) {
      // A session that is made under this id from now on is a new one.
      this.#seen.delete(sid)
      return null
    }
    const session = parse(record.payload, record.expiresAt)
    const seen = digestOf(session)
    this.#seen.set(sid, seen)
    this.#seenBy.set(session, seen)
    return session
  }

  async #set(sid: string, session: ExpressSessionData): Promise<void> {
    const id = idOf(sid)
    const expiresAt = this.#endOf(session)
    if (expiresAt <= Date.now()) return this.#destroy(sid)
    const subject = this.#subject?.(session)
    const record = {
      payload: JSON.stringify(session),
      expiresAt,
      ...(subject !== undefined && { subject: String(subject) }),
    }
    const now = digestOf(session)
    let seen = this.#seenBy.get(session) ?? (isOfExpress(session) ? undefined : this.#seen.get(sid))
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const stored = await this.#store.read(id)
      if (!stored && seen !== undefined) {
        // Destroyed meanwhile. Nothing is lost if the request has changed nothing.
        if (seen === now) return
        if (this.#isError) throw new SessionInterruptedError()
        super.emit('interrupted', sid)
        return
      }
      const isWritten = stored
        ? (await this.#store.replace(id, record, stored.version)) === 'ok'
        : await this.#store.insert(id, record)
      if (isWritten) {
        this.#seenBy.set(session, now)
        if (this.#seen.has(sid)) this.#seen.set(sid, now)
        return
      }
      // Another request was faster. From here on a session that is gone was there before.
      if (stored) seen ??= ''
      else await this.#removeExpired(id)
    }
    throw new SessionStoreError('Other requests kept changing the session. Try again.')
  }

  /** The id of a new session may be taken by a record that has expired. */
  async #removeExpired(id: string): Promise<void> {
    const expired = await this.#store.read(id, { now: 0 })
    if (expired && expired.expiresAt <= Date.now()) await this.#store.remove(id, expired.version, { now: 0 })
  }

  async #touch(sid: string, session: ExpressSessionData): Promise<void> {
    const id = idOf(sid)
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const stored = await this.#store.read(id)
      if (!stored || (await this.#store.touch(id, this.#endOf(session), stored.version))) return
    }
  }

  async #destroy(sid: string): Promise<void> {
    const result = await this.#store.remove(idOf(sid))
    // The id that `all` shows.
    if (result === 'gone' && isSessionId(sid)) await this.#store.remove(sid)
  }

  async #all(): Promise<ExpressSessionData[]> {
    const sessions: ExpressSessionData[] = []
    for await (const { id, payload, expiresAt } of this.#store.scan!()) {
      sessions.push({ ...parse(payload, expiresAt), id })
    }
    return sessions
  }

  async #clear(): Promise<void> {
    for await (const { id } of this.#store.scan!()) await this.#store.remove(id)
  }

  async #length(): Promise<number> {
    let length = 0
    for await (const _ of this.#store.scan!()) length++
    return length
  }

  /** When the session ends, in milliseconds since the epoch: with its cookie, or after `ttl`. */
  #endOf({ cookie }: ExpressSessionData): number {
    const expires = cookie?.expires ? new Date(cookie.expires).getTime() : Number.NaN
    return Number.isFinite(expires) ? expires : Date.now() + this.#ttl * 1000
  }
}

/** The id in the store. The store sees a digest, so that what it keeps opens no session. */
function idOf(sid: string): string {
  return createHash('sha256').update(`express-session\0${sid}`).digest('hex').slice(0, 40)
}

function parse(payload: string, expiresAt: number): ExpressSessionData {
  const session = JSON.parse(payload) as ExpressSessionData
  // `touch` changes the end of the record alone.
  if (session.cookie?.expires) session.cookie.expires = new Date(expiresAt).toISOString()
  return session
}

/** Without the cookie, whose end moves with each request. */
function digestOf(session: ExpressSessionData): Seen {
  const { cookie, ...data } = session
  return createHash('sha256').update(JSON.stringify(data)).digest('base64')
}

/** A session that express-session made for a request. It hands back what `createSession` returned. */
function isOfExpress(session: ExpressSessionData): boolean {
  return (session as { req?: unknown }).req !== undefined
}

/** Passes the outcome on. Not from inside a promise, where an error of the callback would be an unhandled rejection. */
function call<T>(outcome: Promise<T>, callback: Callback<T> | undefined): void {
  outcome.then(
    result => process.nextTick(() => callback?.(null, result)),
    error => process.nextTick(() => callback?.(failure(error))),
  )
}

/** Errors of a driver may have data in them. */
function failure(error: unknown): Error {
  if (typeof (error as { status?: unknown } | null)?.status === 'number') return error as Error
  return new SessionStoreError('The session store failed.', { cause: safeCause(error) })
}
