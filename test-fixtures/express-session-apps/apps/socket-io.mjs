// Socket.IO with the sessions of Express, as its guide "How to use with express-session" shows it.
import express from 'express'
import session from 'express-session'
import { Server } from 'socket.io'
import { common, serve } from '../serve.mjs'

await serve((_url, server) => {
  const app = express()
  const sessionMiddleware = session(common())
  app.use(sessionMiddleware)
  app.get('/', (req, res) =>
    res.json({ user: req.session.user, count: req.session.count, id: req.sessionID }),
  )
  app.get('/begin', (req, res) => {
    req.session.count = 0
    res.redirect('/')
  })
  app.get('/add', (req, res) => {
    req.session.count = (req.session.count ?? 0) + 1
    res.redirect('/')
  })
  app.get('/login', (req, res) => {
    req.session.user = 'ada'
    res.redirect('/')
  })
  app.get('/logout', (req, res, next) => {
    const { sessionID } = req
    req.session.destroy(error => {
      if (error) return next(error)
      // Every socket of the session is disconnected.
      io.in(sessionID).disconnectSockets()
      res.send('bye')
    })
  })

  // Socket.IO hands on what it does not take itself to the listeners that are there before it.
  server.on('request', app)
  const io = new Server(server)
  io.engine.use(sessionMiddleware)
  io.use(({ request }, next) =>
    next(request.session.count === undefined ? new Error('no session') : undefined),
  )
  io.on('connection', socket => {
    const req = socket.request
    socket.join(req.session.id)
    socket.use((_packet, next) => {
      req.session.reload(error => {
        if (error) socket.disconnect()
        else next()
      })
    })
    socket.on('who', answer =>
      answer({ user: req.session.user, count: req.session.count, id: req.session.id }),
    )
    socket.on('add', answer => {
      req.session.count++
      req.session.save(error => answer(error ? { error: error.message } : { count: req.session.count }))
    })
  })
})
