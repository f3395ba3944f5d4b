import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { DefaultData, MaybePromise, Session, Sessions, SessionsOptions } from '@sess/core'
import { type MiddlewareOptions, pending, SessionSlot, type WithSessions } from '@sess/core/adapter'
import { canHold, holdResponse, sendError, watchStandIn } from '@sess/node'

declare module 'h3' {
  interface H3EventContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

/** What is used of an `H3Event` of h3 1. */
export interface NodeEvent {
  node: { req: IncomingMessage; res: ServerResponse }
  context: object
}

/** An event handler of h3 1 that goes in front of others: it sends nothing by itself. */
export interface SessionHandler {
  (event: NodeEvent): MaybePromise<void>
  /** How h3 knows its handlers. */
  readonly __is_handler__: true
}

/**
 * Gives every event its session, at `event.context.session`, and saves it before the first byte of the response is sent. For
 * h3 1, and so for Nitro 2 and Nuxt 4, on Node.
 *
 * - The status that counts is the one that is sent, after `onError` and Nitro's error handler. 500 or more saves nothing.
 * - The cookie is sent with every response, with streams and with errors below 500, too.
 * - If the save fails, the status of the error is sent, without anything of the response: h3 has finished by then, so its
 *   `onError` is not called.
 * - If the load fails, the error is thrown when a handler first uses the session.
 *
 * @param options what `createSessions` takes, or the engine it made
 * @param place the property that holds the session, if it is not `session`
 * @returns the handler. Its property `sessions` is the engine
 * @throws ConfigError (`CONFIG`) for a wrong option, so at start-up
 * @example
 * app.use(session({ store: sqliteStore('sessions.db') }))
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): SessionHandler & WithSessions<Data> {
  const slot = new SessionSlot(options, place)
  const handler = (event: NodeEvent): MaybePromise<void> => {
    const {
      node: { req, res },
      context,
    } = event
    const cannotWait = !canHold(res, req)
    const begun = slot.begin(context, req.headers.cookie, {
      secure: () => (req.socket as Partial<TLSSocket> | undefined)?.encrypted === true,
      target: () => ({
        host: req.headers.host,
        path: (req as { originalUrl?: string }).originalUrl ?? req.url,
        forwardedProto: req.headers['x-forwarded-proto'],
      }),
      cannotWait,
      request: event,
      header: name => req.headers[name],
      device: () => ({ userAgent: req.headers['user-agent'], ip: req.socket?.remoteAddress }),
    })
    // This engine's session is open already. The handler that opened it loads and commits it.
    if (!begun) return
    const { session, ready, commit } = begun
    if (cannotWait) watchStandIn(req, res, { commit, pending: () => pending(session) })
    else holdResponse(res, commit, error => sendError(res, error))
    return ready
  }
  return slot.withSessions(Object.assign(handler, { __is_handler__: true as const }))
}
