import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer as createTlsServer, request as sendTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import fastifyExpress from '@fastify/express'
import middie from '@fastify/middie'
import { session } from '@sess/express'
import { cacheStore } from '@sess/store-cache'
import { certificate } from '@sess/test-fixtures/certificate.ts'
import { cookiesOf, request, serve } from '@sess/test-fixtures/http.ts'
import { down, type InterceptedStore, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import connect from 'connect'
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import Fastify, { type FastifyInstance } from 'fastify'
import * as h3 from 'h3-v1'
import { describe, expect, it } from 'vitest'

/** What the app of a host does; in `write` the response is begun before it is ended. */
const visits = (req: Request, res: Response): void => {
  req.session.update('visits', (visits = 0) => visits + 1)
  if (req.url.startsWith('/write')) res.write('visits: ')
  res.end(String(req.session.get('visits')))
}

async function fastify(
  plugin: unknown,
  middlewares: RequestHandler[],
  handler: typeof visits,
): Promise<{ listener: RequestListener; close(): Promise<void> }> {
  const app = Fastify() as FastifyInstance & { use(handler: RequestHandler): void }
  await app.register(plugin as never)
  for (const middleware of middlewares) app.use(middleware)
  app.get('/*', (req, reply) => {
    reply.hijack()
    handler(req.raw as never, reply.raw as never)
  })
  await app.ready()
  return { listener: app.routing as RequestListener, close: () => app.close() }
}

/** Frameworks that host Express middleware, with middlewares and a handler that gets Node's request and response. */
const hosts: Record<
  string,
  (
    middlewares: RequestHandler[],
    handler: typeof visits,
  ) => Promise<{ listener: RequestListener; close?(): Promise<void> }>
> = {
  '@fastify/middie': (middlewares, handler) => fastify(middie, middlewares, handler),
  '@fastify/express': (middlewares, handler) => fastify(fastifyExpress, middlewares, handler),
  "h3 1's fromNodeMiddleware": async (middlewares, handler) => {
    const app = h3.createApp()
    for (const middleware of middlewares) app.use(h3.fromNodeMiddleware(middleware as never))
    app.use(
      h3.eventHandler(async event => {
        handler(event.node.req as never, event.node.res as never)
        // h3 1 asks for the end of what a Node handler has begun.
        if (!event.node.res.writableEnded) await once(event.node.res, 'finish')
      }),
    )
    return { listener: h3.toNodeListener(app) }
  },
  connect: async (middlewares, handler) => {
    const app = connect()
    for (const middleware of middlewares) app.use(middleware as never)
    app.use(handler as never)
    return { listener: app as RequestListener }
  },
  // As a custom server of Next.js has it: `app.use(session(…)); app.all('*', (req, res) => handle(req, res))`.
  'a custom server on Express': async (middlewares, handler) => {
    const app = express().set('env', 'test')
    for (const middleware of middlewares) app.use(middleware)
    app.all('/{*path}', (req, res) => handler(req, res))
    return { listener: app }
  },
  // As in Next.js's `pages/api`, Remix or SvelteKit: a promise around one middleware.
  'a promise around the middleware': async (middlewares, handler) => ({
    listener: async (req, res) => {
      for (const middleware of middlewares) {
        await new Promise<void>((resolve, reject) => {
          middleware(req as never, res as never, error => (error ? reject(error) : resolve()))
        })
      }
      handler(req as never, res as never)
    },
  }),
}

const speeds: Record<string, (store: InterceptedStore) => void> = {
  'a store without delay': () => undefined,
  'a store that takes its time': store => {
    store.before = () => Promise.resolve()
  },
}

it('sends a 500 for a handler that throws after the session is loaded, in a host that does not catch', async () => {
  const store = intercept(cacheStore())
  const middleware = session({ store })
  let throws = false
  await using server = await serve((req, res) => {
    middleware(req as never, res as never, () => {
      if (throws) throw new Error('of the handler')
      visits(req as never, res as never)
    })
  })
  const cookie = cookiesOf(await request(server.url))
  // From now on the load takes a turn, so nothing of the host is on the stack when the handler throws.
  store.before = () => Promise.resolve()
  throws = true
  const warned = once(process, 'warning')
  const failed = await request(server.url, { cookie })
  expect([failed.status, failed.text, failed.setCookies]).toEqual([500, 'Internal Server Error', []])
  expect((await warned)[0]).toMatchObject({ message: 'of the handler' })
  throws = false
  expect((await request(server.url, { cookie })).text).toBe('2')
})

for (const [host, start] of Object.entries(hosts)) {
  describe(`hosted by ${host}`, () => {
    for (const [speed, slow] of Object.entries(speeds)) {
      const place = async (more: RequestHandler[] = [], handler = visits) => {
        const store = intercept(cacheStore())
        slow(store)
        const app = await start([session({ store }), ...more], handler)
        const server = await serve(app.listener)
        const stop = async (): Promise<void> => {
          await server.stop()
          await app.close?.()
        }
        return { store, url: server.url, [Symbol.asyncDispose]: stop }
      }

      it(`keeps a session, ${speed}`, async () => {
        await using at = await place()
        const first = await request(`${at.url}/`)
        expect([first.status, first.text]).toEqual([200, '1'])
        const second = await request(`${at.url}/write`, { cookie: cookiesOf(first) })
        expect([second.status, second.text]).toEqual([200, 'visits: 2'])
      })

      for (const path of ['/', '/write']) {
        it(`sends the status of a failed save for ${path}, and the next request works, ${speed}`, async () => {
          await using at = await place()
          const before = at.store.before
          at.store.before = method => (method === 'insert' ? down() : before?.(method))
          const failed = await request(at.url + path)
          expect([failed.status, failed.setCookies]).toEqual([503, []])
          expect(failed.text).not.toContain('visits')
          expect(failed.text).not.toBe('1')
          at.store.before = before
          expect((await request(`${at.url}/`)).text).toBe('1')
        })
      }

      it(`sends the status of a failed save of a middleware below, ${speed}`, async () => {
        await using at = await place([(req, res) => visits(req, res)], () => expect.unreachable())
        at.store.before = async () => down()
        const failed = await request(`${at.url}/`)
        expect([failed.status, failed.setCookies]).toEqual([503, []])
        at.store.before = undefined
        expect((await request(`${at.url}/`)).text).toBe('1')
      })

      it(`sends the status of a failed load, ${speed}`, async () => {
        await using at = await place([
          (req, res, next: NextFunction) => {
            try {
              req.session.get('visits')
              next()
            } catch (error) {
              res.statusCode = (error as { status: number }).status
              res.end()
            }
          },
        ])
        const cookie = cookiesOf(await request(`${at.url}/`))
        at.store.before = async () => down()
        expect((await request(`${at.url}/`, { cookie })).status).toBe(503)
      })
    }

    it('marks the cookie Secure on https, and not on http [A20]', async () => {
      const app = await start([session({ store: cacheStore() })], visits)
      const tls = createTlsServer(certificate, app.listener)
      tls.listen(0, '127.0.0.1')
      await once(tls, 'listening')
      const { port } = tls.address() as AddressInfo
      const req = sendTls({ host: '127.0.0.1', port, rejectUnauthorized: false, agent: false })
      const [res] = await once(req.end(), 'response')
      res.resume()
      await once(res, 'end')
      tls.close()
      await using plain = await serve(app.listener)
      const [overHttp] = (await request(plain.url)).setCookies
      await app.close?.()
      expect(res.headers['set-cookie'][0]).toMatch(/; Secure/)
      expect(overHttp).toMatch(/^sessionid=/)
      expect(overHttp).not.toMatch(/; Secure/)
    })
  })
}
