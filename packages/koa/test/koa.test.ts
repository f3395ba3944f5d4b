import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as send } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { createSessions, type SessionsOptions } from '@sess/core'
import { session } from '@sess/koa'
import { cacheStore } from '@sess/store-cache'
import { describeEngine } from '@sess/test-fixtures/adapter-engine.ts'
import { cookiesOf, type HttpResponse, request, serve } from '@sess/test-fixtures/http.ts'
import { down, type InterceptedStore, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import Koa, { type Context, type Middleware } from 'koa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const BIG = Buffer.alloc(3_000_000, 'sess ')

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-koa-'))
  file = join(folder, 'big.bin')
  await writeFile(file, BIG)
})
afterAll(() => rm(folder, { recursive: true }))

interface Place {
  app: Koa
  store: InterceptedStore
}

function place(options: Partial<SessionsOptions> = {}, ...above: Middleware[]): Place {
  const store = intercept(cacheStore())
  const app = new Koa()
  app.silent = true
  for (const middleware of above) app.use(middleware)
  app.use(session({ store, ...options }))
  return { app, store }
}

async function ask({ app }: Place, options?: Parameters<typeof request>[1]): Promise<HttpResponse> {
  await using server = await serve(app.callback())
  return await request(server.url, options)
}

describe('pay for what you use', () => {
  it('a handler that leaves the session alone: no store call, no cookie, no Vary [I4]', async () => {
    const at = place()
    at.app.use(ctx => {
      ctx.body = 'ok'
    })
    const got = await ask(at)
    expect([got.text, got.setCookies, got.headers.vary]).toEqual(['ok', [], undefined])
    expect(at.store.calls).toEqual([])
  })

  it('a read without a cookie says Vary, asks no store [A19]', async () => {
    const at = place()
    at.app.use(ctx => {
      ctx.vary('Accept')
      ctx.body = { n: ctx.session.get('n') ?? null }
    })
    const got = await ask(at)
    expect([got.setCookies, got.headers.vary]).toEqual([[], 'Accept, Cookie'])
    expect(at.store.calls).toEqual([])
  })

  it('lazy: nothing is read before the handler asks', async () => {
    const at = place({ lazy: true })
    at.app.use(async ctx => {
      if (ctx.path === '/') await ctx.session.load()
      ctx.body = String(ctx.session.get('n'))
    })
    await using server = await serve(at.app.callback())
    const cookie = `sessionid=${'a'.repeat(32)}`
    expect((await request(server.url, { cookie })).text).toBe('undefined')
    expect(at.store.calls).toEqual(['read'])
    expect((await request(`${server.url}/early`, { cookie })).status).toBe(500)
  })
})

