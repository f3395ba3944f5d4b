import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Library, original, ours, World } from './world.ts'

// The differences that the README lists, in its order. Each is played with express-session first, to see that it is one.

/** Plays one scenario with both, and returns what each returned. */
async function both<T>(scenario: (world: World) => Promise<T>): Promise<[theirs: T, ours: T]> {
  const play = async (lib: Library): Promise<T> => {
    const world = new World(lib)
    try {
      return await scenario(world)
    } finally {
      await world.close()
    }
  }
  return [await play(original), await play(ours)]
}

/** What a request gets, or `'no response'` if it waits for longer than a response takes. */
async function within<T>(response: Promise<T>): Promise<T | 'no response'> {
  const late = new Promise<'no response'>(resolve => setTimeout(resolve, 300, 'no response'))
  return Promise.race([response, late])
}

const boom = (...args: any[]): void => args.at(-1)(new Error('boom!'))

describe('a store that fails at the end', () => {
  it.each([
    ['set', { saveUninitialized: true }, '/'],
    ['set', { resave: true }, '/read'],
    ['touch', {}, '/read'],
    ['destroy', { unset: 'destroy' }, '/unset'],
  ])('%s with %j: an error response instead of a success', async (method, options, path) => {
    const [theirs, mine] = await both(async w => {
      const store = w.store({ quiet: true })
      const { get } = await w.serve({ store, ...options }, (req, res) => {
        if (req.url === '/begin') req.session.a = 1
        if (req.url === '/unset') req.session = null
        res.end('done')
      })
      if (path !== '/') await get('/begin')
      store[method] = boom
      const { status, body, setCookies } = await get(path)
      return { status, body, cookies: setCookies.length, errors: w.log.filter(entry => Array.isArray(entry)) }
    })
    expect(theirs).toMatchObject({ status: 200, body: 'done' })
    expect(mine).toEqual({ status: 500, body: 'boom!', cookies: 0, errors: [['error', 'boom!']] })
  })

  it('cuts off a response that has begun', async () => {
    const [theirs, mine] = await both(async w => {
      const store = w.store({ quiet: true })
      const { get } = await w.serve({ store }, (req, res) => {
        res.write('hello, ')
        store.set = boom
        req.session.a = 1
        setTimeout(() => res.end('world'), 10)
      })
      return (await get()).body
    })
    expect([theirs, mine]).toEqual(['hello, world', 'hello,  (cut off)'])
  })
})

it('sends nothing before the session is saved', async () => {
  const seen = await both(async w => {
    const store = w.store({ quiet: true })
    const { set } = store
    let isSaved = false
    store.set = (...args: any[]) =>
      setTimeout(() => {
        isSaved = true
        set.apply(store, args)
      }, 30)
    const { url } = await w.serve({ store }, (req, res) => {
      req.session.a = 1
      res.writeHead(302, { Location: '/next' })
      res.end('Moved to /next')
    })
    await fetch(url, { redirect: 'manual' })
    return isSaved
  })
  expect(seen).toEqual([false, true])
})

it('does not save a session that another request has ended', async () => {
  const seen = await both(async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, async (req, res) => {
      if (req.url === '/logout') return req.session.destroy(() => res.end())
      if (req.url === '/slow') await get('/logout', { cookie: req.headers.cookie })
      req.session.user = 'ada'
      req.session.n = req.url
      res.end()
    })
    await get('/login')
    const { status } = await get('/slow')
    return [status, Object.keys(store.sessions).length]
  })
  expect(seen).toEqual([
    [200, 1],
    [400, 0],
  ])
})

it('merges parallel requests', async () => {
  const seen = await both(async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, async (req, res) => {
      if (req.url === '/outer') await get('/inner', { cookie: req.headers.cookie })
      req.session[req.url] = true
      res.end()
    })
    await get('/begin')
    await get('/outer')
    return Object.keys(JSON.parse(Object.values(store.sessions)[0] as string)).sort()
  })
  expect(seen).toEqual([
    ['/begin', '/outer', 'cookie'],
    ['/begin', '/inner', '/outer', 'cookie'],
  ])
})

