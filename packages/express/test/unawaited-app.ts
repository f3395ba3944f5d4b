// Handlers that save and do not wait. `unawaited.test.ts` runs it in a process of its own, which they would end.
import { session } from '@sess/express'
import { change, listen, slowSessions } from '@sess/test-fixtures/unawaited.ts'
import timeout from 'connect-timeout'
import express from 'express'

const { sessions, fail } = slowSessions()
const app = express().set('env', 'test')
app.use('/timeout', timeout(20))
app.use(session(sessions))

app.get('/redirect', (req, res) => {
  change(req.session)
  res.redirect('/')
  req.session.save()
})
app.get('/create', (req, res) => {
  change(req.session)
  res.send('ok')
  req.session.create()
})
app.get('/finish', (req, res) => {
  change(req.session)
  res.on('finish', () => void req.session.save())
  res.send('ok')
})
app.get('/timer', (req, res) => {
  change(req.session)
  setTimeout(() => req.session.save(), 5)
  res.send('ok')
})
app.get('/timeout', (req, res) => {
  change(req.session)
  res.on('finish', () => {
    req.session.save()
    req.session.create()
  })
})
app.get('/stream', (req, res) => {
  change(req.session)
  res.write('begun')
  req.session.save()
  setImmediate(() => {
    req.session.save()
    res.end()
  })
})
app.get('/before', (req, res) => {
  change(req.session)
  req.session.save()
  res.send('ok')
})
app.get('/down', (req, res) => {
  change(req.session)
  fail()
  req.session.save()
  setTimeout(() => res.send('ok'), 5)
})
app.get('/commit-fails', (req, res) => {
  change(req.session)
  fail()
  res.send('ok')
  req.session.save()
})
app.get('/', (_req, res) => void res.send('alive'))

listen(app)
