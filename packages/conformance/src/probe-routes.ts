import type { ServerResponse } from 'node:http'
import type { ClearSiteData, FlushOptions, Session, Sessions } from '@sess/core'
import { leave, leftWords, silentIdioms } from './probe-idioms.ts'
import { ignores, rawRoutes } from './probe-raw.ts'

/** The response of a route of the probe app, in no framework's words. */
export interface ProbeAnswer {
  status: number
  /** The app's own headers, in order. A name may come several times: append each. */
  headers: [name: string, value: string][]
  /** `null`: none. An iterable is streamed, each piece as it comes. */
  body: string | null | AsyncIterable<string>
  /**
   * Answer with a response that the app did not make and cannot change, if the framework has such (what `fetch()`
   * resolves to): with this status, these headers and this body.
   */
  foreign?: boolean
  /**
   * Answer with a response that the app made once and keeps for all visitors, if a handler of the framework returns responses:
   * with this status, without a body and without headers.
   */
  constant?: boolean
  /**
   * If it is there, respond with it as a handler of the framework responds with an object: `return json`, `ctx.body = json`,
   * `reply.send(json)`, `c.json(json)`. It is the session, or has it inside.
   */
  json?: object
  /** Send the response, and then throw this from the handler. Respond with 501 if a handler can do only one of the two. */
  thenThrow?: Error
  /**
   * If it is there, hand it the response of `node:http` and send nothing yourself: `await raw(res)`, after what the framework
   * needs for that (`reply.hijack()`, `ctx.respond = false`). It responds, now or later. In a framework without such a response
   * leave it out. The other members are then a 501, by which the report says that the probe app does nothing with `raw`.
   */
  raw?: (res: ServerResponse) => void | Promise<void>
  /**
   * If it is there, respond with status 200 and a stream of this body, and call `begin` with what makes the stream fail:
   * `error => source.destroy(error)` for a stream of Node, `error => controller.error(error)` for one of the web. Listen to the stream's
   * errors as the framework's guide says.
   */
  failing?: { body: AsyncIterable<string>; begin(fail: (error: Error) => void): void }
  /** If it is there, respond with status 200, these headers and this content, as with a picture that is in memory. */
  bytes?: { content: Uint8Array<ArrayBuffer>; headers: [name: string, value: string][] }
}

/** One route. `path` has no parameters. */
export interface ProbeRoute {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'
  path: string
  /**
   * What the handler does. Where it throws, let the framework have the error as it is, for its own error handling.
   *
   * @param query of the request's address
   * @param inner the session of the second engine, if the app was started with two
   */
  run(session: Session, query: URLSearchParams, inner?: Session): ProbeAnswer | Promise<ProbeAnswer>
}

/** What the routes of the probe app need from a framework. */
export interface ProbeOptions {
  /**
   * The framework's own HTTP error of a status, such as `status => new HTTPException(status)`. Default: `{ status }`. If the errors
   * of the framework have headers that are sent, take those as the second parameter.
   */
  httpError?: (status: number, headers: Record<string, string>) => Error
}

/**
 * The routes of the probe app that `describeAdapter` drives, framework-neutral: an adapter's author registers each of
 * them and turns a `ProbeAnswer` into a response, which takes 15 lines. The error handler of the app sends a
 * request with `mapped` in its query with that status.
 *
 * @example
 * for (const { method, path, run } of probeRoutes(sessions)) {
 *   app.on(method, path, async c => answerWith(c, await run(c.session, new URL(c.req.url).searchParams)))
 * }
 */
