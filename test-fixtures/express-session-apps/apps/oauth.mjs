// Logins at an OpenID provider, by passport-oauth2, openid-client, grant and express-openid-connect.
import { toExpressStore } from '@sess/express-store'
import { sqliteStore } from '@sess/store-sql'
import express from 'express'
import oidc from 'express-openid-connect'
import session from 'express-session'
import grant from 'grant'
import { allowInsecureRequests, discovery } from 'openid-client'
import { Strategy as OpenIdStrategy } from 'openid-client/passport'
import passport from 'passport'
import OAuth2Strategy from 'passport-oauth2'
import { common, serve } from '../serve.mjs'

const issuer = process.env.ISSUER

/** Registers a client at the provider. */
async function register(redirectUri) {
  const response = await fetch(`${issuer}/reg`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'client_secret_post' }),
  })
  if (response.status !== 201) throw new Error(await response.text())
  return response.json()
}

async function claims(accessToken) {
  const response = await fetch(`${issuer}/me`, { headers: { authorization: `Bearer ${accessToken}` } })
  return response.json()
}

await serve(async url => {
  const [oauth2, openId, forGrant, forConnect] = await Promise.all(
    ['/oauth2/callback', '/openid/callback', '/connect/local/callback', '/connected/callback'].map(path =>
      register(url + path),
    ),
  )

  passport.use(
    'oauth2',
    new OAuth2Strategy(
      {
        authorizationURL: `${issuer}/auth`,
        tokenURL: `${issuer}/token`,
        clientID: oauth2.client_id,
        clientSecret: oauth2.client_secret,
        callbackURL: `${url}/oauth2/callback`,
        scope: ['openid', 'profile'],
        state: true,
        pkce: true,
      },
      (accessToken, _refreshToken, _profile, done) =>
        claims(accessToken).then(user => done(null, user), done),
    ),
  )

  const config = await discovery(new URL(issuer), openId.client_id, openId.client_secret, undefined, {
    execute: [allowInsecureRequests],
  })
  passport.use(
    'openid',
    new OpenIdStrategy(
      { config, callbackURL: `${url}/openid/callback`, scope: 'openid profile' },
      (tokens, done) => claims(tokens.access_token).then(user => done(null, user), done),
    ),
  )
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user, done) => done(null, user))

  const app = express()
  const options = common()
  app.use(session(options))
  app.use(passport.session())

  app.get('/', ({ user, sessionID, session }, res) => {
    res.json({ user, id: sessionID, keys: Object.keys(session), cart: session.cart })
  })
  app.get('/cart', (req, res) => {
    req.session.cart = ['tea']
    res.redirect('/')
  })
  for (const name of ['oauth2', 'openid']) {
    app.get(`/${name}`, passport.authenticate(name))
    app.get(`/${name}/keep`, (req, res, next) => {
      req.session.keep = true
      passport.authenticate(name)(req, res, next)
    })
    app.get(`/${name}/callback`, (req, res, next) => {
      const keepSessionInfo = req.session.keep === true
      passport.authenticate(name, { successRedirect: '/', keepSessionInfo })(req, res, next)
    })
  }

  app.use(
    grant.express({
      defaults: { origin: url, transport: 'session', state: true, pkce: true, nonce: true },
      local: {
        oauth: 2,
        authorize_url: `${issuer}/auth`,
        access_url: `${issuer}/token`,
        profile_url: `${issuer}/me`,
        key: forGrant.client_id,
        secret: forGrant.client_secret,
        scope: ['openid', 'profile'],
        scope_delimiter: ' ',
        callback: '/granted',
        response: ['tokens', 'profile'],
      },
    }),
  )
  app.get('/granted', (req, res) => {
    const { response, state } = req.session.grant
    res.json({ profile: response.profile, error: response.error, state, id: req.sessionID })
  })

  // It has sessions of its own, in a store for express-session.
  const connected = express.Router()
  connected.use(
    oidc.auth({
      issuerBaseURL: issuer,
      baseURL: url,
      clientID: forConnect.client_id,
      clientSecret: forConnect.client_secret,
      clientAuthMethod: 'client_secret_post',
      secret: 'a secret of at least 32 characters.',
      authRequired: false,
      idpLogout: false,
      authorizationParams: { response_type: 'code', scope: 'openid profile' },
      routes: { callback: '/connected/callback', login: '/connected/login', logout: '/connected/logout' },
      session: { store: options.store ? toExpressStore(sqliteStore(':memory:')) : new session.MemoryStore() },
    }),
  )
  connected.get('/connected', (req, res) => {
    res.json({ isAuthenticated: req.oidc.isAuthenticated(), sub: req.oidc.user?.sub })
  })
  app.use(connected)

  app.use((error, _req, res, _next) => {
    if (error.status === undefined) console.error(error)
    res.status(error.status ?? 500).send(error.message)
  })
  return app
})
