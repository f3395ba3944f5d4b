import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSessions, type Session, type SessionsOptions } from '@sess/core'
import { addCommitted, runWithSession } from '@sess/fetch'
import { cacheStore } from '@sess/store-cache'
import { down, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import { describe, expect, expectTypeOf, it, onTestFinished } from 'vitest'

function place(options: Partial<SessionsOptions> = {}) {
  const store = intercept(cacheStore())
  return { store, sessions: createSessions({ store, ...options }) }
}

const ask = (cookie?: string, url = 'http://localhost/'): Request =>
  new Request(url, cookie === undefined ? {} : { headers: { cookie } })

const MADE_UP = `sessionid=${'a'.repeat(32)}`

function cookieOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map(line => line.split(';')[0]!)
    .join('; ')
}

const setsOne = (answer: () => Response | Promise<Response>) => (_: Request, session: Session) => {
  session.set('n', 1)
  return answer()
}

it('a Response object that the application keeps never gets the Clear-Site-Data of a logout', async () => {
  const { sessions } = place()
  const kept = new Response(null, { status: 204 })
  const logout = (_: Request, session: Session) => {
    session.flush({ clearSiteData: ['storage'] })
    return kept
  }
  const sent = await runWithSession(sessions, ask(), logout)
  expect(sent.headers.get('clear-site-data')).toBe('"storage"')
  expect(kept.headers.get('clear-site-data')).toBeNull()
})

it('the cookie of a save() before a handler throws goes to the response to the error', async () => {
  const { sessions } = place()
  const request = ask()
  const thrown = new Error('after the save')
  const handler = async (_: Request, session: Session): Promise<Response> => {
    session.set('n', 1)
    await session.save()
    throw thrown
  }
  await expect(runWithSession(sessions, request, handler)).rejects.toBe(thrown)
  const response = new Response('Sorry', { status: 500 })
  addCommitted(request, response.headers)
  const session = sessions.open(cookieOf(response))
  await session.load()
  expect(session.get('n')).toBe(1)
})

it('the response to an error has the Clear-Site-Data of an engine that has committed', async () => {
  const { sessions } = place()
  const other = place({ cookie: { name: 'other' } })
  other.store.before = down
  const response = await runWithSession(
    other.sessions,
    ask(),
    (request, outer) => {
      outer.set('n', 1)
      return runWithSession(
        sessions,
        request,
        (_, session) => {
          session.flush({ clearSiteData: ['cache'] })
          return new Response('bye')
        },
        { property: 'inner' },
      )
    },
    { onError: () => new Response('Sorry', { status: 503 }) },
  )
  expect([response.status, response.headers.get('clear-site-data')]).toEqual([503, '"cache"'])
})

describe('what a request costs', () => {
  it('a handler that leaves the session alone returns its own response, at once and without a store call', () => {
    const { sessions, store } = place()
    const response = new Response('ok')
    expect(runWithSession(sessions, ask(), () => response)).toBe(response)
    expect([[...response.headers.keys()], store.calls]).toEqual([['content-type'], []])
  })

  it('a read without a cookie adds Vary to that response, and asks no store', () => {
    const { sessions, store } = place()
    const response = new Response('ok')
    const got = runWithSession(sessions, ask(), (_, session) => {
      session.get('n')
      return response
    })
    expect(got).toBe(response)
    expect([response.headers.get('vary'), response.headers.getSetCookie(), store.calls]).toEqual([
      'Cookie',
      [],
      [],
    ])
  })

  it('`lazy` loads nothing until the handler does', async () => {
    const { sessions, store } = place({ lazy: true })
    await runWithSession(sessions, ask(MADE_UP), () => new Response())
    expect(store.calls).toEqual([])
    await runWithSession(sessions, ask(MADE_UP), async (_, session) => {
      await session.load()
      return Response.json(session.has('n'))
    })
    expect(store.calls).toEqual(['read'])
  })
})

