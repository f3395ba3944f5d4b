import type { Scenarios } from '../scenario.ts'

const hit = (req: any, res: any): void => {
  req.session.hits = (req.session.hits ?? 0) + 1
  res.end(String(req.session.hits))
}
const hi = (_req: any, res: any): void => res.end('hi')

/** The option `cookie`, and `req.session.cookie`. */
export const cookies: Scenarios = {
  'sends every attribute': async w => {
    const inAMinute = new Date(Date.now() + 60_000)
    for (const cookie of [
      undefined,
      null,
      {},
      { domain: 'example.com' },
      { httpOnly: false },
      { path: '/' },
      { sameSite: true },
      { sameSite: false },
      { sameSite: 'lax' },
      { sameSite: 'strict' },
      { sameSite: 'none' },
      { priority: 'low' },
      { priority: 'medium' },
      { priority: 'high' },
      { partitioned: true },
      { partitioned: false },
      { maxAge: 60_000 },
      { maxAge: null },
      { maxAge: 0 },
      { expires: inAMinute },
      { expires: null },
      { expires: inAMinute, maxAge: 120_000 },
      { maxAge: 120_000, expires: inAMinute },
      { signed: true, unknown: 5 },
      { secure: false },
    ]) {
      const store = w.store({ quiet: true })
      const { get } = await w.serve({ store, cookie }, hit)
      await get('/', { cookie: '' })
      w.noteStored(store)
    }
  },
  'sends them again with rolling, from what is stored': async w => {
    const store = w.store({ quiet: true })
    const cookie = { sameSite: 'lax', priority: 'high', httpOnly: false, maxAge: 60_000 }
    const first = await w.serve({ store, cookie }, hit)
    const seen = await first.get()
    const { get } = await w.serve({ store, rolling: true, cookie: { maxAge: 5_000_000 } }, hi)
    await get('/', { cookie: seen.cookie })
  },
  'warns of an age that is a Date': async w => {
    const { get } = await w.serve({ cookie: { maxAge: new Date(Date.now() + 60_000) } }, hit)
    await get()
  },
  'is secure over TLS alone': async w => {
    for (const proxy of [undefined, true, false]) {
      const { get } = await w.serve({ proxy, cookie: { secure: true } }, hit)
      for (const proto of [undefined, 'https', 'http', 'HTTPS, http', 'http, https', ' https ', '']) {
        await get('/', { cookie: '', headers: proto === undefined ? {} : { 'x-forwarded-proto': proto } })
      }
    }
  },
  "follows Express's trust proxy": async w => {
    for (const trustProxy of [undefined, true, 'loopback']) {
      for (const proxy of [undefined, true, false]) {
        const { get } = await w.serve({ proxy, cookie: { secure: true } }, hit, { express: true, trustProxy })
        await get('/', { cookie: '', headers: { 'x-forwarded-proto': 'https' } })
        await get('/', { cookie: '' })
      }
    }
  },
  'is secure as the connection with auto': async w => {
    for (const proxy of [undefined, true, false]) {
      for (const trustProxy of [undefined, true]) {
        const store = w.store({ quiet: true })
        const { get } = await w.serve({ store, proxy, cookie: { secure: 'auto' } }, hit, {
          express: true,
          trustProxy,
        })
        await get('/', { cookie: '', headers: { 'x-forwarded-proto': 'https' } })
        await get('/', { cookie: '' })
        w.noteStored(store)
      }
    }
  },
  'has a sameSite by the connection with auto': async w => {
    const { get } = await w.serve({ proxy: true, cookie: { sameSite: 'auto', secure: 'auto' } }, hit)
    await get('/', { cookie: '', headers: { 'x-forwarded-proto': 'https' } })
    await get('/', { cookie: '' })
  },
  'believes an encrypted connection': async w => {
    const { get } = await w.serve({ proxy: false, cookie: { secure: true } }, hit, {
      before: [
        (req, _res, next) => {
          req.connection.encrypted = true
          next()
        },
      ],
    })
    await get()
  },
  'is made by a function of the request': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve(
      { store, cookie: (req: any) => ({ path: req.url.startsWith('/a') ? '/a' : '/', maxAge: 60_000 }) },
      hit,
    )
    await get('/a/b', { cookie: '' })
    await get('/c', { cookie: '' })
    w.noteStored(store)
  },
  'changes with req.session.cookie.maxAge': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store, cookie: { maxAge: 60_000 } }, (req, res) => {
      if (req.url !== '/read') {
        req.session.cookie.maxAge = Number(req.url.slice(1))
        req.session.hits = (req.session.hits ?? 0) + 1
      }
      w.note(req.session.cookie.originalMaxAge > 0, req.session.cookie.expires)
      res.end('ok')
    })
    await get('/120000')
    await get('/240000')
    await get('/read')
    await get('/3000000000')
    w.noteStored(store)
  },
  'ends with the browser after expires = false or null, and maxAge = null': async w => {
    for (const value of [false, null, undefined]) {
      for (const name of ['expires', 'maxAge']) {
        const store = w.store({ quiet: true })
        const { get } = await w.serve({ store, cookie: { maxAge: 60_000 } }, (req, res) => {
          req.session.cookie[name] = value
          req.session.hits = (req.session.hits ?? 0) + 1
          w.note(String(req.session.cookie.maxAge), String(req.session.cookie.originalMaxAge))
          res.end('ok')
        })
        await get()
        await get()
        w.noteStored(store)
      }
    }
  },
  'takes a Date for expires, which each request moves on': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') {
        req.session.cookie.expires = new Date(Date.now() + 90_000)
        req.session.user = 'ada'
      }
      w.note(
        Math.round(req.session.cookie.maxAge / 10_000),
        Math.round(req.session.cookie.originalMaxAge / 10_000),
      )
      res.end('ok')
    })
    await get('/set')
    await get('/')
    w.noteStored(store)
  },
  'takes attributes that the application sets': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, (req, res) => {
      Object.assign(req.session.cookie, {
        httpOnly: false,
        sameSite: 'strict',
        path: '/app',
        domain: 'example.com',
      })
      req.session.user = 'ada'
      res.end()
    })
    await get()
    w.noteStored(store)
  },
  'takes what the application says of secure': async w => {
    const { get } = await w.serve({}, (req, res) => {
      req.session.cookie.secure = true
      req.session.user = 'ada'
      res.end()
    })
    await get()
  },
  'is a Cookie that can be read': async w => {
    const { get } = await w.serve({ cookie: { maxAge: 60_000, sameSite: 'lax' } }, (req, res) => {
      const { cookie } = req.session
      w.note(
        cookie.expires,
        Math.round(cookie.maxAge / 10_000),
        cookie.httpOnly,
        cookie.path,
        cookie.sameSite,
      )
      w.note(Object.keys(cookie.toJSON()).sort(), JSON.parse(JSON.stringify(cookie)))
      w.note(cookie.data, cookie.serialize('a', 'b c').replace(/Expires=[^;]*/, ''))
      res.end()
    })
    await get()
  },
}