it('sends a cookie that was changed', async () => {
  const seen = await both(async w => {
    const { get } = await w.serve({ cookie: { maxAge: 60_000 } }, (req, res) => {
      if (req.url === '/begin') req.session.a = 1
      if (req.url === '/remember') req.session.cookie.maxAge = 5_000_000
      res.end()
    })
    await get('/begin')
    const [remember, later] = [await get('/remember'), await get('/')]
    return [remember.setCookies.length, later.setCookies.length]
  })
  expect(seen).toEqual([
    [0, 0],
    [1, 0],
  ])
})

it('destroys no second time, and saves no second time after regenerate', async () => {
  const seen = await both(async w => {
    const store = w.store({ quiet: true })
    const calls: string[] = []
    for (const method of ['set', 'destroy']) {
      const inner = store[method]
      store[method] = (...args: any[]) => {
        calls.push(method)
        inner.apply(store, args)
      }
    }
    const { get } = await w.serve({ store, unset: 'destroy' }, (req, res) => {
      if (req.url === '/destroy') return req.session.destroy(() => res.end())
      req.session.regenerate(() => {
        req.session.a = 1
        req.session.save(() => res.end())
      })
    })
    await get('/login')
    calls.push('then')
    await get('/destroy')
    return calls
  })
  expect(seen).toEqual([
    ['destroy', 'set', 'set', 'then', 'destroy', 'destroy'],
    ['destroy', 'set', 'then', 'destroy'],
  ])
})

it('tries a failed save again at the end', async () => {
  const seen = await both(async w => {
    const store = w.store({ quiet: true })
    const { set } = store
    const { get } = await w.serve({ store }, (req, res) => {
      store.set = boom
      req.session.a = 1
      req.session.save(() => {
        store.set = set
        res.end()
      })
    })
    await get()
    return Object.keys(store.sessions).length
  })
  expect(seen).toEqual([0, 1])
})

it('returns the session from save and reload, and a promise without a callback', async () => {
  const seen = await both(async w => {
    const returned: unknown[] = []
    const { get } = await w.serve({}, async (req, res) => {
      const { session } = req
      session.a = 1
      await new Promise<void>(resolve => returned.push(session.save(() => resolve()) === session))
      await new Promise<void>(resolve => returned.push(session.reload(() => resolve()) === session))
      returned.push(req.session.save() instanceof Promise)
      res.end()
    })
    await get()
    return returned
  })
  expect(seen).toEqual([
    [false, false, false],
    [true, true, true],
  ])
})

it('responds with an error to what cannot be stored', async () => {
  const seen = await both(async w => {
    const { get } = await w.serve(
      { saveUninitialized: true },
      (req, res) => {
        if (req.url === '/bigint') req.session.a = 5n
        if (req.url === '/cycle') {
          req.session.a = {}
          req.session.a.a = req.session.a
        }
        if (req.url === '/replaced') req.session = { user: 'ada' }
        res.end('ok')
      },
      { express: true },
    )
    const wrong = await w.serve({ cookie: { maxAge: 'an hour' } }, (req, res) => res.end(req.session.id), {
      express: true,
    })
    const all = [get('/bigint'), get('/cycle'), get('/replaced'), wrong.get()]
    return Promise.all(
      all.map(async each => {
        const seen = await within(each)
        return seen === 'no response' ? seen : seen.status
      }),
    )
  })
  expect(seen).toEqual([Array(4).fill('no response'), Array(4).fill(500)])
})

it("resolves 'auto' in what a cookie function returns", async () => {
  const seen = await both(async w => {
    const { get } = await w.serve({ cookie: () => ({ secure: 'auto' }), proxy: true }, (req, res) => {
      req.session.a = 1
      res.end()
    })
    const plain = await get('/', { cookie: '' })
    const tls = await get('/', { cookie: '', headers: { 'x-forwarded-proto': 'https' } })
    return [plain, tls].map(({ setCookies }) => setCookies.map(line => line.includes('Secure')))
  })
  expect(seen).toEqual([
    [[], [true]],
    [[false], [true]],
  ])
})

