import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as send } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { createSessions, type SessionsOptions } from '@sess/core'
import { session } from '@sess/express'
import { cacheStore } from '@sess/store-cache'
import { describeEngine } from '@sess/test-fixtures/adapter-engine.ts'
import { cookiesOf, request, serve } from '@sess/test-fixtures/http.ts'
import { down, type InterceptedStore, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import compression from 'compression'
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const BIG = 'a line of a long text that compresses well\n'.repeat(50_000)

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-express-'))
  file = join(folder, 'big.txt')
  await writeFile(file, BIG)
})
afterAll(() => rm(folder, { recursive: true }))

interface Place {
  app: Express
  store: InterceptedStore
}

/** An app with sessions over a store that can be interfered with. */
function place(options: Partial<SessionsOptions> = {}, before?: (app: Express) => void): Place {
  const store = intercept(cacheStore())
  const app = express()
  app.set('env', 'test')
  before?.(app)
  app.use(session({ store, ...options }))
  return { app, store }
}

/** How an app usually handles its errors. */
const sendErrorCode: ErrorRequestHandler = (error, _req, res, _next) => {
  res.status(error.status ?? 500).json({ code: error.code })
}

it('a handler that responds twice gets the error that it would get from Express, and its client the first response', async () => {
  const { app, store } = place()
  store.before = () => sleep(20)
  const errors: unknown[] = []
  app.get('/', (req, res) => {
    req.session.set('a', 1)
    res.send('short')
    try {
      res.status(404).send('a much longer text')
    } catch (error) {
      errors.push((error as NodeJS.ErrnoException).code)
    }
    try {
      res.cookie('late', '1')
    } catch (error) {
      errors.push((error as NodeJS.ErrnoException).code)
    }
  })
  await using server = await serve(app)
  const got = await request(server.url)
  expect(errors).toEqual(['ERR_HTTP_HEADERS_SENT', 'ERR_HTTP_HEADERS_SENT'])
  expect([got.status, got.text, got.headers['content-length']]).toEqual([200, 'short', '5'])
  expect(cookiesOf(got)).toMatch(/^sessionid=[^;]+$/)
})

describe('pay for what you use', () => {
  it('a route that leaves the session alone gets nothing and asks nothing [I4]', async () => {
    const { app, store } = place()
    app.get('/', (_req, res) => res.send('ok'))
    await using server = await serve(app)
    for (const cookie of [undefined, `sessionid=${'a'.repeat(32)}`]) {
      store.calls.length = 0
      const got = await request(server.url, { cookie })
      expect(got.headers).not.toHaveProperty('vary')
      expect(got.headers).not.toHaveProperty('cache-control')
      if (cookie === undefined) {
        expect(got.setCookies).toEqual([])
        expect(store.calls).toEqual([])
      }
    }
  })

  it('a read without a cookie says Vary and nothing else, and asks no store [A19]', async () => {
    const { app, store } = place()
    app.get('/', (req, res) => res.json(req.session.get('cart') ?? null))
    await using server = await serve(app)
    const got = await request(server.url)
    expect(got.setCookies).toEqual([])
    expect(got.headers.vary).toBe('Cookie')
    expect(store.calls).toEqual([])
  })

  it('a read is one call, a write a read and a write', async () => {
    const { app, store } = place()
    app.get('/read', (req, res) => res.json(req.session.get('n') ?? 0))
    app.get('/write', (req, res) => res.json(req.session.update('n', (n = 0) => n + 1).get('n')))
    await using server = await serve(app)
    const first = await request(`${server.url}/write`)
    expect(store.calls.splice(0)).toEqual(['insert'])
    const cookie = cookiesOf(first)
    expect((await request(`${server.url}/read`, { cookie })).json).toBe(1)
    expect(store.calls.splice(0)).toEqual(['read'])
    expect((await request(`${server.url}/write`, { cookie })).json).toBe(2)
    expect(store.calls.splice(0)).toEqual(['read', 'replace'])
  })

  it('lazy: reads nothing until the handler does', async () => {
    const { app, store } = place({ lazy: true })
    app.get('/set', async (req, res) => {
      await req.session.load()
      req.session.set('a', 1)
      res.send('ok')
    })
    app.get('/none', (_req, res) => res.send('ok'))
    app.get('/early', (req, res) => res.json(req.session.get('a') ?? null))
    app.use(sendErrorCode)
    await using server = await serve(app)
    const cookie = cookiesOf(await request(`${server.url}/set`))
    store.calls.length = 0
    expect((await request(`${server.url}/none`, { cookie })).text).toBe('ok')
    expect(store.calls).toEqual([])
    const early = await request(`${server.url}/early`, { cookie })
    expect(early.status).toBe(500)
    expect(early.json).toEqual({ code: 'SESSION_NOT_LOADED' })
  })
})

