import { type EventEmitter, once } from 'node:events'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { createSessions } from '@sess/core'
import { session } from '@sess/koa'
import { cacheStore } from '@sess/store-cache'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { intercept } from '@sess/test-fixtures/intercepted-store.ts'
import Koa, { type Context } from 'koa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

// Neither has types.
const require = createRequire(import.meta.url)
const koaWebSocket = require('koa-websocket')
const koaEasyWs = require('koa-easy-ws')

type Socket = EventEmitter & { send(text: string): void }

/** Changes the session when a message comes, and saves it if the path says so. */
function talk(ctx: Context, socket: Socket): void {
  socket.on('message', async () => {
    ctx.session.set('n', ctx.path)
    if (ctx.path === '/saved') await ctx.session.save()
    socket.send('done')
  })
}

/** What is not a WebSocket. */
const page: Koa.Middleware = ctx => {
  if (!ctx.session.has('n')) ctx.session.set('n', 'new')
  ctx.body = ctx.session.get('n')
}

const apps: Record<string, (app: Koa, gate: Koa.Middleware) => Server> = {
  'koa-websocket, which has no response': (app, gate) => {
    koaWebSocket(app)
    const { ws } = app as unknown as { ws: { use(middleware: Koa.Middleware): void } }
    ws.use(gate)
    ws.use(ctx => talk(ctx, (ctx as unknown as { websocket: Socket }).websocket))
    app.use(gate)
    app.use(page)
    return app.listen(0, '127.0.0.1')
  },
  'koa-easy-ws, whose response is never sent': (app, gate) => {
    app.use(gate)
    app.use(koaEasyWs())
    app.use(async (ctx, next) => {
      const upgrade = ctx['ws'] as (() => Promise<Socket>) | undefined
      if (upgrade) talk(ctx, await upgrade())
      else await next()
    })
    app.use(page)
    return app.listen(0, '127.0.0.1')
  },
}

describe('a session that is changed in a WebSocket', () => {
  const warnings: string[] = []
  const warn = (warning: Error): unknown => warnings.push(warning.message)
  beforeEach(() => {
    warnings.length = 0
    process.on('warning', warn)
  })
  afterEach(() => void process.off('warning', warn))

  it.each(Object.keys(apps))(
    'is saved by save(), and else a warning: %s',
    async name => {
      const store = intercept(cacheStore())
      store.before = () => Promise.resolve()
      const app = new Koa()
      const server = apps[name]!(app, session(createSessions({ store })))
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const url = `http://127.0.0.1:${port}/`
      try {
        const cookie = cookiesOf(await request(url))
        for (const path of ['saved', 'unsaved']) {
          const socket = new WebSocket(`ws://127.0.0.1:${port}/${path}`, { headers: { cookie } } as never)
          await once(socket, 'open')
          socket.send('go')
          await once(socket, 'message')
          expect(warnings).toEqual([])
          socket.close()
          await once(socket, 'close')
        }
        expect((await request(url, { cookie })).text).toBe('/saved')
        await expect.poll(() => warnings).toEqual([expect.stringContaining('changes that are not saved')])
      } finally {
        server.close()
      }
    },
    10_000,
  )
})
