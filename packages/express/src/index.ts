import type { Answer, DefaultData, Session, Sessions, SessionsOptions } from '@sess/core'
import { SessionSlot } from '@sess/core/adapter'
import { holdResponse } from '@sess/node'
import type { Request, RequestHandler } from 'express'

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
 * is typed; declare others as above.
 */
export interface MiddlewareOptions {
  /** Where on the request the session goes; default `session`. */
  property?: string | undefined
}

/**
 * Gives every request its session and saves it before the first byte of the response leaves. A save that fails is handed
 * to Express's error handling, with the status of the error; a load that failed throws at the first look. One engine may
 * be mounted twice; two on one property or cookie name are a ConfigError on the request.
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
    // Commits when the response begins. If that fails, the gate drops the response, and the error goes on from where the
    // handler is, like one of its own: that `next` is on the request (for `res.render`) until nothing is left to run.
    holdResponse(
      res,
      status => sessions.commit(session, new ExpressAnswer(status, req)),
      error => (req.next ?? next)(error),
    )
    // Undefined when nothing had to be waited for: then no tick. A store that is down does not reject here; the handler's
    // first look throws.
    const loading = sessions.lazy ? undefined : session.load()
    if (loading) loading.then(() => next(), next)
    else next()
  }
}

/**
 * The status that leaves, and whether it leaves over TLS. Express works that out at each look (0.6 µs where `trust proxy`
 * names addresses), and only a commit that sends a cookie looks: hence the getter. In an object literal it costs 5 µs.
 */
class ExpressAnswer implements Answer {
  readonly status: number
  readonly #req: Request

  constructor(status: number, req: Request) {
    this.status = status
    this.#req = req
  }

  get secure(): boolean {
    return this.#req.secure
  }
}
