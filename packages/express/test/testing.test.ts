// An app tested as its developers would: supertest, fetch and Chromium, each beginning logged in.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loggedIn, testClock, testStore } from '@sess/core/testing'
import { session } from '@sess/express'
import { launchChromium, requireChromium } from '@sess/test-fixtures/chromium.ts'
import express from 'express'
import request from 'supertest'
import { describe, expect, it, onTestFinished } from 'vitest'

function shop() {
  const store = testStore()
  const clock = testClock()
  const app = express()
  const sess = session({ store, clock, age: 600 })
  app.get('/about', (_, res) => void res.send('about'))
  app.use(sess)
  app.get('/account', (req, res) => {
    const userId = req.session.get('userId')
    res.status(userId ? 200 : 401).send(userId ? `Hello ${userId}` : 'Log in first')
  })
  app.post('/logout', (req, res) => {
    req.session.flush({ clearSiteData: ['storage'] })
    res.send('bye')
  })
  return { app, store, clock, sessions: sess.sessions }
}

async function listening(app: express.Express): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

it('supertest begins logged in, moves the clock and counts store calls', async () => {
  const { app, store, clock, sessions } = shop()
  await request(app).get('/account').expect(401)
  const cookie = await loggedIn(sessions, { userId: 'ada' }, { subject: 'ada' })
  store.calls.length = 0
  await request(app).get('/account').set('Cookie', cookie).expect(200, 'Hello ada')
  await request(app).get('/about').set('Cookie', cookie).expect(200)
  expect(store.calls).toEqual(['read'])
  clock.advance(601)
  await request(app).get('/account').set('Cookie', cookie).expect(401)
})

it('an agent of supertest logs out', async () => {
  const { app, sessions } = shop()
  const agent = request.agent(app)
  const cookie = await loggedIn(sessions, { userId: 'ada' })
  await agent.post('/logout').set('Cookie', cookie).expect('Clear-Site-Data', '"storage"').expect(200)
  await agent.get('/account').set('Cookie', cookie).expect(401)
})

it('fetch begins logged in', async () => {
  const { app, sessions } = shop()
  const cookie = await loggedIn(sessions, { userId: 'ada' })
  const response = await fetch(`${await listening(app)}/account`, { headers: { cookie } })
  expect([response.status, await response.text()]).toEqual([200, 'Hello ada'])
})

it('a mobile app begins logged in by a header, and gets no cookie', async () => {
  const app = express()
  const sess = session({ store: testStore(), carrier: { header: 'authorization', cookie: true } })
  app.use(sess)
  app.post('/login', (req, res) => {
    req.session.cycleKey()
    req.session.set('userId', 'ada')
    res.send('ok')
  })
  app.get('/account', (req, res) => void res.send(`${req.session.get('userId')} by ${req.session.carrier}`))
  const url = await listening(app)
  const login = await fetch(`${url}/login`, { method: 'POST', headers: { authorization: 'Bearer new' } })
  const authorization = login.headers.get('authorization')!
  expect([authorization, login.headers.getSetCookie()]).toEqual([
    expect.stringMatching(/^Bearer [a-z0-9]{32}$/),
    [],
  ])
  expect(login.headers.get('cache-control')).toBe('no-store')
  const account = await fetch(`${url}/account`, { headers: { authorization } })
  expect([await account.text(), account.headers.get('vary')]).toEqual([
    'ada by header',
    'Cookie, Authorization',
  ])
  const browser = await fetch(`${url}/login`, { method: 'POST' })
  expect([browser.headers.get('authorization'), browser.headers.getSetCookie()]).toEqual([
    null,
    [expect.stringMatching(/^sessionid=/)],
  ])
})

describe.skipIf(!requireChromium())('Chromium, by Playwright', () => {
  it('begins logged in', async () => {
    const { app, sessions } = shop()
    const url = await listening(app)
    const cookie = await loggedIn(sessions, { userId: 'ada' })
    const browser = await launchChromium()
    onTestFinished(() => browser.close())
    const page = await browser.newPage()
    const [name, value] = cookie.split('=') as [string, string]
    await page.context().addCookies([{ name, value, url }])
    await page.goto(`${url}/account`)
    expect(await page.textContent('body')).toBe('Hello ada')
  })
})
