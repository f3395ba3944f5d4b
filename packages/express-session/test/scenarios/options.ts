import type { Scenarios } from '../scenario.ts'

const both = [true, false]
const hi = (_req: any, res: any): void => res.end('hi')

/** `resave`, `rolling` and `saveUninitialized`, in all combinations. */
export const saving: Scenarios = Object.fromEntries(
  both.flatMap(resave =>
    both.flatMap(rolling =>
      both.flatMap(saveUninitialized =>
        [undefined, 60_000].map((maxAge): [string, Scenarios[string]] => [
          `resave ${resave}, rolling ${rolling}, saveUninitialized ${saveUninitialized}, maxAge ${maxAge}`,
          async w => {
            const store = w.store()
            const { get } = await w.serve(
              { store, resave, rolling, saveUninitialized, cookie: { maxAge } },
              (req, res) => {
                if (req.url === '/write') req.session.n = (req.session.n ?? 0) + 1
                if (req.url === '/same') req.session.n = Number(req.session.n)
                res.end(String(req.session.n))
              },
            )
            for (const path of ['/', '/', '/write', '/', '/same', '/write']) await get(path)
            w.noteStored(store)
          },
        ]),
      ),
    ),
  ),
)

/** Stores that can less, or fail. */
export const stores: Scenarios = {
  'does without touch': async w => {
    for (const resave of both) {
      const store = w.store()
      store.touch = undefined
      const { get } = await w.serve({ store, resave, cookie: { maxAge: 60_000 } }, (req, res) => {
        if (req.url === '/write') req.session.a = 1
        res.end()
      })
      await get('/write')
      await get('/')
      await get('/write')
    }
  },
  'works with a store that calls back at once': async w => {
    const sessions: Record<string, string> = {}
    const SyncStore = function (this: any) {
      w.lib.Store.call(this)
    } as unknown as new () => any
    Object.setPrototypeOf(SyncStore.prototype, w.lib.Store.prototype)
    Object.assign(SyncStore.prototype, {
      get: (id: string, callback: any) => callback(null, sessions[id] ? JSON.parse(sessions[id]) : undefined),
      set(id: string, session: any, callback: any) {
        sessions[id] = JSON.stringify(session)
        callback()
      },
      destroy(id: string, callback: any) {
        delete sessions[id]
        callback()
      },
    })
    const { get } = await w.serve(
      { store: w.watch(new SyncStore(), ['get', 'set', 'destroy']), unset: 'destroy' },
      (req, res) => {
        if (req.url === '/unset') req.session = null
        else req.session.n = (req.session.n ?? 0) + 1
        res.end(String(req.session?.n))
      },
    )
    await get()
    await get()
    await get('/unset')
    await get()
  },
  'works with a class that extends Store': async w => {
    class MapStore extends w.lib.Store {
      map = new Map<string, any>()
      get(id: string, callback: any) {
        process.nextTick(callback, null, this.map.get(id))
      }
      set(id: string, session: any, callback: any) {
        this.map.set(id, JSON.parse(JSON.stringify(session)))
        process.nextTick(callback)
      }
      destroy(id: string, callback: any) {
        this.map.delete(id)
        process.nextTick(callback)
      }
    }
    const store: any = new MapStore()
    w.note(store instanceof w.lib.Store, typeof store.on, typeof store.generate)
    const { get } = await w.serve({ store }, (req, res) => {
      req.session.n = (req.session.n ?? 0) + 1
      res.end(String(req.session.n))
    })
    await get()
    await get()
    w.note([...store.map.values()])
  },
  'gets live objects in set, so that a store may keep Dates': async w => {
    const store = w.store({ quiet: true })
    const { set } = store
    store.set = function (id: string, session: any, callback: any) {
      w.note(
        session.when instanceof Date,
        session.cookie instanceof w.lib.Cookie,
        session.cookie.expires instanceof Date,
      )
      w.note(Math.round(session.cookie.maxAge / 10_000), typeof session.save, session.id === id)
      set.call(this, id, session, callback)
    }
    const { get } = await w.serve({ store, cookie: { maxAge: 60_000 } }, (req, res) => {
      req.session.when = new Date(0)
      res.end()
    })
    await get()
  },
  'takes Dates that a store returns': async w => {
    const store = w.store({ quiet: true })
    const { get: read } = store
    store.get = function (id: string, callback: any) {
      read.call(this, id, (error: any, session: any) => {
        if (session) {
          session.when = new Date(session.when)
          session.cookie.expires = new Date(session.cookie.expires)
        }
        callback(error, session)
      })
    }
    const { get } = await w.serve({ store, cookie: { maxAge: 60_000 } }, (req, res) => {
      w.note(req.session.when instanceof Date, req.session.cookie.expires instanceof Date)
      req.session.when ??= new Date(0)
      req.session.n = (req.session.n ?? 0) + 1
      res.end()
    })
    await get()
    await get()
    w.noteStored(store)
  },
  'waits for a slow store': async w => {
    const store = w.store({ quiet: true })
    const { set } = store
    let isSaved = false
    store.set = function (...args: any[]) {
      setTimeout(() => {
        isSaved = true
        set.apply(this, args)
      }, 20)
    }
    const { get } = await w.serve({ store }, (req, res) => {
      req.session.a = 1
      res.end('done')
    })
    await get()
    w.note(isSaved)
  },
  'has the base class Store': async w => {
    const store = new w.lib.Store()
    w.note(
      typeof store.on,
      typeof store.regenerate,
      typeof store.load,
      typeof store.createSession,
      typeof store.get,
    )
    const called = Object.create(w.lib.Store.prototype)
    w.lib.Store.call(called)
    called.on('x', () => w.note('heard'))
    called.emit('x')
    const expires = new Date(Date.now() + 60_000)
    for (const cookie of [
      { expires, originalMaxAge: 120_000 },
      { expires: expires.toISOString(), originalMaxAge: 120_000 },
      { expires: null },
      {},
    ]) {
      const req: any = { sessionID: 'abc' }
      const session = store.createSession(req, { a: 1, cookie: { ...cookie } })
      w.note(
        session === req.session,
        session instanceof w.lib.Session,
        session.cookie instanceof w.lib.Cookie,
      )
      w.note(session.a, session.id, session.cookie.expires, { originalMaxAge: session.cookie.originalMaxAge })
    }
  },
  'loads a session that belongs to no request': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      req.session.a = 1
      res.end()
    })
    await get()
    const [id] = Object.keys(store.sessions)
    const load = (of: string): Promise<any> =>
      new Promise(resolve => store.load(of, (error: any, session: any) => resolve([error ?? null, session])))
    const [error, session] = await load(id!)
    w.note(error, session instanceof w.lib.Session, session.a, session.id, session.cookie.path)
    session.a = 2
    await new Promise<void>(resolve => session.save(() => resolve()))
    w.noteStored(store)
    w.note(await load('unknown'))
    store.get = (_id: string, callback: any) => callback(new Error('boom!'))
    w.note((await load(id!))[0].message)
  },
  'regenerates through the store': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      const { id } = req.session
      req.sessionStore.regenerate(req, (error: any) => {
        w.note(error ?? null, req.session.id !== id)
        req.session.a = 1
        res.end()
      })
    })
    await get()
    w.noteStored(store)
  },
  'has a MemoryStore': async w => {
    const store = w.store({ quiet: true })
    const call = (method: string, ...args: any[]): Promise<any> =>
      new Promise(resolve => store[method](...args, (...results: any[]) => resolve(results)))
    w.note(store instanceof w.lib.Store, typeof store.on)
    w.note(await call('set', 'a', { cookie: { expires: null }, n: 1 }))
    w.note(await call('set', 'b', { cookie: { expires: new Date(Date.now() - 1000) }, n: 2 }))
    w.note(await call('set', 'c', { n: 3 }))
    w.note(
      await call('length'),
      await call('all'),
      await call('get', 'a'),
      await call('get', 'b'),
      await call('get', 'x'),
    )
    w.note(
      await call('touch', 'a', { cookie: { path: '/x' }, n: 9 }),
      await call('touch', 'x', { cookie: {} }),
    )
    w.note(
      await call('get', 'a'),
      await call('destroy', 'a'),
      await call('destroy', 'a'),
      await call('get', 'a'),
    )
    w.note(await call('clear'), await call('length'))
    for (const method of ['set', 'touch']) store[method]('d', { n: 4, cookie: {} })
    store.destroy('d')
    store.clear()
    w.note(Object.keys(store.sessions))
  },
  'shares a store between two middlewares': async w => {
    const store = w.store({ quiet: true })
    const one = await w.serve({ store }, (req, res) => {
      req.session.a = 1
      res.end()
    })
    const two = await w.serve({ store, name: 'other' }, hi)
    const { cookie } = await one.get()
    await two.get('/', { cookie })
    await one.get('/', { cookie })
  },
}
