import {
  type CommitResult,
  ConfigError,
  type DefaultData,
  type MaybePromise,
  type Session,
  SessionCommittedError,
  type Sessions,
  type SessionsOptions,
} from '@sess/core'
import { privateCache, SessionSlot, varyByCookie } from '@sess/core/adapter'
import { type EventHandler, type H3Event, HTTPResponse, type Middleware } from 'h3'

declare module 'h3' {
  interface H3EventContext {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

export interface MiddlewareOptions {
  /** Where on `event.context` the session goes; default `session`. Every engine of an app needs a name of its own. */
  property?: string
}

/**
 * Gives every event its session. It is saved when the handler has returned its response or thrown, before any of it
 * leaves; what goes wrong is thrown to the middlewares above. The cookie goes with the answer to an error, too.
 *
 * @param options what `createSessions` takes, or the engine it made
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): Middleware {
  const slot = new SessionSlot(options, place)
  return (event, next) => answer(slot, event, next)
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
  return event => answer(slot, event, () => handler(event, event.context[slot.property] as Session<Data>))
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

function answer<Data extends object>(
  slot: SessionSlot<Data>,
  event: H3Event,
  handler: () => unknown,
): unknown {
  if (slot.reuse(event.context)) return handler()
  const { sessions } = slot
  const session = sessions.open(event.req.headers.get('cookie'))
  slot.fill(event.context, session)

  const save = (status: number, value: unknown): MaybePromise<void> =>
    settle(
      () => sessions.commit(session, { status, secure: event.url.protocol === 'https:' }),
      committed => addHeaders(event, committed, value),
      error => {
        resetResponse(event)
        throw error
      },
    )
  const run = (): unknown =>
    settle(
      handler,
      value => after(save(statusOf(value, event), value), () => value),
      error =>
        after(save(errorStatus(error), error), () => {
          throw error
        }),
    )
  const loading = sessions.lazy ? undefined : session.load()
  return loading ? loading.then(run) : run()
}

/** The status that h3 will make of what a handler returned. */
function statusOf(value: unknown, event: H3Event): number {
  if (value instanceof Error) return errorStatus(value)
  if (value === Symbol.for('h3.notFound')) return 404
  const status = value instanceof Response || value instanceof HTTPResponse ? value.status : undefined
  return status ?? event.res.status ?? 200
}

function errorStatus(error: unknown): number {
  const { status, statusCode } = (error ?? {}) as { status?: unknown; statusCode?: unknown }
  const said = typeof error === 'number' ? error : status || statusCode
  return typeof said === 'number' && said >= 100 && said <= 599 ? said : 500
}

/**
 * h3 answers with `res.headers` or, to an error, with `res.errHeaders` alone: never with both, so both get them. They
 * replace a `Vary` that the response itself has, so that one is kept here.
 */
function addHeaders(event: H3Event, committed: CommitResult, value: unknown): void {
  const { setCookies, vary, private: isPrivate } = committed
  if (setCookies.length === 0 && !vary && !isPrivate) return
  // A Node handler (`fromNodeHandler`) has answered by itself, and the browser will not hear of its cookie.
  if (value === Symbol.for('h3.handled')) {
    if (setCookies.length > 0) throw new SessionCommittedError()
    return
  }
  const own = (value as { headers?: unknown } | null | undefined)?.headers
  const current = (headers: Headers, name: string): string | undefined =>
    headers.get(name) ?? (own instanceof Headers ? own.get(name) : undefined) ?? undefined
  for (const headers of [event.res.headers, event.res.errHeaders]) {
    for (const cookie of setCookies) headers.append('set-cookie', cookie)
    if (vary) headers.set('vary', varyByCookie(current(headers, 'vary')))
    if (isPrivate) headers.set('cache-control', privateCache(current(headers, 'cache-control')))
  }
}

/** The answer to a failed commit starts without what the handler has said. */
function resetResponse({ res }: H3Event): void {
  Object.assign(res, { status: undefined, statusText: undefined })
  for (const name of [...res.headers.keys()]) res.headers.delete(name)
}

/** `then` that does not wait for what is there already. */
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

function after<T, R>(value: MaybePromise<T>, done: (value: T) => R): MaybePromise<R> {
  return isPromise(value) ? value.then(done) : done(value)
}

function isPromise<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function'
}
