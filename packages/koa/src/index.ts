import { STATUS_CODES } from 'node:http'
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
 * is typed; declare others as above.
 */
export interface MiddlewareOptions {
  /** Where on the context the session goes; default `session`. */
  property?: string | undefined
}

/**
 * Gives every request its session. It is saved when the middlewares below are done, with the status they left or
 * threw, or earlier when one of them writes to `ctx.res`. A save that fails is thrown to the middlewares above, or
 * answered by `ctx.onerror` when they no longer wait (`ctx.respond = false`); a load that failed throws at the first look.
 * The cookie goes with whatever response leaves in the end, also with the one Koa makes of an error.
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
  return async function session(ctx, next) {
    const session = slot.open(ctx, ctx.req.headers.cookie)
    if (!session) return next()

    /** Set while the middlewares above wait for this one, and so can be thrown to. */
    let throwAbove: ((error: unknown) => void) | undefined
    // For what Koa does not see: bytes that are written to `ctx.res`. And since `ctx.onerror` removes every header, those
    // of the session are the gate's to add, when the head leaves.
    const gate = holdResponse(
      ctx.res,
      status => sessions.commit(session, { status, secure: ctx.secure }),
      error => (throwAbove ? throwAbove(error) : ctx.onerror(error as Error)),
      () => forgetBody(ctx),
    )
    const handle = async (): Promise<void> => {
      try {
        await next()
      } catch (error) {
        await gate.commit(statusOfThrown(error))
        throw error
      }
      // Who says `respond = false` writes later: then the gate commits, at the first byte.
      if (ctx.respond !== false) await gate.commit(ctx.status)
    }

    // Undefined when there is nothing to wait for. It does not reject for the store: the handler's first look throws.
    const loading = sessions.lazy ? undefined : session.load()
    if (loading) await loading
    try {
      // No plain `await handle()`: a refusal must not wait for a handler that waits for the end of what it writes.
      await new Promise<void>((resolve, reject) => {
        throwAbove = reject
        handle().then(resolve, reject)
      })
    } finally {
      throwAbove = undefined
    }
  }
}

/** Makes Koa forget the body of a refused response. Headers and status are the gate's. */
function forgetBody(ctx: Context): void {
  // Of a JSON type the body would become the text `null`.
  ctx.remove('Content-Type')
  // Not `null`, which would say that the answer is to have none.
  ctx.body = undefined
  // Koa takes 200 for the next body unless somebody has set a status.
  ctx.status = 500
}

/** The status that Koa will answer a thrown value with (`ctx.onerror`): only errors have one, and it must be known. */
function statusOfThrown(value: unknown): number {
  const isError = value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
  const { status, statusCode } = (isError ? value : {}) as { status?: unknown; statusCode?: unknown }
  const said = status || statusCode
  return typeof said === 'number' && said in STATUS_CODES ? said : 500
}
