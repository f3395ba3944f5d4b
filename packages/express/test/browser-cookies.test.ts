import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CookieOptions, CorruptEvent, SessionsOptions } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { encryptedCookieStore } from '@sess/store-cookie'
import { launchChromium, requireChromium } from '@sess/test-fixtures/chromium.ts'
import express from 'express'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { session } from '../src/index.ts'

const SECRET = 'rN8#vQ2kLp0xZ7mWc4Tj9Hb6Fy3Ds1Ga'
const SHOP = 'shop.example.test'

describe.skipIf(!requireChromium())('cookies in Chromium', () => {
  let browser: Browser
  let server: Server
  let page: Page
  let port: number
  /** The app that responds. A test may replace it, as a new release would. */
  let app: express.Express
  const corrupt: string[] = []

  beforeAll(async () => {
    browser = await launchChromium('--host-resolver-rules=MAP *.test 127.0.0.1', '--no-proxy-server')
    server = createServer((req, res) => (req.url === '/blank' ? res.end('<p>blank') : app(req, res)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  afterAll(async () => {
    await browser?.close()
    server?.closeAllConnections()
    server?.close()
  })
  afterEach(async () => {
    await page.context().close()
    corrupt.length = 0
  })

  const at = (path: string, host = SHOP) => `http://${host}:${port}${path}`

  /** A release of the shop. Its pages are at `/` and below `/app`. */
  function release(cookie: CookieOptions, options: object = {}): void {
    app = express()
    app.use(
      session({
        cookie,
        hooks: { corrupt: ({ reason }: CorruptEvent) => void corrupt.push(reason) },
        ...options,
      } as SessionsOptions),
    )
    const pages = express.Router()
    pages.get('/', (req, res) => void res.send(`user: ${req.session.get('user', 'nobody')}`))
    pages.get('/login', (req, res) => {
      req.session.cycleKey()
      req.session.set('user', String(req.query['user']))
      res.redirect(`${req.baseUrl}/`)
    })
    pages.get('/logout', (req, res) => {
      req.session.flush()
      res.send('bye')
    })
    app.use('/app', pages)
    app.use('/', pages)
  }

  /** What the browser shows for a page. A `fetch` of the page's own host, because a navigation takes ten times as long. */
  const see = async (path: string, host?: string) => {
    const { origin } = new URL(at(path, host))
    if (!page.url().startsWith(origin)) await page.goto(`${origin}/blank`, { waitUntil: 'commit' })
    return page.evaluate(async url => (await fetch(url)).text(), at(path, host))
  }

  /** How many of three logins fail: the visitor logs in, looks once more, and logs in again if need be. */
  async function failedLogins(path: string): Promise<number> {
    let failed = 0
    for (const user of ['one', 'two', 'three']) {
      await see(`${path}login?user=${user}`)
      if ((await see(path)) !== `user: ${user}`) failed++
    }
    return failed
  }

  test.each<[string, CookieOptions, CookieOptions, string]>([
    ['a domain is set', {}, { domain: 'example.test' }, '/'],
    ['the domain is no longer set', { domain: 'example.test' }, {}, '/'],
    ['the domain becomes the parent', { domain: SHOP }, { domain: 'example.test' }, '/'],
    ['the path becomes /app', {}, { path: '/app' }, '/app/'],
    ['the path is no longer /app', { path: '/app' }, {}, '/app/'],
    ['domain and path change', { path: '/app' }, { domain: 'example.test' }, '/app/'],
  ])('session lost after domain change: %s, and no login fails for good', async (_, before, after, path) => {
    page = await (await browser.newContext()).newPage()
    const store = cacheStore()
    release(before, { store })
    expect(await failedLogins(path)).toBe(0)
    release(after, { store })
    expect(await failedLogins(path)).toBeLessThanOrEqual(1)
    // One cookie is left, and a logout ends it.
    const cookies = (await page.context().cookies(at(path))).filter(({ name }) => name === 'sessionid')
    expect(cookies.length).toBe(1)
    await see(`${path}logout`)
    expect(await see(path)).toBe('user: nobody')
  })

  test('`partitioned` is switched on and off again', async () => {
    page = await (await browser.newContext()).newPage()
    const store = cacheStore()
    // Chromium takes a Secure cookie from localhost over http.
    const login = async (user: string) => {
      await see(`/login?user=${user}`, 'localhost')
      return see('/', 'localhost')
    }
    const settings: CookieOptions[] = [
      { secure: true },
      { secure: true, partitioned: true },
      { secure: true },
    ]
    for (const [index, cookie] of settings.entries()) {
      release(cookie, { store })
      const seen = []
      for (const user of ['one', 'two', 'three'])
        seen.push((await login(`${user}${index}`)) === `user: ${user}${index}`)
      expect(seen.filter(right => !right).length).toBeLessThanOrEqual(1)
      expect(seen.at(-1)).toBe(true)
    }
  })

  test('a neighbour plants a cookie for the parent domain: the visitor stays logged in', async () => {
    page = await (await browser.newContext()).newPage()
    const store = cacheStore()
    release({}, { store })
    await see('/login?user=ann')
    const shop = app
    app = express()
    app.get('/', (_, res) => {
      res.setHeader('Set-Cookie', `sessionid=${'a'.repeat(32)}; Domain=example.test; Path=/`)
      res.send('planted')
    })
    expect(await see('/', 'evil.example.test')).toBe('planted')
    app = shop
    // Nobody can tell which of the two is the visitor's, so this request has no session, …
    expect(await see('/')).toBe('user: nobody')
    expect(corrupt).toEqual(['cookie'])
    // … but the planted cookie is gone.
    expect(await see('/')).toBe('user: ann')
  })

  test.each(['junk', 'token'])('a neighbour plants a whole cookie beside a split session: %s', async what => {
    page = await (await browser.newContext()).newPage()
    release({ maxBytes: 12_288 }, { store: encryptedCookieStore(), secret: SECRET })
    // What the attacker got for their own session.
    const own = await fetch(at('/login?user=mallory', '127.0.0.1'), { redirect: 'manual' })
    const [mallory = ''] = own.headers.getSetCookie()[0]!.split(';')
    await see(`/login?user=${'ann'.repeat(1500)}`)
    const shop = app
    app = express()
    app.get('/', (_, res) => {
      const pair = what === 'junk' ? 'sessionid=junk' : mallory
      res.setHeader('Set-Cookie', `${pair}; Domain=example.test; Path=/`)
      res.send('planted')
    })
    await see('/', 'evil.example.test')
    app = shop
    const [first, second] = [await see('/'), await see('/')]
    expect(first).toBe(what === 'junk' ? `user: ${'ann'.repeat(1500)}` : 'user: nobody')
    expect(second).toBe(`user: ${'ann'.repeat(1500)}`)
    expect(corrupt).toEqual(['cookie'])
  })

  describe('a payment page on another site sends the visitor back by a cross-site POST', () => {
    /** The shop of docs/cross-site-post.md, and what must not be done. */
    function shopWithPayment(): void {
      release({}, { store: cacheStore() })
      const tickets = new Map<string, string>()
      app.post('/paid-wrong', (req, res) => {
        req.session.set('paid', true)
        res.send('paid')
      })
      app.post('/paid', (_, res) => {
        const ticket = crypto.randomUUID()
        tickets.set(ticket, 'order 7')
        res.redirect(303, `/paid/${ticket}`)
      })
      app.get('/paid/:ticket', (req, res) => {
        const order = tickets.get(req.params.ticket)
        tickets.delete(req.params.ticket)
        if (!order) return void res.sendStatus(404)
        req.session.set('paid', order)
        res.send(`${req.session.get('user', 'nobody')} paid ${order}`)
      })
      // Signing in by SAML starts a session: there is nothing to keep.
      app.post('/saml', (req, res) => {
        req.session.cycleKey()
        req.session.set('user', 'bob')
        res.redirect(303, '/')
      })
    }

    async function returnFromBank(path: string): Promise<string | null> {
      await page.goto(`http://bank.test:${port}/blank`)
      await page.setContent(
        `<form method="post" action="${at(path)}"><button>Back to the shop</button></form>`,
      )
      await Promise.all([page.waitForURL(at('/**')), page.click('button')])
      return page.locator('body').textContent()
    }

    test('a ticket and a redirect keep the visitor logged in', async () => {
      page = await (await browser.newContext()).newPage()
      shopWithPayment()
      await see('/login?user=ann')
      expect(await returnFromBank('/paid')).toBe('ann paid order 7')
      expect(await see('/')).toBe('user: ann')
    })

    test('a login by such a POST (SAML, Sign in with Apple) works', async () => {
      page = await (await browser.newContext()).newPage()
      shopWithPayment()
      await see('/login?user=ann')
      expect(await returnFromBank('/saml')).toBe('user: bob')
      expect(await see('/')).toBe('user: bob')
    })

    test('a write in the POST itself starts a session of its own, which is why the page says not to', async () => {
      page = await (await browser.newContext()).newPage()
      shopWithPayment()
      await see('/login?user=ann')
      expect(await returnFromBank('/paid-wrong')).toBe('paid')
      expect(await see('/')).toBe('user: nobody')
    })
  })
})
