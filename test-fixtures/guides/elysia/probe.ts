import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { probeRoutes } from '@sess/conformance'
import { createSessions, type SessionsOptions } from '@sess/core'
import { stopServer } from '@sess/test-fixtures/http.ts'
import { webBody } from '@sess/test-fixtures/web-probe.ts'
import { Elysia } from 'elysia'
import { session } from './elysia-sessions.ts'

class HttpError extends Error {
  readonly status: number
  constructor(status: number) {
    super(`status ${status}`)
    this.status = status
  }
}

/** Starts the probe app on a free port of 127.0.0.1. Both arguments are options for `createSessions`. */
export async function start(options: Partial<SessionsOptions>, innerOptions?: Partial<SessionsOptions>) {
  const sessions = createSessions(options as SessionsOptions)
  const app = new Elysia().use(session(sessions))
  if (innerOptions) app.use(session(innerOptions as SessionsOptions, { property: 'inner' }))
  app.onError(({ error, query }) => {
    const { status = 500, message } = error as HttpError
    return new Response(message, { status: Number(query?.['mapped'] ?? status) })
  })
  app.get('/elsewhere', () => new Response('from elsewhere', { headers: { 'x-foreign': 'yes' } }))
  for (const { method, path, run } of probeRoutes(sessions, { httpError: status => new HttpError(status) })) {
    app.route(method, path, async context => {
      const { session, inner, request } = context as any
      const { searchParams } = new URL(request.url)
      const { status, headers, body, foreign, json, thenThrow } = await run(session, searchParams, inner)
      if (foreign) return await fetch(new URL('/elsewhere', request.url)) // which cannot be changed
      if (thenThrow)
        return new Response('a handler returns its response, and nothing follows', { status: 501 })
      if (json) return json
      return new Response(webBody(body), { status, headers })
    })
  }
  const server = serve({ fetch: request => app.fetch(request), hostname: '127.0.0.1', port: 0 }) as Server
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, stop: () => stopServer(server) }
}
