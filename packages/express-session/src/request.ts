import type { IncomingMessage } from 'node:http'
import type { MaybePromise } from '@sess/core'
import type { Session } from './session.ts'
import type { Store } from './store.ts'

/** A request of Express, connect or `node:http`, or the object that `store.load` makes. */
export interface SessionRequest extends IncomingMessage {
  session?: Session | null
  sessionID: string
  sessionStore: Store
  /** Express: whether the connection is TLS, by `trust proxy`. */
  secure?: boolean
  /** cookie-parser */
  secret?: string
  cookies?: Record<string, string>
  signedCookies?: Record<string, any>
  originalUrl?: string
}

/** Saves the sessions of a request. */
export interface SessionOwner {
  /** `Session.save` */
  save(session: Session): MaybePromise<void>
  /** `Session.reload`: what is not saved is dropped. */
  reload(session: Session): MaybePromise<void>
  /** The application has ended the session. */
  destroyed(session: Session): void
  /** The session was just made, so nothing is stored under its ID. */
  generated(session: Session): void
}

/** Where a request has its owner. Not a WeakMap: to fill it and to clean it up takes 2 µs a request. */
const OWNER = Symbol('session owner')

/** Who saves the sessions of a request. `undefined`: they were made by hand. */
export function ownerOf(req: object): SessionOwner | undefined {
  return (req as { [OWNER]?: SessionOwner })[OWNER]
}

export function setOwner(req: object, owner: SessionOwner): void {
  ;(req as { [OWNER]?: SessionOwner })[OWNER] = owner
}
