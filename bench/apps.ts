import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestHandler } from 'express'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { H3Event, Middleware as H3Middleware } from 'h3'
import type { Context as HonoContext, MiddlewareHandler as HonoMiddleware } from 'hono'
import type { Middleware as KoaMiddleware } from 'koa'

export interface Data {
  n: number
  [key: string]: unknown
}

/** How one library is used in a handler; `at` is what the framework gives a handler. A promise that it returns is awaited. */
export interface Usage<At> {
  read(at: At): unknown
  /** Counts `n` up by one. */
  write(at: At): unknown
  /** Puts the data into a session that is new. */
  fill(at: At, data: Data): unknown
  /** Appends to `list`, in the way the library recommends. */
  append(at: At): unknown
  /** How long `list` is. */
  count(at: At): unknown
}

/** JSON of about 200 and about 4,096 bytes. */
export const DATA: Record<string, Data> = { small: dataOf(2), medium: dataOf(76) }

function dataOf(items: number): Data {
  const cart = Array.from({ length: items }, (_, at) => ({
    sku: `SKU-${1000 + at}`,
    count: 2,
    price: 1990 + at,
  }))
  return { n: 1, userId: 4711, name: 'Ada Lovelace', locale: 'en-GB', roles: ['admin', 'editor'], cart }
}

/** Long enough for all of 200 requests to have read before the first of them writes. */
const OVERLAP_MS = 250

interface Routes<At> {
  [path: string]: (at: At) => unknown
}

function routesOf<At>(usage: Usage<At> | undefined): Routes<At> {
  const nothing = (): string => 'ok'
  const small = (): Data => structuredClone(DATA['small']!)
  if (!usage) {
    // What makes the data of a new session is no part of what the session costs.
    return { '/none': nothing, '/read': nothing, '/write': nothing, '/small': () => small() && 'ok' }
  }
  return {
    '/none': nothing,
    '/read': at => after(usage.read(at), String),
    '/write': at => after(usage.write(at), nothing),
    '/small': at => after(usage.fill(at, small()), nothing),
    '/medium': at => after(usage.fill(at, structuredClone(DATA['medium']!)), nothing),
    '/append': async at => {
      await usage.read(at)
      await sleep(OVERLAP_MS)
      await usage.append(at)
      return 'ok'
    },
    '/count': at => after(usage.count(at), String),
  }
}

/** A handler that need not wait must not be made to. */
function after<T>(value: unknown, then: (value: any) => T): T | Promise<T> {
  return value instanceof Promise ? value.then(then) : then(value)
}

/** The same app on each framework; without `usage` it has no sessions. */
export async function expressApp(
  middleware?: RequestHandler,
  usage?: Usage<import('express').Request>,
): Promise<RequestListener> {
  const { default: express } = await import('express')
  const app = express()
  if (middleware) app.use(middleware)
  for (const [path, run] of Object.entries(routesOf(usage))) {
    app.get(path, (req, res) => {
      const text = run(req)
      if (text instanceof Promise) text.then(text => res.send(text))
      else res.send(text)
    })
  }
  return app
}

export async function koaApp(
  middleware?: (app: import('koa')) => KoaMiddleware,
  usage?: Usage<import('koa').Context>,
): Promise<RequestListener> {
  const { default: Koa } = await import('koa')
  const app = new Koa()
  if (middleware) app.use(middleware(app))
  const routes = routesOf(usage)
  app.use(async ctx => {
    const run = routes[ctx.path]
    if (!run) return
    const text = run(ctx)
    ctx.body = text instanceof Promise ? await text : text
  })
  return app.callback()
}

export async function h3App(middleware?: H3Middleware, usage?: Usage<H3Event>): Promise<RequestListener> {
  const { H3, toNodeHandler } = await import('h3')
  const app = new H3()
  if (middleware) app.use(middleware)
  for (const [path, run] of Object.entries(routesOf(usage))) app.get(path, run)
  return toNodeHandler(app) as RequestListener
}

export interface Exchange {
  req: IncomingMessage
  res: ServerResponse
}

export function nodeApp(usage?: Usage<Exchange>): RequestListener {
  const routes = routesOf(usage)
  return async (req, res) => {
    const text = routes[req.url!]?.({ req, res })
    res.end(text instanceof Promise ? await text : text)
  }
}

export async function fastifyApp(
  register?: (app: FastifyInstance) => PromiseLike<unknown>,
  usage?: Usage<FastifyRequest>,
): Promise<RequestListener> {
  const { default: fastify } = await import('fastify')
  const app = fastify()
  if (register) await register(app)
  for (const [path, run] of Object.entries(routesOf(usage))) app.get(path, request => run(request))
  await app.ready()
  return app.routing
}

export async function honoApp(
  middlewares: HonoMiddleware<any>[] = [],
  usage?: Usage<HonoContext>,
): Promise<RequestListener> {
  const { Hono } = await import('hono')
  const { getRequestListener } = await import('@hono/node-server')
  const app = new Hono()
  for (const middleware of middlewares) app.use(middleware)
  for (const [path, run] of Object.entries(routesOf(usage))) {
    app.get(path, c => after(run(c), text => c.text(text)))
  }
  return getRequestListener(app.fetch) as RequestListener
}

/** What a handler for `fetchApp` has: the request, and the headers of its response. */
export interface Fetched {
  request: Request
  headers: Headers | undefined
}

/** The app without a framework. `wrap` runs each handler with a session. */
export async function fetchApp<At extends Fetched>(
  wrap?: (request: Request, handle: (at: At) => Response | Promise<Response>) => Response | Promise<Response>,
  usage?: Usage<At>,
): Promise<RequestListener> {
  const { getRequestListener } = await import('@hono/node-server')
  const routes = routesOf(usage)
  return getRequestListener(request => {
    const path = request.url.slice(request.url.indexOf('/', 8))
    const handle = (at: At) =>
      after(routes[path]!(at), text => new Response(text, at.headers && { headers: at.headers }))
    return wrap ? wrap(request, handle) : handle({ request } as At)
  }) as RequestListener
}