describe('what leaves', () => {
  const bodies: Record<string, Middleware> = {
    'a stream': ctx => {
      ctx.body = createReadStream(file)
    },
    'a buffer': ctx => {
      ctx.body = BIG
    },
    'a web stream': ctx => {
      ctx.body = new Response(BIG).body
    },
    'a pipe into ctx.res': async ctx => {
      ctx.status = 200
      createReadStream(file).pipe(ctx.res)
      await once(ctx.res, 'close')
    },
    'ctx.res with respond = false': ctx => {
      ctx.respond = false
      ctx.res.statusCode = 200
      setTimeout(() => createReadStream(file).pipe(ctx.res), 20)
    },
  }
  for (const [name, body] of Object.entries(bodies)) {
    for (const delay of [0, 40]) {
      it(`${name} leaves whole, after its session was saved in ${delay} ms [F27]`, async () => {
        const at = place()
        let saved = false
        if (delay) {
          at.store.before = async () => {
            await sleep(delay)
            saved = true
          }
        }
        at.app.use((ctx, next) => {
          ctx.session.set('n', 1)
          return body(ctx, next)
        })
        const got = await ask(at)
        expect(saved).toBe(delay > 0)
        expect([got.status, got.setCookies.length, got.headers.vary]).toEqual([200, 1, 'Cookie'])
        expect(got.body.equals(BIG)).toBe(true)
      })

      it(`${name} does not leave when the session cannot be saved, known after ${delay} ms [F2]`, async () => {
        const at = place()
        let stream: Readable | undefined
        at.store.before = delay ? () => sleep(delay).then(down) : down
        at.app.use(async (ctx, next) => {
          ctx.session.set('n', 1)
          ctx.set('X-App', 'gone')
          ctx.cookies.set('app', 'gone')
          await body(ctx, next)
          if (name === 'a stream') stream = ctx.body as Readable
        })
        const got = await ask(at)
        expect([got.status, got.setCookies, got.text]).toEqual([503, [], 'Service Unavailable'])
        expect(got.headers).not.toHaveProperty('x-app')
        if (stream) expect(stream.destroyed).toBe(true)
      })
    }
  }

  it('a change in a streamed body is the documented error', async () => {
    const at = place()
    let code: unknown
    at.app.use(ctx => {
      const late = async function* (): AsyncGenerator<string> {
        yield 'begun'
        try {
          ctx.session.set('n', 1)
        } catch (error) {
          code = (error as { code: string }).code
        }
      }
      ctx.body = Readable.from(late())
    })
    await ask(at)
    expect(code).toBe('SESSION_COMMITTED')
  })

  it('HEAD and 204 and 304 carry the cookie', async () => {
    const at = place()
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      if (ctx.path === '/') ctx.body = 'text'
      else ctx.status = Number(ctx.path.slice(1))
    })
    await using server = await serve(at.app.callback())
    for (const [path, method, status] of [
      ['/', 'HEAD', 200],
      ['/204', 'GET', 204],
      ['/304', 'GET', 304],
    ] as const) {
      const got = await request(server.url + path, { method })
      expect([got.status, got.body.length, got.setCookies.length]).toEqual([status, 0, 1])
    }
  })
})

