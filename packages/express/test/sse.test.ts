import { once } from 'node:events'
import { get } from 'node:http'
import { createGunzip } from 'node:zlib'
import { session } from '@sess/express'
import { cacheStore } from '@sess/store-cache'
import { serve } from '@sess/test-fixtures/http.ts'
import { intercept } from '@sess/test-fixtures/intercepted-store.ts'
import compression from 'compression'
import express, { type RequestHandler } from 'express'
import { describe, expect, it } from 'vitest'

/**
 * Sends two events, the second not before the client has the first: an event that is kept back is a test that never
 * ends, whatever the speed of the machine.
 */
async function stream(middlewares: RequestHandler[], acceptEncoding: string): Promise<string> {
  const arrived = Promise.withResolvers<void>()
  const app = express()
  for (const middleware of middlewares) app.use(middleware)
  app.get('/', async (req, res) => {
    req.session.set('a', 1)
    res.type('text/event-stream')
    res.write('data: first\n\n')
    res.flush()
    await arrived.promise
    res.end('data: second\n\n')
  })
  await using server = await serve(app)
  const req = get(server.url, { agent: false, headers: { 'accept-encoding': acceptEncoding } })
  const [res] = await once(req, 'response')
  expect(res.headers['set-cookie']).toHaveLength(1)
  expect(res.headers['content-encoding']).toBe(acceptEncoding === 'gzip' ? 'gzip' : undefined)
  const body = acceptEncoding === 'gzip' ? res.pipe(createGunzip()) : res
  let text = ''
  for await (const chunk of body) {
    text += chunk
    if (text.includes('first')) arrived.resolve()
  }
  return text
}

describe('server-sent events over compression', () => {
  for (const [speed, before] of [
    ['at once', undefined],
    ['later', () => Promise.resolve()],
  ] as const) {
    for (const order of ['above', 'below']) {
      for (const encoding of ['gzip', 'identity']) {
        it(`res.flush() sends the event: compression ${order}, ${encoding}, saved ${speed}`, async () => {
          const store = intercept(cacheStore())
          store.before = before
          const middlewares = [compression(), session({ store })]
          if (order === 'below') middlewares.reverse()
          expect(await stream(middlewares, encoding)).toBe('data: first\n\ndata: second\n\n')
        })
      }
    }
  }
})
