import { Readable } from 'node:stream'
import {
  type ProbeAnswer,
  type ProbeHook,
  type ProbeStep,
  probeNotFound,
  probeRoutes,
} from '@sess/conformance'
import type { Session } from '@sess/core'
import { session } from '@sess/fastify'
import { failingStream } from '@sess/test-fixtures/failing-stream.ts'
import { probeSessions, runProbe, type StartProbe } from '@sess/test-fixtures/probe.ts'
import { ELSEWHERE, elsewhere, statusOfError } from '@sess/test-fixtures/web-probe.ts'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'

const queryOf = ({ url }: FastifyRequest) => new URL(url, 'http://probe').searchParams

/** Hooks of Fastify are through before the handler. */
function middlewareOf(hook: ProbeHook) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const { headers, answer } = await hook(queryOf(request), request.session)
    append(reply, headers)
    return answer && reply.code(answer.status).send(answer.body)
  }
}

/** Fastify itself appends cookies only. */
function append(reply: FastifyReply, headers: ProbeStep['headers']): void {
  for (const [name, value] of headers) {
    const others = name === 'vary' ? reply.getHeader(name) : undefined
    reply.header(name, others ? `${others}, ${value}` : value)
  }
}

const httpError = (status: number, headers: Record<string, string>) =>
  Object.assign(new Error(`status ${status}`), { status, headers })

/** Responds as a route of the suite says. */
async function send(request: FastifyRequest, reply: FastifyReply, answer: ProbeAnswer): Promise<unknown> {
  const { status, headers, body, foreign, json, thenThrow, raw, failing, bytes } = answer
  if (raw) {
    reply.hijack()
    return await raw(reply.raw)
  }
  if (failing) return await reply.send(failingStream(failing))
  if (bytes) {
    append(reply, bytes.headers)
    return await reply.send(Buffer.from(bytes.content))
  }
  if (foreign) return await fetch(`http://${request.host}${ELSEWHERE}`)
  reply.code(status)
  append(reply, headers)
  if (json) return json
  const payload = typeof body === 'string' || body === null ? body : Readable.from(body)
  if (!thenThrow) return await reply.send(payload ?? undefined)
  void reply.send(payload)
  throw thenThrow
}

/** The probe app on Fastify: `STORE=sqlite PORT=3000 node packages/fastify/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, sameProperty, certificate, trustProxy = false, hook, twice, under } = ways
  const sessions = await probeSessions(options)
  const own = { forceCloseConnections: true, trustProxy }
  const root = certificate
    ? (fastify({ ...own, https: certificate }) as never as FastifyInstance)
    : fastify(own)
  const innerSessions = inner && (await probeSessions(inner))
  const build = async (app: FastifyInstance): Promise<void> => {
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
    if (hook) app.addHook('onRequest', middlewareOf(hook))
    await app.register(session(sessions))
    if (twice) await app.register(session(sessions))
    if (hook) app.addHook('preHandler', middlewareOf(hook))
    if (innerSessions) await app.register(session(innerSessions, sameProperty ? {} : { property: 'inner' }))
    app.setErrorHandler((error: Error & { headers?: Record<string, string> }, request, reply) => {
      reply.headers(error.headers ?? {})
      return reply.code(statusOfError(error, queryOf(request))).send(error.message)
    })
    app.setNotFoundHandler((request, reply) =>
      send(request, reply, probeNotFound(request.session, queryOf(request))),
    )
    app.get(ELSEWHERE, elsewhere)
    for (const { method, path, run } of probeRoutes(sessions, { httpError })) {
      app.route({
        method,
        url: path,
        async handler(request, reply) {
          const { inner } = request as { inner?: Session }
          return await send(request, reply, await run(request.session, queryOf(request), inner))
        },
      })
    }
  }
  if (under === undefined) await build(root)
  else root.register(build, { prefix: under })
  const url = await root.listen({ port, host: '127.0.0.1' })
  const isRequest = (request: unknown) => (request as FastifyRequest).routeOptions !== undefined
  return { url, stop: () => root.close(), isRequest }
}

if (import.meta.main) await runProbe(start)
