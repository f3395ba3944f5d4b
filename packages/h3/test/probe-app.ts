import { type ProbeHook, type ProbeStep, type ProbeWays, probeNotFound } from '@sess/conformance'
import type { Session, Sessions } from '@sess/core'
import { session } from '@sess/h3'
import {
  changedLate,
  jsonRoutes,
  OWN_SEVERAL,
  ownHeaders,
  sessionAs,
  setFrom,
  stateOf,
  streamed,
  suiteRoutes,
} from '@sess/test-fixtures/probe.ts'
import { NO_CONTENT, ONE_OF_TWO, webResponse } from '@sess/test-fixtures/web-probe.ts'
import { H3, type H3Event, HTTPError, iterable, type Middleware, redirect } from 'h3'

/** The probe app, for whatever serves it. */
export function probeApp(
  sessions: Sessions,
  inner?: Sessions,
  { hook, twice, sameProperty }: ProbeWays = {},
): H3 {
  // Otherwise h3 logs errors.
  const app = new H3({
    silent: true,
    onError(error, event) {
      const mapped = event.url.searchParams.get('mapped')
      return mapped === null ? undefined : new Response(error.message, { status: Number(mapped) })
    },
  })
  if (hook) app.use(middlewareOf(hook))
  app.use(session(sessions))
  if (twice) app.use(session(sessions))
  if (hook) app.use(middlewareOf(hook))
  if (inner) app.use(session(inner, sameProperty ? {} : { property: 'inner' }))

  for (const { method, path, run } of jsonRoutes) {
    app.on(method, path, event => {
      return run({ session: event.context.session, sessions, query: event.url.searchParams })
    })
  }
  const httpError = (status: number, headers: Record<string, string>) => new HTTPError({ status, headers })
  for (const { method, path, run } of suiteRoutes(sessions, { httpError })) {
    app.on(method, path, async event => {
      const { session, inner } = event.context as typeof event.context & { inner: Session }
      return await webResponse(await run(session, event.url.searchParams, inner), event.req.url)
    })
  }
  app.get('/itself', event => sessionAs(event.context.session, event.url.searchParams))
  app.get('/none', () => 'ok')
  app.post('/status/:code', event => {
    const { session } = event.context
    setFrom(session, event.url.searchParams)
    event.res.status = Number(event.context.params?.['code'])
    return stateOf(session)
  })
  app.post('/throw', event => {
    const query = event.url.searchParams
    if (query.has('mapped')) {
      return new Response('h3: `onError` runs after the commit (README)', { status: 501 })
    }
    setFrom(event.context.session, query)
    const status = query.get('status')
    if (status === null) throw new Error('thrown by the probe')
    throw new HTTPError({ status: Number(status), message: 'thrown by the probe' })
  })
  app.post('/end-then-throw', () => new Response(ONE_OF_TWO, { status: 501 }))
  app.post('/redirect', event => {
    const query = event.url.searchParams
    setFrom(event.context.session, query)
    return redirect(`/get?k=${encodeURIComponent(query.get('k') ?? '')}`, 303)
  })
  app.post('/own-headers', event => {
    const query = event.url.searchParams
    if (query.has('above')) return new Response(ABOVE_WINS, { status: 501 })
    setFrom(event.context.session, query)
    return Response.json(stateOf(event.context.session), { headers: ownHeaders(query) })
  })
  app.post('/own-several', event => {
    setFrom(event.context.session, event.url.searchParams)
    for (const [name, values] of Object.entries(OWN_SEVERAL)) {
      for (const value of values) event.res.headers.append(name, value)
    }
    return stateOf(event.context.session)
  })
  app.get('/elsewhere', () => new Response('from elsewhere', { headers: { 'x-foreign': 'yes' } }))
  app.post('/constant', event => {
    if (event.url.searchParams.has('k')) setFrom(event.context.session, event.url.searchParams)
    return NO_CONTENT
  })
  app.post('/foreign', event => {
    setFrom(event.context.session, event.url.searchParams)
    return fetch(new URL('/elsewhere', event.url))
  })
  app.post('/stream', event => {
    setFrom(event.context.session, event.url.searchParams)
    event.res.headers.set('content-type', event.url.searchParams.get('type') ?? 'text/plain')
    return iterable(streamed(event.url.searchParams))
  })
  app.get('/latestream', event => iterable(changedLate(event.context.session, event.url.searchParams)))
  // Not for HEAD, which h3 would not serve by the routes of GET then.
  for (const method of ['GET', 'POST'] as const) {
    app.on(method, '/**', event =>
      webResponse(probeNotFound(event.context.session, event.url.searchParams), event.req.url),
    )
  }
  return app
}

const ABOVE_WINS = 'h3 itself sets the headers of `event.res` on the response that a handler returns'

function middlewareOf(hook: ProbeHook): Middleware {
  return async (event, next) => {
    const { headers, answer, after } = await hook(event.url.searchParams, event.context['session'] as Session)
    append(event, headers)
    if (answer) event.res.status = answer.status
    const body = answer ? answer.body : await next()
    if (after) append(event, after())
    return body
  }
}

function append({ res }: H3Event, headers: ProbeStep['headers']): void {
  for (const [name, value] of headers) res.headers.append(name, value)
}
