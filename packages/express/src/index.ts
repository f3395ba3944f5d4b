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

/** Several engines in one app need a property each, and a cookie name each (`cookie.name` of their options). */
export interface MiddlewareOptions {
  /** Where on the request the session goes; default `session`. */
  property?: string | undefined
}

/**
 * Gives every request its session and saves it before the first byte of the response leaves. What goes wrong there is
 * handed to Express's error handling, with the status of the error. Mount it once: on a second pass of the same engine
 * the session is the one already open.
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
    // `next` once more, if the response is refused: then with the error, for Express's error handling.
    holdResponse(res, status => sessions.commit(session, new LazyAnswer(status, req)), next)
    // Undefined when there is nothing to wait for.
    const loading = sessions.lazy ? undefined : session.load()
    if (loading) loading.then(() => next(), next)
    else next()
  }
}

/** What the engine may ask of the answer. Few need `secure`, which Express works out each time that it is asked. */
class LazyAnswer implements Answer {
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
