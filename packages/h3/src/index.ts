import {
  type CommitResult,
  ConfigError,
  type DefaultData,
  type MaybePromise,
  type Session,
  type Sessions,
  type SessionsOptions,
} from '@sess/core'
import { after, type MiddlewareOptions, SessionSlot, settle, type WithSessions } from '@sess/core/adapter'
import type { EventHandler, H3Event, Middleware } from 'h3'
import { discardBody, nodeStreamOf } from './body.ts'
import { outcomeOfReturned, outcomeOfThrown, statusOf } from './outcome.ts'
import { addSessionHeaders, addVary, snapshotOf } from './response.ts'

declare module 'h3' {
  interface H3EventContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

/**
 * Gives every event its session. Commits it when the handler has returned or thrown, before h3 responds.
 *
 * - The status is the one that h3 makes of that, whatever an `onError` makes of it later: 500 or more saves nothing.
 * - A save that fails is thrown to the middlewares above, in place of the handler's own error. A load that failed throws
 *   when a handler first uses the session.
 * - An error response has the cookie too, unless it is a `Response` of the app's `onError`: h3 adds no headers to that.
 * - A Node handler (`fromNodeHandler`) has responded by then. A cookie that comes too late is a SessionCommittedError.
 * - One engine may be mounted twice. Two engines on one property or cookie name are a ConfigError on the request. Each call
 *   with options makes an engine.
 *
 * @param options what `createSessions` takes, or the engine it made
 * @param place where its session goes, when that is not `session`
 * @returns the middleware. Its property `sessions` is the engine
 * @example
 * const app = new H3()
 * app.use(session({ store: sqliteStore('sessions.db') }))
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): Middleware & WithSessions<Data> {
  const slot = new SessionSlot(options, place)
  return slot.withSessions<Middleware>((event, next) => runWithSession(slot, event, next))
}

/**
 * A handler with a session, for an app or a route without the middleware. Below the middleware both have the same session.
 * It is committed as by `session`, however the handler ends.
 *
 * @example
 * app.get('/cart', withSession(sessions, (event, session) => session.get('cart', [])))
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
 * Returns the event's session, loaded. With `lazy: true` this is what loads it. (h3 exports a `useSession` of its own.)
 *
 * @throws ConfigError (`CONFIG`) without the middleware
 * @example
 * app.get('/', async event => (await useSession(event)).get('userId'))
 */
export async function useSession<Data extends object = DefaultData>(
  event: H3Event,
  property = 'session',
): Promise<Session<Data>> {
  const session = event.context[property] as Session<Data> | undefined
  if (!session)
    throw new ConfigError('property', `event.context.${property} is no session. Mount session() above.`)
  await session.load()
  return session
}

/** The path that the browser asked for. `mount` takes its own part off `event.url`, and on Node also off the request's `url`. */
function wholePath({ runtime, url }: H3Event['req']): string {
  const original = runtime?.node?.req as { originalUrl?: string; url?: string } | undefined
  return original?.originalUrl ?? original?.url ?? new URL(url).pathname
}

/**
 * Opens and loads the session, runs the handler, commits. `after(value, next)` and `settle(run, done, failed)` are `then`,
 * but synchronous if there is nothing to wait for. Errors thrown by `done` do not reach `failed`.
 */
function runWithSession<Data extends object>(
  slot: SessionSlot<Data>,
  event: H3Event,
  handler: () => unknown,
): unknown {
  /** Kept from the commit on: h3 takes `event.res` away before it makes JSON of a body, which may read the session. */
  let leaving: { res: H3Event['res']; committed: CommitResult; outcome: unknown } | undefined
  const begun = slot.begin(event.context, event.req.headers.get('cookie'), {
    secure: () => event.url.protocol === 'https:',
    target: () => ({
      host: event.url.hostname,
      path: wholePath(event.req),
      forwardedProto: event.req.headers.get('x-forwarded-proto'),
    }),
    request: event,
    header: name => event.req.headers.get(name),
    device: () => ({ userAgent: event.req.headers.get('user-agent') ?? undefined, ip: event.req.ip }),
    readLate: () => leaving && addVary(leaving.res, leaving.committed, leaving.outcome),
  })
  if (!begun) return handler()
  const restoreResponse = snapshotOf(event)

  /** `outcome` is what h3 will send. It is not changed. */
  const commit = (outcome: unknown): MaybePromise<void> => {
    const { res } = event
    return settle(
      () => begun.commit(statusOf(event, outcome)),
      committed => {
        leaving = { res, committed, outcome }
        addSessionHeaders(event, committed, outcome)
      },
      error => {
        restoreResponse()
        throw error
      },
    )
  }

  const afterReturn = (returned: unknown): unknown => {
    const stream = nodeStreamOf(returned)
    // Until h3 has the stream nobody listens to it, and an `error` event without a listener ends the process.
    stream?.on?.('error', () => undefined)
    return settle(
      () => commit(outcomeOfReturned(returned)),
      () => {
        // h3 cannot send a stream that has failed.
        if (stream?.errored) throw stream.errored
        return returned
      },
      error => {
        discardBody(returned)
        throw error
      },
    )
  }
  const afterThrow = (thrown: unknown): unknown =>
    after(commit(outcomeOfThrown(thrown)), () => {
      throw thrown
    })

  return after(begun.ready, () => settle(handler, afterReturn, afterThrow))
}