export function probeRoutes(
  sessions: Sessions,
  { httpError = ownHttpError }: ProbeOptions = {},
): ProbeRoute[] {
  const open = openOf.get(sessions) ?? { streams: 0 }
  openOf.set(sessions, open)
  const json =
    (run: (...args: Parameters<ProbeRoute['run']>) => unknown, status = 200): ProbeRoute['run'] =>
    async (session, query, inner) => {
      const own = await run(session, query, inner)
      const { sessionKey, accessed, modified, isEmpty } = session
      const body = JSON.stringify({ ...(own as object | undefined), sessionKey, accessed, modified, isEmpty })
      return { status, headers: [['content-type', 'application/json']], body }
    }
  const set = (session: Session, query: URLSearchParams) => void session.set(keyOf(query), sentValue(query))
  const saying = (status: number): ProbeRoute['run'] => {
    const empty = status === 204 || status === 304
    return (session, query) => {
      set(session, query)
      return { status, headers: [], body: empty ? null : 'as you wish' }
    }
  }
  const text = (status: number, body: string, ...headers: ProbeAnswer['headers']): ProbeAnswer => ({
    status,
    headers,
    body,
  })

  return [
    { method: 'GET', path: '/none', run: () => text(200, 'ok') },
    { method: 'GET', path: '/get', run: json((session, query) => ({ value: session.get(keyOf(query)) })) },
    { method: 'GET', path: '/who', run: json(() => undefined) },
    {
      method: 'GET',
      path: '/itself',
      run: (session, query) => ({ status: 200, headers: [], body: null, json: itself(session, query) }),
    },
    { method: 'GET', path: '/all', run: json(session => ({ data: session.toJSON() })) },
    ...(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const).map(
      (method): ProbeRoute => ({ method, path: '/set', run: json(set) }),
    ),
    ...['/set.css', '/assets/set.json', '/a/b/c/set', '/favicon.ico', '/api/health'].map(
      (path): ProbeRoute => ({ method: 'POST', path, run: json(set) }),
    ),
    { method: 'POST', path: '/delete', run: json((session, query) => void session.delete(keyOf(query))) },
    { method: 'POST', path: '/pop', run: json((session, query) => ({ value: session.pop(keyOf(query)) })) },
    { method: 'POST', path: '/clear', run: json(session => session.clear()) },
    { method: 'POST', path: '/flush', run: json((session, query) => session.flush(flushOptions(query))) },
    { method: 'POST', path: '/cycle', run: json(session => session.cycleKey()) },
    {
      method: 'POST',
      path: '/push',
      run: json((session, query) => void session.get(keyOf(query)).push(sentValue(query))),
    },
    {
      method: 'POST',
      path: '/append',
      run: json(async (session, query) => {
        session.get(keyOf(query))
        await pauseOf(query)
        session.update(keyOf(query), (list = []) => [...list, sentValue(query)])
      }),
    },
    {
      method: 'POST',
      path: '/setslow',
      run: json(async (session, query) => {
        session.get(keyOf(query))
        await pauseOf(query)
        set(session, query)
      }),
    },
    {
      method: 'POST',
      path: '/expiry',
      run: json((session, query) => {
        const date = query.get('date')
        session.setExpiry(
          date !== null ? new Date(date) : query.has('reset') ? null : Number(query.get('seconds')),
        )
        return {
          age: session.getExpiryAge(),
          date: session.getExpiryDate(),
          atBrowserClose: session.getExpireAtBrowserClose(),
        }
      }),
    },
    {
      method: 'POST',
      path: '/login',
      run: json((session, query) => {
        session.cycleKey()
        session.set('user', query.get('user') ?? '')
        session.subject = query.get('user')
      }),
    },
    {
      method: 'POST',
      path: '/logout-everywhere',
      run: json(async (session, query) => {
        const { subject } = session
        const removed = subject === null ? 0 : await sessions.removeBySubject(subject)
        if (query.has('k')) set(session, query)
        else session.flush()
        return { removed }
      }),
    },
    ...[200, 201, 204, 304, 400, 404, 422, 500, 503].map(
      (status): ProbeRoute => ({ method: 'POST', path: `/status/${status}`, run: saying(status) }),
    ),
    {
      method: 'POST',
      path: '/throw',
      run(session, query) {
        set(session, query)
        const status = query.get('status')
        throw status === null ? new Error('thrown by the probe') : httpError(Number(status), {})
      },
    },
    {
      method: 'POST',
      path: '/throw-unusual',
      run(session, query) {
        set(session, query)
        throw Object.assign(new Error('thrown by the probe'), UNUSUAL[query.get('as') ?? ''])
      },
    },
    {
      method: 'POST',
      path: '/throw-headers',
      run(session, query) {
        if (httpError.length < 2) return text(501, NO_ERROR_HEADERS)
        set(session, query)
        throw httpError(Number(query.get('status')), {
          'www-authenticate': 'Basic realm="probe"',
          'retry-after': '7',
          'set-cookie': 'own=1',
        })
      },
    },
    {
      method: 'POST',
      path: '/then-fails',
      async run(session, query) {
        if (query.get('does') === 'flush') session.flush()
        else {
          set(session, query)
          await session.save()
        }
        const status = query.get('status')
        if (status === null) throw new Error('thrown by the probe')
        return text(Number(status), 'failed')
      },
    },
    {
      method: 'POST',
      path: '/failing-body',
      run(session, query) {
        set(session, query)
        return { ...text(501, ignores('failing')), failing: failing(query) }
      },
    },
    {
      method: 'POST',
      path: '/bytes',
      run(session, query) {
        set(session, query)
        return { ...text(501, ignores('bytes')), bytes: bytes(query) }
      },
    },
    {
      method: 'POST',
      path: '/end-then-throw',
      run(session, query) {
        set(session, query)
        return { ...text(200, 'sent'), thenThrow: new Error('thrown by the probe after its response') }
      },
    },
    {
      method: 'POST',
      path: '/as-object',
      run: json(session => {
        leave(session, 'a word')
        return { silent: silentIdioms(session) }
      }),
    },
    { method: 'GET', path: '/left', run: json(session => ({ left: leftWords(session) })) },
    {
      method: 'POST',
      path: '/redirect',
      run(session, query) {
        set(session, query)
        return text(303, '', ['location', `/get?k=${encodeURIComponent(keyOf(query))}`])
      },
    },
    {
      method: 'POST',
      path: '/stream',
      run(session, query) {
        set(session, query)
        return {
          status: 200,
          headers: [['content-type', query.get('type') ?? 'text/plain']],
          body: streamed(query, open),
        }
      },
    },
    { method: 'GET', path: '/open-streams', run: json(() => ({ open: open.streams })) },
    {
      method: 'GET',
      path: '/latestream',
      run: (session, query) => ({ status: 200, headers: [], body: changedLate(session, query) }),
    },
    {
      method: 'POST',
      path: '/flash',
      run: json((session, query) => session.flash('notice', sentValue(query))),
    },
    { method: 'GET', path: '/flash', run: json(session => ({ value: session.flash('notice') })) },
    {
      method: 'POST',
      path: '/both',
      run: async (session, query, inner) => {
        set(session, query)
        set(innerOf(inner), query)
        if (query.has('throw')) throw new Error('thrown by the probe')
        return json(() => undefined, Number(query.get('status') ?? 200))(session, query, inner)
      },
    },
    {
      method: 'GET',
      path: '/both',
      run: json((session, query, inner) => ({
        outer: session.get(keyOf(query)),
        inner: innerOf(inner).get(keyOf(query)),
      })),
    },
    {
      method: 'POST',
      path: '/own-headers',
      async run(session, query) {
        const { headers, ...answer } = await json(set)(session, query)
        const own: ProbeAnswer['headers'] = [
          ['set-cookie', 'own=1'],
          ['vary', query.get('vary') ?? 'Accept'],
          ['cache-control', query.get('cache') ?? 'max-age=60'],
        ]
        return { ...answer, headers: [...headers, ...own] }
      },
    },
    {
      method: 'POST',
      path: '/own-several',
      async run(session, query) {
        const { headers, ...answer } = await json(set)(session, query)
        const own: ProbeAnswer['headers'] = [
          ['set-cookie', 'one=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/'],
          ['set-cookie', 'two=a=b; Path=/'],
          ['set-cookie', 'one=2; Path=/other'],
          ['vary', 'Accept'],
          ['vary', 'Origin, Accept-Encoding'],
        ]
        return { ...answer, headers: [...headers, ...own] }
      },
    },
    {
      method: 'POST',
      path: '/constant',
      run(session, query) {
        if (query.has('k')) set(session, query)
        return { status: 204, headers: [], body: null, constant: true }
      },
    },
    {
      method: 'POST',
      path: '/foreign',
      run(session, query) {
        set(session, query)
        return { ...text(200, 'from elsewhere', ['x-foreign', 'yes']), foreign: true }
      },
    },
    ...rawRoutes(sessions, set),
  ]
}