// The smaller differences that the README names below the list.

it('has classes that are called with `new` alone, but for those of stores', async () => {
  const seen = await both(async w => {
    const { Session, Cookie, Store, MemoryStore } = w.lib
    const req = { sessionID: 'id' }
    return [
      () => Session.call(Object.create(Session.prototype), req),
      () => Cookie.call(Object.create(Cookie.prototype)),
      () => Store.call(Object.create(Store.prototype)),
      () => MemoryStore.call(Object.create(MemoryStore.prototype)),
    ].map(make => {
      try {
        return make()
      } catch (error) {
        return (error as Error).name
      }
    })
  })
  expect(seen).toEqual([
    [undefined, undefined, undefined, undefined],
    ['TypeError', 'TypeError', undefined, undefined],
  ])
})

it('calls back without arguments, where express-session passes on those of the store', async () => {
  const seen = await both(async w => {
    const store = w.store({ quiet: true })
    for (const method of ['set', 'destroy']) {
      const inner = store[method]
      store[method] = (...args: any[]) => {
        const callback = args.pop()
        inner.call(store, ...args, () => callback(null, 'more'))
      }
    }
    const seen: unknown[][] = []
    const { get } = await w.serve({ store }, async (req, res) => {
      req.session.a = 1
      for (const method of ['save', 'regenerate', 'destroy']) {
        seen.push(await new Promise(resolve => req.session[method]((...args: unknown[]) => resolve(args))))
      }
      res.end()
    })
    await get()
    return seen
  })
  expect(seen).toEqual([
    [[null, 'more'], [null], [null, 'more']],
    [[], [], []],
  ])
})

it('does not pass on ENOENT of a store to reload', async () => {
  const seen = await both(async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, (req, res) => {
      store.get = (_id: string, callback: any) =>
        callback(Object.assign(new Error('no such file'), { code: 'ENOENT' }))
      req.session.reload((error: Error) => res.end(error.message))
    })
    return (await get()).body
  })
  expect(seen).toEqual(['no such file', 'failed to load session'])
})

it('sets the cookie again if genid has returned an empty ID', async () => {
  const seen = await both(async w => {
    const { get } = await w.serve({ genid: () => '' }, (req, res) => {
      req.session.a = 1
      res.end()
    })
    return [await get(), await get()].map(({ setCookies }) => setCookies.length)
  })
  expect(seen).toEqual([
    [1, 0],
    [1, 1],
  ])
})

it('sets the cookie after writeHead has returned', async () => {
  const seen = await both(async w => {
    const { get } = await w.serve({}, (req, res) => {
      req.session.a = 1
      res.writeHead(200)
      res.end(String(res.hasHeader('set-cookie')))
    })
    const { body, setCookies } = await get()
    return [body, setCookies.length]
  })
  expect(seen).toEqual([
    ['true', 1],
    ['false', 1],
  ])
})

it('turns write(null) into an error response, instead of an error at the call', async () => {
  const seen = await both(async w => {
    const { get } = await w.serve(
      {},
      (req, res) => {
        req.session.a = 1
        try {
          res.write(null)
        } catch (error) {
          return res.end((error as { code: string }).code)
        }
        res.end('no error')
      },
      { express: true },
    )
    const { status, body } = await get()
    return [status, body]
  })
  expect(seen[0]).toEqual([200, 'ERR_STREAM_NULL_VALUES'])
  expect(seen[1][0]).toBe(500)
})

it('sends Content-Length with a body that end() gets', async () => {
  const seen = await both(async w => {
    const { url } = await w.serve({}, (req, res) => {
      req.session.a = 1
      res.end('ok')
    })
    const { headers } = await fetch(url)
    return [headers.get('content-length'), headers.get('transfer-encoding')]
  })
  expect(seen).toEqual([
    [null, 'chunked'],
    ['2', null],
  ])
})

it('shows the name of its class in console.log of a cookie', async () => {
  const seen = await both(async w => inspect(new w.lib.Cookie()).slice(0, 8))
  expect(seen).toEqual(['{ path: ', 'Cookie {'])
})
