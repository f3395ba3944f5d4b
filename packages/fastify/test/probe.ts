import { Readable } from 'node:stream'
import { type ProbeHook, type ProbeStep, probeRoutes } from '@sess/conformance'
import type { Session } from '@sess/core'
import { session } from '@sess/fastify'
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

/** The probe app on Fastify: `STORE=sqlite PORT=3000 node packages/fastify/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, certificate, trustProxy = false, hook, twice } = ways
  const sessions = await probeSessions(options)
  const own = { forceCloseConnections: true, trustProxy }
  const app = certificate
    ? (fastify({ ...own, https: certificate }) as never as FastifyInstance)
    : fastify(own)
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  if (hook) app.addHook('onRequest', middlewareOf(hook))
  await app.register(session(sessions))
  if (twice) await app.register(session(sessions))
  if (hook) app.addHook('preHandler', middlewareOf(hook))
  if (inner) await app.register(session(await probeSessions(inner), { property: 'inner' }))
  app.setErrorHandler((error: Error, request, reply) => {
    return reply.code(statusOfError(error, queryOf(request))).send(error.message)
  })

  app.get(ELSEWHERE, elsewhere)
  for (const { method, path, run } of probeRoutes(sessions)) {
    app.route({
      method,
      url: path,
      async handler(request, reply) {
        const { inner } = request as { inner?: Session }
        const { status, headers, body, foreign, json, thenThrow, raw } = await run(
          request.session,
          queryOf(request),
          inner,
        )
        if (raw) {
          reply.hijack()
          return await raw(reply.raw)
        }
        if (foreign) return await fetch(`http://${request.host}${ELSEWHERE}`)
        reply.code(status)
        append(reply, headers)
        if (json) return json
        const payload = typeof body === 'string' || body === null ? body : Readable.from(body)
        if (!thenThrow) return await reply.send(payload ?? undefined)
        void reply.send(payload)
        throw thenThrow
      },
    })
  }
  const url = await app.listen({ port, host: '127.0.0.1' })
  return { url, stop: () => app.close() }
}

if (import.meta.main) await runProbe(start)
