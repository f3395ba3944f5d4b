import type { DefaultData, Session, Sessions, SessionsOptions } from '@sess/core'
import { SessionSlot } from '@sess/core/adapter'
import { holdResponse } from '@sess/node'
import type { RequestHandler } from 'express'

declare global {
  // biome-ignore lint/style/noNamespace: how @types/express lets others add to a request.
  namespace Express {
    interface Request {
      /** This visitor's session. Its keys are typed by `SessionData`. */
      session: Session
    }
  }
}

/**
 * For apps with several engines (`createSessions`): each has its own property and its own `cookie.name`. Only `session`
 * is typed; declare others on Express's `Request`.
 */
export interface MiddlewareOptions {
  /** Where on the request the session goes; default `session`. */
  property?: string | undefined
}

/**
 * Gives every request its session and saves it before the first byte of the response leaves. A save that fails is handed
 * to Express's error handling, with the status of the error; a load that failed throws at the first look. A response of 500
 * or more saves nothing. One engine may be mounted twice; two on one property or cookie name (as two calls with options
 * make) are a ConfigError on the request.
 *
 * @param options what `createSessions` takes, or the engine it made
 * @param place where its session goes, when that is not `session`
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): RequestHandler {
  const slot = new SessionSlot(options, place)
  const { sessions } = slot
  return function session(req, res, next) {
    const session = slot.open(req, req.headers.cookie)
    if (!session) return next()
    const mountedIn = req.next
    holdResponse(
      res,
      // When the response begins; what it returns, the gate adds to the headers. Of `secure` Express makes work.
      status => sessions.commit(session, { status, secure: () => req.secure }),
      // When that failed, and the gate has dropped the response. The error goes on after the handler that wrote it, not
      // after us: `req.next` (`res.render` uses it, too) is the router's that runs now, until the last one is done. In
      // the router, or the route, that we are mounted in, ours goes on there as well.
      error => (req.next === mountedIn ? next : (req.next ?? next))(error),
    )
    // Undefined when there is nothing to wait for: then no tick. A load that failed does not reject, but throws at the
    // handler's first look.
    const loading = sessions.lazy ? undefined : session.load()
    if (loading) loading.then(() => next(), next)
    else next()
  }
}
