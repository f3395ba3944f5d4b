// koa-passport in two ways: with the sessions of Passport, through express-session, and on @sess/koa, without them.
import { session as sessKoa } from '@sess/koa'
import { sqliteStore } from '@sess/store-sql'
import session from 'express-session'
import Koa from 'koa'
import { KoaPassport } from 'koa-passport'
import { Strategy } from 'passport-local'
import { common, serve } from '../serve.mjs'

/** Middleware for Express, as middleware for Koa. */
const throughConnect = middleware => (ctx, next) =>
  new Promise((resolve, reject) => {
    let hasBegun = false
    middleware(ctx.req, ctx.res, error => {
      // A save that failed, when the handlers are done.
      if (hasBegun) return ctx.onerror(error)
      hasBegun = true
      if (error) reject(error)
      else next().then(resolve, reject)
    })
  })

/** What `body` of Passport's request is. The real one comes from a body parser. */
const queryAsBody = (ctx, next) => {
  ctx.request.body = { ...ctx.query }
  return next()
}

function makePassport() {
  const passport = new KoaPassport()
  passport.use(
    new Strategy((username, password, done) => {
      if (username !== 'ada' || password !== 'enigma') return done(null, false)
      done(null, { username })
    }),
  )
  passport.serializeUser((user, done) => done(null, user.username))
  passport.deserializeUser((username, done) => done(null, { username }))
  return passport
}

function withSessions() {
  const passport = makePassport()
  const app = new Koa()
  app.use(throughConnect(session(common())))
  app.use(queryAsBody)
  app.use(passport.initialize())
  app.use(passport.session())
  app.use(async (ctx, next) => {
    const { session, sessionID: id } = ctx.req
    if (ctx.path === '/cart') (session.cart ??= []).push(ctx.query.item)
    if (ctx.path === '/login')
      return passport.authenticate('local', { keepSessionInfo: 'keep' in ctx.query })(ctx, next)
    if (ctx.path === '/logout') await ctx.logout()
    ctx.body = { user: ctx.state.user, cart: session.cart, id, isAuthenticated: ctx.isAuthenticated() }
  })
  app.use(ctx => {
    ctx.body = { user: ctx.state.user, cart: ctx.req.session.cart, id: ctx.req.sessionID }
  })
  return app.callback()
}

function onSess() {
  const passport = makePassport()
  const app = new Koa()
  app.use(sessKoa({ store: sqliteStore(':memory:') }))
  app.use(queryAsBody)
  app.use(passport.initialize())
  app.use(async (ctx, next) => {
    if (ctx.path === '/cart') ctx.session.update('cart', (cart = []) => [...cart, ctx.query.item])
    if (ctx.path === '/logout') ctx.session.flush()
    if (ctx.path === '/login') await passport.authenticate('local', { session: false })(ctx, next)
    else await next()
  })
  app.use(ctx => {
    const { user } = ctx.state
    if (user) {
      ctx.session.cycleKey()
      ctx.session.set('user', user)
      ctx.session.subject = user.username
    }
    ctx.body = { user: ctx.session.get('user'), cart: ctx.session.get('cart') }
  })
  return app.callback()
}

await serve(() => {
  const [theirs, ours] = [withSessions(), onSess()]
  return (req, res) => {
    const [, at, path] = /^\/(\w+)(.*)/.exec(req.url)
    req.url = path
    return at === 'sess' ? ours(req, res) : theirs(req, res)
  }
})
