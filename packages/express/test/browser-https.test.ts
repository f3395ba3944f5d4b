import { once } from 'node:events'
import { createServer as createHttp, type Server } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { cacheStore } from '@sess/store-cache'
import { certificate } from '@sess/test-fixtures/certificate.ts'
import { launchChromium, requireChromium } from '@sess/test-fixtures/chromium.ts'
import express from 'express'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { session } from '../src/index.ts'

const HOST = 'shop.example.test'

/** One host that responds on http and on https: cookies know no ports. docs/cookies.md says what follows. */
describe.skipIf(!requireChromium())('one host on http and https in Chromium', () => {
  let browser: Browser
  let page: Page
  let servers: Server[]
  let origins: { http: string; https: string }

  beforeAll(async () => {
    browser = await launchChromium('--host-resolver-rules=MAP *.test 127.0.0.1', '--no-proxy-server')
    const app = express()
    app.get('/blank', (_, res) => void res.send('<p>blank'))
    app.use(session({ store: cacheStore() }))
    app.get('/', (req, res) => void res.send(`user: ${req.session.get('user', 'nobody')}`))
    app.all('/login', (req, res) => {
      req.session.cycleKey()
      req.session.set('user', String(req.query['user']))
      res.redirect('/')
    })
    app.get('/logout', (req, res) => {
      req.session.flush()
      res.send('bye')
    })
    servers = [createHttp(app), createHttps(certificate, app)]
    for (const server of servers) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
    const [http, https] = servers.map(server => (server.address() as AddressInfo).port)
    origins = { http: `http://${HOST}:${http}`, https: `https://${HOST}:${https}` }
  })
  afterAll(async () => {
    await browser?.close()
    for (const server of servers ?? []) {
      server.closeAllConnections()
      server.close()
    }
  })
  beforeEach(async () => {
    page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
  })
  afterEach(() => page.context().close())

  /** What the browser shows for a page of that origin, asked for by a page of it. */
  const see = async (scheme: 'http' | 'https', path: string): Promise<string> => {
    const origin = origins[scheme]
    if (!page.url().startsWith(origin)) await page.goto(`${origin}/blank`, { waitUntil: 'commit' })
    return page.evaluate(async url => (await fetch(url)).text(), origin + path)
  }

  test('from http to https nothing is lost: the session stays, and a login makes its cookie Secure', async () => {
    await see('http', '/login?user=ann')
    expect(await see('https', '/')).toBe('user: ann')
    await see('https', '/login?user=bob')
    expect(await see('https', '/')).toBe('user: bob')
    const cookies = await page.context().cookies(origins.https)
    expect(cookies.map(({ name, secure }) => [name, secure])).toEqual([['sessionid', true]])
  })

  test('from https to http logins are ignored: the browser keeps the Secure cookie', async () => {
    await see('https', '/login?user=ann')
    for (const user of ['one', 'two', 'three']) {
      await see('http', `/login?user=${user}`)
      expect(await see('http', '/')).toBe('user: nobody')
    }
    // The session of https is untouched.
    expect(await see('https', '/')).toBe('user: ann')
  })

  test('after a logout over https, logins over http work again', async () => {
    await see('https', '/login?user=ann')
    await see('https', '/logout')
    await see('http', '/login?user=bob')
    expect(await see('http', '/')).toBe('user: bob')
  })

  test('a form on an http page that posts to https is cross-site: the login works, on a new session', async () => {
    await see('http', '/login?user=ann')
    const [before] = await page.context().cookies(origins.https)
    await page.setContent(`<form method="post" action="${origins.https}/login?user=bob"><button>Log in`)
    await page.getByRole('button').click()
    await page.waitForURL(`${origins.https}/`)
    expect(await page.textContent('body')).toBe('user: bob')
    const [after] = await page.context().cookies(origins.https)
    expect(after!.secure).toBe(true)
    expect(after!.value).not.toBe(before!.value)
  })
})