describe('errors', () => {
  it("a thrown 4xx saves, and Koa's error response carries the cookie once [F28]", async () => {
    const at = place()
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      ctx.set('X-App', 'gone')
      ctx.throw(418, 'tea')
    })
    const got = await ask(at)
    expect([got.status, got.text, got.setCookies.length, got.headers.vary]).toEqual([418, 'tea', 1, 'Cookie'])
    expect(got.headers['cache-control']).toBe('private')
    expect(got.headers).not.toHaveProperty('x-app')
  })

  it('so does the response of a middleware above [F28]', async () => {
    const at = place({}, async (ctx, next) => {
      try {
        await next()
      } catch (error) {
        ctx.status = (error as { status: number }).status
        ctx.body = 'handled'
      }
    })
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      ctx.throw(403)
    })
    const got = await ask(at)
    expect([got.status, got.text, got.setCookies.length]).toEqual([403, 'handled', 1])
  })

  it('a thrown 5xx, or what is no error, saves nothing; a flush is carried out [F28]', async () => {
    const at = place()
    at.app.use(ctx => {
      if (ctx.path === '/set') {
        ctx.session.set('n', 1)
        ctx.body = 'ok'
        return
      }
      if (ctx.path === '/get') {
        ctx.body = { n: ctx.session.get('n') ?? null }
        return
      }
      if (ctx.path === '/flush') ctx.session.flush()
      else ctx.session.set('n', 2)
      throw ctx.path === '/string' ? 'a string' : new Error('thrown')
    })
    await using server = await serve(at.app.callback())
    const cookie = cookiesOf(await request(`${server.url}/set`))
    for (const path of ['/error', '/string']) {
      const got = await request(server.url + path, { cookie })
      expect([got.status, got.setCookies]).toEqual([500, []])
      expect((await request(`${server.url}/get`, { cookie })).json).toEqual({ n: 1 })
    }
    const flushed = await request(`${server.url}/flush`, { cookie })
    expect([flushed.status, flushed.setCookies.length]).toEqual([500, 1])
    expect((await request(`${server.url}/get`, { cookie })).json).toEqual({ n: null })
  })

  it('a failed commit is thrown to the middleware above, which finds a clean response [F2]', async () => {
    const seen: unknown[] = []
    const at = place({}, async (ctx, next) => {
      ctx.set('X-Above', 'kept')
      try {
        await next()
      } catch (error) {
        seen.push((error as { code: string }).code, ctx.status, ctx.body, ctx.headerSent)
        ctx.body = 'sorry'
      }
    })
    at.store.before = async () => down()
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      ctx.set('X-App', 'gone')
      ctx.redirect('/')
    })
    const got = await ask(at)
    expect(seen).toEqual(['SESSION_STORE', 503, undefined, false])
    expect([got.status, got.text, got.setCookies]).toEqual([503, 'sorry', []])
    expect(got.headers).toMatchObject({ 'x-above': 'kept' })
    expect(got.headers).not.toHaveProperty('x-app')
    expect(got.headers).not.toHaveProperty('location')
  })

  describe('a middleware above handles a failed commit like any thrown 503 [F2]', () => {
    const responses: Record<string, (ctx: Context) => void> = {
      'with the status alone': ctx => void (ctx.status = 503),
      'with a body': ctx => void (ctx.body = 'sorry'),
      'with an object': ctx => void (ctx.body = { sorry: true }),
      'not at all': () => undefined,
    }
    for (const type of [undefined, 'json', 'html']) {
      for (const [how, respond] of Object.entries(responses)) {
        it(`${how}, ${type ?? 'no'} type set above`, async () => {
          const above: Middleware = async (ctx, next) => {
            if (type) ctx.type = type
            try {
              await next()
            } catch (error) {
              ctx.status = (error as { status: number }).status
              respond(ctx)
            }
          }
          const failing = place({}, above)
          failing.store.before = async () => down()
          failing.app.use(ctx => {
            ctx.session.set('n', 1)
            ctx.body = Readable.from(['gone'])
          })
          const throwing = place({}, above)
          throwing.app.use(ctx => ctx.throw(503))
          const [got, expected] = [await ask(failing), await ask(throwing)]
          expect([got.status, got.text, got.headers['content-type']]).toEqual([
            expected.status,
            expected.text,
            expected.headers['content-type'],
          ])
        })
      }
    }
  })

  it('a body whose stream fails while the session is saved is an error of the app, not the end of the process', async () => {
    const at = place()
    const heard: unknown[] = []
    at.app.on('error', error => heard.push(error.code))
    at.store.before = async () => void (await sleep(20))
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      ctx.body = createReadStream(join(folder, 'no such file'))
    })
    await ask(at).catch(() => undefined)
    expect(heard).toEqual(['ENOENT'])
  })

  it('a middleware above responds after a failed handler that set `respond = false` [F2]', async () => {
    const at = place({}, async (ctx, next) => {
      await next().catch(() => {
        ctx.body = 'sorry'
      })
    })
    at.store.before = () => down()
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    at.app.use(async ctx => {
      ctx.respond = false
      ctx.session.set('n', 1)
      ctx.res.write('a')
      await sleep(20)
      ctx.res.end('page')
      end()
    })
    const got = await ask(at)
    await ended
    expect([got.status, got.text]).toEqual([503, 'sorry'])
  })

  it('a middleware above responds on ctx.res, when it set `respond = false` itself [F2]', async () => {
    const at = place({}, async (ctx, next) => {
      ctx.respond = false
      await next().catch(error => {
        setTimeout(() => {
          ctx.res.statusCode = error.status
          ctx.res.end('sorry')
        }, 10)
      })
    })
    at.store.before = down
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      ctx.res.end('page')
    })
    const got = await ask(at)
    expect([got.status, got.text]).toEqual([503, 'sorry'])
  })

  it('a middleware above responds through Koa, where the failed handler set `respond = false` and threw [F2]', async () => {
    const at = place({}, async (ctx, next) => {
      await next().catch(error => {
        ctx.status = error.status
        ctx.body = 'sorry'
      })
    })
    at.store.before = down
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      ctx.respond = false
      ctx.throw(404)
    })
    const got = await ask(at)
    expect([got.status, got.text]).toEqual([503, 'sorry'])
  })

  describe('bytes written to ctx.res by a handler that leaves the rest to Koa [F2]', () => {
    for (const delay of [0, 20]) {
      it(`a failed commit is thrown to the middlewares above, known after ${delay} ms`, async () => {
        const at = place({}, async (ctx, next) => {
          await next().catch(error => {
            ctx.body = `sorry: ${error.code}`
          })
        })
        const heard: unknown[] = []
        at.app.on('error', error => heard.push(error))
        at.store.before = () => sleep(delay).then(down)
        at.app.use(ctx => {
          ctx.session.set('n', 1)
          ctx.res.end('hi')
        })
        const got = await ask(at)
        expect([got.status, got.text, got.setCookies]).toEqual([503, 'sorry: SESSION_STORE', []])
        expect(heard).toEqual([])
      })

      it(`a failed commit is an error of the app once, known after ${delay} ms`, async () => {
        const at = place()
        const heard: unknown[] = []
        at.app.on('error', error => heard.push(error.code))
        at.store.before = () => sleep(delay).then(down)
        at.app.use(ctx => {
          ctx.session.set('n', 1)
          ctx.res.end('hi')
        })
        const got = await ask(at)
        expect([got.status, got.text, got.setCookies]).toEqual([503, 'Service Unavailable', []])
        expect(heard).toEqual(['SESSION_STORE'])
      })
    }

    for (const delay of [0, 20]) {
      it(`what the handler still writes is not the error response, failure known after ${delay} ms`, async () => {
        const at = place()
        const heard: unknown[] = []
        at.app.on('error', error => heard.push(error.code, error.headerSent))
        at.store.before = delay ? () => sleep(delay).then(down) : down
        at.app.use(ctx => {
          ctx.session.set('n', 1)
          ctx.res.writeHead(200, { 'X-App': 'gone' }).end('page')
        })
        const got = await ask(at)
        expect([got.status, got.text, got.setCookies]).toEqual([503, 'Service Unavailable', []])
        expect(got.headers).not.toHaveProperty('x-app')
        expect(heard).toEqual(['SESSION_STORE', undefined])
      })

      it(`what the handler writes while a middleware above responds is dropped, failure known after ${delay} ms`, async () => {
        const handlerEnded = Promise.withResolvers<void>()
        const at = place({}, async (ctx, next) => {
          try {
            await next()
          } catch (error) {
            await handlerEnded.promise
            ctx.body = `sorry: ${(error as { code: string }).code}`
          }
        })
        at.store.before = delay ? () => sleep(delay).then(down) : down
        at.app.use(async ctx => {
          ctx.session.set('n', 1)
          ctx.res.write('a')
          await sleep(2 * delay)
          ctx.res.end('b')
          handlerEnded.resolve()
        })
        const got = await ask(at)
        expect([got.status, got.text, got.setCookies]).toEqual([503, 'sorry: SESSION_STORE', []])
      })
    }

    for (const delay of [0, 20]) {
      it(`the body and headers it sets after flushHeaders are dropped, failure known after ${delay} ms`, async () => {
        const at = place({}, async (ctx, next) => {
          await next().catch(error => {
            if (ctx.path === '/status') ctx.status = error.status
            else ctx.body = 'sorry'
          })
        })
        at.store.before = () => (delay ? sleep(delay).then(down) : down())
        at.app.use(ctx => {
          ctx.session.set('n', 1)
          ctx.type = 'text/event-stream'
          ctx.flushHeaders()
          ctx.set('X-App', 'gone')
          ctx.body = Readable.from(['page'])
        })
        await using server = await serve(at.app.callback())
        for (const [path, text] of [
          ['/status', 'Service Unavailable'],
          ['/body', 'sorry'],
        ] as const) {
          const got = await request(server.url + path)
          expect([got.status, got.text, got.headers['content-type']]).toEqual([
            503,
            text,
            'text/plain; charset=utf-8',
          ])
          expect(got.headers).not.toHaveProperty('x-app')
        }
      })
    }

    for (const delay of [0, 20]) {
      it(`what a generator yields without a pause is dropped, failure known after ${delay} ms`, async () => {
        const at = place({}, async (ctx, next) => {
          await next().catch(() => {
            ctx.body = createReadStream(file)
          })
        })
        at.store.before = () => (delay ? sleep(delay).then(down) : down())
        at.app.use(async ctx => {
          ctx.session.set('n', 1)
          const pages = async function* (): AsyncGenerator<Buffer> {
            for (let i = 0; i < 100; i++) yield Buffer.alloc(20_000, 'page ')
          }
          await pipeline(pages, ctx.res).catch(() => undefined)
        })
        const got = await ask(at)
        expect([got.status, got.body.equals(BIG)]).toEqual([503, true])
      })
    }

    it('the status of a failed response does not apply to its error response', async () => {
      const at = place({}, async (ctx, next) => {
        await next().catch(() => {
          ctx.body = 'sorry'
        })
      })
      at.store.before = down
      at.app.use(ctx => {
        ctx.session.set('n', 1)
        // Past Koa, which takes a status that nobody has told it of for one that the next body may change.
        ctx.res.statusCode = 204
        ctx.res.end()
      })
      const got = await ask(at)
      expect([got.status, got.text]).toEqual([503, 'sorry'])
    })

    for (const respond of [true, false]) {
      it(`what Node rejects afterwards is an error response, once (respond: ${respond})`, async () => {
        const at = place()
        const heard: unknown[] = []
        at.app.on('error', error => heard.push(error.code))
        at.store.before = () => sleep(20)
        at.app.use(ctx => {
          ctx.session.set('n', 1)
          ctx.respond = respond
          ctx.res.end(5 as never)
        })
        const got = await ask(at)
        expect([got.status, got.text]).toEqual([500, 'Internal Server Error'])
        expect(heard).toEqual(['ERR_INVALID_ARG_TYPE'])
      })
    }
  })

  describe('the status that Koa makes of what was thrown decides [F28]', () => {
    const withStatus = (extra: object): Error => Object.assign(new Error('x'), extra)
    const thrown: Record<string, [value: unknown, status: number]> = {
      'an error of 404': [withStatus({ status: 404 }), 404],
      'an error with statusCode': [withStatus({ statusCode: 404 }), 404],
      'an error of 302': [withStatus({ status: 302 }), 302],
      'an error of a status that nobody knows': [withStatus({ status: 499 }), 500],
      'an error with such a status, and statusCode': [withStatus({ status: 499, statusCode: 404 }), 500],
      'an error whose status is a string': [withStatus({ status: '404' }), 500],
      'an error of 509': [withStatus({ status: 509 }), 509],
      'an error of another realm': [runInNewContext('Object.assign(new Error("x"), { status: 404 })'), 404],
      'an object with a status': [{ status: 404 }, 500],
      'a string': ['404', 500],
    }
    for (const [name, [value, status]] of Object.entries(thrown)) {
      it(`${name}: ${status}`, async () => {
        const at = place()
        at.app.use(ctx => {
          ctx.session.set('n', 1)
          throw value
        })
        const got = await ask(at)
        const saved = status < 500
        expect([got.status, got.setCookies.length, at.store.calls]).toEqual([
          status,
          saved ? 1 : 0,
          saved ? ['insert'] : [],
        ])
      })
    }
  })

  it('what could not be saved with a thrown 4xx is the error that shows, to the middlewares above too [F2]', async () => {
    const thrown: unknown[] = []
    const at = place({}, async (_ctx, next) => {
      await next().catch(error => {
        thrown.push(error.code)
        throw error
      })
    })
    const heard: unknown[] = []
    at.app.on('error', error => heard.push(error.code))
    at.store.before = async () => down()
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      ctx.throw(404)
    })
    const got = await ask(at)
    expect([got.status, got.setCookies]).toEqual([503, []])
    expect([thrown, heard]).toEqual([['SESSION_STORE'], ['SESSION_STORE']])
  })

  it('a client that leaves early changes nothing for the others [F26]', async () => {
    const at = place()
    at.store.before = () => sleep(20)
    at.app.use(ctx => {
      ctx.session.set('n', 1)
      ctx.body = createReadStream(file)
    })
    await using server = await serve(at.app.callback())
    const aborted = send(server.url)
    aborted.on('error', () => undefined)
    aborted.end()
    await sleep(10)
    aborted.destroy()
    await sleep(40)
    expect((await request(server.url)).body.length).toBe(BIG.length)
  })
})

