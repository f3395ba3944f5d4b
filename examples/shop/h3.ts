import type { RequestListener } from 'node:http'
import { session, useSession } from '@sess/h3'
import { bodyLimit, H3, iterable } from 'h3'
import { toNodeHandler } from 'h3/node'
import { BODY_LIMIT, type Shop, type ShopResponse } from './shop.ts'
import { assets } from './views.ts'

export function h3App(shop: Shop): RequestListener {
  const app = new H3({ silent: true, onError: error => respond(shop.problem(error)) })

  // What does not need the session stands above it.
  for (const [path, { headers, body }] of Object.entries(assets)) {
    app.use(path, () => new Response(body, { headers }), { method: 'GET' })
  }

  app.use(bodyLimit(BODY_LIMIT))
  app.use(session(shop.sessions))
  app.use(async event => {
    const { method, headers } = event.req
    const { pathname, search } = event.url
    const body = method === 'POST' ? await event.req.text() : ''
    const header = (name: string): string | undefined => headers.get(name) ?? undefined
    const request = { method, url: pathname + search, header, body }
    return respond(await shop.respond(await useSession(event), request))
  })
  return toNodeHandler(app) as RequestListener
}

async function respond({ status, headers, body }: ShopResponse): Promise<Response> {
  const { body: stream } = await iterable(body)
  return new Response(stream, { status, headers })
}
