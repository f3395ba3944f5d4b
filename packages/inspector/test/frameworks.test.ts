import { createAdaptorServer } from '@hono/node-server'
import { createSessions } from '@sess/core'
import { session as expressSession } from '@sess/express'
import { session as fastifySession } from '@sess/fastify'
import { session as h3Session, useSession } from '@sess/h3'
import { session as honoSession } from '@sess/hono'
import { session as koaSession } from '@sess/koa'
import { cacheStore } from '@sess/store-cache'
import express from 'express'
import Fastify, { type FastifyInstance } from 'fastify'
import { H3 } from 'h3'
import { toNodeHandler } from 'h3/node'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Inspector, inspector } from '../src/index.ts'
import { onExpress, onFastify, onKoa } from '../src/node.ts'
import { ADMIN, authorize, handlesIn, type Served, serve, tokenIn } from './site.ts'

type Sessions = ReturnType<typeof createSessions>
type Start = (sessions: Sessions, inspect: Inspector) => Promise<Served>

/** Each app has `POST /login` and `GET /me`, and the inspector as the README mounts it. */
const FRAMEWORKS: Record<string, Start> = {
  Express(sessions, inspect) {
    const app = express().use(onExpress(inspect))
    return expressApp(app, sessions)
  },
  'Express below body parsers and the session'(sessions, inspect) {
    const app = express().use(
      express.urlencoded(),
      express.json(),
      expressSession(sessions),
      onExpress(inspect),
    )
    return expressApp(app, sessions)
  },
  'Express below a parser of text, at a path'(sessions, inspect) {
    const app = express()
      .use(express.text({ type: '*/*' }))
      .use('/sessions', onExpress(inspect))
    return expressApp(app, sessions)
  },
  Koa(sessions, inspect) {
    return koaApp(new Koa().use(onKoa(inspect)), sessions)
  },
  'Koa below a body parser and the session'(sessions, inspect) {
    const app = new Koa()
    app.use(async (ctx, next) => {
      let body = ''
      for await (const chunk of ctx.req) body += chunk
      Object.assign(ctx.request, { body: Object.fromEntries(new URLSearchParams(body)) })
      await next()
    })
    app.use(koaSession(sessions))
    return koaApp(app.use(onKoa(inspect)), sessions)
  },
  async Fastify(sessions, inspect) {
    const app = Fastify()
    app.register(onFastify(inspect))
    return fastifyApp(app, sessions)
  },
  async 'Fastify below the session'(sessions, inspect) {
    const app = Fastify()
    app.register(fastifySession(sessions))
    app.register(onFastify(inspect))
    app.post('/login', async ({ session }) => {
      session.subject = '42'
      return {}
    })
    app.get('/me', async ({ session }) => ({ subject: session.subject }))
    return listening(app)
  },
  h3(sessions, inspect) {
    const app = new H3()
      .use('/sessions/**', event => inspect(event.req))
      .use(h3Session(sessions))
      .post('/login', async event => {
        ;(await useSession(event)).subject = '42'
        return {}
      })
      .get('/me', async event => ({ subject: (await useSession(event)).subject }))
    return serve(toNodeHandler(app) as never)
  },
  async Hono(sessions, inspect) {
    const app = new Hono()
      .all('/sessions/*', c => inspect(c.req.raw))
      .use(honoSession(sessions))
      .post('/login', c => {
        c.var.session.subject = '42'
        return c.json({})
      })
      .get('/me', c => c.json({ subject: c.var.session.subject }))
    const server = createAdaptorServer({ fetch: app.fetch })
    return serve((req, res) => void server.emit('request', req, res))
  },
}

function expressApp(app: express.Express, sessions: Sessions): Promise<Served> {
  app.use(expressSession(sessions))
  app.post('/login', (req, res) => {
    req.session.subject = '42'
    res.json({})
  })
  app.get('/me', (req, res) => void res.json({ subject: req.session.subject }))
  return serve(app)
}

function koaApp(app: Koa, sessions: Sessions): Promise<Served> {
  app.use(koaSession(sessions))
  app.use(ctx => {
    if (ctx.path === '/login') ctx.session.subject = '42'
    ctx.body = { subject: ctx.session.subject }
  })
  return serve(app.callback())
}