describe.each([
  ['without compression', (_app: Express) => undefined, (_app: Express) => undefined],
  ['compression before', (app: Express) => app.use(compression()), (_app: Express) => undefined],
  ['compression after', (_app: Express) => undefined, (app: Express) => app.use(compression())],
  [
    'compression on both sides',
    (app: Express) => app.use(compression()),
    (app: Express) => app.use(compression()),
  ],
])('%s', (name, before, after) => {
  const compressed = name.startsWith('compression')

  function app(delay?: number): Place {
    const made = place({}, before)
    if (delay !== undefined) made.store.before = method => (method === 'read' ? undefined : sleep(delay))
    after(made.app)
    const touch: express.RequestHandler = (req, _res, next) => {
      req.session.update('n', (n = 0) => n + 1)
      next()
    }
    made.app.get('/send', touch, (_req, res) => res.type('text').send(BIG))
    made.app.get('/file', touch, (_req, res) => res.sendFile(file))
    made.app.get('/pipe', touch, (_req, res) => createReadStream(file).pipe(res.type('text')))
    made.app.get('/flush', touch, async (_req, res) => {
      res.type('text').flushHeaders()
      for (let at = 0; at < BIG.length; at += 500_000) {
        await sleep(2)
        res.write(BIG.slice(at, at + 500_000))
      }
      res.end()
    })
    made.app.get('/cached', touch, (_req, res) => res.status(304).end())
    made.app.use(sendErrorCode)
    return made
  }

  for (const [speed, delay] of [
    ['a store without delay', undefined],
    ['a slow store', 60],
  ] as const) {
    for (const path of ['/send', '/file', '/pipe', '/flush']) {
      it(`${path} arrives whole and after its session, ${speed} [F27]`, async () => {
        const { app: made, store } = app(delay)
        let saved = false
        const wait = store.before
        store.before = async method => {
          await wait?.(method)
          saved = true
        }
        await using server = await serve(made)
        const got = await request(server.url + path, { headers: { 'accept-encoding': 'gzip' } })
        expect(saved).toBe(true)
        expect(got.status).toBe(200)
        expect(got.headers['content-encoding']).toBe(compressed ? 'gzip' : undefined)
        const body = compressed ? gunzipSync(got.body) : got.body
        expect(body.toString() === BIG).toBe(true)
        expect(got.setCookies).toHaveLength(1)
        expect(got.headers.vary).toContain('Cookie')
      })
    }

    it(`no byte and no cookie of a response that could not be saved, ${speed} [F2]`, async () => {
      const { app: made, store } = app(delay)
      const wait = store.before
      store.before = async method => {
        await wait?.(method)
        down()
      }
      await using server = await serve(made)
      for (const path of ['/send', '/file', '/pipe', '/flush', '/cached']) {
        const got = await request(server.url + path, { headers: { 'accept-encoding': 'gzip' } })
        expect([path, got.status, got.setCookies]).toEqual([path, 503, []])
        expect(got.json).toEqual({ code: 'SESSION_STORE' })
        expect(got.headers).not.toHaveProperty('accept-ranges')
        expect(got.headers).not.toHaveProperty('last-modified')
      }
    })
  }

  it('responds to a HEAD and a conditional request', async () => {
    const { app: made } = app(10)
    await using server = await serve(made)
    const head = await request(`${server.url}/file`, { method: 'HEAD' })
    expect([head.status, head.body.length, head.setCookies.length]).toEqual([200, 0, 1])
    const etag = head.headers.etag!
    const again = await request(`${server.url}/file`, {
      headers: { 'if-none-match': etag },
      cookie: cookiesOf(head),
    })
    expect([again.status, again.body.length, again.setCookies.length]).toEqual([304, 0, 1])
  })

  it('Express sends its own error page when the app has no error handler [F2]', async () => {
    const made = place({}, before)
    after(made.app)
    made.store.before = async () => down()
    made.app.post('/', (req, res) => {
      req.session.set('a', 1)
      res.redirect('/')
    })
    await using server = await serve(made.app)
    const got = await request(server.url, { method: 'POST', body: 'some body that nobody reads' })
    expect(got.status).toBe(503)
    expect(got.setCookies).toEqual([])
    expect(got.headers).not.toHaveProperty('location')
    expect(got.headers['content-type']).toContain('text/html')
  })
})

