import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createSessions, type Sessions, type Store } from '@sess/core'
import { type Inspector, inspector } from '@sess/inspector'
import { onExpress } from '@sess/inspector/node'
import { sqliteStore } from '@sess/store-sql'
import { expressApp } from './express.ts'
import { fastifyApp } from './fastify.ts'
import { fetchApp } from './fetch.ts'
import { h3App } from './h3.ts'
import { h3v1App } from './h3-v1.ts'
import { honoApp } from './hono.ts'
import { koaApp } from './koa.ts'
import { passportApp } from './passport.ts'
import { Shop } from './shop.ts'
import { Traces } from './trace.ts'

export const frameworks = {
  express: { title: 'Express', app: expressApp },
  koa: { title: 'Koa', app: koaApp },
  h3: { title: 'h3', app: h3App },
  fastify: { title: 'Fastify', app: fastifyApp },
  hono: { title: 'Hono', app: honoApp },
  fetch: { title: 'fetch', app: fetchApp },
  'h3-v1': { title: 'h3 1', app: h3v1App },
} satisfies Record<string, { title: string; app: (shop: Shop) => RequestListener }>

export type Framework = keyof typeof frameworks

export interface RunningShop {
  url: string
  stop(): Promise<void>
}

/** Opens the shop on 127.0.0.1; port 0 is a free one. `clock` is for tests. The caller closes the store. */
export async function openShop(
  store: Store,
  framework: Framework = 'express',
  port = 0,
  clock?: () => number,
): Promise<RunningShop> {
  const { title, app } = frameworks[framework]
  const shop = new Shop({ store, runsOn: `Sess on ${title}, sessions in SQLite`, ...(clock && { clock }) })
  return listen(app(shop), shop.traces, shop.sessions, port)
}

/** Opens the shop as an app of express-session and Passport. */
export function openPassportShop(store: Store, port = 0): Promise<RunningShop> {
  const traces = new Traces()
  return listen(passportApp(store, traces), traces, createSessions({ store }), port)
}

async function listen(
  listener: RequestListener,
  traces: Traces,
  sessions: Sessions,
  port: number,
): Promise<RunningShop> {
  const showSessions = onExpress(inspectorOf(sessions))
  const server = createServer((req, res) => {
    const { method = 'GET', url = '/' } = req
    showSessions(req, res, () => traces.run(method, url.replace(/\?.*/s, ''), () => listener(req, res)))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      const closed = once(server, 'close')
      server.close()
      // What is under way may end; a browser that only holds its connection may not keep us.
      const timer = setTimeout(() => server.closeAllConnections(), 2000)
      await closed
      clearTimeout(timer)
    },
  }
}

/** The pages that show the sessions of the shop. A real shop lets in its staff alone. */
function inspectorOf(sessions: Sessions): Inspector {
  return inspector(sessions, {
    // Other sites cannot look in either: a name of theirs with the address of this machine is not let in.
    authorize: request => ['127.0.0.1', 'localhost'].includes(new URL(request.url).hostname),
    label: 'The shop',
    notice:
      'Only in this demonstration: everybody on this machine may see this page. In your app `authorize` decides who may.',
  })
}

if (import.meta.main) {
  const { framework } = parseArgs({ options: { framework: { type: 'string', default: 'express' } } }).values
  const usesPassport = framework === 'express-session'
  if (!usesPassport && !Object.hasOwn(frameworks, framework)) {
    console.error(
      `--framework takes ${Object.keys(frameworks).join(', ')}, express-session, not ${framework}.`,
    )
    process.exit(2)
  }
  const file = process.env['SHOP_DB'] ?? fileURLToPath(new URL('shop.db', import.meta.url))
  const store = sqliteStore(file)
  const port = Number(process.env['PORT'] ?? 3000)
  const shop = await (usesPassport
    ? openPassportShop(store, port)
    : openShop(store, framework as Framework, port))
  console.log(`The shop is open: ${shop.url}`)
  console.log(`Its sessions: ${shop.url}/sessions`)

  const stop = async (): Promise<void> => {
    await shop.stop()
    await store.close()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
