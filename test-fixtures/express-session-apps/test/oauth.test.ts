import { launchChromium, requireChromium } from '@sess/test-fixtures/chromium.ts'
import type { Program } from '@sess/test-fixtures/program.ts'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libraries, runApp, runOnEach } from './libraries.ts'
import { type Page, Visitor } from './visitor.ts'

let provider: Program
let apps: Awaited<ReturnType<typeof runOnEach>>
beforeAll(async () => {
  provider = await runApp('provider.mjs', {})
  apps = await runOnEach('oauth.mjs', { ISSUER: provider.url })
})
afterAll(async () => {
  await apps?.stop()
  await provider?.[Symbol.asyncDispose]()
})

/** Logs in on the provider's pages, and consents. `path` is where the app begins the login. */
async function logIn(visitor: Visitor, url: string): Promise<Page> {
  let page = await visitor.go(url)
  for (let pages = 0; page.url.startsWith(provider.url) && pages < 3; pages++) {
    page = await visitor.submit(
      page,
      page.text.includes('name="login"') ? { login: 'ada', password: 'x' } : {},
    )
  }
  return page
}

/** As far as the URL with the code, which it does not visit. */
async function codeFor(visitor: Visitor, url: string): Promise<string> {
  const page = await visitor.go(url, { follow: false })
  let at = page.headers.get('location')!
  for (let hops = 0; hops < 10; hops++) {
    if (new URL(at).searchParams.has('code')) return at
    const step = await visitor.go(at, { follow: false })
    const next = step.headers.get('location') ?? (await submitTo(visitor, step))
    at = new URL(next, at).href
  }
  throw new Error(`No code came: ${at}`)
}

async function submitTo(visitor: Visitor, page: Page): Promise<string> {
  const sent = await visitor.submit(page, { login: 'ada', password: 'x' }, { follow: false })
  return sent.headers.get('location')!
}

describe.each(libraries)('logins at an OpenID provider on $name', ({ name: library }) => {
  let app: Program
  beforeAll(() => {
    app = apps.on(library)
  })

  describe.each(['oauth2', 'openid'])('by the strategy %s, with PKCE', name => {
    it('logs in under a new ID, and the state is gone', async () => {
      const visitor = new Visitor()
      const before = (await visitor.go(`${app.url}/cart`)).json()
      const page = await logIn(visitor, `${app.url}/${name}`)
      expect(page.url).toBe(`${app.url}/`)
      expect(page.json()).toMatchObject({
        user: { sub: 'ada', name: 'Name of ada' },
        keys: ['cookie', 'passport'],
      })
      expect(page.json().id).not.toBe(before.id)
    })

    it('keeps the data with keepSessionInfo, without the state', async () => {
      const visitor = new Visitor()
      await visitor.go(`${app.url}/cart`)
      const { user, cart, keys } = (await logIn(visitor, `${app.url}/${name}/keep`)).json()
      expect({ user, cart }).toMatchObject({ user: { sub: 'ada' }, cart: ['tea'] })
      expect(keys.sort()).toEqual(['cart', 'cookie', 'keep', 'passport'])
    })

    it('takes no code that another visitor got, and no code twice', async () => {
      const visitor = new Visitor()
      const url = await codeFor(visitor, `${app.url}/${name}`)
      const other = new Visitor()
      expect((await other.go(url)).status).toBe(name === 'oauth2' ? 403 : 401)
      await other.go(`${app.url}/${name}`, { follow: false })
      expect((await other.go(url)).status).toBeGreaterThanOrEqual(400)
      expect((await other.go(app.url)).json().user).toBeUndefined()

      expect((await visitor.go(url)).json().user.sub).toBe('ada')
      expect((await visitor.go(url)).status).toBeGreaterThanOrEqual(400)
    })
  })

  it('by grant, with state, nonce and PKCE in the session', async () => {
    const visitor = new Visitor()
    const page = await logIn(visitor, `${app.url}/connect/local`)
    expect(page.json()).toMatchObject({ profile: { sub: 'ada' } })
    const url = await codeFor(visitor, `${app.url}/connect/local`)
    const other = new Visitor()
    await other.go(`${app.url}/connect/local`, { follow: false })
    expect((await other.go(url)).json().error).toMatch(/state mismatch/i)
  })

  it('by express-openid-connect, whose sessions are in a MemoryStore, or by toExpressStore in SQLite', async () => {
    const visitor = new Visitor()
    await logIn(visitor, `${app.url}/connected/login`)
    const isIn = async (): Promise<unknown> => (await visitor.go(`${app.url}/connected`)).json()
    expect(await isIn()).toEqual({ isAuthenticated: true, sub: 'ada' })
    const old = visitor.cookies.get('appSession')!
    await visitor.go(`${app.url}/connected/logout`)
    expect(await isIn()).toEqual({ isAuthenticated: false })
    visitor.cookies.set('appSession', old)
    expect(await isIn()).toEqual({ isAuthenticated: false })
  })
})

describe.skipIf(!requireChromium())('logins at an OpenID provider in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  it.each([libraries[0], libraries[2]])(
    'by three packages, one after another, on $name',
    async ({ name }) => {
      const app = apps.on(name)
      const context = await browser.newContext()
      const page = await context.newPage()
      const consent = 'form:has([name=prompt][value=consent]) button'
      const text = async (): Promise<string> => (await page.textContent('body')) ?? ''
      await page.goto(`${app.url}/oauth2`)
      await page.fill('[name=login]', 'grace')
      await page.fill('[name=password]', 'x')
      await page.click('button')
      await page.click(consent)
      await page.waitForURL(`${app.url}/`)
      expect(await text()).toContain('"sub":"grace"')
      // The provider knows her now, and asks for the consent to each further client.
      await page.goto(`${app.url}/openid`)
      await page.click(consent)
      await page.waitForURL(`${app.url}/`)
      expect(await text()).toContain('"sub":"grace"')
      await page.goto(`${app.url}/connect/local`)
      await page.click(consent)
      await page.waitForURL(/granted/)
      expect(await text()).toContain('"profile":{"sub":"grace"')
      await context.close()
    },
  )
})
