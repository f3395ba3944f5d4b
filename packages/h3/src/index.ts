import {
  ConfigError,
  type DefaultData,
  type MaybePromise,
  type Session,
  type Sessions,
  type SessionsOptions,
} from '@sess/core'
import { after, SessionSlot, settle } from '@sess/core/adapter'
import type { EventHandler, H3Event, Middleware } from 'h3'
import { addSessionHeaders, outcomeOf, outcomeOfThrown, snapshotOf, statusOf } from './response.ts'

declare module 'h3' {
  interface H3EventContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

/**
 * For apps with several engines (`createSessions`): each has its own property and its own `cookie.name`. Only `session`
 * is typed; declare others as above.
 */
export interface MiddlewareOptions {
  /** Where on `event.context` the session goes; default `session`. */
  property?: string | undefined
}

/**
 * Gives every event its session. It is saved when the handler has returned or thrown, before h3 answers; but a Node
 * handler (`fromNodeHandler`) has answered by then. A save that fails is thrown to the middlewares above; a load that
 * failed throws at the first look. The cookie goes with the answer to an error, too, unless that is a `Response` of the
 * app's `onError`: h3 adds no headers to it.
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

/** A handler with a session, for an app or a route without the middleware. It is saved as there, however the handler ends. */
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
 * Not h3's own `useSession`. The event's session, loaded; with `lazy: true` this is what loads it.
 * @throws ConfigError without the middleware
 */
export async function useSession(event: H3Event, property = 'session'): Promise<Session> {
  const session = event.context[property] as Session | undefined
  if (!session)
    throw new ConfigError('property', `event.context.${property} is no session. Mount session() above.`)
  await session.load()
  return session
}

/** Opens and loads the session, runs the handler, commits. At once while nothing has to be waited for: no promise, no tick. */
function runWithSession<Data extends object>(
  slot: SessionSlot<Data>,
  event: H3Event,
  handler: () => unknown,
): unknown {
  const { sessions } = slot
  const session = slot.open(event.context, event.req.headers.get('cookie'))
  if (!session) return handler()
  const restoreResponse = snapshotOf(event)

  /** Commits and adds the cookie. A failure is thrown in place of what the handler threw, and undoes the response. */
  const save = (outcome: unknown): MaybePromise<void> =>
    settle(
      () =>
        sessions.commit(session, {
          status: statusOf(event, outcome),
          secure: event.url.protocol === 'https:',
        }),
      committed => addSessionHeaders(event, committed, outcome),
      error => {
        restoreResponse()
        throw error
      },
    )
  // `load` does not reject for the store: the handler's first look throws.
  return after(sessions.lazy ? undefined : session.load(), () =>
    settle(
      handler,
      returned => after(save(outcomeOf(returned)), () => returned),
      thrown =>
        after(save(outcomeOfThrown(thrown)), () => {
          throw thrown
        }),
    ),
  )
}
