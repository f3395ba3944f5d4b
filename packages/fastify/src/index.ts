import type { ServerResponse } from 'node:http'
import {
  ConfigError,
  type DefaultData,
  type MaybePromise,
  type Session,
  type Sessions,
  type SessionsOptions,
} from '@sess/core'
import {
  after,
  type MiddlewareOptions,
  pending,
  SessionSlot,
  settle,
  type WithSessions,
} from '@sess/core/adapter'
import { canHold, holdResponse, type ResponseGate, sendError, watchStandIn, watchWebSocket } from '@sess/node'
import type { FastifyPluginCallback, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { discardPayload, listenToErrors } from './payload.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** This visitor's session. Its keys are typed by `SessionData`. */
    session: Session
  }
}

/**
 * A plugin that gives every request its session and saves it before the response is sent. It works where it is registered
 * and below, as plugins made with `fastify-plugin` do.
 *
 * - The session is loaded in `onRequest` and saved in `onSend`, with the status that the reply has then. Writes to
 *   `reply.raw`, also after `reply.hijack()`, wait until the session is saved.
 * - A status of 500 or more saves nothing. The cookie is sent with error responses below 500, too.
 * - If the save fails, the error goes to the error handler, and headers that were set after `onRequest` are gone. If
 *   `reply.raw` was used, the status of the error is sent.
 * - If the load fails, the error is thrown when a handler first uses the session.
 *
 * @param options what `createSessions` takes, or the engine it made
 * @param place the property that holds the session, if it is not `session`
 * @returns the plugin. Its property `sessions` is the engine
 * @throws ConfigError (`CONFIG`) for a wrong option, so at start-up
 * @example
 * await app.register(session({ store: sqliteStore('sessions.db') }))
 */
export function session<Data extends object = DefaultData>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place?: MiddlewareOptions,
): FastifyPluginCallback & WithSessions<Data> {
  const slot = new SessionSlot(options, place)
  const { property } = slot
  const isOurs = Symbol.for(`sess:${property}`)
  const plugin: FastifyPluginCallback = (app, _, registered) => {
    if (!app.hasRequestDecorator(property)) app.decorateRequest(property, null).decorateRequest(isOurs, null)
    else if (!app.hasRequestDecorator(isOurs)) return registered(taken(property))

    app.addHook('onRequest', (request, reply, done) => {
      const { raw } = request
      const res = reply.raw as ServerResponse
      const cannotWait = !canHold(res, raw)
      const begun = slot.begin(request, request.headers.cookie, {
        secure: () => request.protocol === 'https',
        target: () => ({
          host: request.host,
          path: request.originalUrl,
          forwardedProto: request.headers['x-forwarded-proto'],
        }),
        cannotWait,
        request,
        header: name => request.headers[name],
        device: () => ({ userAgent: request.headers['user-agent'], ip: request.ip }),
      })
      // This engine's session is open already. The hook that opened it loads and commits it.
      if (!begun) return done()
      const { session, ready, commit } = begun
      const unsaved = () => pending(session)
      if (cannotWait) watchStandIn(raw, res, { commit, pending: unsaved })
      else {
        watchWebSocket(raw, res, unsaved)
        const gate = holdResponse(res, commit, error => sendError(res, error), resetHeaders(reply))
        gatesOf.set(reply, [...(gatesOf.get(reply) ?? []), gate])
      }
      // Fastify waits for a hook that returns a promise.
      return ready ? ready : done()
    })

    app.addHook('onSend', (_, reply, payload, done) => {
      const gates = gatesOf.get(reply)
      if (!gates?.length) return done()
      listenToErrors(payload)
      const failed = (error: unknown): never => {
        discardPayload(payload)
        throw error
      }
      const committing = settle(
        () => commitInTurn(gates, reply),
        () => undefined,
        failed,
      )
      return committing ? committing : done()
    })
    registered()
  }
  return slot.withSessions(fp(plugin, { fastify: '5.x', name: '@sess/fastify' }))
}

/** The gates that have not committed. They nest, so the last one commits first: any engine's `onSend` commits all of them. */
const gatesOf = new WeakMap<FastifyReply, ResponseGate[]>()

function commitInTurn(gates: ResponseGate[], reply: FastifyReply): MaybePromise<void> {
  const gate = gates.pop()
  return gate && after(gate.commit(reply.statusCode), () => commitInTurn(gates, reply))
}

/** Sets Fastify's own headers back to those of now. The gate does so with the headers of Node. */
function resetHeaders(reply: FastifyReply): () => void {
  // Fastify pushes cookies into an array that is there.
  const before = Object.entries(reply.getHeaders()).map(
    ([name, value]) => [name, Array.isArray(value) ? [...value] : value] as const,
  )
  return () => {
    for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
    for (const [name, value] of before) reply.header(name, value)
  }
}

function taken(property: string): ConfigError {
  return new ConfigError(
    'property',
    `\`${property}\` of the request is of another plugin. Remove that plugin, or give this one another \`property\`.`,
  )
}
