import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SessionsOptions } from '@sess/core'
import { encryptedCookieStore, signedCookieStore } from '@sess/store-cookie'
import { requireServer, type Server, startNginx } from '@sess/test-fixtures/servers'
import express, { type ErrorRequestHandler } from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { session } from '../src/index.ts'

const SECRET = 'rN8#vQ2kLp0xZ7mWc4Tj9Hb6Fy3Ds1Ga'
/** What helmet 8 sends by default. */
const HELMET = {
  'Content-Security-Policy':
    "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Origin-Agent-Cluster': '?1',
  'Referrer-Policy': 'no-referrer',
  'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
  'X-Content-Type-Options': 'nosniff',
  'X-DNS-Prefetch-Control': 'off',
  'X-Download-Options': 'noopen',
  'X-Frame-Options': 'SAMEORIGIN',
  'X-Permitted-Cross-Domain-Policies': 'none',
  'X-XSS-Protection': '0',
}

describe.skipIf(!requireServer('nginx')).each([
  ['encrypted', encryptedCookieStore()],
  ['signed', signedCookieStore()],
])('a %s cookie session behind nginx with its default limits', (_, store) => {
  const upstream = createServer((req, res) => app(req, res))
  let app: express.Express
  let nginx: Server
  beforeAll(async () => {
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    nginx = await startNginx((upstream.address() as AddressInfo).port)
  })
  afterAll(async () => {
    await nginx?.stop()
    upstream.closeAllConnections()
    upstream.close()
  })

  function start(options: Partial<SessionsOptions> = {}): void {
    app = express()
    app.use((_, res, next) => {
      res.set(HELMET)
      next()
    })
    app.use(session({ store, secret: SECRET, ...options }))
    app.post('/set', (req, res) => {
      req.session.set('text', 'x'.repeat(Number(req.query['length'])))
      res.send('saved')
    })
    app.get('/', (req, res) => void res.send(String(req.session.get('text', '').length)))
    app.post('/logout', (req, res) => {
      req.session.flush()
      res.send('bye')
    })
    const report: ErrorRequestHandler = (error, _req, res, _next) => {
      res.status(500).send(String(error.code))
    }
    app.use(report)
  }

  /** A browser's jar, by name. */
  async function send(path: string, jar: Map<string, string>, base = nginx.url) {
    const cookie = [...jar].map(pair => pair.join('=')).join('; ')
    const method = path === '/' ? 'GET' : 'POST'
    const response = await fetch(base + path, { method, headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (line.includes('Max-Age=0')) jar.delete(name)
      else jar.set(name, value)
    }
    return { status: response.status, text: await response.text() }
  }

  test('502 upstream sent too big header: every size is either saved and read, or an error of ours', async () => {
    start()
    let saved = 0
    let failed = 0
    for (let length = 500; length <= 12_000; length += 250) {
      const jar = new Map<string, string>()
      const { status, text } = await send(`/set?length=${length}`, jar)
      if (status === 200) {
        saved = length
        expect(await send('/', jar)).toEqual({ status: 200, text: String(length) })
      } else {
        expect({ status, text }).toEqual({ status: 500, text: 'SESSION_DATA' })
        failed++
      }
    }
    expect(saved).toBeGreaterThanOrEqual(2000)
    expect(failed).toBeGreaterThan(20)
  })

  test('400 request header or cookie too large: the visitor can always log out', async () => {
    start()
    const jar = new Map<string, string>()
    await send('/set?length=2000', jar)
    expect((await send('/set?length=100000', jar)).text).toBe('SESSION_DATA')
    expect((await send('/', jar)).text).toBe('2000')
    expect((await send('/logout', jar)).text).toBe('bye')
    expect(jar.size).toBe(0)
    // Two cookies of a release that had a higher limit, and no nginx in front: what is as long as nginx takes.
    start({ cookie: { maxBytes: 12_288 } })
    await send('/set?length=4800', jar, `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
    expect([...jar.keys()]).toEqual(['sessionid.0', 'sessionid.1'])
    start()
    expect((await send('/', jar)).text).toBe('4800')
    expect((await send('/logout', jar)).text).toBe('bye')
    expect(jar.size).toBe(0)
  })

  test('with a raised limit nginx sends an error, so its own limits must be raised too', async () => {
    start({ cookie: { maxBytes: 12_288 } })
    expect((await send('/set?length=4000', new Map())).status).toBe(502)
  })
})
