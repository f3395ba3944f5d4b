import { once } from 'node:events'
import { connect } from 'node:http2'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions, type SessionsOptions } from '@sess/core'
import { session } from '@sess/fastify'
import { cacheStore } from '@sess/store-cache'
import { describeEngine } from '@sess/test-fixtures/adapter-engine.ts'
import { down, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import fastify, { type FastifyInstance, type FastifyReply, type LightMyRequestResponse } from 'fastify'
import { describe, expect, it, onTestFinished } from 'vitest'

async function place(options: Partial<SessionsOptions> = {}, above?: (app: FastifyInstance) => unknown) {
  const store = intercept(cacheStore())
  const app = fastify()
  onTestFinished(() => app.close())
  await above?.(app)
  await app.register(session({ store, ...options }))
  return { app, store }
}

function cookiesOf({ cookies }: LightMyRequestResponse): string[] {
  return (cookies as { name: string }[]).map(({ name }) => name)
}

const cookieOf = ({ headers }: LightMyRequestResponse): string => String(headers['set-cookie']).split(';')[0]!

describe('what a request costs', () => {
  it('a handler that leaves the session alone: no store call, no cookie, no Vary', async () => {
    const { app, store } = await place()
    app.get('/', () => 'ok')
    const { headers } = await app.inject('/')
    expect([headers['set-cookie'], headers['vary'], store.calls]).toEqual([undefined, undefined, []])
  })

  it('a read of a session asks the store once', async () => {
    const { app, store } = await place()
    app.get('/set', request => ({ n: request.session.set('n', 1).get('n') }))
    app.get('/get', request => ({ n: request.session.get('n') }))
    const cookie = cookieOf(await app.inject('/set'))
    const got = await app.inject({ url: '/get', headers: { cookie } })
    expect([got.json(), store.calls]).toEqual([{ n: 1 }, ['insert', 'read']])
  })
})

describe('every way to reply has the cookie, and is whole', () => {
  const replies: Record<string, { reply: (reply: FastifyReply) => unknown; text: string; status?: number }> =
    {
      'an object': { reply: () => ({ a: 1 }), text: '{"a":1}' },
      'a Buffer': { reply: reply => reply.send(Buffer.from('bytes')), text: 'bytes' },
      'a Node stream': { reply: reply => reply.send(Readable.from(['a', 'b'])), text: 'ab' },
      'a web stream': { reply: reply => reply.send(new Blob(['a', 'b']).stream()), text: 'ab' },
      'a Response': { reply: () => new Response('text', { status: 202 }), text: 'text', status: 202 },
      'a redirect': { reply: reply => reply.redirect('/there', 303), text: '', status: 303 },
      '204': { reply: reply => reply.code(204).send(), text: '', status: 204 },
      'hijack and reply.raw': {
        reply: reply => {
          reply.hijack()
          reply.raw.writeHead(201, { 'content-type': 'text/plain' })
          reply.raw.write('a')
          reply.raw.end('b')
        },
        text: 'ab',
        status: 201,
      },
      'reply.raw alone': {
        reply: async reply => {
          reply.raw.end('raw')
          return await reply
        },
        text: 'raw',
      },
      'a thrown error with a status': {
        reply: () => {
          throw Object.assign(new Error('mine'), { statusCode: 409 })
        },
        text: expect.stringContaining('mine') as never,
        status: 409,
      },
    }
  for (const [name, { reply, text, status = 200 }] of Object.entries(replies)) {
    for (const delay of [0, 10]) {
      it(`${name}, saved ${delay ? 'later' : 'at once'}`, async () => {
        const { app, store } = await place()
        if (delay) store.before = () => sleep(delay)
        app.get('/', (request, answer) => {
          request.session.set('n', 1)
          return reply(answer)
        })
        const got = await app.inject('/')
        expect([got.statusCode, got.body, cookiesOf(got)]).toEqual([status, text, ['sessionid']])
        expect([got.headers['vary'], got.headers['cache-control']]).toEqual(['Cookie', 'private'])
        expect(store.calls).toEqual(['insert'])
      })

      it(`${name}, not saved, known ${delay ? 'later' : 'at once'} [F2]`, async () => {
        const { app, store } = await place({}, app => {
          app.addHook('onRequest', async (_, reply) => void reply.header('x-above', 'yes'))
        })
        store.before = delay ? () => sleep(delay).then(down) : down
        app.get('/', (request, answer) => {
          request.session.set('n', 1)
          answer.header('x-own', 'yes')
          return reply(answer)
        })
        const got = await app.inject('/')
        expect([got.statusCode, cookiesOf(got)]).toEqual([503, []])
        expect([got.headers['x-own'], got.headers['location']]).toEqual([undefined, undefined])
        if (!name.includes('raw')) {
          expect([got.headers['x-above'], got.json().code]).toEqual(['yes', 'SESSION_STORE'])
        }
      })
    }
  }

  it('a 404 that no route has, and one of setNotFoundHandler', async () => {
    const { app } = await place()
    app.setNotFoundHandler((request, reply) => {
      request.session.flash('notice', 'none')
      return reply.code(404).send('none')
    })
    const got = await app.inject('/nowhere')
    expect([got.statusCode, got.body, cookiesOf(got)]).toEqual([404, 'none', ['sessionid']])
  })

  it('over HTTP/2', async () => {
    const store = cacheStore()
    const app = fastify({ http2: true })
    onTestFinished(() => app.close())
    await app.register(session({ store }))
    app.get('/', (request, reply) => {
      request.session.update('n', (n = 0) => n + 1)
      return reply.send(Readable.from([String(request.session.get('n'))]))
    })
    const client = connect(await app.listen({ host: '127.0.0.1', port: 0 }))
    onTestFinished(() => client.close())
    let cookie = ''
    for (const expected of ['1', '2']) {
      const asked = client.request({ ':path': '/', ...(cookie && { cookie }) })
      const [headers] = await once(asked, 'response')
      cookie = String(headers['set-cookie']).split(';')[0]!
      expect(await asked.setEncoding('utf8').toArray()).toEqual([expected])
    }
  })
})

describe('errors', () => {
  it('a status that setErrorHandler gives decides, and onError hooks run once', async () => {
    const { app } = await place()
    let errors = 0
    app.addHook('onError', async () => void errors++)
    app.setErrorHandler((error: Error, _, reply) =>
      reply.code(error.message === 'mine' ? 422 : 500).send('x'),
    )
    app.get('/:message', (request): string => {
      request.session.set('n', 1)
      throw new Error((request.params as { message: string }).message)
    })
    const [mapped, other] = [await app.inject('/mine'), await app.inject('/other')]
    expect([mapped.statusCode, cookiesOf(mapped), errors]).toEqual([422, ['sessionid'], 2])
    expect([other.statusCode, cookiesOf(other)]).toEqual([500, []])
  })

  it('setErrorHandler gets the error of a save that failed', async () => {
    const { app, store } = await place()
    store.before = down
    app.setErrorHandler((error: Error & { code: string; status: number }, _, reply) =>
      reply.code(error.status).send(error.code),
    )
    app.get('/', request => ({ n: request.session.set('n', 1).get('n') }))
    const got = await app.inject('/')
    expect([got.statusCode, got.body, cookiesOf(got)]).toEqual([503, 'SESSION_STORE', []])
  })

  it('a stream that fails while the session is saved is an error response, and the process lives', async () => {
    const { app, store } = await place()
    store.before = () => sleep(20)
    app.get('/', (request, reply) => {
      request.session.set('n', 1)
      const stream = new Readable({ read: () => undefined })
      setTimeout(() => stream.destroy(new Error('of the stream')), 5)
      return reply.send(stream)
    })
    expect((await app.inject('/')).statusCode).toBe(500)
  })

  it('a stream that will not be sent is closed', async () => {
    const { app, store } = await place()
    store.before = () => sleep(5).then(down)
    const stream = new Readable({ read: () => undefined })
    app.get('/', (request, reply) => {
      request.session.set('n', 1)
      return reply.send(stream)
    })
    expect((await app.inject('/')).statusCode).toBe(503)
    expect(stream.destroyed).toBe(true)
  })

  it('a load that failed is thrown when a handler uses the session', async () => {
    const { app, store } = await place()
    store.before = down
    app.get('/none', () => 'ok')
    app.get('/get', request => ({ n: request.session.get('n') }))
    const headers = { cookie: `sessionid=${'a'.repeat(32)}` }
    expect((await app.inject({ url: '/none', headers })).body).toBe('ok')
    expect((await app.inject({ url: '/get', headers })).statusCode).toBe(503)
  })
})

describe('where the session is', () => {
  it('a plugin registered in a context works there and below', async () => {
    const app = fastify()
    onTestFinished(() => app.close())
    await app.register(async inside => {
      await inside.register(session({ store: cacheStore() }))
      inside.get('/in', request => ({ has: request.session.has('n') }))
      await inside.register(async below => {
        below.get('/below', request => ({ has: request.session.has('n') }))
      })
    })
    app.get('/out', request => ({ has: 'session' in request }))
    const answers = await Promise.all(['/in', '/below', '/out'].map(url => app.inject(url)))
    expect(answers.map(answer => answer.json())).toEqual([{ has: false }, { has: false }, { has: false }])
    expect(answers.map(({ headers }) => headers['vary'])).toEqual(['Cookie', 'Cookie', undefined])
  })

  it('one engine registered twice is one session, saved once', async () => {
    const store = intercept(cacheStore())
    const sessions = createSessions({ store })
    const app = fastify()
    onTestFinished(() => app.close())
    await app.register(session(sessions))
    await app.register(session(sessions))
    app.get('/', request => ({ n: request.session.set('n', 1).get('n') }))
    expect([cookiesOf(await app.inject('/')), store.calls]).toEqual([['sessionid'], ['insert']])
  })

  it('a property that another plugin has decorated is an error at start-up', async () => {
    const place = async (property?: string) => {
      const app = fastify()
      onTestFinished(() => app.close())
      app.decorateRequest('session', null as never)
      await app.register(session({ store: cacheStore() }, { property }))
    }
    await expect(place()).rejects.toMatchObject({ code: 'CONFIG', option: 'property' })
    await place('visitor')
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

describeEngine(
  session,
  async (sess, headers) => {
    const app = fastify()
    onTestFinished(() => app.close())
    await app.register(sess)
    app.get('/', request => {
      request.session.subject = 'ada'
      return 'ok'
    })
    await app.inject({ url: '/', headers })
  },
  '127.0.0.1',
)
