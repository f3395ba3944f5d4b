import { sqliteStore } from '@sess/store-sql'
import express from 'express'
import session from 'express-session'

// What only Sess has.

const app = express()
app.use(
  session({ secret: 'x', store: sqliteStore(':memory:'), cookie: { sameSite: 'auto', partitioned: true } }),
)
app.get('/', async (req, res) => {
  await req.session.regenerate()
  await req.session.save()
  const done: Promise<void> = req.session.destroy()
  await done
  const cookie = new session.Cookie({ priority: 'high' })
  res.json([cookie.serialize('a', 'b'), cookie.data.originalMaxAge])
})
