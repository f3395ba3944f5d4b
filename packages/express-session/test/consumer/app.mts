import express from 'express'
import session, {
  type CookieOptions,
  MemoryStore,
  type SessionData,
  type SessionOptions,
  Store,
} from 'express-session'

// An app that was written for express-session and its types. It compiles against both.

declare module 'express-session' {
  interface SessionData {
    userId: number
    cart: { sku: string; count: number }[]
  }
}

class MapStore extends Store {
  readonly map = new Map<string, string>()
  get(sid: string, callback: (err: any, session?: SessionData | null) => void): void {
    const text = this.map.get(sid)
    callback(null, text === undefined ? null : (JSON.parse(text) as SessionData))
  }
  set(sid: string, data: SessionData, callback?: (err?: any) => void): void {
    this.map.set(sid, JSON.stringify(data))
    callback?.()
  }
  destroy(sid: string, callback?: (err?: any) => void): void {
    this.map.delete(sid)
    callback?.()
  }
}

const cookie: CookieOptions = { maxAge: 60_000, secure: 'auto', sameSite: 'lax', httpOnly: true }
const options: SessionOptions = {
  secret: ['one', Buffer.from('two')],
  name: 'sid',
  store: new MapStore(),
  cookie,
  genid: req => `${req.ip}`,
  rolling: true,
  resave: false,
  saveUninitialized: false,
  proxy: true,
  unset: 'destroy',
}

const app = express()
app.use(session(options))
app.use(session({ secret: 'x', store: new MemoryStore(), cookie: req => ({ secure: req.secure }) }))

app.get('/', (req, res, next) => {
  const userId: number | undefined = req.session.userId
  req.session.cart = [{ sku: 'a', count: 1 }]
  req.session.cart?.push({ sku: 'b', count: userId ?? 0 })
  // @ts-expect-error: it is a number
  req.session.userId = 'text'
  // @ts-expect-error: nobody has declared it
  req.session.unknown = 1
  const age: number | null = req.session.cookie.originalMaxAge
  req.session.cookie.maxAge = 5000
  req.session.cookie.expires = new Date()
  const id: string = req.session.id + req.sessionID
  req.session
    .touch()
    .resetMaxAge()
    .save(err => next(err))
  req.session.regenerate((err: Error | null) => next(err))
  req.session.reload(err => next(err))
  req.session.destroy(err => next(err))
  req.sessionStore.get(id, (_err, data) => res.json([data?.userId, age]))
  req.sessionStore.all?.((_err, all) => res.json(all))
  req.sessionStore.generate(req)
})
