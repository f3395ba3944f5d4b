import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheStore } from '@sess/store-cache'
import { fileStore } from '@sess/store-file'
import { sqliteStore } from '@sess/store-sql'
import { down, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import { afterAll, describe, expect, it } from 'vitest'
import { type Handler, original, ours, type ServeOptions, World } from './world.ts'

// What parallel requests and failures do. The first group also runs over the stores of express-session itself.

const folder = mkdtempSync(join(tmpdir(), 'sess-facade-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function serve(options: any, handler: Handler, how?: ServeOptions) {
  const world = new World(ours)
  const served = await world.serve(options, handler, how)
  return { ...served, world, [Symbol.asyncDispose]: () => world.close() }
}

/** A promise for all parties, which resolves when the last one has come. */
function meeting(parties: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let come = 0
  return () => {
    if (++come === parties) resolve()
    return promise
  }
}

/** Two moments of one request: when it has begun, and when it may go on. */
function pause() {
  return { begun: Promise.withResolvers<void>(), goOn: Promise.withResolvers<void>() }
}

const stores = {
  'the store in memory of Sess': () => cacheStore(),
  SQLite: () => sqliteStore(join(folder, 'sessions.db')),
  files: () => fileStore(join(folder, 'files')),
  "express-session's own MemoryStore": () => new original.MemoryStore(),
  'the MemoryStore of the facade': () => new ours.MemoryStore(),
}

describe.each(Object.entries(stores))('over %s', (_, makeStore) => {
  it('keeps a session, and ends it', async () => {
    await using app = await serve({ store: makeStore(), cookie: { maxAge: 60_000 } }, (req, res) => {
      if (req.url === '/logout') return req.session.destroy(() => res.end(String(req.session)))
      req.session.views = (req.session.views ?? 0) + 1
      res.end(`${req.session.views} ${Math.round(req.session.cookie.maxAge / 1000)}`)
    })
    expect((await app.get()).body).toBe('1 60')
    const second = await app.get()
    expect(second.body).toBe('2 60')
    expect(second.setCookies).toHaveLength(1)
    expect((await app.get('/logout')).body).toBe('undefined')
    expect((await app.get('/', { cookie: second.cookie })).body).toBe('1 60')
  })

  it('merges what parallel requests save', async () => {
    const meet = meeting(2)
    await using app = await serve({ store: makeStore() }, async (req, res) => {
      const item = req.url.slice(1)
      if (item === 'begin') Object.assign(req.session, { cart: ['tea'], by: {} })
      else if (item !== 'read') {
        await meet()
        req.session.cart.push(item)
        req.session.by[item] = true
        req.session[item] = 1
      }
      res.end(JSON.stringify({ ...req.session, cookie: undefined, cart: [...req.session.cart].sort() }))
    })
    const { cookie } = await app.get('/begin')
    await Promise.all([app.get('/cup', { cookie }), app.get('/pot', { cookie })])
    expect(JSON.parse((await app.get('/read', { cookie })).body)).toEqual({
      cart: ['cup', 'pot', 'tea'],
      by: { cup: true, pot: true },
      cup: 1,
      pot: 1,
    })
  })

  it('does not bring back a session that another request has ended', async () => {
    const { begun, goOn } = pause()
    await using app = await serve({ store: makeStore() }, async (req, res) => {
      if (req.url === '/logout') return req.session.destroy(() => res.end())
      if (req.url === '/slow') {
        begun.resolve()
        await goOn.promise
      }
      req.session.user ??= 'ada'
      req.session.hits = (req.session.hits ?? 0) + 1
      res.end(`${req.session.user} ${req.session.hits}`)
    })
    const { cookie } = await app.get('/login')
    const slow = app.get('/slow', { cookie })
    await begun.promise
    await app.get('/logout', { cookie })
    goOn.resolve()
    expect(await slow).toMatchObject({ status: 400, setCookies: [] })
    expect((await app.get('/', { cookie })).body).toBe('ada 1')
  })

  it('does not bring it back by resave, which is no error', async () => {
    const { begun, goOn } = pause()
    await using app = await serve({ store: makeStore(), resave: true }, async (req, res) => {
      if (req.url === '/logout') return req.session.destroy(() => res.end())
      if (req.url === '/login') req.session.user = 'ada'
      if (req.url === '/slow') {
        begun.resolve()
        await goOn.promise
      }
      res.end(String(req.session.user))
    })
    const { cookie } = await app.get('/login')
    const slow = app.get('/slow', { cookie })
    await begun.promise
    await app.get('/logout', { cookie })
    goOn.resolve()
    expect(await slow).toMatchObject({ status: 200, body: 'ada' })
    expect((await app.get('/', { cookie })).body).toBe('undefined')
  })

  it('does not overwrite by resave what another request has saved', async () => {
    const { begun, goOn } = pause()
    await using app = await serve({ store: makeStore(), resave: true }, async (req, res) => {
      if (req.url === '/slow') {
        begun.resolve()
        await goOn.promise
      }
      if (req.url === '/set') req.session.user = 'ada'
      if (req.url === '/change') req.session.user = 'bob'
      res.end(String(req.session.user))
    })
    const { cookie } = await app.get('/set')
    const slow = app.get('/slow', { cookie })
    await begun.promise
    await app.get('/change', { cookie })
    goOn.resolve()
    await slow
    expect((await app.get('/', { cookie })).body).toBe('bob')
  })

  it('gives a regenerated session another ID, and ends the old one for requests under way', async () => {
    const { begun, goOn } = pause()
    await using app = await serve({ store: makeStore() }, async (req, res) => {
      if (req.url === '/login') {
        const { cart } = req.session
        return req.session.regenerate(() => {
          Object.assign(req.session, { cart, user: 'ada' })
          res.end()
        })
      }
      if (req.url === '/slow') {
        begun.resolve()
        await goOn.promise
      }
      if (req.url !== '/read') req.session.cart = [...(req.session.cart ?? []), req.url]
      res.end(JSON.stringify({ ...req.session, cookie: undefined }))
    })
    const { cookie } = await app.get('/tea')
    const slow = app.get('/slow', { cookie })
    await begun.promise
    const login = await app.get('/login', { cookie })
    expect(login.cookie).not.toBe(cookie)
    goOn.resolve()
    expect((await slow).status).toBe(400)
    expect((await app.get('/read', { cookie: login.cookie })).body).toBe('{"cart":["/tea"],"user":"ada"}')
    expect((await app.get('/read', { cookie })).body).toBe('{}')
  })

  it('shows what others have saved after save(), and keeps what was changed during it', async () => {
    await using app = await serve({ store: makeStore() }, async (req, res) => {
      if (req.url === '/begin') req.session.n = { a: 1 }
      if (req.url === '/other') req.session.n.other = 1
      if (req.url === '/save') {
        await app.get('/other', { cookie: req.headers.cookie })
        req.session.n.b = 2
        const saving = req.session.save()
        req.session.late = true
        await saving
        return res.end(JSON.stringify([req.session.n, req.session.late]))
      }
      res.end(JSON.stringify({ ...req.session, cookie: undefined }))
    })
    const { cookie } = await app.get('/begin')
    expect(JSON.parse((await app.get('/save', { cookie })).body)).toEqual([{ a: 1, b: 2, other: 1 }, true])
    expect(JSON.parse((await app.get('/', { cookie })).body)).toEqual({
      n: { a: 1, b: 2, other: 1 },
      late: true,
    })
  })

  it('saves what a streamed response changes after its first byte', async () => {
    await using app = await serve({ store: makeStore() }, async (req, res) => {
      if (req.url === '/read') return res.end(JSON.stringify({ ...req.session, cookie: undefined }))
      req.session.early = 1
      res.write('first ')
      await new Promise(setImmediate)
      req.session.late = 2
      res.end('last')
    })
    for (const _ of [1, 2]) {
      const { cookie, body } = await app.get()
      expect(body).toBe('first last')
      expect((await app.get('/read', { cookie })).body).toBe('{"early":1,"late":2}')
    }
  })

  it('merges what a session of sessionStore.load() saves, and does not bring it back', async () => {
    const store = makeStore()
    // Its `load` makes sessions of express-session's own class.
    if (store instanceof original.MemoryStore) return
    let kept: any
    await using app = await serve({ store }, (req, res) => {
      kept = req
      if (req.url === '/logout') return req.session.destroy(() => res.end())
      if (req.url === '/begin') req.session.cart = []
      if (req.url === '/other') req.session.cart.push('theirs')
      res.end(JSON.stringify(req.session.cart))
    })
    const { cookie } = await app.get('/begin')
    const { sessionStore, sessionID } = kept
    const loaded: any = await new Promise(resolve =>
      sessionStore.load(sessionID, (_error: any, session: any) => resolve(session)),
    )
    await app.get('/other', { cookie })
    loaded.cart.push('mine')
    const saving = loaded.save()
    await Promise.all([saving, loaded.save()])
    loaded.cart.push('more')
    await loaded.save()
    expect((await app.get('/', { cookie })).body).toBe('["theirs","mine","more"]')
    await loaded.reload()
    await app.get('/logout', { cookie })
    loaded.cart.push('late')
    await expect(loaded.save()).rejects.toMatchObject({ code: 'SESSION_INTERRUPTED' })
    expect((await app.get('/', { cookie })).setCookies).toHaveLength(0)
  })

  it('can be saved long after the response, as sockets do', async () => {
    let kept: any
    await using app = await serve({ store: makeStore() }, async (req, res) => {
      if (req.url === '/keep') kept = req
      if (req.url === '/begin') req.session.a = 1
      res.end(JSON.stringify({ ...req.session, cookie: undefined }))
    })
    const { cookie } = await app.get('/begin')
    await app.get('/keep', { cookie })
    for (const b of [2, 3]) {
      await kept.session.reload()
      kept.session.b = b
      await kept.session.save()
      kept.session.c = b
      await kept.session.save()
      expect((await app.get('/', { cookie })).body).toBe(`{"a":1,"b":${b},"c":${b}}`)
    }
    await kept.session.destroy()
    expect((await app.get('/', { cookie })).body).toBe('{}')
  })
})

describe('over a store of Sess', () => {
  const counted = () => intercept(cacheStore())

  it('waits for the save before the first byte, and sends no success if it fails', async () => {
    const store = counted()
    await using app = await serve({ store }, (req, res) => {
      req.session.a = 1
      res.end('saved')
    })
    store.before = method => (method === 'insert' ? down() : undefined)
    expect(await app.get()).toMatchObject({ status: 503, setCookies: [] })
  })

  it('does not store what the handler takes back because its save failed', async () => {
    const store = counted()
    await using app = await serve({ store }, async (req, res) => {
      if (req.url === '/login') {
        req.session.user = 'ada'
        store.before = method => (method === 'replace' ? down() : undefined)
        await expect(req.session.save()).rejects.toMatchObject({ code: 'SESSION_STORE' })
        store.before = undefined
        delete req.session.user
      }
      if (req.url !== '/read') req.session[req.url.slice(1)] = true
      if (req.url === '/login') delete req.session.login
      res.end(JSON.stringify({ ...req.session, cookie: undefined }))
    })
    const { cookie } = await app.get('/begin')
    await app.get('/login', { cookie })
    expect((await app.get('/read', { cookie })).body).toBe('{"begin":true}')
  })

  it('begins anew under an ID whose session has expired', async () => {
    const store = intercept(sqliteStore(':memory:'))
    await using app = await serve({ store, genid: () => 'fixed', cookie: { maxAge: 50 } }, (req, res) => {
      req.session.n = (req.session.n ?? 0) + 1
      res.end(String(req.session.n))
    })
    expect((await app.get('/', { cookie: '' })).body).toBe('1')
    await new Promise(resolve => setTimeout(resolve, 80))
    store.calls.splice(0)
    store.before = () => (store.calls.length > 12 ? down() : undefined)
    expect((await app.get('/', { cookie: '' })).body).toBe('1')
    expect(store.calls).toEqual(['insert', 'read', 'read', 'remove', 'read', 'insert'])
  })

  it('that keeps sessions in cookies is an error at start-up', () => {
    const store = { seal: String, unseal: String }
    expect(() => ours({ secret: 'x', store, resave: false, saveUninitialized: false })).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining('store: keeps sessions') }),
    )
  })

  it('costs what is needed', async () => {
    const store = counted()
    await using app = await serve({ store }, (req, res) => {
      if (req.url === '/untouched')
        return res.end(String(Object.getOwnPropertyDescriptor(req, 'session')?.value))
      if (req.url === '/write') req.session.n = (req.session.n ?? 0) + 1
      res.end(String(req.session.n))
    })
    expect((await app.get('/untouched')).body).toBe('undefined')
    await app.get('/')
    expect(store.calls.splice(0)).toEqual([])
    await app.get('/write')
    expect(store.calls.splice(0)).toEqual(['insert'])
    await app.get('/write')
    expect(store.calls.splice(0)).toEqual(['read', 'replace'])
    await app.get('/')
    expect(store.calls.splice(0)).toEqual(['read'])
  })

  it('asks the store for nothing more after save()', async () => {
    const store = counted()
    await using app = await serve({ store }, async (req, res) => {
      req.session.n = (req.session.n ?? 0) + 1
      await req.session.save()
      store.before = down
      res.end(String(req.session.n))
    })
    await app.get()
    store.before = undefined
    store.calls.splice(0)
    expect(await app.get()).toMatchObject({ status: 200, body: '2' })
    expect(store.calls).toEqual(['read', 'replace'])
  })

  it('extends a life at most once in a thirtieth of it', async () => {
    const store = counted()
    await using app = await serve({ store, cookie: { maxAge: 30_000 } }, (req, res) => {
      req.session.n ??= 1
      res.end()
    })
    await app.get()
    store.calls.splice(0)
    await app.get()
    await new Promise(resolve => setTimeout(resolve, 1050))
    await app.get()
    expect(store.calls).toEqual(['read', 'read', 'touch'])
  })

  it('extends the life of a session that a request does not use, without making its object', async () => {
    const store = counted()
    await using app = await serve({ store, cookie: { maxAge: 3000 } }, (req, res) => {
      if (req.url === '/use') req.session.n = 1
      else if (req.url === '/delete') delete req.session
      else if (req.url === '/stream') res.write('s')
      res.end(String(Object.getOwnPropertyDescriptor(req, 'session')?.value))
    })
    await app.get('/use')
    store.calls.splice(0)
    const past = () => new Promise(resolve => setTimeout(resolve, 150))
    await past()
    expect((await app.get('/unused')).body).toBe('undefined')
    expect(store.calls.splice(0)).toEqual(['read', 'touch'])
    await past()
    expect((await app.get('/stream')).body).toBe('sundefined')
    expect(store.calls.splice(0)).toEqual(['read', 'touch'])
    await past()
    await app.get('/delete')
    expect(store.calls.splice(0)).toEqual(['read'])
  })

  it('reads a session that the handler first uses late', async () => {
    const store = counted()
    await using app = await serve({ store }, async (req, res) => {
      if (req.url === '/late') {
        res.write('begun ')
        await new Promise(resolve => setImmediate(resolve))
      }
      req.session.n = (req.session.n ?? 0) + 1
      res.end(`${req.session.n} ${req.sessionID === req.session.id}`)
    })
    expect((await app.get()).body).toBe('1 true')
    expect((await app.get('/late')).body).toBe('begun 2 true')
    expect((await app.get()).body).toBe('3 true')
  })

  it('passes on a failed read to the error handler, also if the session is not used', async () => {
    const store = counted()
    await using app = await serve({ store }, (req, res) => {
      if (req.url === '/use') req.session.n = 1
      res.end('page')
    })
    await app.get('/use')
    store.before = method => (method === 'read' ? down() : undefined)
    expect(await app.get('/unused')).toMatchObject({ status: 503 })
  })

  it('keeps no ID that opens a session in the store, and a payload that express-session reads', async () => {
    const store = cacheStore()
    await using app = await serve({ store, cookie: { maxAge: 60_000 } }, (req, res) => {
      req.session.a = 1
      res.end(req.sessionID)
    })
    const { body: id } = await app.get()
    for await (const entry of store.scan!()) {
      expect(entry.id).not.toContain(id)
      expect(JSON.parse(entry.payload)).toMatchObject({ a: 1, cookie: { originalMaxAge: 60_000, path: '/' } })
      expect(Math.round((entry.expiresAt - Date.now()) / 1000)).toBe(60)
    }
  })

  it('offers the store of express-session as req.sessionStore', async () => {
    const store = cacheStore()
    let kept: any
    await using app = await serve({ store }, (req, res) => {
      kept = req
      req.session.a = 1
      res.end()
    })
    await app.get()
    const { sessionStore, sessionID } = kept
    const call = (method: string, ...args: unknown[]): Promise<any> =>
      new Promise((resolve, reject) =>
        sessionStore[method](...args, (error: any, value: any) => (error ? reject(error) : resolve(value))),
      )
    expect(sessionStore).toBeInstanceOf(ours.Store)
    expect(await call('get', sessionID)).toMatchObject({ a: 1, cookie: { path: '/' } })
    expect(await call('get', 'unknown')).toBeNull()
    await call('set', sessionID, { a: 2, cookie: { originalMaxAge: null } })
    expect(await call('all')).toMatchObject([{ a: 2 }])
    await call('set', 'another', { a: 3, cookie: { originalMaxAge: 60_000 } })
    expect(await call('length')).toBe(2)
    await call('touch', 'another', await call('get', 'another'))
    expect((await call('load', 'another')).a).toBe(3)
    await call('destroy', 'another')
    await call('destroy', 'unknown')
    expect(await call('length')).toBe(1)
    await call('clear')
    expect(await call('length')).toBe(0)
  })

  it('ends a session at the age of its cookie, which every request begins anew', async () => {
    const store = cacheStore()
    await using app = await serve({ store, cookie: { maxAge: 1500 } }, (req, res) => {
      req.session.a ??= 1
      res.end(`${req.session.cookie.maxAge > 0} ${req.session.cookie.originalMaxAge}`)
    })
    const { cookie } = await app.get()
    for (let n = 0; n < 3; n++) {
      await new Promise(resolve => setTimeout(resolve, 700))
      expect(await app.get('/', { cookie })).toMatchObject({ body: 'true 1500', setCookies: [] })
    }
    await new Promise(resolve => setTimeout(resolve, 1600))
    expect((await app.get('/', { cookie })).setCookies).toHaveLength(1)
  })
})