for (const delay of [0, 20]) {
  for (const respond of [true, false]) {
    it(`a change after the head ends the response, because Koa would leave its client waiting (saved in ${delay} ms, respond: ${respond})`, async () => {
      const at = place()
      if (delay > 0) at.store.before = () => sleep(delay)
      const codes: unknown[] = []
      at.app.on('error', error => codes.push(error.code))
      at.app.use(async ctx => {
        ctx.respond = respond
        ctx.session.set('a', 1)
        await new Promise(resolve => ctx.res.write('begun', resolve))
        ctx.session.set('late', 1)
        ctx.res.end('never')
      })
      await expect(ask(at)).rejects.toMatchObject({ code: 'ECONNRESET' })
      expect(codes).toEqual(['SESSION_COMMITTED'])
    })
  }
}

it('an error of the application after the head is left to Koa and to the handler that still writes', async () => {
  const at = place()
  at.app.use(async ctx => {
    ctx.respond = false
    ctx.session.set('a', 1)
    await new Promise(resolve => ctx.res.write('begun ', resolve))
    setTimeout(() => ctx.res.end('and done'), 10)
    throw new Error('of the application')
  })
  expect((await ask(at)).text).toBe('begun and done')
})

describe('several middlewares', () => {
  it('the same engine twice is one session, one commit, one cookie [F38]', async () => {
    const store = intercept(cacheStore())
    const sessions = createSessions({ store })
    const app = new Koa().use(session(sessions)).use(session(sessions))
    app.use(ctx => {
      ctx.session.set('a', 1)
      ctx.body = 'ok'
    })
    const got = await ask({ app, store })
    expect([got.setCookies.length, store.calls]).toEqual([1, ['insert']])
  })

  it('two engines on one property are an error [F38]', async () => {
    const at = place()
    at.app.use(session({ store: cacheStore() }))
    expect((await ask(at)).status).toBe(500)
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
    const at = place({}, async (ctx, next) => {
      await next().catch(error => {
        ctx.body = error.option ?? error.message
      })
    })
    at.app.use((ctx, next) => (ctx.path === '/null' ? void Object.assign(ctx, { session: null }) : next()))
    at.app.use(session({ store: cacheStore() }, { property: 'admin' }))
    await using server = await serve(at.app.callback())
    expect((await request(server.url)).text).toBe('cookie.name')
    expect((await request(`${server.url}/null`)).text).toMatch(/`session` .*`flush\(\)`/)
  })

  describe('when neither of two engines can save, what the handler still writes is dropped [F2]', () => {
    for (const delay of [0, 20]) {
      for (const between of [false, true]) {
        it(`known after ${delay} ms, ${between ? 'the first failure answered' : 'nobody'} between them`, async () => {
          const handlerEnded = Promise.withResolvers<void>()
          const at = place({}, async (ctx, next) => {
            await next().catch(async error => {
              await handlerEnded.promise
              ctx.status = error.status
              ctx.body = 'sorry'
            })
          })
          const inner = intercept(cacheStore())
          if (between) {
            at.app.use(async (ctx, next) => {
              await next().catch(() => {
                ctx.status = 200
                ctx.body = 'not so bad'
              })
            })
          }
          at.app.use(session({ store: inner, cookie: { name: 'admin' } }, { property: 'admin' }))
          at.app.use(async ctx => {
            // What a 503 saves, too.
            if (ctx.path === '/flush') ctx.session.flush()
            else ctx.session.set('a', 1)
            ctx['admin'].set('b', 1)
            if (ctx.path !== '/flush') return
            ctx.res.write('page')
            await sleep(3 * delay + 5)
            ctx.res.write('more of the page')
            ctx.res.end()
            handlerEnded.resolve()
          })
          await using server = await serve(at.app.callback())
          const cookie = cookiesOf(await request(server.url))
          const failing = (): Promise<void> | void => (delay ? sleep(delay).then(down) : down())
          at.store.before = method => (method === 'read' ? undefined : failing())
          inner.before = at.store.before
          const got = await request(`${server.url}/flush`, { cookie })
          expect([got.status, got.text, got.setCookies]).toEqual([503, 'sorry', []])
        })
      }
    }
  })

  it('two engines side by side, each with its cookie, also when a handler throws [A9]', async () => {
    const at = place()
    at.app.use(session({ store: cacheStore(), cookie: { name: 'admin' } }, { property: 'admin' }))
    at.app.use(ctx => {
      ctx.session.set('a', 1)
      ctx['admin'].set('b', 1)
      if (ctx.path === '/throw') ctx.throw(400)
      ctx.body = 'ok'
    })
    await using server = await serve(at.app.callback())
    for (const path of ['/', '/throw']) {
      const got = await request(server.url + path)
      expect(got.setCookies.map(cookie => cookie.split('=')[0]).sort()).toEqual(['admin', 'sessionid'])
    }
  })
})

