import type { IncomingMessage } from 'node:http'
import type { RequestSession } from './request-session.ts'
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

const owners = new WeakMap<object, RequestSession>()

/** What the middleware knows of the session of a request. `undefined` if no middleware has made it. */
export function ownerOf(req: object): RequestSession | undefined {
  return owners.get(req)
}

export function setOwner(req: object, owner: RequestSession): void {
  owners.set(req, owner)
}
