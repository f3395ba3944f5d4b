import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { session } from '@sess/h3-v1'
import {
  createApp,
  eventHandler,
  getRequestHeader,
  type H3Event,
  readRawBody,
  sendStream,
  setResponseHeaders,
  setResponseStatus,
  toNodeListener,
} from 'h3-v1'
import { BODY_LIMIT, type Shop, type ShopResponse } from './shop.ts'
import { assets } from './views.ts'

export function h3v1App(shop: Shop): RequestListener {
  const app = createApp({ onError: (error, event) => send(event, shop.problem(error)) })

  // What does not need the session stands above it.
  app.use(
    eventHandler(event => {
      const asset = event.method === 'GET' ? assets[event.path.replace(/\?.*/s, '')] : undefined
      if (!asset) return
      setResponseHeaders(event, asset.headers)
      return asset.body
    }),
  )

  app.use(session(shop.sessions))
  app.use(
    eventHandler(async event => {
      const { method, path: url } = event
      const header = (name: string): string | undefined => getRequestHeader(event, name)
      const body = method === 'POST' ? ((await readRawBody(event)) ?? '') : ''
      if (body.length > BODY_LIMIT) throw Object.assign(new Error('The form is too long.'), { status: 413 })
      await send(event, await shop.respond(event.context.session, { method, url, header, body }))
    }),
  )
  return toNodeListener(app)
}

function send(event: H3Event, { status, headers, body }: ShopResponse): Promise<void> {
  setResponseStatus(event, status)
  setResponseHeaders(event, headers)
  return sendStream(event, Readable.from(body))
}
