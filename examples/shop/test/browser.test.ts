import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqliteStore } from '@sess/store-sql'
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Framework, frameworks, openShop, type RunningShop } from '../server.ts'
import { launchChromium, requireChromium } from './chromium.ts'

describe.skipIf(!requireChromium())('the shop in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser?.close()
  })

  // What a browser adds to http.test.ts is the same on all frameworks of a kind: `node:http`, a Request and a Response, or both.
  const inBrowser: Framework[] = ['express', 'hono', 'h3']
  describe.each(inBrowser)('on %s', framework => {
    const store = sqliteStore(':memory:')
    const contexts: BrowserContext[] = []
    /** What a page has to complain about: a breach of its policy, an error in its script. */
    const complaints: string[] = []
    let shop: RunningShop
    /** How far the clock of the shop is ahead, in ms. */
    let late = 0
    beforeAll(async () => {
      shop = await openShop(store, framework, 0, () => Date.now() + late)
    })
    afterAll(async () => {
      await shop.stop()
      await store.close()
    })
    afterEach(async () => {
      await Promise.all(contexts.splice(0).map(context => context.close()))
      expect(complaints.splice(0)).toEqual([])
    })

    async function visitor(options: BrowserContextOptions = {}): Promise<BrowserContext> {
      const context = await browser.newContext({
        viewport: { width: 800, height: 600 },
        reducedMotion: 'reduce',
        ...options,
      })
      context.setDefaultTimeout(10_000)
      contexts.push(context)
      return context
    }

    async function visit(context: BrowserContext, url = shop.url): Promise<Page> {
      const page = await context.newPage()
      page.on('pageerror', error => complaints.push(error.message))
      page.on('console', message => {
        if (message.type() === 'error') complaints.push(message.text())
      })
      await page.goto(url)
      return page
    }

    // A merge is the engine's, and http.test.ts has it on each framework.
    test.runIf(framework === 'express')(
      'items added in two tabs at the same time are all in the cart',
      async () => {
        const context = await visitor()
        const tabs = [await visit(context), await visit(context)]
        // The session itself: two first visits at once are two visitors.
        await add(tabs[0]!, 'Enamel kettle')
        const clicks = tabs.flatMap((tab, index) =>
          Array.from({ length: 5 }, () =>
            // By the keyboard: a page that grows between the mouse's down and up moves the button away, and there is no click.
            buttonOf(tab, `Add ${['Stoneware mug', 'Linden honey'][index]} to the cart`).press('Enter'),
          ),
        )
        await Promise.all(clicks)
        // Each tab shows what the other did.
        for (const tab of tabs) await cartHas(tab, 11)
        await tabs[0]!.reload()
        expect(await linesIn(tabs[0]!)).toEqual({ kettle: 1, mug: 5, honey: 5 })
      },
    )

    test.each(framework === 'express' ? [true, false] : [false])(
      'with JavaScript: %s, it sells, greets, counts and forgets',
      async javaScriptEnabled => {
        const context = await visitor({ javaScriptEnabled })
        const page = await visit(context)
        await page.getByText('You have no session.').waitFor()

        await add(page, 'Stoneware mug')
        await page.getByRole('status').getByText('Stoneware mug: in your cart.').waitFor()
        await page.getByText('POST /cart/add').waitFor()
        expect((await page.getByRole('time').textContent())!.trim()).toMatch(
          javaScriptEnabled ? /^(59:\d\d|1:00:00)$/ : /^\d+ \w+ \d{4}, \d\d:\d\d UTC$/,
        )

        await signIn(page, 'Ada')
        await page.getByText('Signed in until you close the browser.').waitFor()
        await press(page, 'One more Stoneware mug')
        await cartHas(page, 2)
        await press(page, 'One Stoneware mug less')
        await cartHas(page, 1)
        const [old] = await context.cookies()

        // Somewhere else and back: everything is there.
        await page.goto(`${shop.url}/?elsewhere`)
        expect(await linesIn(page)).toEqual({ mug: 1 })
        await press(page, 'Sign out')
        await page.getByText('You are signed out.').waitFor()
        expect(await context.cookies()).toEqual([])

        // The back button, as far back as it goes, and the cookie of before.
        for (let back = javaScriptEnabled ? 1 : 3; back > 0; back--) {
          await page.goBack()
          await expectNobody(page)
        }
        await context.addCookies([old!])
        await page.goto(`${shop.url}/?replayed`)
        await expectNobody(page)
        expect(await context.cookies()).toEqual([])
      },
    )

    // The page, its script and how the server stops are the same on all frameworks. http.test.ts runs every route on each.
    if (framework !== 'express') return

    test('restarting the server keeps the cart', async () => {
      const dir = mkdtempSync(join(tmpdir(), 'sess-shop-'))
      let server = await startServer(framework, join(dir, 'shop.db'))
      try {
        const page = await visit(await visitor(), server.url)
        await add(page, 'Bread board')
        await signIn(page, 'Ada')
        const { port } = new URL(server.url)
        expect(await server.end()).toBe(0)
        server = await startServer(framework, join(dir, 'shop.db'), port)
        await page.reload()
        expect(await linesIn(page)).toEqual({ bread: 1 })
        await page.getByText('Good morning, Ada').first().waitFor()
        await page.getByText(`Sess on ${frameworks[framework].title}`).waitFor()
      } finally {
        await server.end()
        rmSync(dir, { recursive: true })
      }
    })

    test('twenty requests at once add twenty items, and the panel shows a merge', async () => {
      const page = await visit(await visitor())
      await add(page, 'Stoneware mug')
      await press(page, 'Add 20 × House beans, all at once')
      await page.getByText(/20 requests in \d+ ms: 20 items more in the cart/).waitFor()
      expect(await linesIn(page)).toEqual({ mug: 1, beans: 20 })
      await page.getByRole('row', { name: 'replace stale' }).first().waitFor()
    })

    test('signing out in one tab empties the other', async () => {
      const context = await visitor()
      const [page, other] = [await visit(context), await visit(context)]
      await signIn(page, 'Grace')
      await other.getByText('Good morning, Grace').waitFor()
      await press(page, 'Sign out')
      await other.getByRole('heading', { name: 'Sign in' }).waitFor()
      await expectNobody(other)
    })

    test('signing out everywhere ends the session in another browser', async () => {
      const [laptop, phone] = [await visit(await visitor()), await visit(await visitor())]
      await signIn(laptop, 'Linus')
      await signIn(phone, 'Linus')
      await press(laptop, 'Sign out everywhere')
      await laptop.getByText('You are signed out here and in every other browser.').waitFor()
      await phone.reload()
      await expectNobody(phone)
      expect(await phone.context().cookies()).toEqual([])
    })

    test('a device is listed with the address and the time, and ends at the press of a button', async () => {
      const [laptop, phone] = [
        await visit(await visitor()),
        await visit(await visitor({ userAgent: 'Mozilla/5.0 (Android 16; Mobile; rv:149.0) Firefox/149.0' })),
      ]
      await signIn(phone, 'Barbara')
      await signIn(laptop, 'Barbara')
      const devices = laptop.getByRole('list', { name: 'Your devices' }).getByRole('listitem')
      expect(await devices.count()).toBe(2)
      await devices.filter({ hasText: 'Firefox on Android' }).getByText('127.0.0.1, seen just now').waitFor()
      const own = devices.filter({ hasText: 'this one' })
      expect(await own.textContent()).toMatch(/Chrome on Linux/)
      expect(await own.getByRole('button').count()).toBe(0)

      await press(laptop, 'End Firefox on Android')
      await laptop.getByText('That device is signed out.').waitFor()
      expect(await devices.count()).toBe(1)
      await phone.reload()
      await expectNobody(phone)
      expect(await phone.context().cookies()).toEqual([])
    })

    test('an account is deleted only after the password, once the sign-in is ten minutes old', async () => {
      const [page, other] = [await visit(await visitor()), await visit(await visitor())]
      await signIn(page, 'Margaret')
      await signIn(other, 'Margaret')
      try {
        late += 601_000
        await press(page, 'Delete my account')
        const password = page.getByLabel('Confirm your password to delete your account')
        await password.fill('brunch')
        await press(page, 'Confirm')
        await page.getByText('That is not the password.').waitFor()
        const [before] = await page.context().cookies()
        await password.fill('breakfast')
        await press(page, 'Confirm')
        await page.getByText('Now you can delete your account.').waitFor()
        const [after] = await page.context().cookies()
        expect(after!.value).not.toBe(before!.value)
        await press(page, 'Delete my account')
        await page.getByText('Your account is deleted').waitFor()
        await expectNobody(page)
        await other.reload()
        await expectNobody(other)
      } finally {
        late = 0
      }
    })

    test('a stolen key that is replayed opens nothing, is reported, and ends the session', async () => {
      const [page, other] = [await visit(await visitor()), await visit(await visitor())]
      await signIn(page, 'Hedy')
      await signIn(other, 'Hedy')
      const [stolen] = await page.context().cookies()
      await press(page, 'Replay the stolen key')
      await page.getByText('A thief used the key that you had before. It opened nothing.').waitFor()
      await page
        .getByText('The hook `reused` was called, and the session that has the new key was removed.')
        .waitFor()
      expect(await page.context().cookies()).toEqual([])
      await page.context().addCookies([stolen!])
      await page.goto(`${shop.url}/?replayed`)
      await expectNobody(page)
      // The session of another device has another key.
      await other.reload()
      await other.getByRole('heading', { name: 'Good morning, Hedy' }).waitFor()
      expect(await other.getByRole('listitem').filter({ hasText: 'this one' }).count()).toBe(1)
    })

    test('remember me keeps the cookie 30 days; else it ends with the browser', async () => {
      const [remembered, forgotten] = [await visitor(), await visitor()]
      await signIn(await visit(remembered), 'Ada', { remember: true })
      await signIn(await visit(forgotten), 'Ada')
      const [cookie] = await remembered.cookies()
      const days = (cookie!.expires - Date.now() / 1000) / 86_400
      expect(days).toBeGreaterThan(29.99)
      expect(days).toBeLessThanOrEqual(30)
      expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/' })
      expect((await forgotten.cookies())[0]!.expires).toBe(-1)
    })
  })
})

