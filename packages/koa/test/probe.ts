import { Readable } from 'node:stream'
import { type ProbeAnswer, type ProbeHook, type ProbeStep, probeNotFound } from '@sess/conformance'
import type { Session } from '@sess/core'
import { session } from '@sess/koa'
import { failingStream } from '@sess/test-fixtures/failing-stream.ts'
import { serve, withUpgrades } from '@sess/test-fixtures/http.ts'
import {
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
  suiteRoutes,
} from '@sess/test-fixtures/probe.ts'
import Koa, { type Context, type Middleware } from 'koa'

/** The probe app on Koa: `STORE=sqlite PORT=3000 node packages/koa/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, sameProperty, certificate, trustProxy, hook, twice, under } = ways
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
  if (under !== undefined) app.use(mountedAt(under))
  if (hook) app.use(middlewareOf(hook))
  app.use(session(sessions))
  if (twice) app.use(session(sessions))
  if (hook) app.use(middlewareOf(hook))
  if (inner) app.use(session(await probeSessions(inner), sameProperty ? {} : { property: 'inner' }))

  app.use(async (ctx, next) => {
    // Koa drops the body of a response to HEAD by itself.
    const asked = ctx.method === 'HEAD' ? 'GET' : ctx.method
    const route = jsonRoutes.find(({ method, path }) => method === asked && path === ctx.path)
    if (!route) return next()
    ctx.body = await route.run({ session: ctx.session, sessions, query: ctx.URL.searchParams })
  })
  app.use(async (ctx, next) => {
    const route = suiteRoutes(sessions, { httpError }).find(
      ({ method, path }) => method === ctx.method && path === ctx.path,
    )
    if (!route) return next()
    await send(ctx, await route.run(ctx.session, ctx.URL.searchParams, innerOf(ctx)))
  })
  app.use(async ctx => {
    const { searchParams: query } = ctx.URL
    switch (`${ctx.method} ${ctx.path}`) {
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
        ctx.type = query.get('type') ?? 'text/plain'
        ctx.body = Readable.from(streamed(query))
        break
      case 'GET /latestream':
        ctx.body = Readable.from(changedLate(ctx.session, query))
        break
      default:
        await sendStatus(ctx, query)
    }
  })
  const listener = app.callback()
  const isRequest = (request: unknown) => (request as Context).app === app
  return { ...withUpgrades(await serve(listener, port, certificate), listener), isRequest }
}

const httpError = (status: number, headers: Record<string, string>) =>
  Object.assign(new Error('thrown by the probe'), { status, headers })

/** Does what koa-mount does. */
function mountedAt(under: string): Middleware {
  return (ctx, next) => {
    if (!ctx.path.startsWith(`${under}/`)) return undefined
    ctx.path = ctx.path.slice(under.length)
    return next()
  }
}

/** Responds as a route of the suite says. */
async function send(
  ctx: Context,
  { status, headers, body, raw, failing, bytes }: ProbeAnswer,
): Promise<void> {
  if (raw) {
    ctx.respond = false
    return await raw(ctx.res)
  }
  ctx.body = failing ? failingStream(failing) : bytes ? Buffer.from(bytes.content) : body
  ctx.status = failing || bytes ? 200 : status
  for (const [name, value] of bytes?.headers ?? headers) ctx.set(name, value)
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

async function sendStatus(ctx: Context, query: URLSearchParams): Promise<void> {
  const [, code] = /^\/status\/(\d{3})$/.exec(ctx.path) ?? []
  if (ctx.method !== 'POST' || code === undefined) return send(ctx, probeNotFound(ctx.session, query))
  setFrom(ctx.session, query)
  ctx.body = stateOf(ctx.session)
  ctx.status = Number(code)
}

if (import.meta.main) await runProbe(start)
