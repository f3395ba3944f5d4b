import type { TLSSocket } from 'node:tls'
import type { CommitResult, DefaultData, MaybePromise, Session, Sessions, SessionsOptions } from '@sess/core'
import { pending, SessionSlot } from '@sess/core/adapter'
import { answerError, canHold, holdResponse, watchStandIn } from '@sess/node'
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
 * to Express's error handling, with the status of the error; a load that failed throws when a handler first uses the
 * session. A response of 500 or more saves nothing. One engine may be mounted twice; two engines on one property or cookie
 * name (each call with options makes an engine) are a ConfigError on the request.
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
  return function sessionMiddleware(req, res, next) {
    const session = slot.open(req, req.headers.cookie)
    // This engine's is open already: whoever opened it loads and commits it.
    if (!session) return next()
    // Where we are: in `req` Express keeps the route, and the `next` of the router, that run now.
    const { route, next: routerNext } = req
    let isNextUsed = false
    /** Other hosts than Express cannot bear a second call. */
    const nextOnce = (error?: unknown): void => {
      if (isNextUsed) return
      isNextUsed = true
      next(error)
    }
    /** Goes on after the handler whose response was refused, which may be of another router or route than ours. */
    const passError = (error: unknown): void => {
      if (!isNextUsed) return void nextOnce(error)
      // Express keeps its routers' `next` while they run, and that one may be called again. When there is none, another
      // host has gone on (connect, @fastify/middie, h3's fromNodeMiddleware), or Express has handed the request on to one.
      if (!req.next) return void answerError(res, error)
      const stillHere = req.route === route && req.next === routerNext
      // In a route of ours only our own `next` leads to the error handlers of that route.
      const nextThere = stillHere ? next : req.next
      nextThere(error)
    }
    // A function, because to look it up takes time and most responses set no cookie. `req.secure` is Express's.
    const secure = (): boolean =>
      req.secure ?? (req.socket as Partial<TLSSocket> | undefined)?.encrypted === true
    const target = () => ({
      host: req.hostname ?? req.headers.host,
      path: req.originalUrl ?? req.url,
      forwardedProto: req.headers['x-forwarded-proto'],
    })
    const cannotWait = !canHold(res)
    const commit = (status: number): MaybePromise<CommitResult> =>
      sessions.commit(session, { status, secure, target, cannotWait })
    if (cannotWait) watchStandIn(req, res, { commit, pending: () => pending(session) })
    else holdResponse(res, commit, passError)
    // Undefined when there is nothing to wait for. A load that failed shows when a handler first uses the session.
    const loading = sessions.lazy ? undefined : session.load()
    if (!loading) return nextOnce()
    const goingOn = loading.then(() => nextOnce(), nextOnce)
    goingOn.then(undefined, (error: Error) => {
      // A handler of a host that does not catch: without the wait it would have thrown through us to the server.
      process.emitWarning(error)
      passError(error)
    })
  }
}
