import type { IncomingMessage, ServerResponse } from 'node:http'
import { NodeRequest, sendNodeResponse } from 'srvx/node'
import type { Inspector } from './index.ts'

/** A request of Express, or of Node alone. A body parser above may have read its body. */
interface ParsedRequest extends IncomingMessage {
  originalUrl?: string
  body?: unknown
}

/** What is used of a context of Koa. */
interface KoaContext {
  path: string
  respond?: boolean
  req: IncomingMessage
  res: ServerResponse
  request: object
}

/** What is used of an app of Fastify. */
interface FastifyApp {
  addContentTypeParser(
    type: string,
    options: { parseAs: 'string' },
    parser: (request: unknown, body: string, done: (error: null, body: string) => void) => void,
  ): unknown
  all(
    path: string,
    handler: (
      request: { raw: IncomingMessage; body: unknown },
      reply: { hijack(): unknown; raw: ServerResponse },
    ) => unknown,
  ): unknown
}

/**
 * The inspector as a middleware of Express, or of `node:http`. Requests for other paths go on to the next one.
 *
 * @example
 * app.use(onExpress(inspector(sessions, { authorize: isAdmin })))
 */
export function onExpress(
  inspect: Inspector,
): (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void) => void {
  return (req: ParsedRequest, res, next) => {
    if (next && !isUnder(inspect.basePath, req.originalUrl ?? req.url ?? '/')) return next()
    respond(inspect, req, res, req.body).catch(error => (next ? next(error) : res.destroy(error)))
  }
}

/**
 * The inspector as a middleware of Koa. Requests for other paths go on to the next one.
 *
 * @example
 * app.use(onKoa(inspector(sessions, { authorize: isAdmin })))
 */
export function onKoa(inspect: Inspector): (ctx: any, next: () => Promise<any>) => Promise<void> {
  // Koa would take the type of a context for an addition to that of the app.
  return async (ctx: KoaContext, next) => {
    if (!isUnder(inspect.basePath, ctx.path)) {
      await next()
      return
    }
    ctx.respond = false
    await respond(inspect, ctx.req, ctx.res, (ctx.request as { body?: unknown }).body)
  }
}

/**
 * The inspector as a plugin of Fastify.
 *
 * @example
 * app.register(onFastify(inspector(sessions, { authorize: isAdmin })))
 */
export function onFastify(inspect: Inspector): (app: FastifyApp) => Promise<void> {
  return async app => {
    // Of this plugin alone: the application's own parsers stay as they are.
    app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) =>
      done(null, body),
    )
    for (const path of [inspect.basePath || '/', `${inspect.basePath}/*`]) {
      app.all(path, (request, reply) => {
        reply.hijack()
        respond(inspect, request.raw, reply.raw, request.body).catch(error => reply.raw.destroy(error))
      })
    }
  }
}

function isUnder(basePath: string, url: string): boolean {
  const path = url.replace(/[?#].*/s, '')
  return path === basePath || path.startsWith(`${basePath}/`)
}

async function respond(
  inspect: Inspector,
  req: IncomingMessage,
  res: ServerResponse,
  body: unknown,
): Promise<void> {
  const request = new NodeRequest({ req, res })
  const read = body === undefined || !req.readableEnded ? undefined : formText(body)
  await sendNodeResponse(res, await inspect(read === undefined ? request : withBody(request, read)))
}

/** The request, with the body that a parser has read from it. */
function withBody({ url, method, headers, signal }: Request, body: string): Request {
  return new Request(url, {
    method,
    headers,
    signal,
    body: method === 'GET' || method === 'HEAD' ? null : body,
  })
}

function formText(body: unknown): string {
  if (typeof body === 'string') return body
  if (body instanceof Uint8Array) return Buffer.from(body).toString()
  const fields = Object.entries(Object(body) as object)
  return new URLSearchParams(fields.map(([name, value]) => [name, String(value)])).toString()
}
