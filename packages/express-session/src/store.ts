import { EventEmitter } from 'node:events'
import type { Callback } from './callback.ts'
import { Cookie } from './cookie.ts'
import { ForeignRecord } from './foreign-record.ts'
import { loadSession } from './loaded-session.ts'
import type { SessionRequest } from './request.ts'
import { Session } from './session.ts'

/** A session as a store returns it: an object with its keys, and `cookie`. */
export type StoredSession = Record<string, any>

/** What express-session asks of a store, and what its base class adds. */
export interface Store extends EventEmitter {
  get(id: string, callback: (error?: any, session?: StoredSession | null) => void): void
  set(id: string, session: StoredSession, callback?: Callback): void
  destroy(id: string, callback?: Callback): void
  touch?(id: string, session: StoredSession, callback?: Callback): void
  all?(callback: (error?: any, sessions?: any) => void): void
  clear?(callback?: Callback): void
  length?(callback: (error?: any, length?: number) => void): void
  /** The middleware sets it. */
  generate(req: SessionRequest): void
  /** Ends the request's session and gives it a new one. */
  regenerate(req: SessionRequest, callback: Callback): void
  /** Loads a session that belongs to no request, for sockets and jobs. */
  load(id: string, callback: (error?: any, session?: Session) => void): void
  /** Puts a session with these data on the request. */
  createSession(req: SessionRequest, data: StoredSession): Session
}

type StoreConstructor = { new (): Store; (this: unknown): void; prototype: Store }

/** The base class of stores. A function, because older stores call it without `new`. */
export const Store = function Store(this: Store): void {
  EventEmitter.call(this)
} as unknown as StoreConstructor

const methods: Pick<Store, 'regenerate' | 'load' | 'createSession'> & ThisType<Store> = {
  regenerate(req, callback) {
    this.destroy(req.sessionID, error => {
      this.generate(req)
      callback(error)
    })
  },
  load(id, callback) {
    loadSession(this, (id, known) => new ForeignRecord(this, id, known), id, callback)
  },
  createSession(req, data) {
    const stored = data['cookie']
    const expires = stored.expires
    const originalMaxAge = stored.originalMaxAge
    const cookie = new Cookie(stored)
    if (typeof expires === 'string') cookie.expires = new Date(expires)
    // It was set along with `expires`, but what is stored is how long the session lives after each request.
    cookie.originalMaxAge = originalMaxAge
    data['cookie'] = cookie
    const session = new Session(req, data)
    req.session = session
    return session
  },
}

Store.prototype = Object.create(EventEmitter.prototype, {
  constructor: { value: Store, writable: true, configurable: true },
})
Object.assign(Store.prototype, methods)
