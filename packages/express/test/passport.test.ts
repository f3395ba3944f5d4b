import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheStore } from '@sess/store-cache'
import { cookiesOf, request, serve } from '@sess/test-fixtures/http.ts'
import express, { type ErrorRequestHandler } from 'express'
import passport from 'passport'
import OAuth2Strategy, { type StrategyOptions } from 'passport-oauth2'
import { describe, expect, it } from 'vitest'
import { session } from '../src/index.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/from-express-session.md'), 'utf8')
const [, recipe = ''] = /^```js file=oauth-state\.js\n([\s\S]*?)^```$/m.exec(page)!
const { oauthState } = await import(`data:text/javascript,${encodeURIComponent(recipe)}`)

/** An identity provider: it sends the visitor back at once, and trades any code for a token. */
function provider(): express.Express {
  const app = express()
  app.get('/authorize', (req, res) => {
    const { redirect_uri, state = '' } = req.query
    res.redirect(`${redirect_uri}?code=1&state=${state}`)
  })
  app.post('/token', (_, res) => void res.json({ access_token: 'token', token_type: 'bearer' }))
  return app
}

/** An app whose visitors log in there. */
function site(authority: string, options: Partial<StrategyOptions>): express.Express {
  const oauth = new OAuth2Strategy(
    {
      authorizationURL: `${authority}/authorize`,
      tokenURL: `${authority}/token`,
      clientID: 'sess',
      clientSecret: 'secret',
      callbackURL: 'http://localhost/callback',
      ...options,
    } as StrategyOptions,
    (_access: string, _refresh: string, _profile: object, done: (error: null, user: object) => void) =>
      done(null, { id: 42 }),
  )
  const app = express()
  app.use(session({ store: cacheStore() }))
  app.get('/login', passport.authenticate(oauth, { session: false }))
  app.get('/callback', passport.authenticate(oauth, { session: false }), (req, res) => {
    req.session.cycleKey()
    req.session.set('userId', (req.user as unknown as { id: number }).id)
    req.session.subject = 42
    res.json({ ...req.session.data })
  })
  const show: ErrorRequestHandler = (error, _req, res, _next) => void res.status(500).send(error.message)
  app.use(show)
  return app
}

describe('passport-oauth2', () => {
  it('with `state: true` is an error that says what to call, and no login without a state', async () => {
    await using authority = await serve(provider())
    await using app = await serve(site(authority.url, { state: true as never }))
    const failed = await request(`${app.url}/login`)
    expect(failed.status).toBe(500)
    expect(failed.text).toBe('session.oauth2:127.0.0.1 is not saved. Call session.set(key, value).')
    expect(failed.setCookies).toEqual([])
  })

  it('with the store of docs/from-express-session.md logs in, once, and with the right state only', async () => {
    await using authority = await serve(provider())
    await using app = await serve(site(authority.url, { store: oauthState }))
    const begun = await request(`${app.url}/login`)
    const back = await request(begun.headers.location!)
    const { search } = new URL(back.headers.location!)
    const cookie = cookiesOf(begun)
    expect((await request(`${app.url}/callback${search}`)).status).toBe(403)
    expect((await request(`${app.url}/callback?code=1&state=forged`, { cookie })).status).toBe(403)
    // The forged one has used the state up.
    expect((await request(`${app.url}/callback${search}`, { cookie })).status).toBe(403)

    const again = await request(`${app.url}/login`, { cookie })
    const right = new URL((await request(again.headers.location!)).headers.location!).search
    const login = await request(`${app.url}/callback${right}`, { cookie })
    expect([login.status, login.json]).toEqual([200, { userId: 42 }])
  })
})
