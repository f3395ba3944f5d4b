import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { session } from '@sess/fastify'
import fastify, { type FastifyReply } from 'fastify'
import { BODY_LIMIT, type Shop, type ShopResponse } from './shop.ts'
import { assets } from './views.ts'

export function fastifyApp(shop: Shop): RequestListener {
  const app = fastify({ bodyLimit: BODY_LIMIT })
  app.setErrorHandler((error, _request, reply) => send(reply, shop.problem(error)))
  const form = 'application/x-www-form-urlencoded'
  app.addContentTypeParser(form, { parseAs: 'string' }, (_request, body, done) => done(null, body))

  // What does not need the session stands outside of the plugin that has it.
  for (const [path, { headers, body }] of Object.entries(assets)) {
    app.get(path, (_request, reply) => reply.headers(headers).send(body))
  }

  app.register(async pages => {
    await pages.register(session(shop.sessions))
    pages.all('*', async (request, reply) => {
      const { method, url } = request
      const header = (name: string): string | undefined => request.headers[name.toLowerCase()] as string
      const body = typeof request.body === 'string' ? request.body : ''
      return send(reply, await shop.respond(request.session, { method, url, header, body }))
    })
  })
  const ready = app.ready()
  return (req, res) => void ready.then(() => app.routing(req, res))
}

function send(reply: FastifyReply, { status, headers, body }: ShopResponse): FastifyReply {
  return reply.code(status).headers(headers).send(Readable.from(body))
}