/** The class `Cookie`, without a request. */
export const cookieClass: Scenarios = {
  'has defaults': w => {
    const cookie = new w.lib.Cookie()
    w.note(cookie.path, cookie.httpOnly, cookie.maxAge, cookie.expires, cookie.originalMaxAge, cookie.secure)
    w.note(cookie.data, Object.keys(cookie).sort())
  },
  'takes options, but no data': w => {
    const cookie = new w.lib.Cookie({
      path: '/a',
      httpOnly: false,
      data: { path: '/b' },
      custom: 1,
      maxAge: 60_000,
    })
    w.note(cookie.path, cookie.httpOnly, cookie.custom, cookie.data.path, cookie.expires)
  },
  'takes an original age': w => {
    for (const originalMaxAge of [1000, null, undefined, 0, false]) {
      const cookie = new w.lib.Cookie({ originalMaxAge, maxAge: 60_000 })
      w.note({ originalMaxAge: cookie.originalMaxAge })
      const other = new w.lib.Cookie({ maxAge: 60_000, originalMaxAge })
      w.note({ originalMaxAge: other.originalMaxAge })
    }
  },
  'rejects options that are no object': w => {
    for (const options of [42, 'a', true]) {
      try {
        w.note(new w.lib.Cookie(options).path)
      } catch (error) {
        w.note((error as Error).name, (error as Error).message)
      }
    }
    w.note(new w.lib.Cookie(null).path, new w.lib.Cookie(0).path, new w.lib.Cookie('').path)
  },
  'rejects an age of another kind': w => {
    for (const maxAge of ['5', {}, true, [], Number.NaN, '', 0, false, null, undefined]) {
      try {
        const cookie = new w.lib.Cookie({ maxAge })
        w.note(String(cookie.expires && 'Date'), String(cookie.originalMaxAge))
      } catch (error) {
        w.note((error as Error).name, (error as Error).message)
      }
    }
  },
  'counts from now': w => {
    const cookie = new w.lib.Cookie()
    cookie.maxAge = 60_000
    w.note(cookie.expires, { originalMaxAge: cookie.originalMaxAge })
    cookie.expires = new Date(Date.now() + 120_000)
    w.note(Math.round(cookie.maxAge / 10_000), { originalMaxAge: cookie.originalMaxAge })
    cookie.expires = null
    w.note(cookie.maxAge, cookie.originalMaxAge)
    cookie.expires = 'soon'
    w.note(cookie.maxAge, cookie.originalMaxAge)
    cookie.maxAge = new Date(Date.now() + 90_000)
    w.note(cookie.expires)
  },
  'is serialized with its attributes': w => {
    for (const options of [
      {},
      { secure: true, sameSite: 'none', partitioned: true, priority: 'low', domain: 'a.example' },
    ]) {
      w.note(new w.lib.Cookie(options).serialize('name', 'a=b; c'))
    }
    try {
      new w.lib.Cookie({ sameSite: 'wrong' }).serialize('a', 'b')
    } catch (error) {
      w.note((error as Error).name, (error as Error).message)
    }
  },
}
