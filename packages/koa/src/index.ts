import type { CommitResult, DefaultData, MaybePromise, Session, Sessions, SessionsOptions } from '@sess/core'
import { SessionSlot } from '@sess/core/adapter'
import { errorStatus, holdResponse } from '@sess/node'
import type { Middleware } from 'koa'

declare module 'koa' {
  interface ExtendableContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

export interface MiddlewareOptions {
  /** Where on the context the session goes; default `session`. Every engine of an app needs a name of its own. */
  property?: string
}

/**
 * Gives every request its session. It is saved when the middlewares below are done, with the status they left or
 * threw, or earlier when one of them writes to `ctx.res`; what goes wrong is thrown to the middlewares above. The
 * cookie goes with whatever response leaves in the end, also with the one Koa makes of an error.
 *
 * @param options what `createSessions` takes, or the engine it made
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): Middleware {
  const slot = new SessionSlot(options, place)
  const { sessions } = slot
  return async function session(ctx, next) {
    if (slot.reuse(ctx)) return next()
    const session = sessions.open(ctx.req.headers.cookie)
    slot.fill(ctx, session)
    const commit = (status: number): MaybePromise<CommitResult> =>
      sessions.commit(session, { status, secure: ctx.secure })
    const startOver = (): void => {
      // Without a body the status would become 204.
      const { status } = ctx
      ctx.body = null
      ctx.status = status
    }
    // The gate is for what Koa does not see and for what it forgets: bytes written to `ctx.res` by the handler, and the
    // headers, which Koa drops when it answers an error.
    const answerError = (error: unknown): void => ctx.onerror(error as Error)
    let refused = answerError
    const gate = holdResponse(ctx.res, commit, error => {
      startOver()
      refused(error)
    })
    const save = async (status: number): Promise<void> => {
      try {
        const committing = commit(status)
        if ('then' in committing) await committing
      } catch (error) {
        gate.refuse(error)
        startOver()
        throw error
      }
    }

    const loading = sessions.lazy ? undefined : session.load()
    if (loading) await loading
    try {
      await new Promise<void>((resolve, reject) => {
        // Without waiting for the handler, which may wait for the end of what it writes to `ctx.res`.
        refused = reject
        next().then(resolve, reject)
      })
      refused = answerError
      if (ctx.respond !== false) await save(ctx.status)
    } catch (error) {
      // Does nothing if that is the commit's own error.
      await save(errorStatus(error))
      throw error
    }
  }
}
