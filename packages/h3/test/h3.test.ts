import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions, type Session, type SessionsOptions } from '@sess/core'
import { session, useSession, withSession } from '@sess/h3'
import { cacheStore } from '@sess/store-cache'
import { describeEngine } from '@sess/test-fixtures/adapter-engine.ts'
import { cookiesOf, type HttpResponse, request } from '@sess/test-fixtures/http.ts'
import { down, type InterceptedStore, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import {
  fromNodeHandler,
  H3,
  type H3Config,
  type H3Event,
  HTTPError,
  HTTPResponse,
  iterable,
  onError,
  onResponse,
  redirect,
  serve,
} from 'h3'
import { describe, expect, it } from 'vitest'

interface Place {
  app: H3
  store: InterceptedStore
  ask(path?: string, init?: RequestInit & { cookie?: string }): Promise<Response>
}

function place(
  options: Partial<SessionsOptions> = {},
  config: H3Config = {},
  above?: (app: H3) => void,
): Place {
  const store = intercept(cacheStore())
  const app = new H3({ silent: true, ...config })
  above?.(app)
  app.use(session({ store, ...options }))
  return {
    app,
    store,
    async ask(path = '/', { cookie, ...init } = {}) {
      return app.request(path, { ...init, headers: { ...init.headers, ...(cookie && { cookie }) } as never })
    },
  }
}

function cookieOf(response: Response): string {
  return cookiesOf({ setCookies: response.headers.getSetCookie() } as HttpResponse)
}

describe('pay for what you use', () => {
  it('a handler that leaves the session alone: no store call, no cookie, no Vary, no promise [I4]', async () => {
    const { app, store } = place()
    app.get('/', () => 'ok')
    const got = app.fetch(new Request('http://localhost/') as never)
    expect(got).toBeInstanceOf(Response)
    const { headers } = await got
    expect([headers.getSetCookie(), headers.get('vary')]).toEqual([[], null])
    expect(store.calls).toEqual([])
  })

  it('a read without a cookie says Vary, asks no store [A19]', async () => {
    const at = place()
    at.app.get('/', event => ({ n: event.context.session.get('n') ?? null }))
    const { headers } = await at.ask()
    expect([headers.getSetCookie(), headers.get('vary')]).toEqual([[], 'Cookie'])
    expect(at.store.calls).toEqual([])
  })

  describe('a session that is read after the commit says Vary: Cookie [A19]', () => {
    const READERS: Record<string, (at: Place) => void> = {
      'by the JSON of a body': at => at.app.get('/', event => ({ me: event.context.session })),
      'by the JSON of a list': at => at.app.get('/', event => [event.context.session.data]),
      'by a property of an object': at =>
        at.app.get('/', ({ context: { session } }) => ({
          toJSON: () => ({ isEmpty: session.isEmpty }),
        })),
      'by the data of an error': at =>
        at.app.get('/', ({ context: { session } }) => {
          throw new HTTPError({ status: 404, data: { me: session } })
        }),
      'by the body of an error that is returned': at =>
        at.app.get('/', ({ context: { session } }) => new HTTPError({ status: 410, body: { me: session } })),
      'by a middleware above': at => at.app.get('/', () => 'somebody'),
      'by a middleware above that got a Response': at => at.app.get('/', () => new Response('somebody')),
    }
    it.each(Object.entries(READERS))('%s', async (name, route) => {
      const at = place({}, {}, app => {
        app.use(async (event, next) => {
          const body = await next()
          if (name.includes('above')) event.context.session.get('n')
          return body
        })
        app.use(event => {
          event.res.headers.set('vary', 'Accept')
          event.res.errHeaders.set('vary', 'Accept')
        })
      })
      route(at)
      const got = await at.ask()
      expect(got.headers.get('vary')).toBe('Accept, Cookie')
      await got.text()
    })

    it('and one that is not read does not, whatever the body', async () => {
      const at = place()
      at.app.get('/object', () => ({ n: 1 }))
      at.app.get('/error', () => new HTTPError({ status: 404, data: { n: 1 } }))
      const vary = async (path: string) => (await at.ask(path)).headers.get('vary')
      expect([await vary('/object'), await vary('/error')]).toEqual([null, null])
    })
  })

  it('lazy: useSession loads it', async () => {
    const at = place({ lazy: true })
    at.app.get('/', async event => ((await useSession(event)).has('n') ? 'yes' : 'no'))
    at.app.get('/none', () => 'ok')
    at.app.get('/early', event => String(event.context.session.has('n')))
    const cookie = `sessionid=${'a'.repeat(32)}`
    await at.ask('/none', { cookie })
    expect(at.store.calls).toEqual([])
    expect(await (await at.ask('/', { cookie })).text()).toBe('no')
    expect(at.store.calls).toEqual(['read'])
    expect((await at.ask('/early', { cookie })).status).toBe(500)
  })
})

describe('what leaves, with its cookie', () => {
  const frozen = (): Response => {
    const response = new Response('frozen', { headers: { vary: 'Accept' } })
    for (const method of ['append', 'set', 'delete'] as const) {
      response.headers[method] = () => {
        throw new TypeError('immutable')
      }
    }
    return response
  }
  const answers: Record<string, { answer: () => unknown; status?: number; text?: string }> = {
    'a string': { answer: () => 'text', text: 'text' },
    'an object': { answer: () => ({ status: 500 }), text: '{"status":500}' },
    nothing: { answer: () => undefined },
    null: { answer: () => null },
    'a Response': { answer: () => new Response('text', { status: 201 }), status: 201, text: 'text' },
    'a Response whose headers cannot be changed': { answer: frozen, text: 'frozen' },
    'a Response of 400': { answer: () => new Response('bad', { status: 400 }), status: 400, text: 'bad' },
    'an HTTPResponse': { answer: () => new HTTPResponse('text', { status: 202 }), status: 202, text: 'text' },
    'a redirect': { answer: () => redirect('/x', 303), status: 303 },
    'a thrown HTTPError': {
      answer: () => {
        throw new HTTPError({ status: 418 })
      },
      status: 418,
    },
    'a returned HTTPError': { answer: () => new HTTPError({ status: 409 }), status: 409 },
    'a rejection': { answer: () => Promise.reject(new HTTPError({ status: 404 })), status: 404 },
    'a stream': {
      answer: () => new Response('ab').body,
      text: 'ab',
    },
  }
  for (const [name, { answer, status = 200, text }] of Object.entries(answers)) {
    for (const delay of [0, 10]) {
      it(`${name}, saved ${delay ? 'later' : 'at once'}`, async () => {
        const at = place()
        if (delay) at.store.before = () => sleep(delay)
        at.app.all('/', event => {
          event.res.headers.append('set-cookie', 'app=1')
          event.context.session.set('n', 1)
          return answer()
        })
        const got = await at.ask()
        expect(got.status).toBe(status)
        expect(got.headers.getSetCookie().filter(cookie => cookie.startsWith('sessionid='))).toHaveLength(1)
        expect(got.headers.get('vary')).toBe(name.includes('cannot') ? 'Accept, Cookie' : 'Cookie')
        expect(got.headers.get('cache-control')).toBe('private')
        if (status < 400) expect(got.headers.getSetCookie()).toContain('app=1')
        if (text !== undefined) expect(await got.text()).toBe(text)
        expect(at.store.calls).toEqual(['insert'])
      })

      it(`${name}, not saved, known ${delay ? 'later' : 'at once'} [F2]`, async () => {
        const at = place()
        at.store.before = delay ? () => sleep(delay).then(down) : down
        at.app.all('/', event => {
          event.res.headers.append('set-cookie', 'app=1')
          event.res.status = 201
          event.context.session.set('n', 1)
          return answer()
        })
        const got = await at.ask()
        expect([got.status, got.headers.getSetCookie()]).toEqual([503, []])
      })
    }
  }

  it('a thrown 5xx saves nothing, whatever is thrown; a flush is carried out [F28]', async () => {
    const at = place()
    at.app.get('/set', event => String(event.context.session.set('n', 1).has('n')))
    at.app.get('/get', event => ({ n: event.context.session.get('n') ?? null }))
    at.app.get('/flush', event => {
      event.context.session.flush()
      throw new Error('thrown')
    })
    at.app.get('/throw', event => {
      event.context.session.set('n', 2)
      throw event.url.searchParams.has('text') ? 'text' : new Error('thrown')
    })
    const cookie = cookieOf(await at.ask('/set'))
    for (const path of ['/throw', '/throw?text']) {
      const got = await at.ask(path, { cookie })
      expect([got.status, got.headers.getSetCookie()]).toEqual([500, []])
    }
    expect(await (await at.ask('/get', { cookie })).json()).toEqual({ n: 1 })
    const flushed = await at.ask('/flush', { cookie })
    expect([flushed.status, flushed.headers.getSetCookie().length]).toEqual([500, 1])
    expect(await (await at.ask('/get', { cookie })).json()).toEqual({ n: null })
  })

  describe('the status that h3 makes of it decides [F28]', () => {
    const notFound = Symbol.for('h3.notFound')
    const thrower = (value: unknown) => (): never => {
      throw value
    }
    const with404 = (extra: object): Error => Object.assign(new Error('x'), extra)
    /** As a second copy of h3 would make it. */
    const foreign = Object.assign(Object.create({ [Symbol.for('h3.HTTPResponse')]: true }), {
      body: 'foreign',
      status: 500,
    })
    const foreignError = Object.assign(new Error('foreign'), {
      name: 'HTTPError',
      status: 503,
      toJSON: () => ({ message: 'foreign' }),
    })
    const outcomes: Record<string, { answer: () => unknown; status: number; preset?: number }> = {
      'a thrown object with a status': { answer: thrower({ status: 404 }), status: 500 },
      'a thrown Response': { answer: thrower(new Response('x', { status: 404 })), status: 500 },
      'a thrown redirect': { answer: thrower(redirect('/x')), status: 500 },
      'a thrown undefined': { answer: thrower(undefined), status: 500 },
      'a thrown number': { answer: thrower(404), status: 404 },
      'a thrown number that is no status': { answer: thrower(999), status: 500 },
      'a thrown h3.notFound': { answer: thrower(notFound), status: 404 },
      'a returned h3.notFound': { answer: () => notFound, status: 404 },
      'a thrown Error with a status': { answer: thrower(with404({ status: 404 })), status: 404 },
      'a thrown Error with statusCode': { answer: thrower(with404({ statusCode: 404 })), status: 404 },
      'a thrown Error whose status is a string': { answer: thrower(with404({ status: '404' })), status: 404 },
      'a thrown Error whose status is too large': { answer: thrower(with404({ status: 999 })), status: 500 },
      'a thrown Error of 302': { answer: thrower(with404({ status: 302 })), status: 302 },
      'a thrown Error whose headers are none': {
        answer: thrower(with404({ status: 404, headers: 5 })),
        status: 500,
      },
      'a thrown Error caused by a status': {
        answer: thrower(new Error('x', { cause: { status: 404 } })),
        status: 404,
      },
      'a thrown Error caused by an HTTPError': {
        answer: thrower(new Error('x', { cause: new HTTPError({ status: 404 }) })),
        status: 404,
      },
      'a returned Error caused by an HTTPError': {
        answer: () => new Error('x', { cause: new HTTPError({ status: 404 }) }),
        status: 404,
      },
      'a thrown foreign HTTPError': { answer: thrower(foreignError), status: 503 },
      'a returned foreign HTTPError': { answer: () => foreignError, status: 503 },
      'a foreign HTTPResponse': { answer: () => foreign, status: 500 },
      'an HTTPResponse without a status': { answer: () => new HTTPResponse('x'), status: 503, preset: 503 },
      'res.status': { answer: () => 'x', status: 503, preset: 503 },
      'res.status that is none': { answer: () => 'x', status: 200, preset: 999 },
    }
    for (const [name, { answer, status, preset }] of Object.entries(outcomes)) {
      for (const middleware of [true, false]) {
        it(`${name}: ${status}, ${middleware ? 'under the middleware' : 'in withSession'}`, async () => {
          const store = intercept(cacheStore())
          const sessions = createSessions({ store })
          const app = new H3({ silent: true })
          const handler = (event: H3Event): unknown => {
            event.context.session.set('n', 1)
            if (preset) event.res.status = preset
            return answer()
          }
          if (middleware) app.use(session(sessions)).get('/', handler)
          else app.get('/', withSession(sessions, handler))
          const got = await app.request('/')
          const saved = status < 500
          expect([got.status, got.headers.getSetCookie().length, store.calls]).toEqual([
            status,
            saved ? 1 : 0,
            saved ? ['insert'] : [],
          ])
        })
      }
    }
  })

  describe("the session's Vary and Cache-Control join those of what is answered [C29]", () => {
    const headers = { vary: 'Accept', 'cache-control': 'no-store' }
    const withHeaders = (extra: object): Error => Object.assign(new Error('x'), extra)
    const outcomes: Record<string, () => unknown> = {
      'a Response': () => new Response('x', { headers }),
      'a Response of 400': () => new Response('x', { status: 400, headers }),
      'an HTTPResponse': () => new HTTPResponse('x', { headers }),
      'an HTTPError': () => new HTTPError({ status: 400, headers }),
      'an Error with headers': () => withHeaders({ status: 400, headers }),
      'an Error with a list of headers': () => withHeaders({ status: 400, headers: Object.entries(headers) }),
      'an Error caused by one with headers': () => withHeaders({ cause: { status: 400, headers } }),
      'an Error caused by an HTTPError': () =>
        withHeaders({ cause: new HTTPError({ status: 400, headers }) }),
    }
    for (const [name, outcome] of Object.entries(outcomes)) {
      for (const isThrown of [false, true]) {
        if (isThrown && !name.includes('Error')) continue
        it(`${name}, ${isThrown ? 'thrown' : 'returned'}`, async () => {
          const at = place()
          at.app.get('/', event => {
            event.context.session.set('n', 1)
            if (isThrown) throw outcome()
            return outcome()
          })
          const got = await at.ask()
          expect(got.headers.getSetCookie()).toHaveLength(1)
          expect(got.headers.get('vary')).toBe('Accept, Cookie')
          expect(got.headers.get('cache-control')).toBe('no-store')
        })
      }
    }

    it('not those of what only looks like an answer', async () => {
      const at = place()
      at.app.get('/returned', event => {
        event.context.session.set('n', 1)
        return { headers: new Headers(headers) }
      })
      at.app.get('/thrown', event => {
        event.context.session.flush()
        throw { headers: new Headers(headers) }
      })
      const returned = await at.ask('/returned')
      expect(returned.headers.get('vary')).toBe('Cookie')
      expect(returned.headers.get('cache-control')).toBe('private')
      const thrown = await at.ask('/thrown', { cookie: cookieOf(returned) })
      expect([thrown.status, thrown.headers.get('vary')]).toEqual([500, 'Cookie'])
      expect(thrown.headers.get('cache-control')).toBe('private')
    })
  })

  it('no route is a 404 that keeps what a middleware set', async () => {
    const at = place()
    at.app.use(event => {
      event.context.session.set('n', 1)
    })
    const got = await at.ask('/nowhere')
    expect([got.status, got.headers.getSetCookie().length]).toEqual([404, 1])
  })

  it('a failed commit is thrown to the middleware above, which finds a clean response [F2]', async () => {
    const at = place({}, {}, app =>
      app.use(
        onError((error, event) => ({
          code: (error.cause as { code: string }).code,
          headers: [...event.res.headers.keys()],
        })),
      ),
    )
    at.store.before = async () => down()
    at.app.get('/', event => {
      event.res.headers.set('x-app', 'gone')
      event.context.session.set('n', 1)
      return 'ok'
    })
    const got = await at.ask()
    expect(await got.json()).toEqual({ code: 'SESSION_STORE', headers: [] })
    expect(got.headers.getSetCookie()).toEqual([])
  })

  it('a failed commit leaves what the middlewares above have said of the response [F2]', async () => {
    const at = place({}, {}, app =>
      app.use(async (event, next) => {
        event.res.status = 203
        event.res.statusText = 'Above'
        event.res.headers.set('x-above', 'kept')
        event.res.headers.set('vary', 'Accept')
        event.res.headers.append('set-cookie', 'above=1')
        event.res.headers.append('set-cookie', 'above=2')
        try {
          return await next()
        } catch (error) {
          return `${(error as { code: string }).code} ${event.res.status} ${event.res.statusText}`
        }
      }),
    )
    at.store.before = async () => down()
    at.app.get('/', event => {
      event.res.status = 201
      event.res.statusText = 'Below'
      event.res.headers.set('x-app', 'gone')
      event.res.headers.set('vary', 'gone')
      event.res.headers.delete('x-above')
      event.res.headers.append('set-cookie', 'app=gone')
      event.context.session.set('n', 1)
      return 'ok'
    })
    const got = await at.ask()
    expect([got.status, await got.text()]).toEqual([203, 'SESSION_STORE 203 Above'])
    expect(got.headers.getSetCookie()).toEqual(['above=1', 'above=2'])
    expect(got.headers.get('x-above')).toBe('kept')
    expect(got.headers.get('vary')).toBe('Accept')
    expect(got.headers.has('x-app')).toBe(false)
  })

  it('a failed commit leaves the headers for errors, also where a middleware below has made a response [F2]', async () => {
    const at = place({}, {}, app =>
      app.use((event, next) => {
        event.res.errHeaders.set('access-control-allow-origin', '*')
        return next()
      }),
    )
    at.store.before = async () => down()
    at.app.use(onResponse(() => undefined))
    at.app.get('/', event => {
      event.context.session.set('n', 1)
      return 'ok'
    })
    const got = await at.ask()
    expect([got.status, got.headers.get('access-control-allow-origin')]).toEqual([503, '*'])
  })

  it('of two engines whose commits fail, each leaves the headers for errors as they were [F2]', async () => {
    const at = place({}, {}, app =>
      app.use((event, next) => {
        event.res.errHeaders.set('access-control-allow-origin', '*')
        event.res.errHeaders.append('set-cookie', 'above=1')
        return next()
      }),
    )
    const cookies = 'sessionid=' + 'a'.repeat(32) + '; admin=' + 'b'.repeat(32)
    at.app.use(session({ store: at.store, cookie: { name: 'admin' } }, { property: 'admin' }))
    at.store.before = async () => down()
    at.app.use(onResponse(() => undefined))
    at.app.get('/', event => {
      const { session, admin } = event.context as unknown as Record<string, Session>
      session!.set('n', 1)
      admin!.set('n', 1)
      return 'ok'
    })
    for (const cookie of ['', cookies]) {
      const got = await at.ask('/', { cookie })
      expect([got.status, got.headers.get('access-control-allow-origin')]).toEqual([503, '*'])
      expect(got.headers.getSetCookie()).toEqual(['above=1'])
    }
  })

  it('a Node stream that fails while the session is saved is a 500, not the end of the process', async () => {
    const at = place()
    at.app.get('/', event => {
      event.context.session.set('n', 1)
      const stream = createReadStream('/no such file')
      // `close` follows the error, and a listener for it does not hear the error in the library's place.
      const closed = new Promise<void>(resolve => void stream.once('close', resolve))
      at.store.before = () => closed
      return stream
    })
    expect((await at.ask()).status).toBe(500)
  })

  it('the body of a Response is not looked at, for then h3 could not tell that its stream fails [F27]', async () => {
    const at = place()
    at.app.use(onResponse(() => undefined))
    at.app.get('/', () => createReadStream('/no such file'))
    const server = serve(at.app, { port: 0, hostname: '127.0.0.1', silent: true, gracefulShutdown: false })
    await server.ready()
    try {
      expect((await request(server.url!)).status).toBe(500)
    } finally {
      await server.close()
    }
  })

  it('the body of a response that does not leave is given up [F2]', async () => {
    const at = place()
    at.store.before = async () => down()
    const given: string[] = []
    const web = (name: string) => new ReadableStream({ cancel: () => void given.push(name) })
    const bodies: Record<string, () => unknown> = {
      node: () => new Readable({ read: () => undefined, destroy: () => void given.push('node') }),
      web: () => web('web'),
      Response: () => new Response(web('Response')),
      HTTPResponse: () => new HTTPResponse(web('HTTPResponse')),
    }
    for (const [name, body] of Object.entries(bodies)) {
      at.app.get(`/${name}`, event => {
        event.context.session.set('n', 1)
        return body()
      })
      expect((await at.ask(`/${name}`)).status).toBe(503)
    }
    expect(given).toEqual(Object.keys(bodies))
  })

  it('a middleware above may look at the response, or make another', async () => {
    const at = place({}, {}, app =>
      app.use(
        onResponse(
          response => new Response(`${response.status}`, { status: 203, headers: response.headers }),
        ),
      ),
    )
    at.app.get('/', event => {
      event.context.session.set('n', 1)
      return 'ok'
    })
    const got = await at.ask()
    expect([got.status, await got.text(), got.headers.getSetCookie().length]).toEqual([203, '200', 1])
  })

  it("the app's onError that answers with a value keeps the cookie", async () => {
    const at = place({}, { onError: error => ({ status: error.status }) })
    at.app.get('/', event => {
      event.context.session.set('n', 1)
      throw new HTTPError({ status: 422 })
    })
    expect((await at.ask()).headers.getSetCookie()).toHaveLength(1)
  })

  it('a change in a streamed body is the documented error', async () => {
    const at = place()
    at.app.get('/', event => {
      async function* late(): AsyncGenerator<string> {
        yield 'begun '
        try {
          event.context.session.set('n', 1)
        } catch (error) {
          yield (error as { code: string }).code
        }
      }
      return iterable(late())
    })
    expect(await (await at.ask()).text()).toBe('begun SESSION_COMMITTED')
  })
})

describe('withSession', () => {
  it('is a session for one handler: loaded before, saved after', async () => {
    const store = intercept(cacheStore())
    const sessions = createSessions<{ n?: number }>({ store })
    const app = new H3({ silent: true })
    app.get(
      '/count',
      withSession(sessions, async (_event, session) => {
        session.update('n', (n = 0) => n + 1)
        await sleep(1)
        return { n: session.get('n') }
      }),
    )
    app.get(
      '/throw',
      withSession(sessions, (_event, session) => {
        session.set('n', 7)
        throw new HTTPError({ status: 400 })
      }),
    )
    const first = await app.request('/count')
    const cookie = cookieOf(first)
    const ask = (path: string): Promise<Response> =>
      Promise.resolve(app.request(path, { headers: { cookie } }))
    expect(await (await ask('/count')).json()).toEqual({ n: 2 })
    expect((await ask('/throw')).status).toBe(400)
    expect(await (await ask('/count')).json()).toEqual({ n: 8 })
  })

  it('useSession without the middleware is an error that says so', async () => {
    let message: unknown
    const app = new H3({ silent: true })
    app.get('/', event => useSession(event).catch(error => void (message = error.message)))
    await app.request('/')
    expect(message).toContain('Mount session()')
  })
})

describe('several middlewares', () => {
  it('the same engine twice, or once more around a handler, is one session, one commit, one cookie [F38]', async () => {
    const store = intercept(cacheStore())
    const sessions = createSessions({ store })
    const app = new H3()
    app.use(session(sessions)).use(session(sessions))
    app.get(
      '/',
      withSession(sessions, (event, session) => {
        session.set('a', 1)
        return String(event.context.session === session)
      }),
    )
    const got = await app.request('/')
    expect([await got.text(), got.headers.getSetCookie().length, store.calls]).toEqual([
      'true',
      1,
      ['insert'],
    ])
  })

  it('two engines on one property are an error [F38]', async () => {
    const at = place()
    at.app.use(session({ store: cacheStore() }))
    at.app.get('/', () => 'ok')
    expect((await at.ask()).status).toBe(500)
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

  it('two engines on one cookie are an error [F38]', async () => {
    const at = place()
    at.app.use(session({ store: cacheStore() }, { property: 'admin' }))
    at.app.get('/', () => 'ok')
    expect((await at.ask()).status).toBe(500)
  })

  it('the error page carries the key that the inner of two engines has renewed', async () => {
    const at = place()
    const staff = createSessions({ store: cacheStore(), cookie: { name: 'staff' } })
    at.app.use(session(staff, { property: 'staff' }))
    at.app.get('/', event => {
      const { session, staff } = event.context as unknown as Record<string, Session>
      staff!.cycleKey()
      staff!.update('n', (n = 0) => n + 1)
      session!.set('seen', true)
      return 'page'
    })
    const first = await at.ask()
    const cookie = first.headers
      .getSetCookie()
      .map(each => each.split(';')[0])
      .join('; ')
    at.store.before = method => (method === 'replace' ? down() : undefined)
    const failed = await at.ask('/', { cookie })
    const [renewed, ...others] = failed.headers.getSetCookie()
    expect([failed.status, others]).toEqual([503, []])
    const kept = staff.open(renewed!.split(';')[0])
    await kept.load()
    expect(kept.get('n')).toBe(2)
  })

  it('two engines side by side, each with its cookie, also when a handler throws [A9]', async () => {
    const at = place()
    at.app.use(
      '/admin/**',
      session({ store: cacheStore(), cookie: { name: 'admin' } }, { property: 'admin' }),
    )
    at.app.get('/admin/:what', async event => {
      event.context.session.set('a', 1)
      ;(await useSession(event, 'admin')).set('b', 1)
      if (event.context.params?.['what'] === 'throw') throw new HTTPError({ status: 400 })
      return 'ok'
    })
    for (const path of ['/admin/page', '/admin/throw']) {
      const names = (await at.ask(path)).headers.getSetCookie().map(cookie => cookie.split('=')[0])
      expect(names.sort()).toEqual(['admin', 'sessionid'])
    }
  })
})

describe('over a real server', () => {
  it('a Node handler that answers past h3 with a changed session is an error that shows in the log', async () => {
    const errors: unknown[] = []
    const at = place({}, { onError: error => void errors.push((error.cause as { code: string }).code) })
    at.app.get('/', event => {
      event.context.session.set('n', 1)
      return fromNodeHandler((_req, res) => void res.end('past h3'))(event)
    })
    at.app.get('/read', event => {
      event.context.session.get('n')
      return fromNodeHandler((_req, res) => void res.end('past h3'))(event)
    })
    const server = serve(at.app, { port: 0, hostname: '127.0.0.1', silent: true, gracefulShutdown: false })
    await server.ready()
    try {
      for (const path of ['', 'read']) {
        const got = await request(server.url + path)
        expect([got.status, got.text, got.setCookies]).toEqual([200, 'past h3', []])
      }
      expect(errors).toEqual(['SESSION_COMMITTED'])
    } finally {
      await server.close()
    }
  })

  it('what a Node handler answers past h3 is the status that decides [F28]', async () => {
    const at = place()
    at.app.get('/set', event => String(event.context.session.set('n', 1).has('n')))
    const cookie = cookieOf(await at.ask('/set'))
    at.app.get('/:status', event => {
      event.context.session.set('n', Number(event.context.params?.['status']))
      return fromNodeHandler((_req, res) => {
        res.statusCode = Number(event.context.params?.['status'])
        res.end()
      })(event)
    })
    const server = serve(at.app, { port: 0, hostname: '127.0.0.1', silent: true, gracefulShutdown: false })
    await server.ready()
    try {
      at.store.calls.length = 0
      await request(`${server.url}500`, { headers: { cookie } })
      expect(at.store.calls).toEqual(['read'])
      await request(`${server.url}404`, { headers: { cookie } })
      await expect.poll(() => at.store.calls).toEqual(['read', 'read', 'replace'])
    } finally {
      await server.close()
    }
  })

  it('a big streamed body arrives whole after its session, and Secure follows TLS alone [F27, A20]', async () => {
    const at = place()
    let saved = false
    at.store.before = async () => {
      await sleep(30)
      saved = true
    }
    const chunk = new Uint8Array(100_000).fill(115)
    at.app.get('/', event => {
      event.context.session.set('n', 1)
      return iterable(Array.from({ length: 30 }, () => chunk))
    })
    const server = serve(at.app, { port: 0, hostname: '127.0.0.1', silent: true, gracefulShutdown: false })
    await server.ready()
    try {
      const got = await request(server.url!, { headers: { 'x-forwarded-proto': 'https' } })
      expect(saved).toBe(true)
      expect([got.status, got.body.length, got.setCookies.length]).toEqual([200, 3_000_000, 1])
      expect(got.setCookies[0]).not.toContain('Secure')
    } finally {
      await server.close()
    }
    const https = await at.app.request('https://localhost/')
    expect(https.headers.getSetCookie()[0]).toContain('Secure')
  })
})

describeEngine(
  session,
  async (sess, headers) => {
    const app = new H3().use(sess).get('/', event => {
      event.context.session.subject = 'ada'
      return 'ok'
    })
    const server = serve(app, { port: 0, hostname: '127.0.0.1', silent: true, gracefulShutdown: false })
    await server.ready()
    await fetch(server.url!, { headers })
    await server.close(true)
  },
  '127.0.0.1',
)
