import { Readable } from 'node:stream'
import { type ProbeHook, type ProbeStep, probeRoutes } from '@sess/conformance'
import type { Session } from '@sess/core'
import { session } from '@sess/koa'
import { serve, withUpgrades } from '@sess/test-fixtures/http.ts'
import {
  bothSessions,
  changedLate,
  changeOverSocket,
  jsonRoutes,
  OWN_SEVERAL,
  ownHeaders,
  probeSessions,
  runProbe,
  type StartProbe,
  sessionAs,
  setFrom,
  stateOf,
  streamed,
} from '@sess/test-fixtures/probe.ts'
import Koa, { type Context, type Middleware } from 'koa'

/** The probe app on Koa: `STORE=sqlite PORT=3000 node packages/koa/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, certificate, trustProxy, hook, twice } = ways
  const sessions = await probeSessions(options)
  const app = new Koa()
  // Otherwise Koa logs errors.
  app.silent = true
  app.proxy = trustProxy === true
  app.use(async (ctx, next) => {
    const mapped = ctx.URL.searchParams.get('mapped')
    if (mapped === null) return next()
    try {
      await next()
    } catch (error) {
      ctx.status = Number(mapped)
      ctx.body = (error as Error).message
    }
  })
  if (hook) app.use(middlewareOf(hook))
  app.use(session(sessions))
  if (twice) app.use(session(sessions))
  if (hook) app.use(middlewareOf(hook))
  if (inner) app.use(session(await probeSessions(inner), { property: 'inner' }))

  app.use(async (ctx, next) => {
    // Koa drops the body of a response to HEAD by itself.
    const asked = ctx.method === 'HEAD' ? 'GET' : ctx.method
    const route = jsonRoutes.find(({ method, path }) => method === asked && path === ctx.path)
    if (!route) return next()
    ctx.body = await route.run({ session: ctx.session, sessions, query: ctx.URL.searchParams })
  })
  app.use(async (ctx, next) => {
    const route = probeRoutes(sessions).find(({ path }) => path.startsWith('/raw') && path === ctx.path)
    if (!route) return next()
    const { raw, body } = await route.run(ctx.session, ctx.URL.searchParams)
    if (raw) {
      ctx.respond = false
      await raw(ctx.res)
    } else ctx.body = body
  })
  app.use(async ctx => {
    const { searchParams: query } = ctx.URL
    switch (`${ctx.method} ${ctx.path}`) {
      case 'GET /both':
      case 'POST /both':
        ctx.body = bothSessions(ctx.method, ctx.session, innerOf(ctx), query)
        break
      case 'GET /itself':
        ctx.body = sessionAs(ctx.session, query)
        break
      case 'GET /none':
        ctx.body = 'ok'
        break
      case 'POST /throw':
        if (query.has('mapped')) {
          ctx.status = 501
          ctx.body = 'Koa: a middleware above session() that handles an error comes after the commit (README)'
          break
        }
        setFrom(ctx.session, query)
        if (!query.has('status')) throw new Error('thrown by the probe')
        ctx.throw(Number(query.get('status')), 'thrown by the probe')
        break
      case 'GET /socket':
        ctx.respond = false
        changeOverSocket(ctx.session, query, ctx.socket)
        break
      case 'POST /end-then-throw':
        setFrom(ctx.session, query)
        ctx.status = 200
        ctx.res.end('sent')
        throw new Error('thrown by the probe after its response')
      case 'POST /redirect':
        setFrom(ctx.session, query)
        ctx.status = 303
        ctx.redirect(`/get?k=${encodeURIComponent(query.get('k') ?? '')}`)
        break
      case 'POST /own-headers':
        setFrom(ctx.session, query)
        ctx.set(ownHeaders(query))
        ctx.body = stateOf(ctx.session)
        break
      case 'POST /own-several':
        setFrom(ctx.session, query)
        for (const [name, values] of Object.entries(OWN_SEVERAL))
          for (const value of values) ctx.append(name, value)
        ctx.body = stateOf(ctx.session)
        break
      case 'POST /stream':
        setFrom(ctx.session, query)
        ctx.body = Readable.from(streamed(query))
        break
      case 'GET /latestream':
        ctx.body = Readable.from(changedLate(ctx.session, query))
        break
      default:
        sendStatus(ctx, query)
    }
  })
  const listener = app.callback()
  return withUpgrades(await serve(listener, port, certificate), listener)
}

function middlewareOf(hook: ProbeHook): Middleware {
  return async (ctx, next) => {
    const { headers, answer, after } = await hook(ctx.URL.searchParams, ctx.session)
    append(ctx, headers)
    if (answer) Object.assign(ctx, answer)
    else await next()
    if (after) append(ctx, after())
  }
}

function append(ctx: Context, headers: ProbeStep['headers']): void {
  for (const [name, value] of headers) ctx.append(name, value)
}

/** The session of the inner of two engines. */
function innerOf(ctx: Context): Session {
  return (ctx as Context & { inner: Session }).inner
}

function sendStatus(ctx: Context, query: URLSearchParams): void {
  const [, code] = /^\/status\/(\d{3})$/.exec(ctx.path) ?? []
  if (ctx.method !== 'POST' || code === undefined) return
  setFrom(ctx.session, query)
  ctx.body = stateOf(ctx.session)
  ctx.status = Number(code)
}

if (import.meta.main) await runProbe(start)
