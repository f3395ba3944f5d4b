import { pipeline } from 'node:stream'
import { type ProbeAnswer, type ProbeHook, probeNotFound } from '@sess/conformance'
import type { Session } from '@sess/core'
import { session } from '@sess/express'
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
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response } from 'express'

/** The probe app on Express: `STORE=sqlite PORT=3000 node packages/express/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, sameProperty, certificate, trustProxy, hook, twice, under } = ways
  const sessions = await probeSessions(options)
  const app = express()
  if (trustProxy) app.set('trust proxy', 'loopback')
  if (hook) app.use(middlewareOf(hook))
  app.use(session(sessions))
  if (twice) app.use(session(sessions))
  if (hook) app.use(middlewareOf(hook))
  if (inner) app.use(session(await probeSessions(inner), sameProperty ? {} : { property: 'inner' }))

  for (const { method, path, run } of jsonRoutes) {
    app[method.toLowerCase() as 'get'](path, async (req, res) => {
      res.json(await run({ session: req.session, sessions, query: queryOf(req) }))
    })
  }
  const httpError = (status: number, headers: Record<string, string>) =>
    Object.assign(new Error('thrown by the probe'), { status, headers })
  for (const { method, path, run } of suiteRoutes(sessions, { httpError })) {
    app[method.toLowerCase() as 'get'](path, async (req, res) => {
      await send(res, await run(req.session, queryOf(req), innerOf(req)))
    })
  }
  app.get('/itself', (req, res) => {
    res.json(sessionAs(req.session, queryOf(req)))
  })
  app.get('/none', (_req, res) => {
    res.type('text').send('ok')
  })
  app.post('/status/:code', (req, res) => {
    setFrom(req.session, queryOf(req))
    res.status(Number(req.params.code)).json(stateOf(req.session))
  })
  app.post('/throw', (req, _res) => {
    const query = queryOf(req)
    setFrom(req.session, query)
    const status = query.get('status')
    // Express sends the error's `status`, unless the app's own error handler does it.
    throw Object.assign(new Error('thrown by the probe'), status !== null && { status: Number(status) })
  })
  app.get('/socket', req => changeOverSocket(req.session, queryOf(req), req.socket))
  app.post('/end-then-throw', (req, res) => {
    setFrom(req.session, queryOf(req))
    res.send('sent')
    throw new Error('thrown by the probe after its response')
  })
  app.post('/redirect', (req, res) => {
    const query = queryOf(req)
    setFrom(req.session, query)
    res.redirect(303, `/get?k=${encodeURIComponent(query.get('k') ?? '')}`)
  })
  app.post('/own-headers', (req, res) => {
    const query = queryOf(req)
    setFrom(req.session, query)
    res
      .writeHead(200, { ...ownHeaders(query), 'content-type': 'application/json' })
      .end(JSON.stringify(stateOf(req.session)))
  })
  app.post('/own-several', (req, res) => {
    setFrom(req.session, queryOf(req))
    for (const [name, values] of Object.entries(OWN_SEVERAL))
      for (const value of values) res.append(name, value)
    res.json(stateOf(req.session))
  })
  app.post('/stream', async (req, res) => {
    setFrom(req.session, queryOf(req))
    res.type(queryOf(req).get('type') ?? 'text/plain')
    for await (const chunk of streamed(queryOf(req))) res.write(chunk)
    res.end()
  })
  app.get('/latestream', async (req, res) => {
    for await (const chunk of changedLate(req.session, queryOf(req))) res.write(chunk)
    res.end()
  })

  app.use((req, res) => send(res, probeNotFound(req.session, queryOf(req))))

  const sendMapped: ErrorRequestHandler = (error, req, res, next) => {
    const mapped = queryOf(req).get('mapped')
    if (mapped === null) next(error)
    else res.status(Number(mapped)).send('answered by the probe')
  }
  app.use(sendMapped)

  // Otherwise Express logs errors.
  app.set('env', 'test')
  const root = under === undefined ? app : express().use(under, app)
  const isRequest = (request: unknown) => (request as Request).app === app
  return { ...withUpgrades(await serve(root, port, certificate), root), isRequest }
}

/** Responds as a route of the suite says. */
async function send(
  res: Response,
  { status, headers, body, raw, failing, bytes }: ProbeAnswer,
): Promise<void> {
  if (raw) return await raw(res)
  if (failing) return void pipeline(failingStream(failing), res, () => undefined)
  for (const [name, value] of bytes?.headers ?? headers) res.append(name, value)
  res.status(bytes ? 200 : status).send(bytes ? Buffer.from(bytes.content) : body)
}

/** Middleware of the app. It is through before the handler, so it adds nothing afterwards. */
function middlewareOf(hook: ProbeHook): RequestHandler {
  return async (req, res, next) => {
    const { headers, answer } = await hook(queryOf(req), req.session)
    for (const [name, value] of headers) res.append(name, value)
    if (answer) res.status(answer.status).send(answer.body)
    else next()
  }
}

/** The session of the inner of two engines. */
function innerOf(req: Request): Session {
  return (req as Request & { inner: Session }).inner
}

function queryOf(req: Request): URLSearchParams {
  return new URL(req.originalUrl, 'http://localhost').searchParams
}

if (import.meta.main) await runProbe(start)
