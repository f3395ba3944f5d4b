// The tutorial of passport-local, with connect-flash, and a cart of which each login decides whether it is kept.
import flash from 'connect-flash'
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy } from 'passport-local'
import { common, serve } from '../serve.mjs'

const users = new Map([['ada', { id: 1, username: 'ada', password: 'enigma' }]])

passport.use(
  new Strategy((username, password, done) => {
    const user = users.get(username)
    if (user?.password !== password) return done(null, false, { message: 'Wrong name or password.' })
    done(null, user)
  }),
)
passport.serializeUser((user, done) => done(null, { id: user.id, username: user.username }))
passport.deserializeUser((user, done) => done(null, user))

const app = express()
app.use(express.urlencoded({ extended: false }))
app.use(session(common()))
app.use(flash())
app.use(passport.session())

app.get('/', (req, res) => {
  const { user } = req
  res.json({ user, cart: req.session.cart, id: req.sessionID, isAuthenticated: req.isAuthenticated() })
})
app.get('/login', (req, res) => {
  const messages = req.flash('error').map(text => `<p class="error">${text}</p>`)
  res.send(`<!doctype html><title>Log in</title>${messages.join('')}
    <form method="post"><input name="username"><input name="password" type="password"><button>Log in</button></form>`)
})
app.post('/cart', (req, res) => {
  ;(req.session.cart ??= []).push(req.body.item)
  res.redirect('/')
})
const failure = { failureRedirect: '/login', failureFlash: true }
app.post('/login', passport.authenticate('local', { ...failure, successRedirect: '/home' }))
app.post(
  '/login/keep',
  passport.authenticate('local', { ...failure, successRedirect: '/', keepSessionInfo: true }),
)
app.post(
  '/login/return',
  passport.authenticate('local', { ...failure, successReturnToOrRedirect: '/', keepSessionInfo: true }),
)
app.get('/home', (req, res) => {
  if (!req.isAuthenticated()) {
    req.session.returnTo = req.originalUrl
    return res.redirect('/login')
  }
  res.send(`<!doctype html><title>Home</title><h1>Hello ${req.user.username}</h1>
    <form method="post" action="/logout"><button>Log out</button></form>`)
})
app.post('/logout', (req, res, next) => {
  req.logout(error => (error ? next(error) : res.redirect('/login')))
})

await serve(() => app)
