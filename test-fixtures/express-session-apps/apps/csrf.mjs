// csrf-sync, csrf-csrf and lusca, each as its README shows it.
import cookieParser from 'cookie-parser'
import { doubleCsrf } from 'csrf-csrf'
import { csrfSync } from 'csrf-sync'
import express from 'express'
import session from 'express-session'
import lusca from 'lusca'
import { common, serve } from '../serve.mjs'

const app = express()
app.use(express.urlencoded({ extended: false }))
app.use(session(common()))
app.use(cookieParser())

const done = (_req, res) => res.send('done')

const { csrfSynchronisedProtection, generateToken, revokeToken } = csrfSync()
app.get('/csrf-sync/token', (req, res) => res.json({ token: generateToken(req, 'fresh' in req.query) }))
app.post('/csrf-sync', csrfSynchronisedProtection, done)
app.post('/csrf-sync/revoke', csrfSynchronisedProtection, (req, res) => {
  revokeToken(req)
  res.send('revoked')
})

const { doubleCsrfProtection, generateCsrfToken } = doubleCsrf({
  getSecret: () => 'another secret',
  getSessionIdentifier: req => req.session.id,
  cookieName: 'csrf',
  cookieOptions: { secure: false },
})
app.get('/csrf-csrf/token', (req, res) => {
  // The ID is in the token, so the session has to stay.
  req.session.visited = true
  res.json({ token: generateCsrfToken(req, res) })
})
app.post('/csrf-csrf', doubleCsrfProtection, done)
app.post('/regenerate', (req, res, next) =>
  req.session.regenerate(error => (error ? next(error) : done(req, res))),
)

app.use('/lusca', lusca({ csrf: true, csp: { policy: { 'default-src': "'self'" } }, nosniff: true }))
app.get('/lusca/token', (_req, res) => res.json({ token: res.locals._csrf }))
app.post('/lusca', done)

// lusca sets the status of the response, the others that of the error.
app.use((error, _req, res, _next) => res.status(error.status ?? res.statusCode).send(error.message))

await serve(() => app)
