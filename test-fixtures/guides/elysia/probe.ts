import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { type ProbeWays, probeNotFound, probeRoutes } from '@sess/conformance'
import { createSessions, type SessionsOptions } from '@sess/core'
import { stopServer } from '@sess/test-fixtures/http.ts'
import { failingBody, NO_NODE_RESPONSE, webBody } from '@sess/test-fixtures/web-probe.ts'
import { Elysia } from 'elysia'
import { session } from './elysia-sessions.ts'

class HttpError extends Error {
  readonly status: number
  constructor(status: number) {
    super(`status ${status}`)
    this.status = status
  }
}

interface Ways extends ProbeWays {
  inner?: Partial<SessionsOptions>
}

/** Starts the probe app on a free port of 127.0.0.1. `options` and `inner` are for `createSessions`. */
export async function start(
  options: Partial<SessionsOptions>,
  { inner, certificate, twice, under = '' }: Ways = {},
) {
  const sessions = createSessions(options as SessionsOptions)
  const app = new Elysia({ prefix: under }).use(session(sessions))
  if (twice) app.use(session(sessions))
  if (inner) app.use(session(inner as SessionsOptions, { property: 'inner' }))
  app.onError(({ error, request }) => {
    const { status = 500, message } = error as HttpError
    const mapped = new URL(request.url).searchParams.get('mapped')
    return new Response(message, { status: Number(mapped ?? status) })
  })
  app.get('/elsewhere', () => new Response('from elsewhere', { headers: { 'x-foreign': 'yes' } }))
  for (const { method, path, run } of probeRoutes(sessions, { httpError: status => new HttpError(status) })) {
    app.route(method, path, async context => {
      const { session, inner, request } = context as any
      const { searchParams } = new URL(request.url)
      const { status, headers, body, foreign, json, thenThrow, raw, failing, bytes } = await run(
        session,
        searchParams,
        inner,
      )
      if (foreign) return await fetch(new URL('/elsewhere', request.url)) // which cannot be changed
      if (failing) return new Response(failingBody(failing))
      if (bytes) return new Response(bytes.content, bytes)
      if (raw) return new Response(NO_NODE_RESPONSE, { status: 501 })
      if (thenThrow)
        return new Response('a handler returns its response, and nothing follows', { status: 501 })
      if (json) return json
      return new Response(webBody(body), { status, headers })
    })
  }
  app.all('/*', ({ session, request }: any) => {
    const { body, ...init } = probeNotFound(session, new URL(request.url).searchParams)
    return new Response(webBody(body), init)
  })
  const overTls = certificate && { createServer, serverOptions: certificate }
  const fetchApp = (request: Request) => app.fetch(request)
  const server = serve({ fetch: fetchApp, hostname: '127.0.0.1', port: 0, ...overTls }) as Server
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `${certificate ? 'https' : 'http'}://127.0.0.1:${port}`, stop: () => stopServer(server) }
}
