import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { session } from '@sess/hono'
import { Hono } from 'hono'
import type { Shop } from './shop.ts'
import { assets } from './views.ts'
import { bodyOf, responseOf } from './web.ts'

export function honoApp(shop: Shop): RequestListener {
  const app = new Hono()
  app.onError(error => responseOf(shop.problem(error)))

  // What does not need the session stands above it.
  for (const [path, { headers, body }] of Object.entries(assets)) {
    app.get(path, () => new Response(body, { headers }))
  }

  app.use(session(shop.sessions)).all('*', async c => {
    const { pathname, search } = new URL(c.req.url)
    const header = (name: string): string | undefined => c.req.header(name)
    const request = { method: c.req.method, url: pathname + search, header, body: await bodyOf(c.req.raw) }
    return responseOf(await shop.respond(c.get('session'), request))
  })
  return getRequestListener(app.fetch) as RequestListener
}
