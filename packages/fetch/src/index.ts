import { ConfigError, type DefaultData, type MaybePromise, type Session, type Sessions } from '@sess/core'
import { after, type MiddlewareOptions, SessionSlot, settle } from '@sess/core/adapter'
import { remember, withCommitted } from './committed.ts'
import { withSessionHeaders } from './response.ts'

export { addCommitted } from './committed.ts'

/** What `runWithSession` may be told beside its handler. */
export interface RunOptions extends MiddlewareOptions {
  /**
   * The object that gets the session under `property`. By default it is the request. Adapters pass the object that their
   * framework hands from function to function. One object has one session of an engine, however often this runs.
   */
  on?: object | undefined
  /**
   * Makes the response to an error: one that the handler threw, or one of the session (it has `status` and `code`). The
   * status of that response decides what is saved. Without `onError` the error is thrown, and saves nothing.
   */
  onError?: ((error: unknown) => Response | Promise<Response>) | undefined
}

/** What a handler returns: `undefined` means that the runtime has taken the connection over, as Bun's `server.upgrade` does. */
type Result = Response | undefined

/**
 * Runs a handler with the session of a request: opens and loads it, calls the handler, saves the session, and returns the
 * handler's response with the session's headers. Nothing of the response is sent before the session is saved.
 *
 * - A thrown `Response` counts as a returned one. A status of 500 or more saves nothing, and so does a thrown error.
 * - The response may be a stream, a redirect, or have headers that cannot be changed (`return fetch(…)`). A response that
 *   gets a cookie is a copy, so that a `Response` object which the application keeps never holds a visitor's cookie.
 * - A load that failed throws when the handler first uses the session. A save that fails is thrown, or goes to `onError`.
 * - A call inside the handler of another, with the same engine and request, finds the same session. The outer one saves.
 *
 * @param sessions the engine, made once by `createSessions`
 * @param request the request; its header `Cookie` and its URL are read
 * @param handler gets the request and its session
 * @param options another property, the object that holds it, and what to do with errors
 * @returns the response: at once where nothing has to be waited for, else a promise of it. Errors come the same two ways, so
 *   `await` it in an `async` function.
 * @throws ConfigError (`CONFIG`) for something else than an engine, and when another engine has the property or the cookie.
 * @throws SessionInterruptedError (400), SessionConflictError or SessionStoreError (503), SessionDataError (500) when the
 *   session could not be saved.
 * @throws SessionCommittedError (500) when a cookie should go with an upgrade whose head the runtime has sent.
 * @example
 * export default {
 *   fetch: (request: Request) =>
 *     runWithSession(sessions, request, (request, session) => {
 *       session.update('visits', (n = 0) => n + 1)
 *       return Response.json({ visits: session.get('visits') })
 *     }),
 * }
 */
export function runWithSession<
  R extends Result,
  Data extends object = DefaultData,
  Req extends Request = Request,
>(
  sessions: Sessions<Data>,
  request: Req,
  handler: (request: Req, session: Session<Data>) => R | Promise<R>,
  options: RunOptions = {},
): R | Promise<R> {
  const { on = request, onError, ...place } = options
  const slot = slotOf(sessions, place)
  const cookies = request.headers.get('cookie')
  const begun = slot.begin(on, cookies, {
    secure: () => request.url.startsWith('https:'),
    target: () => {
      const { hostname, pathname } = new URL(request.url)
      const forwardedProto = request.headers.get('x-forwarded-proto')
      return { host: hostname, path: pathname, forwardedProto }
    },
    request: on,
    header: name => request.headers.get(name),
    device: () => ({
      userAgent: request.headers.get('user-agent') ?? undefined,
      // Of the web's servers only srvx says it, as part of the request.
      ip: (request as { ip?: string }).ip,
    }),
  })
  if (!begun) return handler(request, (on as Record<string, Session<Data>>)[slot.property]!)
  const { session, ready, commit } = begun

  /** Whether the client has the session's key already, so that the response only says it again. */
  const isKnown = (): boolean => {
    const key = session.sessionKey
    const values = [...request.headers.values()]
    return key !== null && values.some(value => value.includes(key))
  }
  const responseTo = (error: unknown): MaybePromise<Result> => {
    if (!onError) throw error
    return after(onError(error), response => withCommitted(on, response))
  }
  const send = (response: Result): MaybePromise<Result> =>
    settle(
      () =>
        after(commit(statusOf(response)), result => {
          remember(on, result)
          return withSessionHeaders(response, result, isKnown)
        }),
      response => response,
      error => {
        discardBody(response)
        return responseTo(error)
      },
    )
  const sendThrown = (thrown: unknown): MaybePromise<Result> =>
    settle(
      () => (isResponse(thrown) ? thrown : responseTo(thrown)),
      send,
      error =>
        // It saves nothing, and carries out a logout. If that fails, its error is thrown in place of the handler's.
        after(commit(500), result => {
          remember(on, result)
          throw error
        }),
    )
  return after(ready, () => settle(() => handler(request, session), send, sendThrown)) as R | Promise<R>
}

const slots = new WeakMap<object, Map<string | undefined, SessionSlot<any>>>()

/** Kept, because to make one checks the options, which takes longer than the rest of a request. */
function slotOf<D extends object>(sessions: Sessions<D>, place: MiddlewareOptions): SessionSlot<D> {
  const { property, ...unknown } = place
  const known = slots.get(sessions)
  const slot = known?.get(property)
  if (slot && Object.keys(unknown).length === 0) return slot
  if (typeof (sessions as Sessions<D> | undefined)?.open !== 'function') {
    throw new ConfigError('sessions', 'takes an engine. Make one at start-up: createSessions(options).')
  }
  const made = new SessionSlot(sessions, place)
  slots.set(sessions, (known ?? new Map()).set(property, made))
  return made
}

/** The status that leaves. For a `Response.error()` the runtime sends an error of its own. */
function statusOf(response: Result): number {
  return response ? response.status || 500 : 101
}

/** By its members: @hono/node-server, for one, has a `Response` of its own. */
function isResponse(value: unknown): value is Response {
  const { status, headers } = (value ?? {}) as Partial<Response>
  return !(value instanceof Error) && typeof status === 'number' && typeof headers?.append === 'function'
}

/** Closes the body of a response that will not be sent, because nobody else would. */
function discardBody(response: Result): void {
  // It rejects when somebody reads the stream: then that reader closes it.
  response?.body?.cancel().catch(() => undefined)
}
