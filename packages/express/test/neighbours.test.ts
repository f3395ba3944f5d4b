import 'reflect-metadata'
import { once } from 'node:events'
import { Agent, request as send } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { Controller, Get, Module, Req } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { createSessions } from '@sess/core'
import { session } from '@sess/express'
import { cacheStore } from '@sess/store-cache'
import { cookiesOf, request, serve } from '@sess/test-fixtures/http.ts'
import { down, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import compression from 'compression'
import timeout from 'connect-timeout'
import express, { type ErrorRequestHandler, type Request, type RequestHandler } from 'express'
import helmet from 'helmet'
import morgan from 'morgan'
import onHeaders from 'on-headers'
import { describe, expect, it } from 'vitest'

const PAGE = 'a line of a page that compresses well\n'.repeat(100)

describe('middleware that many apps have, above and below', () => {
  for (const order of ['above', 'below']) {
    for (const turns of [0, 1]) {
      it(`logs, headers and bodies are right ${order}, store in ${turns} turns`, async () => {
        const store = intercept(cacheStore())
        if (turns > 0) store.before = () => Promise.resolve()
        const log: string[] = []
        const others: RequestHandler[] = [
          morgan(':status :res[content-type]', { stream: { write: line => void log.push(line.trim()) } }),
          helmet(),
          compression({ threshold: 0 }),
          timeout(5_000),
          (_req, res, next) => {
            onHeaders(res, () => res.setHeader('x-on-headers', String(res.statusCode)))
            next()
          },
        ]
        const app = express().set('env', 'test')
        if (order === 'above') app.use(...others)
        app.use(session({ store }))
        if (order === 'below') app.use(...others)
        app.get('/', (req, res) => {
          req.session.update('n', (n = 0) => n + 1)
          res.status(201).type('text').send(PAGE)
        })
        await using server = await serve(app)
        const headers = { 'accept-encoding': 'gzip' }
        const got = await request(server.url, { headers })
        expect(gunzipSync(got.body).toString()).toBe(PAGE)
        expect([got.status, got.setCookies.length, got.headers['x-on-headers']]).toEqual([201, 1, '201'])
        expect(got.headers['x-content-type-options']).toBe('nosniff')
        expect(got.headers['vary']).toMatch(/Accept-Encoding/)
        expect(got.headers['vary']).toMatch(/Cookie/)
        const before = store.before
        store.before = method => (method === 'replace' ? down() : before?.(method))
        const failed = await request(server.url, { headers, cookie: cookiesOf(got) })
        expect([failed.status, failed.setCookies]).toEqual([503, []])
        expect(failed.body.includes('a line of a page')).toBe(false)
        while (log.length < 2) await sleep(1)
        expect(log).toEqual(['201 text/plain; charset=utf-8', '503 text/html; charset=utf-8'])
      })
    }
  }

  it('connect-timeout responds for a slow handler, whose late changes are an error', async () => {
    const store = intercept(cacheStore())
    store.before = () => Promise.resolve()
    const app = express().set('env', 'test')
    app.use(timeout(20), session({ store }))
    const late = Promise.withResolvers<unknown>()
    app.get('/', (req, res) => {
      req.session.set('n', 1)
      res.on('finish', () => {
        try {
          req.session.set('n', 2)
        } catch (error) {
          late.resolve((error as { code: string }).code)
        }
      })
    })
    await using server = await serve(app)
    expect((await request(server.url)).status).toBe(503)
    expect(await late.promise).toBe('SESSION_COMMITTED')
  })
})

it('with the error handler of the guide, a change after the response does not reach the next visitor of a proxy', async () => {
  const app = express().set('env', 'test')
  app.use(session({ store: cacheStore() }))
  const changed = Promise.withResolvers<void>()
  app.get('/late', async (req, res) => {
    res.send('one')
    await once(res, 'finish')
    await sleep(5)
    req.session.set('n', 1)
  })
  app.get('/next', async (_req, res) => {
    await changed.promise
    res.send('two')
  })
  const spare: ErrorRequestHandler = (error, _req, res, next) => {
    if (!res.writableEnded) return next(error)
    expect(error.code).toBe('SESSION_COMMITTED')
    changed.resolve()
  }
  app.use(spare)
  await using server = await serve(app)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const get = async (path: string): Promise<string> => {
    const [res] = await once(send(server.url + path, { agent }).end(), 'response')
    let text = ''
    for await (const chunk of res.setEncoding('utf8')) text += chunk
    return text
  }
  expect(await get('/late')).toBe('one')
  expect(await get('/next')).toBe('two')
  agent.destroy()
})

describe('NestJS on Express', () => {
  // Decorators, applied by hand: sources here run by type stripping.
  class Visits {
    visit(req: Request): { n: number } {
      req.session.update('n', (n = 0) => n + 1)
      return { n: req.session.get('n') }
    }
    look(req: Request): { n: number } {
      return { n: req.session.get('n') }
    }
  }
  const decorate = (name: 'visit' | 'look', path: string): void => {
    Get(path)(Visits.prototype, name, Object.getOwnPropertyDescriptor(Visits.prototype, name)!)
    Req()(Visits.prototype, name, 0)
  }
  decorate('visit', '/')
  decorate('look', '/look')
  Controller()(Visits)
  class App {}
  Module({ controllers: [Visits] })(App)

  it('keeps a session, and sends our errors with their status', async () => {
    const store = intercept(cacheStore())
    store.before = () => Promise.resolve()
    const app = await NestFactory.create(App, { logger: false })
    const sessions = createSessions({ store })
    app.use(session(sessions))
    await app.listen(0, '127.0.0.1')
    const url = (await app.getUrl()) as string
    try {
      const first = await request(url)
      expect(first.json).toEqual({ n: 1 })
      const cookie = cookiesOf(first)
      expect((await request(url, { cookie })).json).toEqual({ n: 2 })
      store.before = async method => (method === 'replace' ? down() : undefined)
      const failed = await request(url, { cookie })
      expect([failed.status, failed.setCookies]).toEqual([503, []])
      store.before = async () => down()
      expect((await request(`${url}/look`, { cookie })).status).toBe(503)
      // A logout in another tab, between the read and the save.
      store.before = async method => {
        if (method === 'replace') await sessions.delete(cookie.split('=')[1]!)
      }
      const interrupted = await request(url, { cookie })
      expect([interrupted.status, interrupted.setCookies]).toEqual([400, []])
      expect(interrupted.json).toMatchObject({ statusCode: 400 })
    } finally {
      await app.close()
    }
  })
})
