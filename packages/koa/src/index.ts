import { STATUS_CODES } from 'node:http'
import type { CommitResult, DefaultData, MaybePromise, Session, Sessions, SessionsOptions } from '@sess/core'
import { SessionSlot } from '@sess/core/adapter'
import { holdResponse } from '@sess/node'
import type { Context, Middleware } from 'koa'

declare module 'koa' {
  interface ExtendableContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

/** Several engines in one app need a property each, and a cookie name each (`cookie.name` of their options). */
export interface MiddlewareOptions {
  /** Where on the context the session goes; default `session`. */
  property?: string | undefined
}

/**
 * Gives every request its session. It is saved when the middlewares below are done, with the status they left or
 * threw, or earlier when one of them writes to `ctx.res`; what goes wrong is thrown to the middlewares above. The
 * cookie goes with whatever response leaves in the end, also with the one Koa makes of an error.
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
    const commit = (status: number): MaybePromise<CommitResult> =>
      sessions.commit(session, { status, secure: ctx.secure })

    // The gate is for what Koa does not see and for what it forgets: bytes written to `ctx.res` by the handler, and the
    // headers, which Koa drops when it answers an error.
    const answerError = (error: unknown): void => ctx.onerror(error as Error)
    /** Who hears that the gate has refused: the middlewares above while they wait for us, Koa's error answer later. */
    let reportRefusal = answerError
    const gate = holdResponse(ctx.res, commit, error => {
      startOver(ctx)
      reportRefusal(error)
    })
    /** Commits before Koa answers. Drops the result: a second commit, the gate's, answers the same, and the gate adds it. */
    const save = async (status: number): Promise<void> => {
      try {
        const committing = commit(status)
        if ('then' in committing) await committing
      } catch (error) {
        gate.refuse(error)
        startOver(ctx)
        throw error
      }
    }

    // Undefined when there is nothing to wait for.
    const loading = sessions.lazy ? undefined : session.load()
    if (loading) await loading
    try {
      await new Promise<void>((resolve, reject) => {
        // A refusal does not wait for the handler, which may wait for the end of what it writes to `ctx.res`.
        reportRefusal = reject
        next()
          // Who says `respond = false` writes later: then the gate commits, at the first byte.
          .then(() => (ctx.respond === false ? undefined : save(ctx.status)))
          .then(resolve, reject)
      })
    } catch (error) {
      // For what a handler threw. After a failed commit this does nothing: a session is committed once.
      await save(statusOfThrown(error))
      throw error
    } finally {
      reportRefusal = answerError
    }
  }
}

/** Makes Koa forget the refused response. Its headers and status are the gate's, and stay. */
function startOver(ctx: Context): void {
  const { status } = ctx
  const type = ctx.response.get('Content-Type')
  // Koa's setter would make a body of JSON `null`, and of any other type it sets the status 204 and drops the type. A
  // body that is null by itself, not undefined, would say that the answer is to have none.
  ctx.remove('Content-Type')
  ctx.body = undefined
  ctx.status = status
  if (type) ctx.set('Content-Type', type)
}

/** The status that Koa will answer a thrown value with (`ctx.onerror`): only errors have one, and it must be known. */
function statusOfThrown(value: unknown): number {
  const isError = value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
  const { status, statusCode } = (isError ? value : {}) as { status?: unknown; statusCode?: unknown }
  const said = status || statusCode
  return typeof said === 'number' && said in STATUS_CODES ? said : 500
}
