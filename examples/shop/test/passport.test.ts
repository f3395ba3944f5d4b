import { sqliteStore } from '@sess/store-sql'
import { cookiesOf, type HttpResponse, request } from '@sess/test-fixtures/http.ts'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openPassportShop, type RunningShop } from '../server.ts'
import { launchChromium, requireChromium } from './chromium.ts'

describe('the shop on the API of express-session, with Passport', () => {
  const store = sqliteStore(':memory:')
  let shop: RunningShop
  beforeEach(async () => {
    shop = await openPassportShop(store)
  })
  afterEach(() => shop.stop())
  afterAll(() => store.close())

  const get = (path = '/', cookie?: string): Promise<HttpResponse> => request(shop.url + path, { cookie })
  const post = (path: string, form: Record<string, string>, cookie?: string): Promise<HttpResponse> =>
    request(shop.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
      cookie,
    })

  test('keeps all of 20 items that are added at the same time', async () => {
    const cookie = cookiesOf(await post('/cart/add', { product: 'mug' }))
    await Promise.all(Array.from({ length: 20 }, () => post('/cart/add', { product: 'honey' }, cookie)))
    expect((await get('/', cookie)).text).toContain('data-count="21"')
  })

  test('signs in with the password alone, under a new key, and keeps the cart', async () => {
    const before = cookiesOf(await post('/cart/add', { product: 'mug' }))
    await post('/sign-in', { name: 'Ada', password: 'wrong' }, before)
    const refused = await get('/', before)
    expect(refused.text).toContain('That is not the password.')
    expect(refused.text).not.toContain('Good morning')

    const signedIn = await post('/sign-in', { name: 'Ada', password: 'breakfast', remember: 'on' }, before)
    expect(signedIn.status).toBe(303)
    expect(signedIn.setCookies[0]).toMatch(/Expires=/)
    const after = cookiesOf(signedIn)
    expect(after).not.toBe(before)
    const page = await get('/', after)
    expect(page.text).toContain('Good morning, Ada.')
    expect(page.text).toContain('data-count="1"')
    expect((await get('/', before)).text).not.toContain('Good morning')

    const other = cookiesOf(await post('/sign-in', { name: 'Grace', password: 'breakfast' }, after))
    expect((await get('/', other)).text).toContain('data-count="0"')

    await post('/sign-out', {}, other)
    expect((await get('/', other)).text).not.toContain('Good morning')
  })

  test('the panel shows the calls of the store, and no session key', async () => {
    const added = await post('/cart/add', { product: 'mug' })
    const { text } = await get(added.headers.location, cookiesOf(added))
    const traces = [...text.matchAll(/<section class="trace".*?<\/section>/gs)].map(([trace]) => trace)
    expect(traces).toHaveLength(2)
    expect(traces[0]).toMatch(/POST \/cart\/add.*insert.*Set-Cookie: shop\.sid=…/s)
    expect(traces[1]).toMatch(/GET \/.*read.*replace/s)
    expect((await get('/unknown')).status).toBe(404)
    expect((await get('/sessions/list')).text).toContain('live session')
  })
})

describe.skipIf(!requireChromium())('the shop with Passport in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  test.each([true, false])('signs in, adds and signs out, with JavaScript: %s', async javaScriptEnabled => {
    const store = sqliteStore(':memory:')
    const shop = await openPassportShop(store)
    const context = await browser.newContext({ javaScriptEnabled })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', message => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    await page.goto(shop.url)
    await page.fill('#name', 'Ada')
    await page.fill('#password', 'breakfast')
    await page.click('#sign-in')
    await page.getByRole('heading', { name: 'Good morning, Ada' }).waitFor()
    await page.locator('form[action="/cart/add"] button').first().click()
    await page.locator('.notice', { hasText: 'in your cart' }).waitFor()
    await page.click('#sign-out')
    await page.locator('#sign-in').waitFor()
    expect(complaints).toEqual([])
    await context.close()
    await shop.stop()
    await store.close()
  })
})
