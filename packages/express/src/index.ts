import type { TLSSocket } from 'node:tls'
import type { DefaultData, Session, Sessions, SessionsOptions } from '@sess/core'
import {
  type Connection,
  type MiddlewareOptions,
  pending,
  SessionSlot,
  type WithSessions,
} from '@sess/core/adapter'
import { canHold, holdResponse, watchStandIn, watchWebSocket } from '@sess/node'
import type { Request, RequestHandler } from 'express'
import { errorPath } from './error-path.ts'

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
 * Gives every request its session, and saves it before the first byte of the response is sent.
 *
 * - If the save fails, Express's error handling gets the error, with its status.
 * - If the load fails, the error is thrown when a handler first uses the session.
 * - A response with a status of 500 or more saves nothing, except that `flush()` still ends the session.
 * - One engine may be mounted twice. Two engines on one property or one cookie name are a ConfigError on the request. (Each
 *   call with options makes an engine.)
 *
 * @param options what `createSessions` takes, or the engine it made
 * @param place the property that holds the session, if it is not `session`
 * @returns the middleware. Its property `sessions` is the engine
 * @throws ConfigError (`CONFIG`) for a wrong option, so at start-up
 * @example
 * app.use(session({ store: sqliteStore('sessions.db') }))
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): RequestHandler & WithSessions<Data> {
  const slot = new SessionSlot(options, place)
  const sessionMiddleware: RequestHandler = (req, res, next) => {
    const cannotWait = !canHold(res, req)
    const begun = slot.begin(req, req.headers.cookie, connectionOf(req, cannotWait))
    // This engine's session is open already. The middleware that opened it loads and commits it.
    if (!begun) return next()
    const { session, ready, commit } = begun
    const { nextOnce, pass } = errorPath(req, res, next)
    const unsaved = () => pending(session)
    if (cannotWait) watchStandIn(req, res, { commit, pending: unsaved })
    else {
      holdResponse(res, commit, pass)
      watchWebSocket(req, res, unsaved)
    }
    if (!ready) return nextOnce()
    const handling = ready.then(() => nextOnce())
    handling.then(undefined, (error: Error) => {
      // The handler threw, and its host does not catch. Without the wait it would have thrown through us to the server.
      process.emitWarning(error)
      pass(error)
    })
  }
  return slot.withSessions(sessionMiddleware)
}

/** Express's `secure`, `hostname` and `originalUrl` follow `trust proxy`. Other hosts have Node's properties only. */
function connectionOf(req: Request, cannotWait: boolean): Connection {
  return {
    secure: () => req.secure ?? (req.socket as Partial<TLSSocket> | undefined)?.encrypted === true,
    target: () => ({
      host: req.hostname ?? req.headers.host,
      path: req.originalUrl ?? req.url,
      forwardedProto: req.headers['x-forwarded-proto'],
    }),
    cannotWait,
    request: req,
    header: name => req.headers[name],
    device: () => ({ userAgent: req.headers['user-agent'], ip: req.ip ?? req.socket?.remoteAddress }),
  }
}