describe('faults', () => {
  it("Express's error page, which waits for the request's end, is not overtaken by the handler [F2]", async () => {
    const { app, store } = place()
    store.before = () => down()
    app.post('/head', (req, res) => {
      req.session.set('a', 1)
      res.writeHead(200, { 'Content-Type': 'text/plain' }).end('page')
    })
    app.post('/stream', async (req, res) => {
      req.session.set('a', 1)
      for (let i = 0; i < 5; i++) {
        res.write('page')
        await sleep(1)
      }
      res.end()
    })
    await using server = await serve(app)
    for (const path of ['/head', '/stream']) {
      const got = await request(server.url + path, { method: 'POST', body: 'x'.repeat(1_000_000) })
      expect([path, got.status, got.setCookies]).toEqual([path, 503, []])
      expect(got.headers['content-type']).toContain('text/html')
      expect(got.text).not.toContain('page')
    }
  })

  it('where it is mounted in a route, a failed commit goes to the error handlers of that route [F2]', async () => {
    const app = express()
    const store = intercept(cacheStore())
    store.before = down
    const heard: string[] = []
    const hear =
      (name: string): ErrorRequestHandler =>
      (error, _req, _res, next) => {
        heard.push(name)
        next(error)
      }
    const handler: RequestHandler = (req, res) => {
      req.session.set('n', 1)
      res.send('ok')
    }
    app.get('/', session({ store }), handler, hear('route'))
    const pass: RequestHandler = (_req, _res, next) => next('route')
    app.get('/left', session({ store }), pass, hear('route that was left'))
    app.get('/left', handler)
    app.use(hear('app'), sendErrorCode)
    await using server = await serve(app)
    expect((await request(server.url)).status).toBe(503)
    expect(heard.splice(0)).toEqual(['route', 'app'])
    expect((await request(`${server.url}/left`)).status).toBe(503)
    expect(heard).toEqual(['app'])
  })

  describe('a failed commit takes the way of an error that the handler throws [F2]', () => {
    /** Who heard of the error at /a/b/x/5, and where they were. */
    async function hearers(fails: (req: express.Request, res: express.Response) => void, delay = 0) {
      const heard: unknown[] = []
      const hear =
        (name: string): ErrorRequestHandler =>
        (error, req, _res, next) => {
          heard.push([name, error.status, req.url, req.baseUrl, req.params, req.app === app])
          next(error)
        }
      const { app, store } = place()
      store.before = delay ? () => sleep(delay).then(down) : down
      const outer = express.Router()
      const inner = express.Router()
      const nested = express()
      app.use('/a', outer)
      outer.use('/b', inner)
      outer.use('/c', nested)
      for (const mounted of [inner, nested]) {
        mounted.get('/x/:id', fails)
        mounted.use(hear('inner'))
      }
      outer.use(hear('outer'))
      app.use('/a/b', hear('of /a/b'))
      app.use('/a/c', hear('of /a/c'))
      app.use(hear('app'), sendErrorCode)
      await using server = await serve(app)
      for (const path of ['/a/b/x/5', '/a/c/x/5']) expect((await request(server.url + path)).status).toBe(503)
      return heard
    }

    for (const delay of [0, 20]) {
      it(`through nested routers and apps, known after ${delay} ms`, async () => {
        const expected = await hearers(() => {
          throw Object.assign(new Error('thrown'), { status: 503 })
        })
        expect(expected).toHaveLength(8)
        const got = await hearers((req, res) => {
          req.session.set('n', 1)
          res.send('gone')
        }, delay)
        expect(got).toEqual(expected)
      })
    }

    it("not by the route's own error handlers", async () => {
      const { app, store } = place()
      store.before = down
      const ofRoute: ErrorRequestHandler = (_error, _req, res, _next) => void res.status(500).end()
      const write: express.RequestHandler = (req, res) => {
        req.session.set('n', 1)
        res.send('gone')
      }
      app.get('/', write, ofRoute)
      app.use(sendErrorCode)
      await using server = await serve(app)
      expect((await request(server.url)).json).toEqual({ code: 'SESSION_STORE' })
    })

    it('also when the handler continues after it responded', async () => {
      const { app, store } = place()
      store.before = () => sleep(20).then(down)
      app.get('/', (req, res, next) => {
        req.session.set('n', 1)
        res.send('gone')
        next()
      })
      app.use(sendErrorCode)
      await using server = await serve(app)
      expect((await request(server.url)).status).toBe(503)
    })
  })

  it('a store that is down at load: used 503, untouched and cookie-less 200, the same cookie works afterwards [F1]', async () => {
    const { app, store } = place()
    app.get('/read', (req, res) => res.json(req.session.get('n') ?? null))
    app.get('/write', (req, res) => res.json(req.session.set('n', 1).get('n')))
    app.get('/none', (_req, res) => res.send('ok'))
    app.use(sendErrorCode)
    await using server = await serve(app)
    const cookie = cookiesOf(await request(`${server.url}/write`))
    store.before = async () => down()
    const used = await request(`${server.url}/read`, { cookie })
    expect([used.status, used.setCookies, used.json]).toEqual([503, [], { code: 'SESSION_STORE' }])
    const untouched = await request(`${server.url}/none`, { cookie })
    expect([untouched.status, untouched.setCookies]).toEqual([200, []])
    expect((await request(`${server.url}/read`)).status).toBe(200)
    store.before = undefined
    expect((await request(`${server.url}/read`, { cookie })).json).toBe(1)
  })

  it('a request over a store that hangs gets a 503 at the deadline [F3]', async () => {
    const { app, store } = place({ timeout: 200 })
    app.get('/write', (req, res) => res.json(req.session.set('n', 1).get('n')))
    app.use(sendErrorCode)
    await using server = await serve(app)
    store.before = () => new Promise(() => undefined)
    for (const cookie of [undefined, `sessionid=${'a'.repeat(32)}`]) {
      const start = performance.now()
      const got = await request(`${server.url}/write`, { cookie })
      expect([got.status, got.setCookies]).toEqual([503, []])
      expect(performance.now() - start).toBeLessThan(2_000)
    }
  })

  it('saves for a client that leaves while its session is saved, and serves the others [F26]', async () => {
    const { app, store } = place()
    app.get('/write', (req, res) => {
      req.session.update('n', (n = 0) => n + 1)
      res.sendFile(file)
    })
    app.get('/read', (req, res) => res.json(req.session.get('n') ?? null))
    await using server = await serve(app)
    const cookie = cookiesOf(await request(`${server.url}/write`))
    const saving = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    store.before = async method => {
      if (method !== 'replace') return
      saving.resolve()
      await left.promise
    }
    const aborted = send(`${server.url}/write`, { headers: { cookie } })
    const closed = new Promise(resolve => aborted.on('close', resolve))
    aborted.on('error', () => undefined)
    aborted.end()
    await saving.promise
    aborted.destroy()
    await closed
    left.resolve()
    await expect.poll(async () => (await request(`${server.url}/read`, { cookie })).json).toBe(2)
  })

  it('a handler that throws: a 4xx is saved, a 5xx is not, a flush is [F28]', async () => {
    const { app } = place()
    app.get('/throw/:status', (req, _res) => {
      req.session.set('n', Number(req.params.status))
      throw Object.assign(new Error('thrown'), { status: Number(req.params.status) })
    })
    app.get('/flush', (req, _res) => {
      req.session.flush()
      throw new Error('thrown')
    })
    app.get('/read', (req, res) => res.json(req.session.get('n') ?? null))
    await using server = await serve(app)
    const saved = await request(`${server.url}/throw/418`)
    expect([saved.status, saved.setCookies.length]).toEqual([418, 1])
    const cookie = cookiesOf(saved)
    expect((await request(`${server.url}/throw/500`, { cookie })).setCookies).toEqual([])
    expect((await request(`${server.url}/read`, { cookie })).json).toBe(418)
    const flushed = await request(`${server.url}/flush`, { cookie })
    expect([flushed.status, flushed.setCookies.length]).toEqual([500, 1])
    expect((await request(`${server.url}/read`, { cookie })).json).toBe(null)
  })

  it('an error handler that runs twice commits once [F28]', async () => {
    const { app, store } = place()
    let runs = 0
    app.get('/', (req, _res) => {
      req.session.set('a', 1)
      throw Object.assign(new Error('thrown'), { status: 400 })
    })
    const twice: ErrorRequestHandler = (error, _req, res, next) => {
      runs++
      res.status(400).send('answered')
      next(error)
    }
    app.use(twice, twice)
    await using server = await serve(app)
    await request(server.url).catch(error => expect(error.code).toBe('ECONNRESET'))
    expect(runs).toBe(2)
    expect(store.calls).toEqual(['insert'])
  })

  it('a handler that throws after it began to write [F28]', async () => {
    const { app, store } = place()
    store.before = method => (method === 'insert' ? sleep(20) : undefined)
    app.get('/', async (req, res) => {
      req.session.set('a', 1)
      res.write('begun')
      await sleep(40)
      throw new Error('thrown')
    })
    await using server = await serve(app)
    await expect(request(server.url)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(store.calls).toEqual(['insert'])
  })

  describe('a handler that throws after it responded, while the session is saved', () => {
    const responseOf = async (...handlers: ErrorRequestHandler[]) => {
      const { app, store } = place()
      store.before = () => sleep(20)
      app.get('/', async (req, res) => {
        req.session.set('a', 1)
        res.send('saved')
        throw new Error('after the response')
      })
      for (const handler of handlers) app.use(handler)
      await using server = await serve(app)
      const got = await request(server.url).catch(error => error.code as string)
      await expect.poll(() => store.calls).toEqual(['insert'])
      return got
    }

    it('gets its response and cookie, and then Express destroys the connection', async () => {
      expect(await responseOf()).toMatchObject({
        status: 200,
        text: 'saved',
        setCookies: [expect.stringMatching(/^sessionid=/)],
      })
    })

    it.each([
      ['sends twice', (_req: Request, res: Response) => void res.send('first').send('second')],
      [
        'redirects and sends',
        (_req: Request, res: Response) => {
          res.redirect('/elsewhere')
          res.send('second')
        },
      ],
    ])('so does one that %s', async (_, respond) => {
      const { app, store } = place()
      store.before = () => sleep(20)
      app.get('/', (req, res) => {
        req.session.set('a', 1)
        respond(req, res)
      })
      await using server = await serve(app)
      const { status, setCookies } = await request(server.url)
      expect([200, 302]).toContain(status)
      expect(setCookies).toHaveLength(1)
    })

    it('is cut off when the save fails, as before', async () => {
      const { app, store } = place()
      store.before = async () => {
        await sleep(20)
        throw new Error('down')
      }
      app.get('/', (req, res) => {
        req.session.set('a', 1)
        res.send('first').send('second')
      })
      await using server = await serve(app)
      await expect(request(server.url)).rejects.toMatchObject({ code: 'ECONNRESET' })
    })

    it('so does one behind two engines', async () => {
      const { app, store } = place()
      store.before = () => sleep(20)
      const cookie = { name: 'admin' }
      app.use(session({ store, cookie }, { property: 'admin' }))
      app.get('/', (req, res) => {
        req.session.set('a', 1)
        ;(req as unknown as { admin: typeof req.session }).admin.set('b', 1)
        res.send('first').send('second')
      })
      await using server = await serve(app)
      const { status, setCookies } = await request(server.url)
      expect([status, setCookies.length]).toEqual([200, 2])
    })

    it('gets its response and cookie if an error handler leaves ended responses alone', async () => {
      const logged: string[] = []
      const got = await responseOf((error, _req, res, next) => {
        if (!res.writableEnded) return next(error)
        logged.push(error.message)
      })
      expect(got).toMatchObject({
        status: 200,
        text: 'saved',
        setCookies: [expect.stringMatching(/^sessionid=/)],
      })
      expect(logged).toEqual(['after the response'])
    })
  })

  it('a change after the first byte is the documented error, never a silent loss', async () => {
    const { app } = place()
    app.get('/', (req, res) => {
      res.write('begun ')
      try {
        req.session.set('a', 1)
      } catch (error) {
        res.end((error as { code: string }).code)
      }
    })
    await using server = await serve(app)
    expect((await request(server.url)).text).toBe('begun SESSION_COMMITTED')
  })
})

describe('several middlewares', () => {
  it('the same engine twice is one session, one commit, one cookie [F38]', async () => {
    const store = intercept(cacheStore())
    const sessions = createSessions({ store })
    const app = express()
    app.use(session(sessions))
    app.use(session(sessions), session(sessions, { property: 'other' as 'session' }))
    app.get('/', (req, res) => {
      req.session.set('a', 1)
      res.json((req as unknown as { other: unknown }).other === req.session)
    })
    await using server = await serve(app)
    const got = await request(server.url)
    expect(got.json).toBe(true)
    expect(got.setCookies).toHaveLength(1)
    expect(store.calls).toEqual(['insert'])
  })

  it('two engines on one property are an error that says so [F38]', async () => {
    const { app } = place()
    app.use(session({ store: cacheStore() }))
    app.get('/', (_req, res) => res.send('ok'))
    app.use(sendErrorCode)
    await using server = await serve(app)
    const got = await request(server.url)
    expect([got.status, got.json]).toEqual([500, { code: 'CONFIG' }])
  })

  it.each([
    [],
    [null],
    ['s'],
    [{ store: cacheStore() }, { propery: 'x' }],
    [{ store: cacheStore() }, 'admin'],
  ])('wrong options are an error at start-up: %j %j', (...args: unknown[]) => {
    expect(() => (session as (...args: unknown[]) => unknown)(...args)).toThrow(
      expect.objectContaining({ code: 'CONFIG' }),
    )
  })

  it('two engines on one cookie are an error, and so is to replace the session [F38]', async () => {
    const { app } = place()
    app.get('/null', req => {
      Object.assign(req, { session: null })
    })
    app.use(session({ store: cacheStore() }, { property: 'admin' }))
    app.use(((error, _req, res, _next) => res.json(error.option ?? error.message)) as ErrorRequestHandler)
    await using server = await serve(app)
    expect((await request(server.url)).json).toBe('cookie.name')
    expect((await request(`${server.url}/null`)).json).toMatch(/`session` .*`flush\(\)`/)
  })

  it('two engines side by side, each with its cookie and path [A9]', async () => {
    const { app } = place()
    const admin = session(
      { store: cacheStore(), cookie: { name: 'admin', path: '/admin', sameSite: 'strict' } },
      { property: 'adminSession' },
    )
    app.use('/admin', admin, (req, res) => {
      req.session.set('seen', true)
      ;(req as unknown as { adminSession: typeof req.session }).adminSession.set('staff', true)
      res.send('ok')
    })
    await using server = await serve(app)
    const got = await request(`${server.url}/admin`)
    expect(got.setCookies.map(cookie => cookie.split('=')[0]).sort()).toEqual(['admin', 'sessionid'])
    expect(got.setCookies.find(cookie => cookie.startsWith('admin'))).toMatch(
      /Path=\/admin;.*SameSite=Strict/,
    )
  })
})

describe('the store of the outer of two engines is down', () => {
  for (const path of ['/send', '/stream', '/own-error-page']) {
    it(`the error page carries the key that the inner one has renewed: ${path}`, async () => {
      const { app, store } = place()
      const staff = createSessions({ store: cacheStore(), cookie: { name: 'staff' } })
      app.use(session(staff, { property: 'staff' }))
      app.use((req, res) => {
        const inner = (req as unknown as { staff: typeof req.session }).staff
        inner.cycleKey()
        inner.update('n', (n = 0) => n + 1)
        req.session.set('seen', true)
        if (path === '/stream') res.write('page')
        res.end('page')
      })
      if (path === '/own-error-page') app.use(sendErrorCode)
      await using server = await serve(app)
      const cookie = cookiesOf(await request(server.url + path))
      store.before = method => (method === 'replace' ? down() : undefined)
      const failed = await request(server.url + path, { cookie })
      expect(failed.status).toBe(503)
      expect(failed.text).not.toContain('page')
      const [renewed, ...others] = failed.setCookies
      expect(others).toEqual([])
      expect(renewed).toMatch(/^staff=/)
      const kept = staff.open(renewed!.split(';')[0])
      await kept.load()
      expect(kept.get('n')).toBe(2)
    })
  }
})

describe('secure [A20]', () => {
  async function flags(trust: boolean, headers: Record<string, string>): Promise<string> {
    const { app } = place()
    if (trust) app.set('trust proxy', 'loopback')
    app.get('/', (req, res) => {
      req.session.set('a', 1)
      res.send('ok')
    })
    await using server = await serve(app)
    return (await request(server.url, { headers })).setCookies[0]!
  }
  it('follows a TLS proxy that is trusted', async () => {
    expect(await flags(true, { 'x-forwarded-proto': 'https' })).toContain('Secure')
  })
  it('ignores a proxy that is not trusted', async () => {
    expect(await flags(false, { 'x-forwarded-proto': 'https' })).not.toContain('Secure')
    expect(await flags(true, {})).not.toContain('Secure')
  })
})

it('types the session of a request', () => {
  express().get('/', (req, res) => {
    const key: string | null = req.session.sessionKey
    res.json(key)
  })
})

describeEngine(
  session,
  async (sess, headers) => {
    const app = express().use(sess)
    app.get('/', (req, res) => {
      req.session.subject = 'ada'
      res.end()
    })
    await using server = await serve(app)
    await fetch(server.url, { headers })
  },
  '127.0.0.1',
)
