import {
  ConfigError,
  type DefaultData,
  type MaybePromise,
  type Session,
  type Sessions,
  type SessionsOptions,
} from '@sess/core'
import { SessionSlot } from '@sess/core/adapter'
import type { EventHandler, H3Event, Middleware } from 'h3'
import { addSessionHeaders, snapshotOf, statusOf, statusOfThrown } from './response.ts'

declare module 'h3' {
  interface H3EventContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

/** Several engines in one app need a property each, and a cookie name each (`cookie.name` of their options). */
export interface MiddlewareOptions {
  /** Where on `event.context` the session goes; default `session`. */
  property?: string | undefined
}

/**
 * Gives every event its session. It is saved when the handler has returned its response or thrown, before any of it
 * leaves; what goes wrong is thrown to the middlewares above. The cookie goes with the answer to an error, too, unless
 * that is a `Response` of the app's `onError`: h3 adds no headers to it.
 *
 * @param options what `createSessions` takes, or the engine it made
 * @param place where its session goes, when that is not `session`
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): Middleware {
  const slot = new SessionSlot(options, place)
  return (event, next) => runWithSession(slot, event, next)
}

/**
 * A handler with a session, for an app or a route without the middleware. The session is saved as there: by the time
 * the response leaves, however the handler ends.
 */
export function withSession<Data extends object>(
  sessions: Sessions<Data>,
  handler: (event: H3Event, session: Session<Data>) => unknown,
  place?: MiddlewareOptions,
): EventHandler {
  const slot = new SessionSlot(sessions, place)
  return event =>
    runWithSession(slot, event, () => handler(event, event.context[slot.property] as Session<Data>))
}

/**
 * The event's session, loaded; with `lazy: true` this is what loads it.
 * @throws ConfigError without the middleware
 */
export async function useSession(event: H3Event, property = 'session'): Promise<Session> {
  const session = event.context[property] as Session | undefined
  if (!session)
    throw new ConfigError('property', `event.context.${property} is no session. Mount session() above.`)
  await session.load()
  return session
}

/** Opens and loads the session, runs the handler, commits. Synchronous when there is nothing to wait for. */
function runWithSession<Data extends object>(
  slot: SessionSlot<Data>,
  event: H3Event,
  handler: () => unknown,
): unknown {
  if (slot.adoptExisting(event.context)) return handler()
  const { sessions } = slot
  const session = sessions.open(event.req.headers.get('cookie'))
  slot.fill(event.context, session)
  const startOver = snapshotOf(event)

  /** `outcome`: what the handler returned or threw. */
  const save = (status: number, outcome: unknown): MaybePromise<void> =>
    settle(
      () => sessions.commit(session, { status, secure: event.url.protocol === 'https:' }),
      committed => addSessionHeaders(event, committed, outcome),
      error => {
        startOver()
        throw error
      },
    )
  const run = (): unknown =>
    settle(
      handler,
      value => after(save(statusOf(value, event), value), () => value),
      error =>
        after(save(statusOfThrown(error, event), error), () => {
          throw error
        }),
    )
  // Undefined when there is nothing to wait for.
  const loading = sessions.lazy ? undefined : session.load()
  return loading ? loading.then(run) : run()
}

/** `then(done, failed)` that does not wait for what is there already. `failed` hears of `run` alone, not of `done`. */
function settle<T, R>(
  run: () => MaybePromise<T>,
  done: (value: T) => MaybePromise<R>,
  failed: (error: unknown) => MaybePromise<R>,
): MaybePromise<R> {
  let value: MaybePromise<T>
  try {
    value = run()
  } catch (error) {
    return failed(error)
  }
  return isPromise(value) ? value.then(done, failed) : done(value)
}

/** `then(done)` that does not wait for what is there already. What went wrong with `value` goes on to the caller. */
function after<T, R>(value: MaybePromise<T>, done: (value: T) => R): MaybePromise<R> {
  return isPromise(value) ? value.then(done) : done(value)
}

function isPromise<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function'
}
