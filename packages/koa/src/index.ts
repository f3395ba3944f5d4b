import { Stream } from 'node:stream'
import type { DefaultData, Session, Sessions, SessionsOptions } from '@sess/core'
import { SessionSlot } from '@sess/core/adapter'
import { holdResponse } from '@sess/node'
import type { Middleware } from 'koa'
import { forgetBody, statusOfThrown } from './answer.ts'

declare module 'koa' {
  interface ExtendableContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

/**
 * For apps with several engines (`createSessions`): each has its own property and its own `cookie.name`. Only `session`
 * is typed; declare others on Koa's `ExtendableContext`.
 */
export interface MiddlewareOptions {
  /** Where on the context the session goes; default `session`. */
  property?: string | undefined
}

/**
 * Gives every request its session, and saves it when the middlewares below are done, with the status they left or threw
 * (500 or more saves nothing), or earlier when one of them writes to `ctx.res`.
 *
 * - A save that fails is thrown to the middlewares above, in place of what those below threw, or answered by `ctx.onerror`
 *   when they no longer wait (`ctx.respond = false`); a load that failed throws when a handler first uses the session.
 * - The cookie goes with whatever response leaves in the end, also with the one Koa makes of an error.
 * - One engine may be mounted twice; two engines on one property or cookie name (each call with options makes an engine)
 *   are a ConfigError on the request.
 *
 * @param options what `createSessions` takes, or the engine it made
 * @param place where its session goes, when that is not `session`
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): Middleware {
  const slot = new SessionSlot(options, place)
  const { sessions } = slot
  return function sessionMiddleware(ctx, next) {
    const session = slot.open(ctx, ctx.req.headers.cookie)
    // This engine's is open already: whoever opened it loads and commits it.
    if (!session) return next()
    // What the middlewares above get of us, and whether they still wait for it.
    const outcome = Promise.withResolvers<void>()
    let isAwaited = true
    const respondBefore = ctx.respond

    /**
     * A middleware above that does not wait for `next()` would end the process with an outage of the store. What the
     * application throws stays an unhandled rejection there, as it is without us.
     */
    const forgive = (): void => void outcome.promise.catch(() => undefined)

    // There are two ways to answer. What is said through Koa leaves when all middlewares are done: `run` commits before. A
    // write to `ctx.res` Koa does not see: the gate holds it and commits, and calls `refused` if that fails. Both ways the
    // gate adds the session's headers when the head leaves, for `ctx.onerror` would remove what is set earlier.
    const gate = holdResponse(
      ctx.res,
      status =>
        sessions.commit(session, {
          status,
          secure: () => ctx.secure,
          target: () => ({
            host: ctx.hostname,
            path: ctx.originalUrl,
            forwardedProto: ctx.req.headers['x-forwarded-proto'],
          }),
        }),
      refused,
      () => {
        // Whoever answers instead does it through Koa or not, whatever the refused handler has said.
        ctx.respond = respondBefore
        forgetBody(ctx)
      },
    )

    /** What was written to `ctx.res` cannot leave. (When `gate.commit` fails it throws, and does not come here.) */
    function refused(error: unknown): void {
      if (!isAwaited) {
        ctx.onerror(error as Error)
        return
      }
      // Ends the wait above without `run`, which may be stuck in a pipeline that never drains. Resolved with a promise the
      // outcome is settled: what `run` comes to does not count any more. It rejects a turn later, when the handler waits:
      // what it writes after somebody above has touched the head would be taken for the answer to the error.
      forgive()
      outcome.resolve(new Promise((_, reject) => setImmediate(reject, error)))
    }

    // Koa answers no error once the head has left, and its client waits for ever. (Express destroys the connection, too.)
    const { onerror } = ctx
    ctx.onerror = error => {
      onerror.call(ctx, error)
      const { res } = ctx
      if (isSessionError(error) && res.headersSent && !res.writableEnded) res.destroy()
    }

    const run = async (): Promise<void> => {
      try {
        // Undefined when there is nothing to wait for. A load that failed shows when a handler first uses the session.
        const loading = sessions.lazy ? undefined : session.load()
        if (loading) await loading
        try {
          await next()
        } catch (error) {
          // A thrown 404 saves, too. When that fails, its error takes the place of this one.
          await gate.commit(statusOfThrown(error))
          throw error
        }
        // The handler answers on `ctx.res` in its own time, and the gate commits then.
        if (ctx.respond === false) return
        // Koa listens to a stream when it answers, and finds out then whether it has failed. Until then nobody listens, and
        // an error that nobody hears ends the process.
        if (ctx.body instanceof Stream) ctx.body.once('error', () => undefined)
        await gate.commit(ctx.status)
      } finally {
        isAwaited = false
      }
    }
    run().then(outcome.resolve, error => {
      if (isSessionError(error)) forgive()
      outcome.reject(error)
    })
    return outcome.promise
  }
}

/** By code, because there may be a second copy of core. */
function isSessionError(error: unknown): boolean {
  return String((error as { code?: unknown } | null | undefined)?.code).startsWith('SESSION_')
}
