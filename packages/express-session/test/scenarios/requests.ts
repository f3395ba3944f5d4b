import { createHash } from 'node:crypto'
import cookieParser from 'cookie-parser'
import { sign } from 'cookie-signature'
import type { Scenarios } from '../scenario.ts'

const count = (req: any, res: any): void => {
  req.session.views = (req.session.views ?? 0) + 1
  res.end(String(req.session.views))
}
const hi = (_req: any, res: any): void => res.end('hi')
const cookieOf = (id: string, secret = 'keyboard cat', name = 'connect.sid'): string =>
  `${name}=${encodeURIComponent(`s:${sign(id, secret)}`)}`
const ID = createHash('md5').update('a session').digest('hex')

/** Which session a request gets. */
export const requests: Scenarios = {
  'exports its constructors': w => {
    const names = ['Session', 'Store', 'Cookie', 'MemoryStore'] as const
    w.note(typeof w.lib, ...names.map(name => [typeof w.lib[name], w.lib[name].name]))
    w.note(Object.keys(w.lib).sort())
  },
  'creates a session and stores it': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, count)
    await get()
    await get()
    w.noteStored(store)
  },
  'has defaults, and warns of those that will change': async w => {
    const store = w.store()
    const { get } = await w.serve({ store, resave: undefined, saveUninitialized: undefined }, hi)
    await get()
    await get()
    w.noteStored(store)
  },
  'takes no options at all': async w => {
    const { get } = await w.serve(undefined, hi)
    await get()
  },
  'does nothing if req.session exists': async w => {
    const mine = (req: any, _res: any, next: any): void => {
      req.session = { mine: true }
      next()
    }
    const { get } = await w.serve(
      { store: w.store() },
      (req, res) => res.end(`${req.session.mine} ${req.sessionID}`),
      { before: [mine] },
    )
    await get()
  },
  'needs a secret': async w => {
    const { get } = await w.serve({ store: w.store(), secret: undefined }, hi)
    await get()
  },
  "uses cookie-parser's secret if it has none": async w => {
    const { get } = await w.serve({ secret: undefined, saveUninitialized: true }, hi, {
      before: [cookieParser('keyboard cat')],
    })
    await get()
    await get()
  },
  'makes a new session for an ID that is not in the store': async w => {
    const { get } = await w.serve({ store: w.store() }, count)
    await get('/', { cookie: cookieOf(ID) })
  },
  'reads no store for a cookie that is not signed': async w => {
    const { get } = await w.serve({ store: w.store() }, count)
    await get('/', { cookie: `connect.sid=${ID}` })
    await get('/', { cookie: `connect.sid=s:${ID}` })
    await get('/', { cookie: `connect.sid=s:${ID}.` })
    await get('/', { cookie: 'connect.sid=' })
    await get('/', { cookie: 'other=1' })
    await get('/', { cookie: cookieOf(ID, 'wrong secret') })
  },
  'reads a cookie that is not encoded, among others': async w => {
    const store = w.store()
    store.sessions[ID] = JSON.stringify({ cookie: {}, views: 5 })
    const { get } = await w.serve({ store }, count)
    await get('/', { cookie: `a=b; connect.sid=s:${sign(ID, 'keyboard cat')}; c="d"` })
    await get('/', { cookie: `connect.sid="s:${sign(ID, 'keyboard cat')}"` })
  },
  'takes the first of two cookies': async w => {
    const store = w.store()
    store.sessions[ID] = JSON.stringify({ cookie: {}, views: 5 })
    const { get } = await w.serve({ store }, count)
    await get('/', { cookie: `${cookieOf(ID)}; ${cookieOf('another')}` })
    await get('/', { cookie: `${cookieOf('another')}; ${cookieOf(ID)}` })
  },
  'signs with the first secret, and reads with all': async w => {
    const store = w.store()
    const old = await w.serve({ store, secret: 'older secret' }, count)
    const { cookie } = await old.get()
    const { get } = await w.serve({ store, secret: ['keyboard cat', 'older secret'], rolling: true }, count)
    await get('/', { cookie })
    const unknown = await w.serve({ store, secret: ['keyboard cat'] }, count)
    await unknown.get('/', { cookie })
  },
  'takes a Buffer as secret': async w => {
    const { get } = await w.serve({ secret: Buffer.from('keyboard cat') }, count)
    await get()
    await get()
  },
  'takes a list with a Buffer as secret': async w => {
    const { get } = await w.serve({ secret: [Buffer.from('keyboard cat'), 'other'] }, count)
    await get()
    await get()
  },
  'rejects an empty list of secrets': w => {
    for (const secret of [[], '']) {
      try {
        w.lib({ secret, resave: false, saveUninitialized: false })
        w.note('taken')
      } catch (error) {
        w.note((error as Error).name, (error as Error).message)
      }
    }
  },
  'rejects wrong options': w => {
    for (const options of [
      { genid: 'x' },
      { genid: {} },
      { unset: 'delete' },
      { unset: true },
      { unset: '' },
      { genid: null },
      { store: null },
    ]) {
      try {
        w.lib({ secret: 'x', resave: false, saveUninitialized: false, ...options })
        w.note('taken')
      } catch (error) {
        w.note((error as Error).name, (error as Error).message)
      }
    }
  },
  'rejects a store that is no event emitter': w => {
    try {
      w.lib({
        secret: 'x',
        resave: false,
        saveUninitialized: false,
        store: { get: () => 1, set: () => 1, destroy: () => 1 },
      })
      w.note('taken')
    } catch (error) {
      w.note((error as Error).name)
    }
  },
  'has another cookie name': async w => {
    const { get } = await w.serve({ name: 'sid' }, count)
    await get()
    await get()
  },
  'takes the older option key': async w => {
    const { get } = await w.serve({ key: 'sid2' }, count)
    await get()
    await get()
  },
  'takes an ID from genid': async w => {
    const store = w.store()
    let n = 0
    const { get } = await w.serve({ store, genid: () => `my-id-${++n}` }, count)
    const { cookie } = await get()
    await get()
    await get('/', { cookie: '' })
    w.note(decodeURIComponent(cookie).split('.').slice(0, 2).join('.'))
    w.noteStored(store)
  },
  'passes the request to genid': async w => {
    const { get } = await w.serve({ genid: (req: any) => `id:${req.url}` }, count)
    await get('/abc')
    await get('/def')
  },
  'encodes an ID with characters that a cookie cannot hold': async w => {
    const { get } = await w.serve({ genid: () => 'apple % pie; ü' }, count)
    const { cookie } = await get()
    w.note(cookie)
    await get()
  },
  'overwrites a session if genid returns an ID that is in use': async w => {
    const store = w.store()
    const { get } = await w.serve({ store, genid: () => 'same' }, count)
    await get('/', { cookie: '' })
    await get('/')
    await get('/', { cookie: '' })
    w.noteStored(store)
  },
  'sends no cookie if genid returns no text': async w => {
    const store = w.store()
    for (const id of [undefined, 5, null]) {
      const { get } = await w.serve({ store, genid: () => id }, count)
      await get()
    }
    w.noteStored(store)
  },
  'ignores a session whose req.sessionID was replaced by something else': async w => {
    const store = w.store()
    const { get } = await w.serve({ store, saveUninitialized: true }, (req, res) => {
      req.sessionID = () => 'bogus'
      req.session.a = 1
      res.end('ok')
    })
    await get()
    w.noteStored(store)
  },
  'passes the error of the store that reads': async w => {
    const store = w.store()
    store.get = (_id: string, callback: any) => callback(new Error('boom!'))
    const { get } = await w.serve({ store }, count)
    await get('/', { cookie: cookieOf(ID) })
  },
  'passes a late error of the store that reads, with its status': async w => {
    const store = w.store()
    store.get = (_id: string, callback: any) =>
      setTimeout(() => callback(Object.assign(new Error('boom!'), { status: 503 })), 5)
    const { get } = await w.serve({ store }, count)
    await get('/', { cookie: cookieOf(ID) })
  },
  'takes ENOENT for not found': async w => {
    const store = w.store()
    store.get = (_id: string, callback: any) =>
      callback(Object.assign(new Error('boom!'), { code: 'ENOENT' }))
    const { get } = await w.serve({ store }, count)
    await get('/', { cookie: cookieOf(ID) })
  },
  'passes an error for a stored session without a cookie': async w => {
    const store = w.store()
    store.sessions[ID] = JSON.stringify({ views: 5 })
    const { get } = await w.serve({ store }, count)
    await get('/', { cookie: cookieOf(ID) })
  },
  'makes a new session if the stored one has expired': async w => {
    const store = w.store()
    store.sessions[ID] = JSON.stringify({
      cookie: { originalMaxAge: 1000, expires: new Date(Date.now() - 5).toISOString(), path: '/' },
      views: 5,
    })
    const { get } = await w.serve({ store }, count)
    await get('/', { cookie: cookieOf(ID) })
    w.noteStored(store)
  },
  'leaves out stored keys that have the name of a method': async w => {
    const store = w.store()
    store.sessions[ID] = JSON.stringify({ cookie: {}, save: 'nope', touch: 1, id: 'mine', req: 5, views: 5 })
    const { get } = await w.serve({ store }, (req, res) => {
      req.session.views++
      w.note(Object.keys(req.session), typeof req.session.save, typeof req.session.id)
      res.end('ok')
    })
    await get('/', { cookie: cookieOf(ID) })
    w.noteStored(store)
  },
  'does nothing while the store is disconnected': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => res.end(`${typeof req.session} ${req.sessionID}`))
    await get()
    store.emit('disconnect')
    await get()
    store.emit('connect')
    await get()
  },
  'does nothing outside of the path of the cookie': async w => {
    const { get } = await w.serve({ cookie: { path: '/foo/bar' }, saveUninitialized: true }, (req, res) =>
      res.end(typeof req.session),
    )
    for (const path of [
      '/',
      '/foo',
      '/foo/bar',
      '/foo/bar/baz',
      '/foo/barbaz',
      '/Foo/bar',
      '/foo/bar?x=1',
      '//foo/bar',
    ])
      await get(path, { cookie: '' })
  },
  'compares the whole path when it is mounted': async w => {
    for (const path of ['/', '/foo', '/foo/bar']) {
      const { get } = await w.serve(
        { cookie: { path }, saveUninitialized: true },
        (req, res) => res.end(typeof req.session),
        { mount: '/foo' },
      )
      for (const asked of ['/foo/bar', '/foo/', '/bar']) await get(asked, { cookie: '' })
    }
  },
  'knows a path in absolute form and an empty one': async w => {
    const { get } = await w.serve(
      { cookie: { path: '/foo' }, saveUninitialized: true },
      (req, res) => res.end(typeof req.session),
      {
        before: [
          (req, _res, next) => {
            if (req.headers['x-url'] !== undefined) req.url = req.headers['x-url']
            next()
          },
        ],
      },
    )
    await get('/', { headers: { 'x-url': 'http://localhost/foo/x' } })
    await get('/', { headers: { 'x-url': '' } })
    await get('/', { headers: { 'x-url': '?foo' } })
  },
  'is there with an empty req.url': async w => {
    const { get } = await w.serve({ saveUninitialized: true }, hi, {
      before: [
        (req, _res, next) => {
          req.url = ''
          next()
        },
      ],
    })
    await get()
  },
  'reads what cookie-parser has read, and warns': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, count, {
      before: [
        cookieParser('keyboard cat'),
        (req, _res, next) => {
          req.headers.cookie = 'foo=bar'
          next()
        },
      ],
    })
    const { cookie } = await get()
    await get('/', { cookie })
  },
  'reads req.cookies, if it is signed': async w => {
    const store = w.store()
    const { cookie } = await (await w.serve({ store }, count)).get()
    const value = decodeURIComponent(cookie.split('=')[1]!)
    for (const given of [value, value.slice(2), `${value}x`, 's:x.y', '']) {
      const { get } = await w.serve({ store }, count, {
        before: [
          (req, _res, next) => {
            req.cookies = { 'connect.sid': given }
            next()
          },
        ],
      })
      await get('/', { cookie: '' })
    }
  },
  'serves several visitors': async w => {
    const store = w.store()
    const { get } = await w.serve({ store, saveUninitialized: true }, count)
    const first = await get('/', { cookie: '' })
    const second = await get('/', { cookie: '' })
    await get('/', { cookie: first.cookie })
    await get('/', { cookie: second.cookie })
    w.noteStored(store)
  },
  'has req.sessionID, req.sessionStore and their values before any save': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      w.note(
        req.sessionID === req.session.id,
        req.sessionID.length,
        req.sessionStore === store,
        typeof store.generate,
      )
      res.end()
    })
    await get()
    w.noteStored(store)
  },
  'serves the same session to two middlewares': async w => {
    const store = w.store()
    const second = w.lib({ secret: 'other', store, resave: false, saveUninitialized: false })
    const { get } = await w.serve({ store }, (req, res) => second(req, res, () => count(req, res)))
    await get()
    await get()
  },
  'answers HEAD as GET': async w => {
    const store = w.store()
    const { call } = await w.serve({ store, cookie: { maxAge: 60_000 } }, count, { express: true })
    await call('/', { method: 'HEAD' })
    await call('/', { method: 'HEAD' })
    w.noteStored(store)
  },
}
