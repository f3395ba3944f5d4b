import { IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { probeNotFound, probeRoutes } from '@sess/conformance'
import type { Session } from '@sess/core'
import { SessionSlot } from '@sess/core/adapter'
import { errorStatus, holdResponse } from '@sess/node'
import { failingStream } from '@sess/test-fixtures/failing-stream.ts'
import { serve } from '@sess/test-fixtures/http.ts'
import { type OwnWays, type ProbeOptions, probeSessions, type StartProbe } from '@sess/test-fixtures/probe.ts'

type Request = IncomingMessage & { session?: Session; inner?: Session }

/** The probe app on `node:http` alone. */
export const start: StartProbe = async (options = {}, port = 0, ways: OwnWays = {}) => {
  const { certificate, hook } = ways
  const sessions = await probeSessions(options)
  const routes = new Map(
    probeRoutes(sessions, { httpError }).map(({ method, path, run }) => [`${method} ${path}`, run]),
  )
  const slots = await slotsOf(new SessionSlot(sessions), ways)

  const respond = async (
    req: Request,
    res: ServerResponse,
    fail: (error: unknown) => void,
  ): Promise<void> => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://probe')
    const isAnswered = async (): Promise<boolean> => {
      const { headers = [], answer } = (await hook?.(searchParams, req.session)) ?? {}
      for (const [name, value] of headers) res.appendHeader(name, value)
      if (answer) res.writeHead(answer.status).end(answer.body)
      return answer !== undefined
    }
    if (await isAnswered()) return
    for (const slot of slots) await openSession(slot, req, res, fail)
    if (await isAnswered()) return
    const run = routes.get(`${req.method?.replace('HEAD', 'GET')} ${pathname}`)
    const answer = await (run ?? probeNotFound)(req.session!, searchParams, req.inner)
    const { status, headers, body, json, thenThrow, raw, failing, bytes } = answer
    if (raw) return await raw(res)
    if (failing) return void pipeline(failingStream(failing), res, () => undefined)
    if (bytes) {
      for (const [name, value] of bytes.headers) res.appendHeader(name, value)
      return void res.end(bytes.content)
    }
    res.statusCode = status
    for (const [name, value] of headers) res.appendHeader(name, value)
    if (json) res.end(JSON.stringify(json))
    else if (typeof body === 'string' || body === null) res.end(body)
    else {
      for await (const piece of body) res.write(piece)
      res.end()
    }
    if (thenThrow) throw thenThrow
  }

  const listener = (req: IncomingMessage, res: ServerResponse): void => {
    const fail = (error: unknown): void => {
      if (res.headersSent) return
      // An address that is none must not throw here, where nobody would catch it.
      const mapped = new URLSearchParams(req.url?.split('?')[1]).get('mapped')
      res.statusCode = Number(mapped ?? errorStatus(error))
      const { headers = {} } = error as { headers?: Record<string, string> }
      for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
      res.end(String(error))
    }
    respond(req, res, fail).catch(fail)
  }
  const isRequest = (request: unknown) => request instanceof IncomingMessage
  return { ...(await serve(listener, port, certificate)), isRequest }
}

const httpError = (status: number, headers: Record<string, string>) =>
  Object.assign(new Error(`status ${status}`), { status, headers })

/** The middleware of each mount. */
async function slotsOf(
  first: SessionSlot,
  { inner, twice, sameProperty }: { inner?: ProbeOptions; twice?: true; sameProperty?: true },
) {
  if (twice) return [first, new SessionSlot(first.sessions)]
  const options = sameProperty ? {} : { property: 'inner' }
  return inner ? [first, new SessionSlot(await probeSessions(inner), options)] : [first]
}

/** What the middleware of an adapter does. */
async function openSession(
  slot: SessionSlot,
  req: Request,
  res: ServerResponse,
  fail: (error: unknown) => void,
): Promise<void> {
  const begun = slot.begin(req, req.headers.cookie, {
    secure: () => (req.socket as Partial<TLSSocket>).encrypted === true,
    target: () => ({
      host: req.headers.host,
      path: req.url,
      forwardedProto: req.headers['x-forwarded-proto'],
    }),
    request: req,
    header: name => req.headers[name],
    device: () => ({ userAgent: req.headers['user-agent'], ip: req.socket.remoteAddress }),
  })
  if (!begun) return
  holdResponse(res, begun.commit, fail)
  await begun.ready
}
