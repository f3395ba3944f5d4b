// Handlers that save and do not wait. `unawaited.test.ts` runs it in a process of its own, which they would end.
import { session } from '@sess/h3'
import { change, listen, slowSessions } from '@sess/test-fixtures/unawaited.ts'
import { H3, HTTPError, redirect } from 'h3'
import { toNodeHandler } from 'h3/node'

const { sessions, fail } = slowSessions()
const app = new H3({ silent: true })
app.use(session(sessions))
app.get('/redirect', event => {
  const { session } = event.context
  change(session)
  session.save()
  return redirect('/', 302)
})
app.get('/waits', event => {
  const { session } = event.context
  change(session)
  event.waitUntil(new Promise<void>(resolve => setTimeout(resolve, 5)).then(() => void session.save()))
  return 'ok'
})
app.get('/timer', event => {
  const { session } = event.context
  change(session)
  setTimeout(() => session.create(), 5)
  return 'ok'
})
app.get('/fails', event => {
  const { session } = event.context
  change(session)
  setImmediate(() => session.save())
  setImmediate(() => session.create())
  fail()
  return 'ok'
})
app.get('/thrown', event => {
  const { session } = event.context
  change(session)
  session.save()
  throw new HTTPError({ status: 404 })
})
app.get('/', () => 'alive')

listen(toNodeHandler(app))
