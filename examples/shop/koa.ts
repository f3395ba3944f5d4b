import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { session } from '@sess/koa'
import Koa, { type Context } from 'koa'
import { BODY_LIMIT, type Shop, type ShopResponse } from './shop.ts'
import { assets } from './views.ts'

export function koaApp(shop: Shop): RequestListener {
  const app = new Koa()

  app.use(async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      send(ctx, shop.problem(error))
    }
  })

  // What does not need the session stands above it.
  app.use(async (ctx, next) => {
    const asset = ctx.method === 'GET' ? assets[ctx.path] : undefined
    if (!asset) return await next()
    ctx.set(asset.headers)
    ctx.body = asset.body
  })

  app.use(async (ctx, next) => {
    ctx.state['body'] = await readBody(ctx)
    await next()
  })
  app.use(session(shop.sessions))
  app.use(async ctx => {
    const { method, url, state } = ctx
    const request = { method, url, header: (name: string) => ctx.get(name) || undefined, body: state['body'] }
    send(ctx, await shop.respond(ctx.session, request))
  })
  return app.callback()
}

async function readBody(ctx: Context): Promise<string> {
  let body = ''
  for await (const chunk of ctx.req.setEncoding('utf8')) {
    body += chunk
    if (body.length > BODY_LIMIT) ctx.throw(413)
  }
  return body
}

function send(ctx: Context, { status, headers, body }: ShopResponse): void {
  ctx.set(headers)
  ctx.body = Readable.from(body)
  ctx.status = status
}
