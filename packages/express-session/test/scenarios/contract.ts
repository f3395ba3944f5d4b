import type { Scenarios } from '../scenario.ts'
import type { Handler, World } from '../world.ts'

/** A store that calls back before its method returns. */
function syncStore(w: World): any {
  const store = new w.lib.Store()
  const sessions = new Map<string, string>()
  store.get = (id: string, done: any) => done(null, sessions.has(id) ? JSON.parse(sessions.get(id)!) : null)
  store.set = (id: string, session: object, done?: any) => {
    sessions.set(id, JSON.stringify(session))
    done?.()
  }
  store.destroy = (id: string, done?: any) => {
    sessions.delete(id)
    done?.()
  }
  return store
}

async function callTwice(w: World, options: object, handler: Handler): Promise<void> {
  const { get } = await w.serve(options, handler, { express: true })
  await get('/unused')
  await get('/')
}

const METHODS = ['save', 'reload', 'destroy', 'regenerate']

/** What code relies on that the documentation does not say: which code runs first, and where an error goes. */
export const contract: Scenarios = {
  ...Object.fromEntries(
    METHODS.flatMap(method => [
      [
        `calls back at once from ${method} over a store that does`,
        async (w: World) => {
          const { get } = await w.serve({ store: syncStore(w) }, (req, res) => {
            if (req.url === '/new') req.session.a = 1
            else {
              req.session[method](() => w.note('called back', typeof req.session))
              w.note('returned', typeof req.session)
            }
            res.end()
          })
          await get('/new')
          await get('/')
        },
      ],
      [
        `lets what the callback of ${method} throws reach the caller over such a store`,
        async (w: World) => {
          const store = syncStore(w)
          const handler: Handler = (req, res) => {
            if (req.url !== '/new') {
              req.session[method](() => {
                throw new Error('mine')
              })
            }
            req.session.a = 1
            res.end()
          }
          const { get } = await w.serve({ store }, handler, { express: true })
          await get('/new')
          await get('/')
        },
      ],
    ]),
  ),
  'begins a session for each request if genid is given': async w => {
    let count = 0
    const genid = (req: any) => {
      w.note('genid', req.url)
      return `id-${++count}`
    }
    await callTwice(w, { genid }, (req, res) => {
      w.note('handler')
      if (req.url === '/') req.session.a = 1
      res.end()
    })
  },
  'passes on what genid throws, also for a request that uses no session': async w => {
    const genid = () => {
      throw new Error('no id')
    }
    await callTwice(w, { genid }, (_req, res) => res.end('never'))
  },
  'begins a session for each request if the cookie is a function': async w => {
    const cookie = (req: any) => {
      w.note('cookie of', req.url)
      return { path: '/' }
    }
    await callTwice(w, { cookie }, (_req, res) => {
      w.note('handler')
      res.end()
    })
  },
  'begins a session for each request if generate is replaced': async w => {
    const store = w.store()
    const middleware = w.lib({ secret: 'keyboard cat', resave: false, saveUninitialized: false, store })
    const { generate } = store
    store.generate = (req: any) => {
      w.note('generate', req.url)
      generate(req)
    }
    const { get } = await w.serveListener((req, res) => middleware(req, res, () => res.end()))
    await get('/unused')
  },
  "destroys an unused session that is deleted, with unset: 'destroy'": async w => {
    const { get } = await w.serve({ store: w.store(), unset: 'destroy' }, (req, res) => {
      delete req.session
      res.end()
    })
    await get()
  },
  'has a cookie whose accessors and methods are enumerable': w => {
    const names: string[] = []
    for (const name in new w.lib.Cookie({ maxAge: 1000, secure: true })) names.push(name)
    w.note(names.sort(), Object.keys(new w.lib.Cookie()))
  },
  'is a function of one parameter': w => w.note(w.lib.length),
  'serves a session of MemoryStore whose expires is not a date': async w => {
    const store = new w.lib.MemoryStore()
    for (const [index, expires] of ['garbage', 12345, 0, null].entries()) {
      store.sessions[index] = JSON.stringify({ cookie: { expires } })
      await new Promise<void>(resolve =>
        store.get(String(index), (error: unknown, found: unknown) => {
          w.note(error, found ?? 'nothing')
          resolve()
        }),
      )
    }
  },
  'sends no cookie for a session whose stored age is gone': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store, cookie: { maxAge: 60_000 } }, (req, res) => {
      req.session.n = (req.session.n ?? 0) + 1
      res.end(String(req.session.n))
    })
    await get()
    for (const id of Object.keys(store.sessions)) {
      const stored = JSON.parse(store.sessions[id])
      delete stored.cookie.originalMaxAge
      store.sessions[id] = JSON.stringify(stored)
    }
    await get()
  },
  'serves a socket that is no socket': async w => {
    const middleware = w.lib({
      secret: 'keyboard cat',
      resave: false,
      saveUninitialized: true,
      store: w.store(),
    })
    const req: any = { headers: {}, url: '/', socket: {}, connection: {} }
    await new Promise<void>(resolve => middleware(req, {}, () => resolve()))
    req.session.user = 'ada'
    await new Promise<void>(resolve => req.session.save(() => resolve()))
    w.note(Object.keys(req.session))
  },
}
