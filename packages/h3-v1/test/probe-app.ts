import { Readable } from 'node:stream'
import { type ProbeHook, type ProbeRoute, probeNotFound, probeRoutes } from '@sess/conformance'
import type { Session, Sessions } from '@sess/core'
import { failingStream } from '@sess/test-fixtures/failing-stream.ts'
import { ELSEWHERE, elsewhere } from '@sess/test-fixtures/web-probe.ts'
import { createError, type H3Event, sendRedirect, sendStream } from 'h3'

/** Makes one handler of all routes of the probe app, for an app of h3 1 and for a route of Nitro 2. */
export function probeHandler(sessions: Sessions): (event: H3Event) => Promise<unknown> {
  const httpError = (status: number) => createError({ statusCode: status, message: 'thrown by the probe' })
  const routes = new Map<string, ProbeRoute['run']>()
  for (const { method, path, run } of probeRoutes(sessions, { httpError }))
    routes.set(`${method} ${path}`, run)

  return async event => {
    const { searchParams, pathname } = new URL(event.path, 'http://probe')
    if (pathname === ELSEWHERE) return elsewhere()
    const run = routes.get(`${event.method.replace('HEAD', 'GET')} ${pathname}`)
    const { session, inner } = event.context as { session: Session; inner?: Session }
    const answer = await (run ?? probeNotFound)(session, searchParams, inner)
    const { status, headers, body, foreign, json, thenThrow, raw, failing, bytes } = answer
    if (foreign) return await fetch(`http://${event.node.req.headers.host}${ELSEWHERE}`)
    const { res } = event.node
    if (raw) {
      event._handled = true
      return await raw(res)
    }
    if (failing) {
      // h3 1 leaves the client waiting when a stream fails that it sends, with a session or without.
      return await sendStream(
        event,
        failingStream(failing).on('error', () => res.destroy()),
      )
    }
    if (bytes) {
      for (const [name, value] of bytes.headers) res.appendHeader(name, value)
      return bytes.content
    }
    res.statusCode = status
    for (const [name, value] of headers) {
      if (name === 'location') return await sendRedirect(event, value, status)
      res.appendHeader(name, value)
    }
    if (json) return json
    if (thenThrow) {
      res.end(body)
      throw thenThrow
    }
    if (typeof body === 'string') return body
    if (body === null) return null
    const source = Readable.from(body)
    // h3 1 does not close it: it calls the `abort` of a stream, and Node's have none.
    res.once('close', () => source.destroy())
    return await sendStream(event, source)
  }
}

/** Middleware of h3 1, which is through before the handler. */
export function middlewareOf(hook: ProbeHook): (event: H3Event) => Promise<unknown> {
  return async event => {
    const { searchParams } = new URL(event.path, 'http://probe')
    const { headers, answer } = await hook(searchParams, event.context['session'] as Session)
    const { res } = event.node
    for (const [name, value] of headers) res.appendHeader(name, value)
    if (!answer) return undefined
    res.statusCode = answer.status
    return answer.body
  }
}
