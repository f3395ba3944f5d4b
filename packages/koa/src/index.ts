import { STATUS_CODES } from 'node:http'
import { Stream } from 'node:stream'
import type { DefaultData, Session, Sessions, SessionsOptions } from '@sess/core'
import { SessionSlot } from '@sess/core/adapter'
import { holdResponse } from '@sess/node'
import type { Context, Middleware } from 'koa'

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
 * Gives every request its session. It is saved when the middlewares below are done, with the status they left or
 * threw (500 or more saves nothing), or earlier when one of them writes to `ctx.res`. A save that fails is thrown to the
 * middlewares above, in place of what those below threw, or answered by `ctx.onerror` when they no longer wait
 * (`ctx.respond = false`); a load that failed throws at the first look. The cookie goes with whatever response leaves in
 * the end, also with the one Koa makes of an error. One engine may be mounted twice; two on one property or cookie name
 * (as two calls with options make) are a ConfigError on the request.
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
  return function session(ctx, next) {
    const session = slot.open(ctx, ctx.req.headers.cookie)
    if (!session) return next()
    const { respond } = ctx

    /** Set while the middlewares above wait for this one, and so can be thrown to. */
    let throwAbove: ((error: unknown) => void) | undefined
    // For what Koa does not see: bytes that are written to `ctx.res`. And since `ctx.onerror` removes every header, those
    // of the session are the gate's to add, when the head leaves.
    const gate = holdResponse(
      ctx.res,
      status => sessions.commit(session, { status, secure: () => ctx.secure }),
      error => {
        if (!throwAbove) return ctx.onerror(error as Error)
        // Who answers above does it through Koa or not, whatever the refused handler has said.
        ctx.respond = respond
        throwAbove(error)
      },
      () => forgetBody(ctx),
    )
    const handle = async (): Promise<void> => {
      try {
        // Undefined when there is nothing to wait for. A load that failed does not reject, but throws at the first look.
        const loading = sessions.lazy ? undefined : session.load()
        if (loading) await loading
        try {
          await next()
        } catch (error) {
          // A save that fails throws here; the function above hears of those that a write began.
          await gate.commit(statusOfThrown(error))
          throw error
        }
        // Who says `respond = false` writes later: then the gate commits, at the first byte.
        if (ctx.respond === false) return
        // Koa listens to a stream when it answers: one that fails before then would end the process.
        if (ctx.body instanceof Stream) ctx.body.once('error', () => undefined)
        await gate.commit(ctx.status)
      } finally {
        throwAbove = undefined
      }
    }
    // Not `handle()` alone: once refused, a handler may wait for ever for the end of what it writes. `throwAbove` ends the
    // wait above, and how `handle` ends is nobody's business then.
    return new Promise<void>((resolve, reject) => {
      // Not before the handler waits: what it writes once somebody above has touched the head is taken for the answer.
      throwAbove = error => resolve(new Promise((_, rejectLater) => setImmediate(rejectLater, error)))
      handle().then(resolve, reject)
    })
  }
}

/** Makes Koa forget the body of a refused response. Then the gate sets the headers of before, and the error's status. */
function forgetBody(ctx: Context): void {
  // With a JSON type the next line would make the body the text `null`.
  ctx.remove('Content-Type')
  // Not `null`, which would say that the answer is to have none.
  ctx.body = undefined
  // Any status said through Koa will do: without one the next body would make it 200.
  ctx.status = 500
}

/** The status that Koa will answer a thrown value with (`ctx.onerror`): only errors have one, and it must be known. */
function statusOfThrown(value: unknown): number {
  const isError = value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
  const { status, statusCode } = (isError ? value : {}) as { status?: unknown; statusCode?: unknown }
  const said = status || statusCode
  return typeof said === 'number' && said in STATUS_CODES ? said : 500
}
