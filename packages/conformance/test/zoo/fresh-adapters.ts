import { once } from 'node:events'
import type { createServer, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { serve } from '@hono/node-server'
import {
  type CommitResult,
  createSessions,
  type Session,
  type Sessions,
  type SessionsOptions,
} from '@sess/core'
import { applyTo, type BegunSession, SessionSlot } from '@sess/core/adapter'
import { addCommitted, runWithSession } from '@sess/fetch'
import { holdResponse, sendError } from '@sess/node'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import fastify, { type FastifyInstance } from 'fastify'
import { Hono, type MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import {
  type AdapterFactory,
  type AdapterSetup,
  memoryStore,
  probeRoutes,
  type StartTwoEngines,
} from '../../src/index.ts'

/**
 * The third zoo: written by somebody who had read only the guide and the contract, neither the cases nor the other zoos.
 * Before any case was written for them, the suite rejected 23 of these 27.
 */

/** An adapter that somebody could ship. */
export interface FreshAdapter {
  /** What is wrong, and whom it hurts. */
  mistake: string
  start: AdapterFactory
  startTwo?: StartTwoEngines
}

type Options = Partial<SessionsOptions>
const engine = (options: Options): Sessions => createSessions({ store: memoryStore(), ...options })
const queryOf = (url: string): URLSearchParams => new URL(url, 'http://probe').searchParams
const statusOf = (error: unknown, query: URLSearchParams): number =>
  Number(query.get('mapped') ?? (error as { status?: number }).status ?? 500)

// ---- fetch handlers

type Handle = (session: Session) => Promise<Response>
/** Runs a handler with its session. */
type FetchAdapter = (sessions: Sessions, request: Request, handle: Handle) => Promise<Response>

/** Of each app the response that it made once, for all visitors. */
const noContentOf = new WeakMap<Sessions, Response>()

async function handleFetch(sessions: Sessions, request: Request, session: Session): Promise<Response> {
  const { pathname } = new URL(request.url)
  const query = queryOf(request.url)
  const asked = request.method === 'HEAD' ? 'GET' : request.method
  const route = probeRoutes(sessions).find(({ method, path }) => method === asked && path === pathname)
  if (!route) return new Response('none', { status: 404 })
  const { status, headers, body, json, foreign, constant, thenThrow } = await route.run(session, query)
  if (foreign) return await fetch(new URL('/elsewhere', request.url))
  if (thenThrow) return new Response('a handler returns or throws', { status: 501 })
  if (json) return Response.json(json)
  if (constant) {
    const noContent = noContentOf.get(sessions) ?? new Response(null, { status: 204 })
    noContentOf.set(sessions, noContent)
    return noContent
  }
  const content =
    typeof body === 'string' || body === null
      ? body
      : (Readable.toWeb(Readable.from(body, { objectMode: true })) as ReadableStream).pipeThrough(
          new TextEncoderStream(),
        )
  return new Response(content, { status, headers })
}

const connectionOf = (request: Request) => ({
  secure: () => request.url.startsWith('https:'),
  target: () => {
    const { hostname, pathname } = new URL(request.url)
    return { host: hostname, path: pathname, forwardedProto: request.headers.get('x-forwarded-proto') }
  },
})

/** The steps of a correct one, each of which a broken one does in its own way. */
interface Steps {
  begin(sessions: Sessions, request: Request): BegunSession
  status(response: Response): number
  finish(response: Response, result: CommitResult, request: Request): Response | Promise<Response>
  failed(error: unknown): Response
}

const steps: Steps = {
  begin: (sessions, request) =>
    new SessionSlot(sessions).begin(
      request,
      request.headers.get('cookie'),
      connectionOf(request),
    ) as BegunSession,
  status: response => response.status,
  finish(response, result) {
    const { setCookies, vary, private: isPrivate } = result
    if (setCookies.length === 0 && !vary && !isPrivate) return response
    const copy = new Response(response.body, response)
    applyTo(copy.headers, result)
    return copy
  },
  failed: error => new Response('sorry', { status: (error as { status?: number }).status ?? 500 }),
}

const fetchAdapter =
  (changed: Partial<Steps> = {}): FetchAdapter =>
  async (sessions, request, handle) => {
    const { begin, status, finish, failed } = { ...steps, ...changed }
    const { session, ready, commit } = begin(sessions, request)
    await ready
    let response: Response
    try {
      response = await handle(session)
    } catch (error) {
      response = new Response('sorry', { status: statusOf(error, queryOf(request.url)) })
    }
    try {
      return await finish(response, await commit(status(response)), request)
    } catch (error) {
      await response.body?.cancel()
      return failed(error)
    }
  }

const onFetch =
  (adapter: FetchAdapter): AdapterFactory =>
  async options => {
    const sessions = engine(options)
    const answer = (request: Request): Response | Promise<Response> => {
      if (new URL(request.url).pathname === '/elsewhere') {
        return new Response('from elsewhere', { headers: { 'x-foreign': 'yes' } })
      }
      return adapter(sessions, request, session => handleFetch(sessions, request, session))
    }
    return await listening(
      serve({ fetch: answer, hostname: '127.0.0.1', port: 0 }) as ReturnType<typeof createServer>,
    )
  }

async function listening(server: ReturnType<typeof createServer>): Promise<AdapterSetup> {
  if (!server.listening) await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

const viaFetch = (mistake: string, changed: Partial<Steps>): FreshAdapter => ({
  mistake,
  start: onFetch(fetchAdapter(changed)),
})

// ---- Express

const nodeConnection = (req: IncomingMessage) => ({
  secure: () => (req.socket as { encrypted?: boolean }).encrypted === true,
  target: () => ({ host: req.headers.host, path: req.url, forwardedProto: req.headers['x-forwarded-proto'] }),
})

type Begin = (sessions: Sessions, property?: string) => RequestHandler

const hold: Begin = (sessions, property) => {
  const slot = new SessionSlot(sessions, property === undefined ? {} : { property })
  return (req, res, next) => {
    const begun = slot.begin(req, req.headers.cookie, nodeConnection(req))
    if (!begun) return next()
    holdResponse(res, begun.commit, error => sendError(res, error))
    if (begun.ready) begun.ready.then(() => next(), next)
    else next()
  }
}

const onExpress =
  (begin: Begin): StartTwoEngines =>
  async (options, inner) => {
    const sessions = engine(options)
    const app = express()
    app.set('env', 'test')
    app.use(begin(sessions))
    if (inner) app.use(begin(engine(inner), 'inner'))
    for (const { method, path, run } of probeRoutes(sessions)) {
      app[method.toLowerCase() as 'get'](path, async (req, res) => {
        const { status, headers, body, json, thenThrow } = await run(
          req.session,
          queryOf(req.originalUrl),
          (req as { inner?: Session }).inner,
        )
        if (json) return void res.json(json)
        const own: Record<string, string[]> = {}
        for (const [name, value] of headers) own[name] = [...(own[name] ?? []), value]
        // As much code does it that was written for node:http.
        res.writeHead(
          status,
          Object.fromEntries(
            Object.entries(own).map(([name, all]) => [name, name === 'set-cookie' ? all : all.join(', ')]),
          ),
        )
        if (typeof body === 'string' || body === null) res.end(body ?? undefined)
        else {
          for await (const piece of body) res.write(piece)
          res.end()
        }
        if (thenThrow) throw thenThrow
      })
    }
    const mapped: ErrorRequestHandler = (error, req, res, next) => {
      const query = queryOf(req.originalUrl)
      if (res.headersSent) next(error)
      else res.status(statusOf(error, query)).send('sorry')
    }
    app.use(mapped)
    return await listening(app.listen(0, '127.0.0.1'))
  }

const viaExpress = (mistake: string, begin: Begin): FreshAdapter => ({
  mistake,
  start: options => onExpress(begin)(options, undefined as unknown as Options, {}),
  startTwo: onExpress(begin),
})

// ---- Fastify

type Plugin = (app: FastifyInstance, slot: SessionSlot) => void

const hooks =
  (
    send: (
      reply: {
        statusCode: number
        getHeader(name: string): unknown
        header(name: string, value: unknown): unknown
      },
      result: CommitResult,
    ) => void,
    at: 'onSend' | 'onResponse' = 'onSend',
  ): Plugin =>
  (app, slot) => {
    const begunOf = new WeakMap<object, BegunSession>()
    app.addHook('onRequest', async request => {
      const begun = slot.begin(request, request.headers.cookie, nodeConnection(request.raw))
      if (!begun) return
      begunOf.set(request, begun)
      await begun.ready
    })
    app.addHook(at as 'onSend', async (request, reply) => {
      const begun = begunOf.get(request)
      if (!begun) return
      try {
        send(reply, await begun.commit(reply.statusCode))
      } catch (error) {
        for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
        throw error
      }
    })
  }

const onFastify =
  (plugin: Plugin): AdapterFactory =>
  async options => {
    const sessions = engine(options)
    const app = fastify({ forceCloseConnections: true })
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
    app.decorateRequest('session')
    plugin(app, new SessionSlot(sessions))
    app.setErrorHandler((error: Error, request, reply) =>
      reply.code(statusOf(error, queryOf(request.url))).send('sorry'),
    )
    for (const { method, path, run } of probeRoutes(sessions)) {
      app.route({
        method,
        url: path,
        async handler(request, reply) {
          const { session } = request as unknown as { session: Session }
          const { status, headers, body, json, thenThrow } = await run(session, queryOf(request.url))
          reply.code(status)
          for (const [name, value] of headers) {
            const others = name === 'vary' ? reply.getHeader(name) : undefined
            reply.header(name, others ? `${others}, ${value}` : value)
          }
          if (json) return json
          const payload = typeof body === 'string' || body === null ? body : Readable.from(body)
          if (!thenThrow) return await reply.send(payload ?? undefined)
          void reply.send(payload)
          throw thenThrow
        },
      })
    }
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    return { url, stop: () => app.close() }
  }

const viaFastify = (mistake: string, plugin: Plugin): FreshAdapter => ({ mistake, start: onFastify(plugin) })

const addAll: Parameters<typeof hooks>[0] = (reply, result) => {
  const headers = new Headers()
  for (const name of ['vary', 'cache-control']) {
    const own = reply.getHeader(name)
    if (own) headers.set(name, String(own))
  }
  applyTo(headers, result)
  for (const cookie of result.setCookies) reply.header('set-cookie', cookie)
  for (const name of ['vary', 'cache-control']) if (headers.has(name)) reply.header(name, headers.get(name))
}

// ---- Hono

type Make = (slot: SessionSlot) => MiddlewareHandler

const onHono =
  (make: Make): StartTwoEngines =>
  async (options, inner) => {
    const sessions = engine(options)
    const app = new Hono()
    app.get('/elsewhere', c => c.body('from elsewhere', 200, { 'x-foreign': 'yes' }))
    app.use(make(new SessionSlot(sessions)))
    if (inner) app.use(make(new SessionSlot(engine(inner), { property: 'inner' })))
    app.onError((error, c) => c.text('sorry', statusOf(error, queryOf(c.req.url)) as 500))
    const httpError = (status: number) => new HTTPException(status as 500)
    for (const { method, path, run } of probeRoutes(sessions, { httpError })) {
      app.on(method, path, async c => {
        const at = c as unknown as { session: Session; inner?: Session }
        const { status, headers, body, foreign, json, thenThrow } = await run(
          at.session,
          queryOf(c.req.url),
          at.inner,
        )
        if (foreign) return await fetch(new URL('/elsewhere', c.req.url))
        if (thenThrow) return c.text('a handler returns or throws', 501)
        if (json) return c.json(json)
        const content =
          typeof body === 'string' || body === null
            ? body
            : (Readable.toWeb(Readable.from(body)) as ReadableStream).pipeThrough(new TextEncoderStream())
        for (const [name, value] of headers) c.header(name, value, { append: true })
        return c.newResponse(content, status as 200)
      })
    }
    return await listening(
      serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as ReturnType<typeof createServer>,
    )
  }

const viaHono = (mistake: string, make: Make): FreshAdapter => ({
  mistake,
  start: options => onHono(make)(options, undefined as unknown as Options, {}),
  startTwo: onHono(make),
})

const middleware =
  (onFailure: (c: Parameters<MiddlewareHandler>[0]) => void): Make =>
  ({ sessions, property }) =>
  async (c, next) => {
    const handle = async () => {
      await next()
      return c.res
    }
    try {
      const response = await runWithSession(sessions, c.req.raw, handle, { on: c, property })
      c.res = undefined
      c.res = response
    } catch (error) {
      onFailure(c)
      throw error
    }
  }

const dropHeaders = (c: Parameters<MiddlewareHandler>[0]): void => {
  c.res = undefined
  for (const name of [...c.res.headers.keys()]) c.res.headers.delete(name)
}

/** The correct ones that the broken ones are made of. */
export const correctAdapters: Record<string, FreshAdapter> = {
  fetch: viaFetch('', {}),
  express: viaExpress('', hold),
  fastify: viaFastify('', hooks(addAll)),
  hono: viaHono(
    '',
    middleware(c => {
      dropHeaders(c)
      addCommitted(c, c.res.headers)
    }),
  ),
}

export const freshAdapters = {
  'fetch-shared-response': viaFetch(
    'a response without a body that the app keeps for all visitors gets the cookie: the next visitor is somebody else',
    {
      finish(response, result) {
        try {
          applyTo(response.headers, result)
          return response
        } catch {
          return steps.finish(response, result, new Request('http://x')) as Response
        }
      },
    },
  ),
  'fetch-headers-as-object': viaFetch(
    'headers are copied by Object.fromEntries: of several cookies of the app one is left',
    {
      finish(response, result) {
        const copy = new Response(response.body, {
          status: response.status,
          headers: Object.fromEntries(response.headers),
        })
        applyTo(copy.headers, result)
        return copy
      },
    },
  ),
  'fetch-buffers': viaFetch(
    'the body is read before it is sent: a stream of events shows nothing until it ends',
    {
      async finish(response, result) {
        const empty = response.status === 204 || response.status === 304
        const copy = new Response(empty ? null : await response.arrayBuffer(), response)
        applyTo(copy.headers, result)
        return copy
      },
    },
  ),
  'fetch-nothing-without-body': viaFetch(
    'a 204 or 304 has no body and gets no headers either: after a login by fetch() that answers 204 nobody is logged in',
    {
      finish: (response, result, request) =>
        response.status === 204 || response.status === 304
          ? response
          : steps.finish(response, result, request),
    },
  ),
  'fetch-ok-or-500': viaFetch(
    'the status is `ok ? 200 : 500`: a form with an error (422) loses what it left in the session',
    {
      status: response => (response.ok || response.status < 400 ? 200 : 500),
    },
  ),
  'fetch-cookies-joined': viaFetch(
    'the cookies are one header, joined by a comma: with two of them the browser takes one',
    {
      finish(response, { setCookies, ...rest }, request) {
        return steps.finish(
          response,
          { ...rest, setCookies: setCookies.length > 0 ? [setCookies.join(', ')] : [] },
          request,
        )
      },
    },
  ),
  'fetch-cookie-by-search': viaFetch(
    'the cookie is found by /sessionid=([^;]+)/: that of another app, `oldsessionid`, is taken for it',
    {
      begin(sessions, request) {
        const value = new RegExp(`${sessions.cookieName}=([^;]+)`).exec(
          request.headers.get('cookie') ?? '',
        )?.[1]
        const cookie = value && `${sessions.cookieName}=${value}`
        return new SessionSlot(sessions).begin(request, cookie, connectionOf(request)) as BegunSession
      },
    },
  ),
  'fetch-cookies-decoded': viaFetch(
    'the whole header is decoded: a cookie of another app with a "%" is a URIError on each page',
    {
      begin: (sessions, request) =>
        new SessionSlot(sessions).begin(
          request,
          decodeURIComponent(request.headers.get('cookie') ?? ''),
          connectionOf(request),
        ) as BegunSession,
    },
  ),
  'fetch-cookies-as-map': viaFetch(
    'cookies are parsed to an object and joined again: two of one name are one, which hides an attack',
    {
      begin(sessions, request) {
        const cookies = Object.fromEntries(
          (request.headers.get('cookie') ?? '').split('; ').map(pair => pair.split('=') as [string, string]),
        )
        const header = Object.entries(cookies)
          .map(pair => pair.join('='))
          .join('; ')
        return new SessionSlot(sessions).begin(request, header, connectionOf(request)) as BegunSession
      },
    },
  ),
  'fetch-commit-again': viaFetch(
    'a commit that failed is tried again, which is an empty result: 200, and nothing is saved',
    {
      begin(sessions, request) {
        const begun = steps.begin(sessions, request)
        return {
          ...begun,
          async commit(status) {
            try {
              return await begun.commit(status)
            } catch {
              return await begun.commit(status)
            }
          },
        }
      },
    },
  ),
  'fetch-skips-unused': viaFetch(
    'without a use of the session there is no commit: "save every request" does not, and active users are logged out',
    {
      begin(sessions, request) {
        const begun = steps.begin(sessions, request)
        const commit: BegunSession['commit'] = status =>
          begun.session.accessed || begun.session.modified
            ? begun.commit(status)
            : { setCookies: [], vary: false, private: false }
        return { ...begun, commit }
      },
    },
  ),
  'fetch-load-fails-all': viaFetch(
    'the load is awaited with its error: an outage of the store takes public pages down, too',
    {
      begin(sessions, request) {
        const begun = steps.begin(sessions, request)
        const failing = { ...begun }
        failing.ready = sessions.lazy ? undefined : loadedOrThrow(begun.session)
        return failing
      },
    },
  ),
  'fetch-gone-client': viaFetch(
    'nothing is saved for a client that has left: an order is placed, and the cart is still full',
    {
      begin(sessions, request) {
        const begun = steps.begin(sessions, request)
        const commit: BegunSession['commit'] = status =>
          request.signal.aborted ? { setCookies: [], vary: false, private: false } : begun.commit(status)
        return { ...begun, commit }
      },
    },
  ),
  'fetch-forgets-secure': viaFetch(
    '`secure` is not passed: over plain HTTP the cookie is marked Secure, and the browser drops it',
    {
      begin: (sessions, request) =>
        new SessionSlot(sessions).begin(request, request.headers.get('cookie'), {
          target: connectionOf(request).target,
        }) as BegunSession,
    },
  ),
  'fetch-believes-forwarded': viaFetch(
    '`secure` is what `X-Forwarded-Proto` says, which any client can send, proxy or not',
    {
      begin: (sessions, request) =>
        new SessionSlot(sessions).begin(request, request.headers.get('cookie'), {
          ...connectionOf(request),
          secure: () =>
            request.headers.get('x-forwarded-proto') === 'https' || request.url.startsWith('https:'),
        }) as BegunSession,
    },
  ),
  'fetch-cache-if-none': viaFetch(
    '`Cache-Control: private` is set only if the app set none: a CDN keeps a page with a cookie',
    {
      finish(response, result) {
        const copy = new Response(response.body, response)
        const own = copy.headers.get('cache-control')
        applyTo(copy.headers, result)
        if (own) copy.headers.set('cache-control', own)
        return copy
      },
    },
  ),
  'fetch-leaves-body-open': {
    mistake: 'when the save fails, the body of the response is not cancelled: its file or cursor stays open',
    start: onFetch(async (sessions, request, handle) => {
      const { session, ready, commit } = steps.begin(sessions, request)
      await ready
      let response: Response
      try {
        response = await handle(session)
      } catch (error) {
        response = new Response('sorry', { status: statusOf(error, queryOf(request.url)) })
      }
      try {
        return await steps.finish(response, await commit(response.status), request)
      } catch (error) {
        return steps.failed(error)
      }
    }),
  },
  'express-last-session': viaExpress(
    'the session of the request is also `app.locals.session`, and handlers get that one: of two requests at once one has the session of the other',
    (sessions, property = 'session') => {
      const slot = new SessionSlot(sessions, { property })
      let last: Session
      return (req, res, next) => {
        const holder = {}
        const begun = slot.begin(holder, req.headers.cookie, nodeConnection(req))
        if (!begun) return next()
        last = begun.session
        Object.defineProperty(req, property, { get: () => last })
        holdResponse(res, begun.commit, error => sendError(res, error))
        if (begun.ready) begun.ready.then(() => next(), next)
        else next()
      }
    },
  ),
  'express-session-of-socket': viaExpress(
    'the opened session is kept on the socket of a browser that keeps it alive: behind a proxy visitors share it',
    (sessions, property) => {
      const correct = hold(sessions, property)
      return (req, res, next) => {
        const socket = req.socket as typeof req.socket & { cookies?: string | undefined }
        socket.cookies ??= req.headers.cookie
        req.headers.cookie = req.headers.cookie ?? socket.cookies
        correct(req, res, next)
      }
    },
  ),
  'express-only-end': viaExpress(
    'only `res.end` waits for the commit: a streamed page has sent its head before, and gets no cookie',
    sessions => {
      const slot = new SessionSlot(sessions)
      return (req, res, next) => {
        const begun = slot.begin(req, req.headers.cookie, nodeConnection(req))
        if (!begun) return next()
        const end = res.end.bind(res) as (...args: unknown[]) => ServerResponse
        const head: unknown[][] = []
        const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse
        res.writeHead = ((...args: unknown[]) => {
          head.push(args)
          res.statusCode = args[0] as number
          return res
        }) as typeof res.writeHead
        res.end = ((...args: unknown[]) => {
          Promise.resolve(begun.commit(res.statusCode)).then(
            result => {
              if (!res.headersSent) {
                const [status = res.statusCode, own = {}] = (head[0] ?? []) as [
                  number?,
                  Record<string, string | string[]>?,
                ]
                for (const [name, value] of Object.entries(own)) res.setHeader(name, value)
                const headers = new Headers()
                for (const name of ['vary', 'cache-control']) {
                  const value = res.getHeader(name)
                  if (value) headers.set(name, String(value))
                }
                applyTo(headers, { ...result, setCookies: [] })
                for (const [name, value] of headers) res.setHeader(name, value)
                for (const cookie of result.setCookies) res.appendHeader('set-cookie', cookie)
                writeHead(status)
              }
              end(...args)
            },
            error => {
              for (const name of res.getHeaderNames()) res.removeHeader(name)
              writeHead((error as { status?: number }).status ?? 500)
              end()
            },
          )
          return res
        }) as typeof res.end
        if (begun.ready) begun.ready.then(() => next(), next)
        else next()
      }
    },
  ),
  'express-after-finish': viaExpress(
    'the commit runs at `finish`, and a cookie is set beforehand: who follows a redirect at once finds the old data',
    (sessions, property) => {
      const slot = new SessionSlot(sessions, property === undefined ? {} : { property })
      return (req, res, next) => {
        const begun = slot.begin(req, req.headers.cookie, nodeConnection(req))
        if (!begun) return next()
        let early: CommitResult | undefined
        holdResponse(
          res,
          status => {
            // A new session has to be saved for its key; a known one can be saved later.
            if (!req.headers.cookie) return begun.commit(status)
            early = { setCookies: [], vary: begun.session.accessed, private: false }
            return early
          },
          error => sendError(res, error),
        )
        res.on(
          'finish',
          () => void (early && Promise.resolve(begun.commit(res.statusCode)).catch(() => undefined)),
        )
        if (begun.ready) begun.ready.then(() => next(), next)
        else next()
      }
    },
  ),
  'fastify-after-response': viaFastify(
    'the commit runs in onResponse, when everything is sent: no visitor ever gets a cookie',
    hooks(() => undefined, 'onResponse'),
  ),
  'fastify-vary-replaced': viaFastify(
    '`reply.header("vary", "Cookie")` replaces what the app had: a cache gives German pages to everybody',
    hooks((reply, result) => {
      const headers = new Headers()
      const own = reply.getHeader('cache-control')
      if (own) headers.set('cache-control', String(own))
      applyTo(headers, result)
      for (const cookie of result.setCookies) reply.header('set-cookie', cookie)
      if (result.vary) reply.header('vary', 'Cookie')
      if (headers.has('cache-control')) reply.header('cache-control', headers.get('cache-control'))
    }),
  ),
  'fastify-error-hook': viaFastify(
    "onError commits with 500 before the app's error handler makes a 4xx of it: what the form left is not saved",
    (app, slot) => {
      const begunOf = new WeakMap<object, BegunSession>()
      app.addHook('onRequest', async request => {
        const begun = slot.begin(request, request.headers.cookie, nodeConnection(request.raw))
        if (!begun) return
        begunOf.set(request, begun)
        await begun.ready
      })
      app.addHook('onError', async request => void (await begunOf.get(request)?.commit(500)))
      app.addHook('onSend', async (request, reply) => {
        const begun = begunOf.get(request)
        if (begun) addAll(reply, await begun.commit(reply.statusCode))
      })
    },
  ),
  'hono-error-keeps-headers': viaHono(
    'after a save that failed the headers of the page are still there: the error page has its cookies and is cached',
    middleware(() => undefined),
  ),
  'hono-forgets-inner': viaHono(
    'when the outer engine fails, the cookie of the inner one, which has saved, is dropped: a renewed key is lost',
    middleware(dropHeaders),
  ),
  'hono-not-for-get': viaHono(
    'GET and HEAD do not save, because they change nothing: a flash message is shown for ever',
    slot => {
      const correct = middleware(dropHeaders)(slot)
      return async (c, next) => {
        if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return await correct(c, next)
        const begun = slot.begin(c, c.req.header('cookie'), connectionOf(c.req.raw))
        await begun?.ready
        await next()
      }
    },
  ),
} satisfies Record<string, FreshAdapter>

/** The case that rejects each of them. */
export const rejectedBy: Record<keyof typeof freshAdapters, string> = {
  'fetch-shared-response': 'adapter/constant-response',
  'fetch-headers-as-object': 'adapter/own-several',
  'fetch-buffers': 'adapter/stream',
  'fetch-nothing-without-body': 'adapter/status-empty',
  'fetch-ok-or-500': 'adapter/status-saves',
  'fetch-cookies-joined': 'adapter/several-cookies',
  'fetch-cookie-by-search': 'adapter/several-cookies',
  'fetch-cookies-decoded': 'adapter/cookie-grammar',
  'fetch-cookies-as-map': 'adapter/duplicate-cookies',
  'fetch-commit-again': 'adapter/logout-overlaps',
  'fetch-skips-unused': 'adapter/rolling',
  'fetch-load-fails-all': 'adapter/load-fails',
  'fetch-gone-client': 'adapter/left-after-change',
  'fetch-forgets-secure': 'adapter/cookie-attributes',
  'fetch-believes-forwarded': 'adapter/forwarded',
  'fetch-cache-if-none': 'adapter/own-public',
  'fetch-leaves-body-open': 'adapter/failed-body-closed',
  'express-last-session': 'adapter/visitors-at-once',
  'express-session-of-socket': 'adapter/same-connection',
  'express-only-end': 'adapter/late-after-rotation',
  'express-after-finish': 'adapter/read-only',
  'fastify-after-response': 'adapter/set-and-get',
  'fastify-vary-replaced': 'adapter/own-headers',
  'fastify-error-hook': 'adapter/thrown-4xx',
  'hono-error-keeps-headers': 'adapter/save-fails',
  'hono-forgets-inner': 'adapter/two-engines-save-fails',
  'hono-not-for-get': 'adapter/body-is-session',
}

async function loadedOrThrow(session: Session): Promise<void> {
  await session.load()
  session.keys()
}
