import type { IncomingMessage } from 'node:http'
import type { Session, Sessions } from '@sess/core'
import type { ProbeStep } from '../src/probe-hook.ts'
import { type ProbeAnswer, probeNotFound, probeRoutes } from '../src/probe-routes.ts'

/** The response of a handler. Nothing of it leaves before the session is committed. */
export interface Reply {
  status: number
  headers: Record<string, string | string[]>
  body: string | AsyncIterable<string | Uint8Array>
  /** An object of the application, of which the body is made. */
  json?: object | undefined
  /** What the handler throws after its response. */
  thenThrow?: Error | undefined
  /** What writes the response of `node:http` itself. */
  raw?: ProbeAnswer['raw'] | undefined
}

/** An HTTP error as frameworks have them. */
class HttpError extends Error {
  readonly status: number
  readonly headers: Record<string, string>
  constructor(status: number, headers: Record<string, string>) {
    super()
    this.status = status
    this.headers = headers
  }
}

/** The status that the app's own error handler sends for an error. */
const mapped = new WeakMap<object, number>()

/** A reply with more headers, behind those that it has or before them. */
export function added(reply: Reply, more: ProbeStep['headers'] = [], first = false): Reply {
  const headers: Reply['headers'] = {}
  const own = Object.entries(reply.headers).flatMap(([name, values]) =>
    [values].flat().map(value => [name, value] as const),
  )
  for (const [name, value] of first ? [...more, ...own] : [...own, ...more]) {
    headers[name] = headers[name] === undefined ? value : [headers[name], value].flat()
  }
  return { ...reply, headers }
}

/** The URL of a request to the probe app. */
export const urlOf = (req: IncomingMessage): URL => new URL(req.url!, 'http://probe')

/** The routes of the probe app. HEAD is GET without its body. */
export async function respond(
  sessions: Sessions,
  session: Session,
  inner: Session | undefined,
  method: string,
  url: URL,
): Promise<Reply> {
  const asked = method === 'HEAD' ? 'GET' : method
  const routes = probeRoutes(sessions, { httpError: (status, headers) => new HttpError(status, headers) })
  const route = routes.find(({ method, path }) => method === asked && path === url.pathname)
  try {
    const answer = await (route?.run ?? probeNotFound)(session, url.searchParams, inner)
    const { json, thenThrow, raw, failing, bytes } = answer
    // This body fails by itself, too.
    failing?.begin(() => undefined)
    if (bytes) return added({ status: 200, headers: {}, body: inPieces(bytes.content) }, bytes.headers)
    const { status, headers, body } = failing ? { ...answer, status: 200, body: failing.body } : answer
    return added({ status, headers: {}, body: body ?? '', json, thenThrow, raw }, headers)
  } catch (error) {
    throw mapError(error, url.href)
  }
}

async function* inPieces(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content.subarray(0, 200)
  yield content.subarray(200)
}

/** Notes what the app's own error handler sends for an error of a request. */
export function mapError(error: unknown, url = '/'): unknown {
  const status = new URL(url, 'http://probe').searchParams.get('mapped')
  if (status !== null) mapped.set(error as object, Number(status))
  return error
}

/** What the app's error handling sends. */
export function replyToError(error: unknown): Reply {
  const { status: own = 500, headers = {} } = error as { status?: number; headers?: Reply['headers'] }
  const isOfHttp = Number.isInteger(own) && own >= 400 && own < 600
  const status = mapped.get(error as object) ?? (isOfHttp ? own : 500)
  return { status, headers: { ...headers }, body: `error ${status}` }
}