function fastifyApp(app: FastifyInstance, sessions: Sessions): Promise<Served> {
  app.register(async app => {
    await app.register(fastifySession(sessions))
    app.post('/login', async ({ session }) => {
      session.subject = '42'
      return {}
    })
    app.get('/me', async ({ session }) => ({ subject: session.subject }))
  })
  return listening(app as never)
}

async function listening(app: {
  listen(at: object): Promise<string>
  close(): Promise<unknown>
  server: { closeAllConnections(): void }
}): Promise<Served> {
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    url,
    async stop() {
      app.server.closeAllConnections()
      await app.close()
    },
  }
}

describe.each(Object.entries(FRAMEWORKS))('on %s', (_, start) => {
  const sessions = createSessions({ store: cacheStore() })
  let served: Served
  beforeAll(async () => {
    served = await start(sessions, inspector(sessions, { authorize }))
  })
  afterAll(() => served.stop())

  const get = (path: string, headers: Record<string, string> = { authorization: ADMIN }) =>
    fetch(served.url + path, { headers, redirect: 'manual' })
  const login = async (): Promise<string> => {
    const response = await fetch(`${served.url}/login`, { method: 'POST' })
    expect(response.status).toBe(200)
    return response.headers.getSetCookie()[0]!.split(';')[0]!
  }
  const subjectOf = async (cookie: string) =>
    ((await (await get('/me', { cookie })).json()) as { subject: unknown }).subject

  it('a session is seen and ended, and its browser is logged out', async () => {
    const cookie = await login()
    expect(await subjectOf(cookie)).toBe('42')
    const page = await get('/sessions/list?q=42')
    expect([page.status, page.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect((await get('/sessions')).status).toBe(200)
    expect((await get('/sessions/style.css')).headers.get('content-type')).toContain('text/css')
    const own = page.headers
      .getSetCookie()
      .find(line => line.startsWith('sess_inspector='))!
      .split(';')[0]!
    const text = await page.text()
    const ended = await fetch(`${served.url}/sessions/session/${handlesIn(text)[0]}/end`, {
      method: 'POST',
      redirect: 'manual',
      headers: { authorization: ADMIN, cookie: own, origin: served.url },
      body: new URLSearchParams({ token: tokenIn(text) }),
    })
    expect([ended.status, ended.headers.get('location')]).toEqual([303, '/sessions/list?q=42&by=subject'])
    expect(await subjectOf(cookie)).toBeNull()
  })

  it('nobody else gets in, and other paths are the app', async () => {
    for (const path of [
      '/sessions',
      '/sessions/',
      '/sessions/list',
      '/sessions/events',
      '/sessions/style.css',
    ]) {
      expect([path, (await get(path, {})).status]).toEqual([path, 403])
    }
    const body = new URLSearchParams({ token: 'x', subject: '42' })
    expect((await fetch(`${served.url}/sessions/end-subject`, { method: 'POST', body })).status).toBe(403)
    expect(await subjectOf('')).toBeNull()
  })

  it('events are sent while they happen, and browsers that leave make room for others', async () => {
    const browsers = new AbortController()
    const listen = () =>
      fetch(`${served.url}/sessions/events?after=999999999`, {
        headers: { authorization: ADMIN },
        signal: browsers.signal,
      })
    const response = await listen()
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const reader = response.body!.getReader()
    const first = new TextDecoder().decode((await reader.read()).value)
    expect(first).toBe('retry: 2000\n\n')
    await login()
    let text = ''
    while (!text.includes('created')) text += new TextDecoder().decode((await reader.read()).value)

    const others = await Promise.all(Array.from({ length: 19 }, listen))
    expect(others.every(({ status }) => status === 200)).toBe(true)
    expect((await listen()).status).toBe(503)
    browsers.abort()
    await expect(reader.read()).rejects.toThrow(/abort/)
    await expect
      .poll(
        async () => {
          const next = await get('/sessions/events')
          await next.body?.cancel()
          return next.status
        },
        { timeout: 10_000 },
      )
      .toBe(200)
  })
})
