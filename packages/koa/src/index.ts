import { Stream } from 'node:stream'
import type { DefaultData, Session, Sessions, SessionsOptions } from '@sess/core'
import {
  type BegunSession,
  type MiddlewareOptions,
  pending,
  SessionSlot,
  type WithSessions,
} from '@sess/core/adapter'
import { canHold, holdResponse, watchStandIn, watchWebSocket } from '@sess/node'
import type { Context, Middleware, Next } from 'koa'
import { forgetBody, statusOfThrown } from './responses.ts'

declare module 'koa' {
  interface ExtendableContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

/**
 * Milliseconds that the middlewares above have to respond, when a response failed that was ended already. Only a middleware
 * that did not wait for `next()` needs more: it has responded, and does not know of the failure.
 */
const RESPOND_WITHIN = 1_000

/**
 * Gives every request its session. Saves it when the middlewares below are done, with the status that they set or threw.
 * If one of them writes to `ctx.res`, the session is saved before that is sent.
 *
 * - If the save fails, the error is thrown to the middlewares above, in place of what those below threw. If they no longer
 *   wait (`ctx.respond = false`), `ctx.onerror` gets it.
 * - If the load fails, the error is thrown when a handler first uses the session.
 * - A status of 500 or more saves nothing.
 * - The cookie is sent with every response, also with the one that Koa makes of an error.
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
): Middleware & WithSessions<Data> {
  const slot = new SessionSlot(options, place)
  const sessionMiddleware: Middleware = (ctx, next) => {
    // koa-websocket makes a context without a response.
    const cannotWait = !canHold(ctx.res ?? {}, ctx.req)
    const begun = slot.begin(ctx, ctx.req.headers.cookie, {
      secure: () => ctx.secure,
      target: () => ({
        host: ctx.hostname,
        path: ctx.originalUrl,
        forwardedProto: ctx.req.headers['x-forwarded-proto'],
      }),
      cannotWait,
      request: ctx,
      header: name => ctx.req.headers[name],
      device: () => ({ userAgent: ctx.req.headers['user-agent'], ip: ctx.ip }),
    })
    // This engine's session is open already. The middleware that opened it loads and commits it.
    if (!begun) return next()
    const unsaved = () => pending(begun.session)
    if (cannotWait) return runWithStandIn(begun, ctx, next, unsaved)
    destroyAfterLateChange(ctx)
    watchWebSocket(ctx.req, ctx.res, unsaved)
    return runWithSession(begun, ctx, next)
  }
  return slot.withSessions(sessionMiddleware)
}

/** Runs the middlewares below. Their changes need `await session.save()`, because the response cannot wait. */
async function runWithStandIn<Data extends object>(
  { ready, commit }: BegunSession<Data>,
  ctx: Context,
  next: Next,
  unsaved: () => ReturnType<typeof pending>,
): Promise<void> {
  watchStandIn(ctx.req, ctx.res ?? {}, { commit, pending: unsaved })
  if (ready) await ready
  await next()
}

/**
 * Runs the middlewares below and commits. There are two ways to respond:
 *
 * - Through Koa: the response is sent when all middlewares are done. `run` commits before that.
 * - By a write to `ctx.res`, which Koa does not notice. The gate holds it and commits, and calls `onFailure` if that fails.
 *
 * Both ways the gate adds the session's headers when the head is sent, because `ctx.onerror` removes headers set earlier.
 */
function runWithSession<Data extends object>(
  { ready, commit }: BegunSession<Data>,
  ctx: Context,
  next: Next,
): Promise<void> {
  /** What the middlewares above get of us. */
  const outcome = Promise.withResolvers<void>()
  let isRunning = true
  const respondBefore = ctx.respond

  const onFailure = (error: unknown): void => {
    if (!isRunning) {
      ctx.onerror(error as Error)
      return
    }
    // Settles the outcome without `run`, which may be stuck in a pipeline that never drains. It rejects a turn later, when
    // the handler waits: output of the handler, after a middleware above has touched the head, would be taken for the error
    // response.
    outcome.resolve(new Promise((_, reject) => setImmediate(reject, error)))
    failOutcome(error)
  }
  const gate = holdResponse(ctx.res, commit, onFailure, () => {
    // Another middleware responds now, through Koa or not, whatever the failed handler has said.
    ctx.respond = respondBefore
    forgetBody(ctx)
  })
  const failOutcome = (error: unknown): void => {
    // A middleware above that does not wait for `next()` must not end the process when the store is down. An error of the
    // application stays an unhandled rejection there, as without us.
    outcome.promise.catch(() => undefined)
    if (gate.wasEnded) respondInAnyCase(ctx, error)
  }

  const run = async (): Promise<void> => {
    try {
      if (ready) await ready
      try {
        await next()
      } catch (error) {
        // A thrown 404 saves, too. If that fails, its error takes the place of this one.
        await gate.commit(statusOfThrown(error))
        throw error
      }
      // The handler responds on `ctx.res` when it likes, and the gate commits then.
      if (ctx.respond === false) return
      // Koa listens to a stream when it sends it. An error before that would end the process.
      if (ctx.body instanceof Stream) ctx.body.once('error', () => undefined)
      await gate.commit(ctx.status)
    } finally {
      isRunning = false
    }
  }
  run().then(outcome.resolve, error => {
    if (isSessionError(error)) failOutcome(error)
    outcome.reject(error)
  })
  return outcome.promise
}

/** Responds to an error after a while if no middleware above has. */
function respondInAnyCase(ctx: Context, error: unknown): void {
  const timer = setTimeout(() => {
    if (!ctx.res.headersSent) ctx.onerror(error as Error)
  }, RESPOND_WITHIN)
  ctx.res.once('close', () => clearTimeout(timer))
}

/** Koa does not respond to an error once the head is sent, and the client waits for ever. (Express destroys the connection.) */
function destroyAfterLateChange(ctx: Context): void {
  const { onerror } = ctx
  ctx.onerror = error => {
    onerror.call(ctx, error)
    const { res } = ctx
    if (isSessionError(error) && res.headersSent && !res.writableEnded) res.destroy()
  }
}

/** By code, because there may be a second copy of core. */
function isSessionError(error: unknown): boolean {
  return String((error as { code?: unknown } | null | undefined)?.code).startsWith('SESSION_')
}
