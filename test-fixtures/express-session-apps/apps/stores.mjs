// The stores that people use, each as its README shows it, and each with an app of its own.
import pgSimple from 'connect-pg-simple'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import memoryStore from 'memorystore'
import pg from 'pg'
import { createClient } from 'redis'
import fileStore from 'session-file-store'
import { serve } from '../serve.mjs'

const { FOLDER, POSTGRES, REDIS } = process.env

const client = await createClient({ url: REDIS }).connect()
const pool = new pg.Pool({ connectionString: POSTGRES })
const [MemoryStore, PgStore, FileStore] = [memoryStore, pgSimple, fileStore].map(make => make(session))

const stores = {
  'connect-redis': new RedisStore({ client }),
  'connect-pg-simple': new PgStore({ pool, createTableIfMissing: true }),
  memorystore: new MemoryStore({ checkPeriod: 60_000 }),
  'session-file-store': new FileStore({ path: FOLDER, retries: 0, logFn: () => undefined }),
}

const app = express()
app.use(express.urlencoded({ extended: false }))
for (const [name, store] of Object.entries(stores)) {
  const options = {
    secret: 'keyboard cat',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 60_000 },
  }
  const router = express.Router()
  const waiting = []
  router.use(session({ ...options, store, name }))
  router.get('/', (req, res) =>
    res.json({ id: req.sessionID, items: req.session.items, user: req.session.user }),
  )
  router.post('/items', (req, res) => {
    ;(req.session.items ??= []).push(req.body.item)
    res.redirect('.')
  })
  router.get('/slow', async (req, res) => {
    console.log(`slow ${name} ${req.query.n}`)
    await new Promise(resolve => waiting.push(resolve))
    req.session.late = true
    res.send('done')
  })
  router.post('/go-on', (_req, res) => {
    for (const resolve of waiting.splice(0)) resolve()
    res.end()
  })
  router.post('/login', (req, res, next) => {
    req.session.regenerate(error => {
      if (error) return next(error)
      req.session.user = req.body.user
      req.session.save(error => (error ? next(error) : res.redirect('.')))
    })
  })
  router.post('/logout', (req, res, next) => {
    req.session.destroy(error => (error ? next(error) : res.redirect('.')))
  })
  router.get('/stored', (req, res, next) => {
    store.get(req.sessionID, (error, stored) => {
      // session-file-store says so where the others return nothing.
      if (error && error.code !== 'ENOENT') next(error)
      else res.json(stored ?? null)
    })
  })
  app.use(`/${name}`, router)
}

app.use((error, _req, res, _next) => res.status(error.status ?? 500).send(error.message))

await serve(() => app)
