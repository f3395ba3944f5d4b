import { type EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { createSessions, type SessionsOptions } from '@sess/core'
import { session } from '@sess/express'
import { cacheStore } from '@sess/store-cache'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { intercept } from '@sess/test-fixtures/intercepted-store.ts'
import express, { type Request, type RequestHandler, type Response } from 'express'
import { createMocks } from 'node-mocks-http'
import serverless from 'serverless-http'
import { Server, type Socket } from 'socket.io'
import { io as connect } from 'socket.io-client'
import { describe, expect, it } from 'vitest'

/** An engine over a store that takes its time, as one on a network does. */
function engine(options: Partial<SessionsOptions> = {}) {
  const store = intercept(cacheStore())
  store.before = () => Promise.resolve()
  return createSessions({ store, ...options })
}

const app = (handler: RequestHandler): express.Express => {
  const app = express().set('env', 'test')
  app.use(session(engine()))
  app.use(handler)
  return app
}

const counts: RequestHandler = (req, res) => {
  req.session.update('n', (n = 0) => n + 1)
  res.json({ n: req.session.get('n') })
}

describe('a response that is a ServerResponse in all but its socket is held', () => {
  it('serverless-http', async () => {
    const handle = serverless(app(counts))
    const event = (cookie = '') => ({
      httpMethod: 'GET',
      path: '/',
      headers: { cookie },
      requestContext: { identity: { sourceIp: '192.0.2.1' } },
    })
    const first = (await handle(event(), {})) as any
    const setCookies = [first.multiValueHeaders?.['set-cookie'] ?? first.headers['set-cookie']].flat()
    const second = (await handle(event(cookiesOf({ setCookies } as never)), {})) as any
    expect([first.statusCode, first.body, second.body]).toEqual([200, '{"n":1}', '{"n":2}'])
  })

  it('a Proxy around a response', async () => {
    const sessions = engine()
    const server = createServer((req, real) => {
      const res = new Proxy(real, {
        get: (target, name) => {
          const value = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      }) as unknown as Response
      session(sessions)(req as Request, res, () => {
        ;(req as Request).session.update('n', (n = 0) => n + 1)
        res.end(String((req as Request).session.get('n')))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const first = await request(url)
    const second = await request(url, { cookie: cookiesOf(first) })
    server.close()
    expect([first.text, second.text]).toEqual(['1', '2'])
  })
})

describe('a mock of a response, which cannot be held', () => {
  /** Runs a handler behind the middleware on mocks of node-mocks-http. */
  async function run(
    sessions: ReturnType<typeof engine>,
    handler: (req: Request, res: Response) => unknown,
    cookie?: string,
  ) {
    const { req, res } = createMocks<Request, Response>({ headers: cookie === undefined ? {} : { cookie } })
    await new Promise<void>((resolve, reject) => {
      session(sessions)(req, res, error => (error ? reject(error) : resolve()))
    })
    await handler(req, res)
    return res
  }
  const save = async (req: Request, res: Response): Promise<void> => {
    req.session.update('n', (n = 0) => n + 1)
    await req.session.save()
    res.status(201).send(`n=${req.session.get('n')}`)
  }

  it('has what save() saved, and its cookie', async () => {
    const sessions = engine()
    const first = await run(sessions, save)
    expect([first.statusCode, first._getData(), first.getHeader('vary')]).toEqual([201, 'n=1', 'Cookie'])
    const [cookie] = first.getHeader('set-cookie') as string[]
    const second = await run(sessions, save, cookie!.split(';')[0])
    expect(second._getData()).toBe('n=2')
  })

  it('reads without ado', async () => {
    const res = await run(engine(), (req, res) => void res.send(String(req.session.get('n'))))
    expect([res.statusCode, res._getData()]).toEqual([200, 'undefined'])
  })

  it('is an error when a change was not saved, and stores nothing', async () => {
    const sessions = engine()
    const first = await run(sessions, save)
    const cookie = (first.getHeader('set-cookie') as string[])[0]!.split(';')[0]!
    for (const respond of [
      (res: Response) => {
        res.write('secret')
        res.end('page')
      },
      (res: Response) => res.writeHead(200).end('secret page'),
    ]) {
      const res = await run(
        sessions,
        (req, res) => {
          req.session.set('n', 7)
          respond(res)
        },
        cookie,
      )
      expect(res.statusCode).toBe(500)
      expect(res._getData()).toBe('Internal Server Error')
    }
    const change = (req: Request, res: Response): void => {
      req.session.set('n', 7)
      res.send('the mock keeps the body before it ends')
    }
    await expect(run(sessions, change, cookie)).rejects.toMatchObject({ code: 'SESSION_COMMITTED' })
    const kept = sessions.open(cookie)
    await kept.load()
    expect(kept.get('n')).toBe(1)
  })
})

describe('Socket.IO', () => {
  interface Place {
    url: string
    sessions: ReturnType<typeof engine>
    io: Server
  }

  async function place(
    onConnect: (socket: Socket) => void,
    before?: (req: Request, res: Response, next: (error?: unknown) => void) => void,
    mount?: (io: Server, sessions: ReturnType<typeof engine>) => void,
  ): Promise<Place & AsyncDisposable> {
    const sessions = engine()
    const web = express()
    web.use(session(sessions))
    web.get('/login', (req, res) => {
      req.session.set('user', 'ann')
      res.send('in')
    })
    web.get('/user', (req, res) => void res.json({ ...req.session.toJSON() }))
    const server = createServer(web)
    const io = new Server(server)
    if (mount) mount(io, sessions)
    else io.engine.use(session(sessions))
    if (before) io.engine.use(before)
    io.on('connection', onConnect)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return { url, sessions, io, [Symbol.asyncDispose]: async () => void (await io.close()) }
  }

  async function withClient<T>(
    url: string,
    cookie: string,
    transports: ('websocket' | 'polling')[],
    use: (client: ReturnType<typeof connect>) => Promise<T>,
  ): Promise<T> {
    const client = connect(url, { transports, extraHeaders: { cookie }, reconnection: false, forceNew: true })
    try {
      return await use(client)
    } finally {
      client.close()
    }
  }
  const greeting = (client: ReturnType<typeof connect>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      client.on('greeting', resolve)
      client.on('connect_error', reject)
    })

  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']] as const) {
    it(`io.engine.use(session(…)) gives every socket its session: ${transports.join(' and ')}`, async () => {
      const upgraded = Promise.withResolvers<string>()
      await using at = await place(socket => {
        const { session } = socket.request as unknown as Request
        socket.emit('greeting', session.get('user'))
        socket.conn.on('upgrade', transport => upgraded.resolve(transport.name))
      })
      const cookie = cookiesOf(await request(`${at.url}/login`))
      const user = await withClient(at.url, cookie, [...transports], async client => {
        const user = await greeting(client)
        if (transports.length === 2) expect(await upgraded.promise).toBe('websocket')
        return user
      })
      expect(user).toBe('ann')
    })

    it(`a message opens, loads, changes and commits: ${transports.join(' and ')}`, async () => {
      await using at = await place(socket => {
        socket.on('note', async (note: string, done: (n: number) => void) => {
          const session = at.sessions.open(socket.request.headers.cookie)
          await session.load()
          session.update('notes', (notes = []) => [...notes, note])
          await at.sessions.commit(session, { status: 200 })
          done(session.get('notes').length)
        })
      })
      const cookie = cookiesOf(await request(`${at.url}/login`))
      const count = await withClient(at.url, cookie, [...transports], async client => {
        await client.emitWithAck('note', 'a')
        return client.emitWithAck('note', 'b')
      })
      expect(count).toBe(2)
      expect((await request(`${at.url}/user`, { cookie })).json).toEqual({ user: 'ann', notes: ['a', 'b'] })
    })
  }

  it('a session of the upgrade is changed by save()', async () => {
    await using at = await place(socket => {
      socket.on('note', async (note: string, done: () => void) => {
        const { session } = socket.request as unknown as Request
        session.set('note', note)
        await session.save()
        done()
      })
    })
    const cookie = cookiesOf(await request(`${at.url}/login`))
    await withClient(at.url, cookie, ['websocket'], client => client.emitWithAck('note', 'saved'))
    expect((await request(`${at.url}/user`, { cookie })).json).toEqual({ user: 'ann', note: 'saved' })
  })

  it('an unsaved change is a warning when the socket closes', async () => {
    const changed = Promise.withResolvers<void>()
    await using at = await place(socket => {
      ;(socket.request as unknown as Request).session.set('note', 'lost')
      changed.resolve()
    })
    const cookie = cookiesOf(await request(`${at.url}/login`))
    const warned = once(process, 'warning')
    await withClient(at.url, cookie, ['websocket'], () => changed.promise)
    const [warning] = await warned
    expect(warning).toMatchObject({ code: 'SESSION_COMMITTED', message: expect.stringContaining('save()') })
  })

  it('an unsaved change in a middleware fails the handshake, and no other one', async () => {
    await using at = await place(
      socket => socket.emit('greeting', 'in'),
      (req, _res, next) => {
        if (req.headers['x-careless']) req.session.set('note', 'lost')
        next()
      },
    )
    const cookie = cookiesOf(await request(`${at.url}/login`))
    const careless = connect(at.url, {
      transports: ['websocket'],
      extraHeaders: { cookie, 'x-careless': '1' },
      reconnection: false,
      forceNew: true,
    })
    await expect(greeting(careless)).rejects.toThrow('websocket error')
    careless.close()
    expect(await withClient(at.url, cookie, ['websocket'], greeting)).toBe('in')
  })

  it('a session that a middleware begins and saves gets its cookie with the handshake', async () => {
    await using at = await place(
      socket => socket.emit('greeting', 'in'),
      async (req, _res, next) => {
        req.session.set('user', 'guest')
        await req.session.save()
        next()
      },
    )
    const answered = Promise.withResolvers<Record<string, string>>()
    at.io.engine.on('initial_headers', headers => answered.resolve(headers))
    expect(await withClient(at.url, '', ['websocket'], greeting)).toBe('in')
    const headers = Object.entries(await answered.promise)
    const setCookies = headers
      .filter(([name]) => name.toLowerCase() === 'set-cookie')
      .flatMap(([, value]) => value)
    const cookie = cookiesOf({ setCookies } as never)
    expect((await request(`${at.url}/user`, { cookie })).json).toEqual({ user: 'guest' })
  })

  for (const transports of [['websocket'], ['polling']] as const) {
    it(`the older recipe, with {} for a response, reads and saves: ${transports}`, async () => {
      await using at = await place(
        socket => {
          socket.on('note', async (note: string, done: (user: unknown) => void) => {
            const { session } = socket.request as unknown as Request
            session.set('note', note)
            await session.save()
            done(session.get('user'))
          })
        },
        undefined,
        (io, sessions) => {
          const middleware = session(sessions)
          io.use((socket, next) => middleware(socket.request as Request, {} as Response, next as never))
        },
      )
      const cookie = cookiesOf(await request(`${at.url}/login`))
      expect(await withClient(at.url, cookie, [...transports], c => c.emitWithAck('note', 'x'))).toBe('ann')
      expect((await request(`${at.url}/user`, { cookie })).json).toEqual({ user: 'ann', note: 'x' })
    })
  }
})

describe('express-ws, whose response to an upgrade has no socket', () => {
  const require = createRequire(import.meta.url)
  const expressWs: (app: object, server: object) => void = require('express-ws')

  it('saves what save() stores, and warns of a change that nobody saved', async () => {
    const warnings: string[] = []
    const warn = (warning: Error): unknown => warnings.push(warning.message)
    process.on('warning', warn)
    const sessions = engine()
    const app = express().set('env', 'test') as express.Express & {
      ws(
        path: string,
        handle: (socket: EventEmitter & { send(text: string): void }, req: Request) => void,
      ): void
    }
    const server = createServer(app)
    expressWs(app, server)
    app.use(session(sessions))
    app.get('/', counts)
    app.ws('/saved', (socket, req) => {
      socket.on('message', async () => {
        req.session.set('n', 10)
        await req.session.save()
        socket.send('saved')
      })
    })
    app.ws('/unsaved', (socket, req) => {
      socket.on('message', () => {
        req.session.set('n', 99)
        socket.send('set')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const cookie = cookiesOf(await request(`http://127.0.0.1:${port}/`))
    try {
      for (const path of ['saved', 'unsaved']) {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/${path}`, { headers: { cookie } } as never)
        await once(socket, 'open')
        socket.send('go')
        await once(socket, 'message')
        socket.close()
        await once(socket, 'close')
      }
      expect((await request(`http://127.0.0.1:${port}/`, { cookie })).json).toEqual({ n: 11 })
      await expect.poll(() => warnings).toEqual([expect.stringContaining('changes that are not saved')])
    } finally {
      process.off('warning', warn)
      server.close()
    }
  })
})
