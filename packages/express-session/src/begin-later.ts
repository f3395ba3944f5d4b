import { ownerOf, type SessionRequest } from './request.ts'

/**
 * Puts `session` and `sessionID` on a request that gets its session when it first uses one of them. Many requests never do,
 * and a session costs random bytes, two objects and a look for changes.
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

/** The request, with a session in the place of the accessors. */
function begun(req: SessionRequest): SessionRequest {
  const isUnset = !Object.hasOwn(req, 'session')
  delete (req as Partial<SessionRequest>).sessionID
  delete req.session
  ownerOf(req)!.begin()
  // The application has deleted it.
  if (isUnset) delete req.session
  return req
}
