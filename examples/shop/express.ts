import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { session } from '@sess/express'
import express, { type ErrorRequestHandler, type Request, type Response } from 'express'
import { BODY_LIMIT, type Shop, type ShopRequest, type ShopResponse } from './shop.ts'
import { assets } from './views.ts'

export function expressApp(shop: Shop): RequestListener {
  const app = express()
  app.disable('x-powered-by')

  // What does not need the session stands above it.
  for (const [path, { headers, body }] of Object.entries(assets)) {
    app.get(path, (_req, res) => {
      res.set(headers).send(body)
    })
  }

  app.use(express.text({ type: 'application/x-www-form-urlencoded', limit: BODY_LIMIT }))
  app.use(session(shop.sessions))
  app.use(async (req, res) => send(res, await shop.respond(req.session, requestOf(req))))

  const problem: ErrorRequestHandler = (error, _req, res, next) => {
    if (res.headersSent) next(error)
    else send(res, shop.problem(error))
  }
  app.use(problem)
  return app
}

function requestOf(req: Request): ShopRequest {
  const body = typeof req.body === 'string' ? req.body : ''
  return { method: req.method, url: req.originalUrl, header: name => req.get(name), body }
}

function send(res: Response, { status, headers, body }: ShopResponse): void {
  res.status(status).set(headers)
  Readable.from(body)
    .on('error', error => res.destroy(error))
    .pipe(res)
}
