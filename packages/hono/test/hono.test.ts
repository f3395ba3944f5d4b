import { createSessions, type DefaultData, type Session, type SessionsOptions } from '@sess/core'
import { type SessionVariables, session } from '@sess/hono'
import { cacheStore } from '@sess/store-cache'
import { describeEngine } from '@sess/test-fixtures/adapter-engine.ts'
import { down, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import { Hono } from 'hono'
import { hc } from 'hono/client'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { HTTPException } from 'hono/http-exception'
import { streamSSE } from 'hono/streaming'
import { describe, expect, expectTypeOf, it } from 'vitest'

function place(options: Partial<SessionsOptions> = {}, above?: (app: Hono<any>) => void) {
  const store = intercept(cacheStore())
  const app = new Hono<{ Variables: SessionVariables }>()
  above?.(app)
  app.use(session({ store, ...options }))
  return { app, store }
}

const cookiesOf = (response: Response): string[] =>
  response.headers.getSetCookie().map(line => line.split('=')[0]!)
const cookieOf = (response: Response): string => response.headers.getSetCookie()[0]!.split(';')[0]!

describe('what leaves, with its cookie', () => {
  it('an error that `app.onError` maps is saved by the status it gets', async () => {
    const { app } = place()
    app.onError((error, c) => c.text(error.message, error.message === 'mine' ? 409 : 500))
    app.get('/:message', c => {
      c.var.session.set('n', 1)
      throw new Error(c.req.param('message'))
    })
    const [mapped, other] = [await app.request('/mine'), await app.request('/other')]
    expect([mapped.status, cookiesOf(mapped)]).toEqual([409, ['sessionid']])
    expect([other.status, cookiesOf(other)]).toEqual([500, []])
  })

  it('an HTTPException with a response of its own, and one of a sub-app', async () => {
    const { app } = place()
    const sub = new Hono<{ Variables: SessionVariables }>().get('/', c => {
      c.get('session').set('n', 1)
      throw new HTTPException(401, { res: new Response('no', { headers: { 'www-authenticate': 'Basic' } }) })
    })
    app.route('/sub', sub)
    const got = await app.request('/sub')
    expect([got.status, got.headers.get('www-authenticate'), cookiesOf(got)]).toEqual([
      401,
      'Basic',
      ['sessionid'],
    ])
  })

  it('a path that no route has', async () => {
    const { app } = place()
    app.notFound(c => {
      c.get('session').flash('notice', 'none')
      return c.text('none', 404)
    })
    const got = await app.request('/nowhere')
    expect([got.status, cookiesOf(got)]).toEqual([404, ['sessionid']])
  })

  it('server-sent events arrive as they are sent, with the cookie of what was set before', async () => {
    const { app } = place()
    app.get('/', c => {
      c.get('session').set('n', 1)
      return streamSSE(c, async stream => {
        for (const data of ['a', 'b']) await stream.writeSSE({ data })
        const late = await Promise.resolve().then(() => {
          try {
            c.get('session').set('n', 2)
            return 'no error'
          } catch (error) {
            return String((error as { code: string }).code)
          }
        })
        await stream.writeSSE({ data: late })
      })
    })
    const got = await app.request('/')
    expect([got.headers.get('content-type'), cookiesOf(got)]).toEqual(['text/event-stream', ['sessionid']])
    expect(await got.text()).toBe('data: a\n\ndata: b\n\ndata: SESSION_COMMITTED\n\n')
  })

  it('a mounted app of another framework, whose response cannot be changed', async () => {
    const { app } = place()
    app.use(async (c, next) => {
      c.get('session').set('n', 1)
      await next()
    })
    app.mount('/other', request => Response.redirect(`${new URL(request.url).origin}/there`, 302))
    const got = await app.request('/other/here')
    expect([got.status, got.headers.get('location'), cookiesOf(got)]).toEqual([
      302,
      'http://localhost/there',
      ['sessionid'],
    ])
  })

  it('cookies, Vary and compression of other middlewares, above and below', async () => {
    const { app } = place({}, app =>
      app.use(compress({ threshold: 0 }), etag(), cors({ origin: 'http://other' })),
    )
    app.get('/', c => {
      c.get('session').set('n', 1)
      c.header('set-cookie', 'own=1')
      return c.text('x'.repeat(2000))
    })
    const got = await app.request('/', { headers: { 'accept-encoding': 'gzip' } })
    expect([got.headers.get('content-encoding'), cookiesOf(got).sort()]).toEqual([
      'gzip',
      ['own', 'sessionid'],
    ])
    expect(got.headers.get('vary')?.split(', ').sort()).toEqual(['Accept-Encoding', 'Cookie', 'Origin'])
  })

  it('a handler that answers nothing is the error that Hono makes of it, and saves nothing', async () => {
    const { app, store } = place()
    app.onError((error, c) => c.text(error.message, 500))
    app.get('/', (async (c: { get(name: 'session'): Session }) => {
      c.get('session').set('n', 1)
    }) as never)
    const got = await app.request('/')
    expect([got.status, await got.text(), store.calls]).toEqual([
      500,
      expect.stringContaining('not finalized'),
      [],
    ])
  })
})

describe('a save that fails', () => {
  it.each([[true], [false]])(
    'goes to `app.onError`, and keeps headers from above alone; CORS above: %j',
    async isAbove => {
      const { app, store } = place({}, app => isAbove && app.use(cors({ origin: 'http://other' })))
      store.before = down
      app.onError((error, c) => c.text('sorry', (error as unknown as { status: 503 }).status))
      app.get('/', c => {
        c.get('session').set('n', 1)
        c.header('x-own', 'yes')
        c.header('set-cookie', 'own=1')
        return c.redirect('/there', 303)
      })
      const got = await app.request('/', { headers: { origin: 'http://other' } })
      expect([got.status, await got.text(), cookiesOf(got)]).toEqual([503, 'sorry', []])
      expect([got.headers.get('x-own'), got.headers.get('location')]).toEqual([null, null])
      expect(got.headers.get('access-control-allow-origin')).toBe(isAbove ? 'http://other' : null)
    },
  )
})

describe('where the session is', () => {
  it('one engine mounted twice is one session, saved once', async () => {
    const store = intercept(cacheStore())
    const sessions = createSessions({ store })
    const app = new Hono<{ Variables: SessionVariables }>()
    app.use(session(sessions)).use('/sub/*', session(sessions))
    app.get('/sub/x', c => {
      c.get('session').set('n', 1)
      return c.json(c.var.session.get('n'))
    })
    const got = await app.request('/sub/x')
    expect([await got.json(), cookiesOf(got), store.calls]).toEqual([1, ['sessionid'], ['insert']])
    const again = await app.request('/sub/x', { headers: { cookie: cookieOf(got) } })
    expect(again.status).toBe(200)
  })

  it.each([
    ['store', {}, {}],
    ['propery', { store: cacheStore() }, { propery: 'x' }],
  ])('a wrong option is an error that names %s, at start-up', (option, options, place) => {
    expect(() => session(options as never, place as never)).toThrow(
      expect.objectContaining({ code: 'CONFIG', option }),
    )
  })
})

it('the types follow the engine, the property, and leave those of RPC alone', () => {
  const check = () => {
    const sessions = createSessions<{ n?: number }>({ store: cacheStore() })
    const app = new Hono()
      .use(session(sessions))
      .use(session(createSessions({ store: cacheStore(), cookie: { name: 'admin' } }), { property: 'admin' }))
      .get('/n', c => {
        expectTypeOf(c.get('session')).toEqualTypeOf<Session<{ n?: number }>>()
        expectTypeOf(c.var.admin).toEqualTypeOf<Session<DefaultData>>()
        // @ts-expect-error there is no such variable
        c.get('sesion')
        return c.json({ n: c.var.session.get('n', 0) })
      })
    const client = hc<typeof app>('http://localhost')
    expectTypeOf<Awaited<ReturnType<Awaited<ReturnType<typeof client.n.$get>>['json']>>>().toEqualTypeOf<{
      n: number
    }>()
  }
  expect(check).toBeTypeOf('function')
})

describeEngine(
  session,
  async (sess, headers) => {
    const app = new Hono().use(sess).get('/', c => {
      c.get('session').subject = 'ada'
      return c.body(null)
    })
    await app.request('/', { headers })
  },
  undefined,
)
