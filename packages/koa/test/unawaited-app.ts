// Handlers that save and do not wait. `unawaited.test.ts` runs it in a process of its own, which they would end.
import { session } from '@sess/koa'
import { change, listen, slowSessions } from '@sess/test-fixtures/unawaited.ts'
import Koa from 'koa'

const { sessions, fail } = slowSessions()
const app = new Koa()
app.silent = true
// Responds in place of a handler that is late, and ignores its outcome.
app.use(async (ctx, next) => {
  if (ctx.path !== '/timeout') return next()
  const timeUp = new Promise<void>(resolve => setTimeout(resolve, 10))
  await Promise.race([next(), timeUp])
  ctx.status = 503
  ctx.body = 'too late'
})
app.use((ctx, next) => {
  if (ctx.path !== '/forgotten') return next()
  next()
  ctx.body = 'not waited for'
  return undefined
})
app.use(session(sessions))
app.use(async ctx => {
  const { res, session } = ctx
  if (ctx.path === '/') {
    ctx.body = 'alive'
    return
  }
  change(session)
  // Koa begins with 404.
  res.statusCode = 200
  switch (ctx.path) {
    case '/redirect':
      ctx.redirect('/')
      session.save()
      return
    case '/finish':
      res.on('finish', () => void session.save())
      ctx.body = 'ok'
      return
    case '/timer':
      setTimeout(() => session.create(), 5)
      ctx.body = 'ok'
      return
    case '/timeout':
      await new Promise(resolve => setTimeout(resolve, 20))
      session.save()
      return
    case '/forgotten':
      fail()
      return
    case '/respond':
      ctx.respond = false
      res.end('ok')
      session.save()
      return
    case '/respond-fails':
      ctx.respond = false
      fail()
      res.end('ok')
      session.save()
      return
    case '/respond-later':
      ctx.respond = false
      setTimeout(() => {
        res.write('o')
        session.save()
        res.end('k')
      }, 5)
  }
})

listen(app.callback())