describe('the response has the cookie, and is as the handler made it', () => {
  const answers: Record<string, { answer: () => Response; text?: string }> = {
    text: { answer: () => new Response('text', { status: 201 }), text: 'text' },
    JSON: { answer: () => Response.json({ a: 1 }), text: '{"a":1}' },
    'a stream': { answer: () => new Response(new Blob(['a', 'b']).stream()), text: 'ab' },
    'a redirect whose headers cannot be changed': {
      answer: () => Response.redirect('http://localhost/x', 303),
    },
    '204': { answer: () => new Response(null, { status: 204 }) },
    '304': { answer: () => new Response(null, { status: 304 }) },
    '404': { answer: () => new Response('none', { status: 404 }), text: 'none' },
  }
  for (const [name, { answer, text = '' }] of Object.entries(answers)) {
    for (const way of ['returned', 'thrown', 'promised'] as const) {
      it(`${name}, ${way}`, async () => {
        const { sessions, store } = place()
        const { status, headers } = answer()
        const got = await runWithSession(
          sessions,
          ask(),
          setsOne(() => {
            if (way === 'thrown') throw answer()
            return way === 'promised' ? Promise.resolve(answer()) : answer()
          }),
        )
        expect([got.status, got.headers.get('location'), await got.text()]).toEqual([
          status,
          headers.get('location'),
          text,
        ])
        expect(got.headers.getSetCookie()).toHaveLength(1)
        expect([got.headers.get('vary'), got.headers.get('cache-control')]).toEqual(['Cookie', 'private'])
        expect(store.calls).toEqual(['insert'])
      })
    }
  }

  it('what `fetch` returned, with its own cookies and Vary', async () => {
    const server = createServer((_, res) => {
      res.writeHead(202, { 'set-cookie': ['one=1', 'two=2'], vary: 'Accept' }).end('from there')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const { sessions } = place()
    const got = await runWithSession(
      sessions,
      ask(),
      setsOne(() => fetch(url)),
    )
    expect([got.status, await got.text(), got.headers.get('vary')]).toEqual([
      202,
      'from there',
      'Accept, Cookie',
    ])
    expect(got.headers.getSetCookie().map(line => line.split('=')[0])).toEqual(['one', 'two', 'sessionid'])
    const read = await runWithSession(sessions, ask(), async (_, session) => {
      session.get('n')
      return await fetch(url)
    })
    expect([await read.text(), read.headers.get('vary')]).toEqual(['from there', 'Accept, Cookie'])
  })

  it('a Response that the application keeps never holds a cookie', async () => {
    const { sessions } = place()
    const kept = new Response(null, { status: 204 })
    const [one, two] = await Promise.all(
      [1, 2].map(() =>
        runWithSession(
          sessions,
          ask(),
          setsOne(() => kept),
        ),
      ),
    )
    expect(cookieOf(one!) === cookieOf(two!)).toBe(false)
    expect([one!.headers.getSetCookie().length, two!.headers.getSetCookie().length]).toEqual([1, 1])
    expect([...kept.headers.keys()]).toEqual([])
  })

  it('a change in the stream is an error, because the session is saved before it', async () => {
    const { sessions } = place()
    const got = await runWithSession(sessions, ask(), (_, session) => {
      const late = new ReadableStream({ pull: () => void session.set('n', 1) }, { highWaterMark: 0 })
      return new Response(late)
    })
    await expect(got.text()).rejects.toMatchObject({ code: 'SESSION_COMMITTED' })
  })

  it('`secure: auto` follows the URL of the request', async () => {
    const { sessions } = place()
    for (const [url, secure] of [
      ['https://localhost/', true],
      ['http://localhost/', false],
    ] as const) {
      const got = await runWithSession(
        sessions,
        ask(undefined, url),
        setsOne(() => new Response()),
      )
      expect(/;\s*secure/i.test(got.headers.getSetCookie()[0]!)).toBe(secure)
    }
  })
})

describe('errors', () => {
  it('a thrown error saves nothing and is thrown, and a flush is carried out', async () => {
    const { sessions, store } = place()
    const error = new Error('of the handler')
    const fail = () => {
      throw error
    }
    await expect(async () => runWithSession(sessions, ask(), setsOne(fail))).rejects.toBe(error)
    expect(store.calls).toEqual([])
    const cookie = cookieOf(
      await runWithSession(
        sessions,
        ask(),
        setsOne(() => new Response()),
      ),
    )
    const flushed = runWithSession(sessions, ask(cookie), async (_, session) => {
      session.flush()
      throw error
    })
    await expect(flushed).rejects.toBe(error)
    expect(store.calls.slice(1)).toEqual(['read', 'remove'])
  })

  it.each([
    [404, 1],
    [500, 0],
  ])('the status %i of `onError` decides', async (status, cookies) => {
    const { sessions } = place()
    const onError = (error: unknown) => new Response(String(error), { status })
    const handler = setsOne(() => Promise.reject(new Error('x')))
    const got = await runWithSession(sessions, ask(), handler, { onError })
    expect([got.status, await got.text(), got.headers.getSetCookie().length]).toEqual([
      status,
      'Error: x',
      cookies,
    ])
  })

  it.each([[true], [false]])('a save that fails is thrown, or goes to `onError`: %j', async hasOnError => {
    const { sessions, store } = place()
    store.before = down
    let isClosed = false
    const body = new ReadableStream({ cancel: () => void (isClosed = true) })
    const errors: unknown[] = []
    const onError = (error: unknown) => {
      errors.push(error)
      return new Response(null, { status: (error as { status: number }).status })
    }
    const options = hasOnError ? { onError } : {}
    const run = async () =>
      runWithSession(
        sessions,
        ask(),
        setsOne(() => new Response(body)),
        options,
      )
    if (hasOnError) {
      const { status, headers } = await run()
      expect([status, headers.getSetCookie(), errors.length]).toEqual([503, [], 1])
    } else await expect(run).rejects.toMatchObject({ code: 'SESSION_STORE' })
    expect(isClosed).toBe(true)
  })

  it('an `onError` that throws is called once, and nothing is saved', async () => {
    const { sessions, store } = place()
    let calls = 0
    const onError = () => {
      calls++
      throw new Error('of onError')
    }
    const handler = setsOne(() => Promise.reject(new Error('x')))
    await expect(async () => runWithSession(sessions, ask(), handler, { onError })).rejects.toThrow(
      'of onError',
    )
    expect([calls, store.calls]).toEqual([1, []])
  })

  it('a failed load throws when the handler first uses the session', async () => {
    const { sessions, store } = place()
    store.before = down
    const untouched = await runWithSession(sessions, ask(MADE_UP), () => new Response('ok'))
    expect(await untouched.text()).toBe('ok')
    const used = async () =>
      runWithSession(sessions, ask(MADE_UP), (_, session) => Response.json(session.get('n')))
    await expect(used).rejects.toMatchObject({ code: 'SESSION_STORE' })
  })

  it('`Response.error()` is an error: nothing is saved', async () => {
    const { sessions, store } = place()
    const error = Response.error()
    expect(
      await runWithSession(
        sessions,
        ask(),
        setsOne(() => error),
      ),
    ).toBe(error)
    expect(store.calls).toEqual([])
  })
})

describe('an upgrade that the runtime answers itself', () => {
  const upgrade = (change: (session: Session) => void) => (_: Request, session: Session) => {
    change(session)
    return undefined
  }

  it('saves a session that the client has the key of', async () => {
    const { sessions } = place()
    const cookie = cookieOf(
      await runWithSession(
        sessions,
        ask(),
        setsOne(() => new Response()),
      ),
    )
    const got = await runWithSession(
      sessions,
      ask(cookie),
      upgrade(session => session.set('n', 2)),
    )
    expect(got).toBeUndefined()
    const read = await runWithSession(sessions, ask(cookie), (_, session) => Response.json(session.get('n')))
    expect(await read.json()).toBe(2)
  })

  it.each<[string, (session: Session) => void]>([
    ['a new session', session => session.set('n', 1)],
    ['a new key', session => session.cycleKey()],
  ])('throws for %s, whose cookie cannot be sent', async (_, change) => {
    const { sessions } = place()
    const cookie = cookieOf(
      await runWithSession(
        sessions,
        ask(),
        setsOne(() => new Response()),
      ),
    )
    const request = ask(change.toString().includes('cycleKey') ? cookie : undefined)
    await expect(async () => runWithSession(sessions, request, upgrade(change))).rejects.toMatchObject({
      code: 'SESSION_COMMITTED',
    })
  })
})

describe('where the session is', () => {
  it('a call inside another finds the same session, and the outer one saves', async () => {
    const { sessions, store } = place()
    const request = ask()
    const got = await runWithSession(sessions, request, (request, outer) =>
      runWithSession(sessions, request, (_, inner) => {
        inner.set('n', 1)
        return Response.json(inner === outer)
      }),
    )
    expect([await got.json(), got.headers.getSetCookie().length, store.calls]).toEqual([true, 1, ['insert']])
  })

  it('the object that `on` names gets the session under `property`', async () => {
    const { sessions } = place()
    const on: Record<string, unknown> = {}
    const options = { on, property: 'visitor' }
    await runWithSession(
      sessions,
      ask(),
      (_, session) => {
        expect(on['visitor'] === session).toBe(true)
        return new Response()
      },
      options,
    )
  })

  it('two engines of one request need two properties, and two names of the cookie', async () => {
    const [one, two] = [place().sessions, place({ cookie: { name: 'admin' } }).sessions]
    const nested = (property?: string) =>
      runWithSession(one, ask(), (request, visitor) => {
        visitor.set('n', 1)
        return runWithSession(
          two,
          request,
          setsOne(() => new Response()),
          { property },
        )
      })
    await expect(async () => nested()).rejects.toMatchObject({ code: 'CONFIG', option: 'property' })
    const { headers } = await nested('admin')
    expect(headers.getSetCookie().map(line => line.split('=')[0])).toEqual(['admin', 'sessionid'])
  })

  it.each([
    ['sessions', { store: cacheStore() }, {}],
    ['sessions', undefined, {}],
    ['propery', undefined, { propery: 'x' }],
    ['property', undefined, { property: 5 }],
  ])('a wrong argument is an error that names %s', (option, engine, options) => {
    const sessions = option === 'sessions' ? engine : place().sessions
    const run = () => runWithSession(sessions as never, ask(), () => new Response(), options as never)
    expect(run).toThrow(expect.objectContaining({ code: 'CONFIG', option }))
  })
})

it('the types follow the engine and the handler', () => {
  const sessions = createSessions<{ n?: number }>({ store: cacheStore() })
  const check = () => {
    expectTypeOf(runWithSession(sessions, ask(), () => new Response())).toEqualTypeOf<
      Response | Promise<Response>
    >()
    expectTypeOf(
      runWithSession(sessions, ask(), (_, session) => {
        expectTypeOf(session.get('n')).toEqualTypeOf<number | undefined>()
        return Math.random() > 1 ? undefined : new Response()
      }),
    ).toEqualTypeOf<Response | undefined | Promise<Response | undefined>>()
    // @ts-expect-error there is no such key
    runWithSession(sessions, ask(), (_, session) => Response.json(session.get('m')))
    // @ts-expect-error a handler returns a Response
    runWithSession(sessions, ask(), () => 'text')
  }
  expect(check).toBeTypeOf('function')
})
