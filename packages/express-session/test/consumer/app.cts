import express = require('express')
import session = require('express-session')

// The same in CommonJS, with the names in the namespace.

declare module 'express-session' {
  interface SessionData {
    views: number
  }
}

const options: session.SessionOptions = { secret: 'x', store: new session.MemoryStore() }
const count = (data: Partial<session.SessionData>): number => data.views ?? 0
const ageOf = (of: session.Session): number | null => of.cookie.originalMaxAge
const app = express()
app.use(session(options))
app.get('/', (req, res) => {
  req.session.views = count(req.session) + 1
  // @ts-expect-error: it is a number
  req.session.views = ''
  const cookie: session.Cookie = req.session.cookie
  res.json([cookie.maxAge, ageOf(req.session)])
})

declare const stores: session.Store[]
export = stores
