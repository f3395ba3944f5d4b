import { ownerOf, type SessionRequest } from './request.ts'
import type { Session } from './session.ts'

/** Makes the session of a request at its first use, and keeps what the accessors below return. */
export interface LateSession {
  /** `begin` was called. */
  readonly hasBegun: boolean
  /** Puts a session and its ID on the request. */
  begin(): void
  session: Session | null | undefined
  sessionID: string
}

/**
 * Puts `session` and `sessionID` on a request whose owner is a `LateSession`. Many requests never use their session, and
 * one costs random bytes, two objects and a look for changes.
 *
 * The accessors stay on the request, because to replace them by values makes every later use of the request slower.
 */
export function beginLater(req: SessionRequest): void {
  Object.defineProperty(req, 'sessionID', SESSION_ID)
  Object.defineProperty(req, 'session', SESSION)
}

const SESSION: PropertyDescriptor & ThisType<SessionRequest> = {
  configurable: true,
  enumerable: true,
  get() {
    return begun(this).session
  },
  set(value) {
    begun(this).session = value
  },
}

const SESSION_ID: PropertyDescriptor & ThisType<SessionRequest> = {
  configurable: true,
  enumerable: true,
  get() {
    return begun(this).sessionID
  },
  set(value) {
    begun(this).sessionID = value
  },
}

function begun(req: SessionRequest): LateSession {
  const owner = ownerOf(req) as unknown as LateSession
  if (owner.hasBegun) return owner
  const isUnset = !('session' in req)
  owner.begin()
  // The application has deleted it.
  if (isUnset) delete (req as Partial<SessionRequest>).session
  return owner
}