const buttonOf = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true })

async function press(page: Page, name: string): Promise<void> {
  await buttonOf(page, name).click()
}

async function add(page: Page, product: string): Promise<void> {
  const count = await countIn(page)
  await press(page, `Add ${product} to the cart`)
  await cartHas(page, count + 1)
}

async function signIn(page: Page, name: string, { remember = false } = {}): Promise<void> {
  await page.getByLabel('Your name').fill(name)
  if (remember) await page.getByLabel('Remember me for 30 days').check()
  await press(page, 'Sign in')
  await page.getByRole('heading', { name: `Good morning, ${name}` }).waitFor()
}

async function countIn(page: Page): Promise<number> {
  return Number(await page.locator('[data-count]').getAttribute('data-count'))
}

/** Waits until the page shows so many items in the cart. */
async function cartHas(page: Page, count: number): Promise<void> {
  await page
    .locator(`[data-count="${count}"]`)
    .waitFor()
    .catch(async error => {
      const notices = await page.locator('#notices').allTextContents()
      throw new Error(`The cart has ${await countIn(page)} items, and the page says: ${notices}`, {
        cause: error,
      })
    })
}

/** The cart as it is shown. */
async function linesIn(page: Page): Promise<Record<string, number>> {
  const lines = await page.locator('.line').all()
  const entries = lines.map(async line => [
    await line.getAttribute('data-product'),
    Number(await line.locator('.number').textContent()),
  ])
  return Object.fromEntries(await Promise.all(entries))
}

async function expectNobody(page: Page): Promise<void> {
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  expect(await page.content()).not.toMatch(/Good morning|data-product=/)
  expect(await countIn(page)).toBe(0)
}

interface Server {
  url: string
  /** Ends it with SIGTERM. Returns its exit code. */
  end(): Promise<number | null>
}

/** The shop as `npm start` runs it. */
async function startServer(framework: Framework, file: string, port = '0'): Promise<Server> {
  const server = spawn(
    process.execPath,
    [fileURLToPath(new URL('../server.ts', import.meta.url)), '--framework', framework],
    { env: { ...process.env, PORT: port, SHOP_DB: file }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const url = await urlOf(server)
  return {
    url,
    async end() {
      if (server.exitCode === null && server.kill('SIGTERM')) await once(server, 'exit')
      return server.exitCode
    },
  }
}

async function urlOf(server: ChildProcess): Promise<string> {
  let output = ''
  for await (const chunk of server.stdout!) {
    output += chunk
    const [url] = /http:\/\/\S+(?=\n)/.exec(output) ?? []
    if (url) return url
  }
  throw new Error(`The shop did not start: ${output}`)
}