for (const way of ['body', 'ctx.res', 'a response above']) {
  it(`the error page carries the key that the inner of two engines has renewed: ${way}`, async () => {
    const at = place()
    const staff = createSessions({ store: cacheStore(), cookie: { name: 'staff' } })
    if (way === 'a response above') {
      at.app.middleware.unshift(async (ctx, next) => {
        try {
          await next()
        } catch (error) {
          ctx.status = (error as { status: number }).status
          ctx.body = 'sorry'
        }
      })
    }
    at.app.use(session(staff, { property: 'staff' }))
    at.app.use(ctx => {
      ctx['staff'].cycleKey()
      ctx['staff'].update('n', (n = 0) => n + 1)
      ctx.session.set('seen', true)
      if (way === 'ctx.res') {
        ctx.respond = false
        ctx.res.end('page')
      } else ctx.body = 'page'
    })
    await using server = await serve(at.app.callback())
    const cookie = cookiesOf(await request(server.url))
    at.store.before = method => (method === 'replace' ? down() : undefined)
    const failed = await request(server.url, { cookie })
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

it('Secure follows a TLS proxy that is trusted, and nobody else [A20]', async () => {
  for (const [proxy, proto, secure] of [
    [true, 'https', true],
    [true, 'http', false],
    [false, 'https', false],
  ] as const) {
    const at = place()
    at.app.proxy = proxy
    at.app.use(ctx => {
      ctx.session.set('a', 1)
      ctx.body = 'ok'
    })
    const got = await ask(at, { headers: { 'x-forwarded-proto': proto } })
    expect(got.setCookies[0]!.includes('Secure')).toBe(secure)
  }
})

describe('a body that Koa turns into JSON after the commit', () => {
  it.each<[string, (ctx: Koa.Context) => unknown]>([
    ['the session', ctx => ctx.session],
    ['an object with the session', ctx => ({ me: ctx.session })],
    ['an object with its data', ctx => ({ me: ctx.session.data })],
  ])('tells caches that it depends on the cookie: %s', async (_, body) => {
    const app = new Koa()
    app.use(session({ store: cacheStore() }))
    app.use(ctx => {
      if (ctx.path === '/login') ctx.session.set('user', 'ada')
      ctx.body = ctx.path === '/login' ? 'welcome' : body(ctx)
    })
    await using server = await serve(app.callback())
    const cookie = cookiesOf(await request(`${server.url}/login`))
    const { text, headers } = await request(server.url, { cookie })
    expect(text).toContain('"user":"ada"')
    expect(headers['vary']).toBe('Cookie')
  })
})

describeEngine(
  session,
  async (sess, headers) => {
    const app = new Koa().use(sess).use(ctx => {
      ctx.session.subject = 'ada'
      ctx.body = 'ok'
    })
    await using server = await serve(app.callback())
    await fetch(server.url, { headers })
  },
  '127.0.0.1',
)
