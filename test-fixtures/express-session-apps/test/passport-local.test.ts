import { launchChromium, requireChromium } from '@sess/test-fixtures/chromium.ts'
import type { Program } from '@sess/test-fixtures/program.ts'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libraries, runOnEach } from './libraries.ts'
import { Visitor } from './visitor.ts'

const ada = { username: 'ada', password: 'enigma' }

let apps: Awaited<ReturnType<typeof runOnEach>>
beforeAll(async () => {
  apps = await runOnEach('passport-local.mjs')
})
afterAll(() => apps?.stop())

describe.each(libraries)('passport-local and connect-flash on $name', ({ name }) => {
  let app: Program
  beforeAll(() => {
    app = apps.on(name)
  })

  it('logs in under a new ID, and ends the session that the login replaced', async () => {
    const visitor = new Visitor()
    const before = await visitor.go(`${app.url}/cart`, { form: { item: 'tea' } })
    expect(before.json()).toMatchObject({ cart: ['tea'], isAuthenticated: false })
    const planted = new Visitor()
    planted.cookies.set('connect.sid', visitor.cookies.get('connect.sid')!)

    const home = await visitor.go(`${app.url}/login`, { form: ada })
    expect(home.text).toContain('Hello ada')
    const after = (await visitor.go(app.url)).json()
    expect(after).toMatchObject({ user: { id: 1, username: 'ada' }, isAuthenticated: true })
    expect(after.cart).toBeUndefined()
    expect(after.id).not.toBe(before.json().id)

    // Who knows the ID from before the login has nothing.
    const seen = (await planted.go(app.url)).json()
    expect(seen).toMatchObject({ isAuthenticated: false })
    expect(seen.cart).toBeUndefined()
    expect(seen.id).not.toBe(before.json().id)
  })

  it('keeps the data with keepSessionInfo, under a new ID', async () => {
    const visitor = new Visitor()
    const before = await visitor.go(`${app.url}/cart`, { form: { item: 'tea' } })
    const after = (await visitor.go(`${app.url}/login/keep`, { form: ada })).json()
    expect(after).toMatchObject({ user: { id: 1 }, cart: ['tea'] })
    expect(after.id).not.toBe(before.json().id)
    expect((await visitor.go(`${app.url}/cart`, { form: { item: 'honey' } })).json()).toMatchObject({
      user: { id: 1 },
      cart: ['tea', 'honey'],
      id: after.id,
    })
  })

  it('shows a flash message once, after the redirect', async () => {
    const visitor = new Visitor()
    const failed = await visitor.go(`${app.url}/login`, { form: { ...ada, password: 'wrong' } })
    expect(failed.url).toBe(`${app.url}/login`)
    expect(failed.text).toContain('<p class="error">Wrong name or password.</p>')
    expect((await visitor.go(`${app.url}/login`)).text).not.toContain('error')
    expect((await visitor.go(app.url)).json().isAuthenticated).toBe(false)
  })

  it('returns to the page that asked for the login', async () => {
    const visitor = new Visitor()
    expect((await visitor.go(`${app.url}/home?tab=2`)).url).toBe(`${app.url}/login`)
    // Passport finds `returnTo` in the new session alone, so the route sets keepSessionInfo.
    const after = await visitor.go(`${app.url}/login/return`, { form: ada })
    expect([after.url, after.status]).toEqual([`${app.url}/home?tab=2`, 200])
  })

  it('logs out: the cookie from before opens nothing', async () => {
    const visitor = new Visitor()
    await visitor.go(`${app.url}/login`, { form: ada })
    const old = new Visitor()
    old.cookies.set('connect.sid', visitor.cookies.get('connect.sid')!)
    expect((await old.go(app.url)).json().isAuthenticated).toBe(true)
    expect((await visitor.go(`${app.url}/logout`, { method: 'POST' })).url).toBe(`${app.url}/login`)
    for (const each of [visitor, old]) expect((await each.go(app.url)).json().isAuthenticated).toBe(false)
  })
})

describe.skipIf(!requireChromium())('passport-local in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  it.each([libraries[0], libraries[2]])('fails, logs in and logs out on $name', async ({ name }) => {
    const app = apps.on(name)
    const page = await browser.newPage()
    const logIn = async (password: string): Promise<void> => {
      await page.fill('[name=username]', 'ada')
      await page.fill('[name=password]', password)
      await page.click('button')
    }
    await page.goto(`${app.url}/home`)
    await logIn('wrong')
    expect(await page.textContent('.error')).toBe('Wrong name or password.')
    await logIn('enigma')
    expect(await page.textContent('h1')).toBe('Hello ada')
    await page.click('button')
    expect(await page.title()).toBe('Log in')
    await page.goto(`${app.url}/home`)
    expect(await page.title()).toBe('Log in')
    await page.close()
  })
})