/**
 * The handler of the probe app for requests without a route, such as a page "not found" that greets its visitor. Register it as
 * the framework has it (`setNotFoundHandler`, `app.notFound`, a route for everything), with the session.
 *
 * @example
 * app.notFound(async c => answerWith(c, await probeNotFound(c.session, new URL(c.req.url).searchParams)))
 */
export function probeNotFound(session: Session, query: URLSearchParams): ProbeAnswer {
  if (query.has('k')) session.set(keyOf(query), sentValue(query))
  const body = JSON.stringify({ notFound: true, isEmpty: session.isEmpty })
  return { status: 404, headers: [['content-type', 'application/json']], body }
}

/** What an error can say of its status besides that of an HTTP error, by the `as` of `/throw-unusual`. */
export const UNUSUAL: Readonly<Record<string, object>> = {
  success: { status: 200 },
  redirect: { status: 302 },
  text: { status: '410' },
  fraction: { status: 410.5 },
  beyond: { status: 999 },
  'status-code': { statusCode: 410 },
  'of-a-file': { code: 'ENOENT' },
}

const NO_ERROR_HEADERS = 'the probe app does nothing with the second argument of `httpError`'

/** Of each app's `/stream`, those that somebody began to read, and that are neither at their end nor closed. */
const openOf = new WeakMap<Sessions, { streams: number }>()

