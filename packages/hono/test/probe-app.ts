import {
  type ProbeAnswer,
  type ProbeHook,
  type ProbeStep,
  type ProbeWays,
  probeNotFound,
  probeRoutes,
} from '@sess/conformance'
import type { DefaultData, Sessions } from '@sess/core'
import { type SessionVariables, session } from '@sess/hono'
import {
  ELSEWHERE,
  elsewhere,
  failingBody,
  NO_CONTENT,
  NO_NODE_RESPONSE,
  ONE_OF_TWO,
  statusOfError,
  webBody,
} from '@sess/test-fixtures/web-probe.ts'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode, StatusCode } from 'hono/utils/http-status'

/** The probe app, for whatever serves it. */
export function probeApp(
  sessions: Sessions,
  inner?: Sessions,
  { hook, twice, sameProperty }: ProbeWays = {},
): Hono {
  const app = new Hono()
  app.get(ELSEWHERE, elsewhere)
  if (hook) app.use(middlewareOf(hook))
  app.use(session(sessions))
  if (twice) app.use(session(sessions))
  if (hook) app.use(middlewareOf(hook))
  if (inner) app.use(session(inner, sameProperty ? {} : { property: 'inner' }))
  app.onError((error, c) => {
    if (error instanceof HTTPException && error.res) return error.getResponse()
    return c.text(
      error.message,
      statusOfError(error, new URL(c.req.url).searchParams) as ContentfulStatusCode,
    )
  })
  const httpError = (status: number, headers: Record<string, string>) =>
    new HTTPException(status as ContentfulStatusCode, {
      ...(Object.keys(headers).length > 0 && { res: new Response(null, { status, headers }) }),
    })
  app.notFound(c =>
    send(c, probeNotFound((c.var as SessionVariables).session, new URL(c.req.url).searchParams)),
  )
  for (const { method, path, run } of probeRoutes(sessions, { httpError })) {
    app.on(method, path, async c => {
      const { session, inner } = c.var as SessionVariables & Partial<SessionVariables<DefaultData, 'inner'>>
      return await send(c, await run(session, new URL(c.req.url).searchParams, inner))
    })
  }
  return app
}

/** Responds as a route of the suite says. */
function send(c: Context, answer: ProbeAnswer): Response | Promise<Response> {
  const { status, headers, body, foreign, constant, json, thenThrow, raw, failing, bytes } = answer
  if (constant) return NO_CONTENT
  if (foreign) return fetch(new URL(ELSEWHERE, c.req.url))
  if (raw) return c.text(NO_NODE_RESPONSE, 501)
  if (failing) return c.body(failingBody(failing))
  if (bytes) {
    append(c, bytes.headers)
    return c.body(bytes.content)
  }
  if (thenThrow) return c.text(ONE_OF_TWO, 501)
  if (json) return c.json(json)
  append(c, headers)
  return c.newResponse(webBody(body), status as StatusCode)
}

function middlewareOf(hook: ProbeHook): MiddlewareHandler {
  return async (c, next) => {
    const { headers, answer, after } = await hook(new URL(c.req.url).searchParams, c.get('session'))
    append(c, headers)
    if (answer) return c.body(answer.body, answer.status as ContentfulStatusCode)
    await next()
    if (after) append(c, after())
    return undefined
  }
}

function append(c: Context, headers: ProbeStep['headers']): void {
  for (const [name, value] of headers) c.header(name, value, { append: true })
}