/** The session as an object of the application, which nobody has looked at yet. */
function itself(session: Session, query: URLSearchParams): object {
  const as = query.get('as')
  if (as === 'part') return { me: session }
  return as === 'data' ? { me: session.data } : session
}

function ownHttpError(status: number): Error {
  return Object.assign(new Error(`status ${status}`), { status })
}

function innerOf(inner: Session | undefined): Session {
  if (!inner) throw new Error('/both needs two engines: pass the session of the inner one to `run`.')
  return inner
}

/** `?clear=storage`: what the browser is asked to delete. */
function flushOptions(query: URLSearchParams): FlushOptions | undefined {
  const type = query.get('clear') as ClearSiteData | null
  return type === null ? undefined : { clearSiteData: [type] }
}

const keyOf = (query: URLSearchParams) => query.get('k') ?? ''

function sentValue(query: URLSearchParams): unknown {
  const text = query.get('v') ?? ''
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return text
  }
}

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const pauseOf = (query: URLSearchParams) => pause(Number(query.get('wait') ?? 0))

async function* streamed(query: URLSearchParams, open: { streams: number }): AsyncGenerator<string> {
  open.streams += 1
  try {
    for (let n = 0; n < Number(query.get('chunks') ?? 3); n++) {
      if (n > 0) await pauseOf(query)
      yield `chunk ${n}\n`
    }
  } finally {
    open.streams -= 1
  }
}

/** Every byte there is, which is no text in UTF-8. */
function bytes(query: URLSearchParams): NonNullable<ProbeAnswer['bytes']> {
  const content = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  const headers: ProbeAnswer['headers'] = [['content-type', 'image/png']]
  if (query.has('length')) headers.push(['content-length', String(content.length)])
  return { content, headers }
}

/** A body of some pieces that fails a while after it was begun, whether somebody reads it or not. */
function failing(query: URLSearchParams): NonNullable<ProbeAnswer['failing']> {
  const error = new Error('the body failed')
  const { promise: over, resolve: end } = Promise.withResolvers<void>()
  const body = async function* () {
    for (let n = 0; n < Number(query.get('chunks') ?? 0); n++) yield `chunk ${n}\n`
    await over
    throw error
  }
  const begin = (fail: (error: Error) => void): void => {
    setTimeout(
      () => {
        fail(error)
        end()
      },
      Number(query.get('wait') ?? 0),
    )
  }
  return { body: body(), begin }
}

/** A piece that leaves, then a change that comes too late, whose error's code is the second piece. */
async function* changedLate(session: Session, query: URLSearchParams): AsyncGenerator<string> {
  yield 'chunk 0\n'
  await pause(20)
  try {
    session.set(keyOf(query), sentValue(query))
    yield 'no error'
  } catch (error) {
    yield String((error as { code?: string }).code)
  }
}
