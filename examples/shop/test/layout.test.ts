// What the shop looks and sounds like, in Chromium: nothing is cut off, the message covers nothing that matters, and a
// screen reader hears it once. `SHOP_SCREENSHOTS=folder` keeps a picture of each size.
import { mkdirSync } from 'node:fs'
import { sqliteStore } from '@sess/store-sql'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openShop, type RunningShop } from '../server.ts'
import { launchChromium, requireChromium } from './chromium.ts'

const SIZES = [
  { width: 320, height: 568 },
  { width: 390, height: 844 },
  { width: 1280, height: 800 },
]
const pictures = process.env['SHOP_SCREENSHOTS']
if (pictures) mkdirSync(pictures, { recursive: true })

describe.skipIf(!requireChromium())('the shop to look at', () => {
  const store = sqliteStore(':memory:')
  let browser: Browser
  let shop: RunningShop
  beforeAll(async () => {
    browser = await launchChromium()
    shop = await openShop(store)
  })
  afterAll(async () => {
    await browser.close()
    await shop.stop()
    await store.close()
  })

  async function visit(
    size: { width: number; height: number },
    colorScheme: 'light' | 'dark',
  ): Promise<Page> {
    const context = await browser.newContext({ viewport: size, colorScheme, reducedMotion: 'reduce' })
    context.setDefaultTimeout(10_000)
    const page = await context.newPage()
    await page.goto(shop.url)
    return page
  }

  test.each(SIZES)(
    'at $width px nothing is cut off, and the message covers no row that changed',
    async size => {
      const page = await visit(size, 'light')
      for (const button of await page.getByRole('button').all()) await expectWhole(page, button)
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(size.width)

      for (const press of ['#add-mug', '#more-mug', '#more-mug', '#less-mug']) {
        const before = await page.locator('[data-count]').getAttribute('data-count')
        await page.locator(press).click()
        await page.locator(`[data-count]:not([data-count="${before}"])`).waitFor()
        const row = page.locator('.line[data-product="mug"]')
        await row.scrollIntoViewIfNeeded()
        await expectApart(page.locator('.notice'), row)
      }
      await page.context().close()
    },
  )

  test('a screen reader hears a message once, and the new count not beside it', async () => {
    const page = await visit(SIZES[1]!, 'light')
    await page.locator('#add-mug').click()
    await page.locator('[data-count="1"]').waitFor()
    await page.evaluate(() => {
      const heard: string[] = []
      Object.assign(window, { heard })
      const live = '[role=status], [role=alert], [role=log], output, [aria-live]:not([aria-live=off])'
      new MutationObserver(records => {
        for (const { target, addedNodes, type } of records) {
          const element = target instanceof Element ? target : target.parentElement
          if (!element?.closest(live)) continue
          const texts =
            type === 'characterData' ? [target.textContent] : [...addedNodes].map(node => node.textContent)
          heard.push(...texts.filter(text => text !== null && text.trim() !== '').map(text => text!.trim()))
        }
      }).observe(document, { subtree: true, childList: true, characterData: true })
    })
    await page.locator('#more-mug').click()
    await page.locator('[data-count="2"]').waitFor()
    await page.getByRole('status').getByText('Stoneware mug: in your cart.').waitFor()
    expect(await page.evaluate('heard')).toEqual(['Stoneware mug: in your cart.'])
    await page.context().close()
  })

  test('a double click on "Sign in" is one sign-in', async () => {
    const page = await visit(SIZES[1]!, 'light')
    const posts: string[] = []
    page.on('request', request => {
      if (request.method() === 'POST') posts.push(request.url())
    })
    await page.locator('#add-mug').click()
    await page.locator('[data-count="1"]').waitFor()
    await page.getByLabel('Your name').fill('Ada')
    await page.locator('#sign-in').dblclick()
    await page.getByRole('heading', { name: 'Good morning, Ada' }).waitFor()
    expect(posts.filter(url => url.endsWith('/sign-in'))).toHaveLength(1)
    expect(await page.locator('[data-count]').getAttribute('data-count')).toBe('1')
    await page.context().close()
  })

  if (pictures)
    test('takes pictures', async () => {
      for (const size of SIZES) {
        for (const scheme of ['light', 'dark'] as const) {
          const page = await visit(size, scheme)
          const name = `${pictures}/${size.width}-${scheme}`
          await page.screenshot({ path: `${name}-first.png` })
          await page.locator('#add-mug').click()
          await page.locator('[data-count="1"]').waitFor()
          await page.screenshot({ path: `${name}-added.png` })
          await page.locator('#more-mug').click()
          await page.locator('[data-count="2"]').waitFor()
          await page.screenshot({ path: `${name}-more.png` })
          await page.screenshot({ path: `${name}-page.png`, fullPage: true })
          await page.context().close()
        }
      }
    })
})

/** Nothing of the element is outside the page or hidden by an ancestor, and its text fits into it. */
async function expectWhole(page: Page, element: Locator): Promise<void> {
  const { name, hidden } = await element.evaluate(node => {
    const box = node.getBoundingClientRect()
    const clipping = []
    for (let at = node.parentElement; at; at = at.parentElement) {
      if (getComputedStyle(at).overflowX !== 'visible') clipping.push(at.getBoundingClientRect())
    }
    clipping.push(new DOMRect(0, 0, document.documentElement.clientWidth, 0))
    const isCut = clipping.some(({ left, right }) => box.left < left - 0.5 || box.right > right + 0.5)
    return { name: node.textContent, hidden: isCut || node.scrollWidth > node.clientWidth + 1 }
  })
  expect(hidden, `${name} is cut off at ${page.viewportSize()!.width} px`).toBe(false)
}

async function expectApart(first: Locator, second: Locator): Promise<void> {
  const [one, other] = [await first.boundingBox(), await second.boundingBox()]
  if (!one || !other) throw new Error('There is nothing to compare')
  const apart =
    one.y + one.height <= other.y ||
    other.y + other.height <= one.y ||
    one.x + one.width <= other.x ||
    other.x + other.width <= one.x
  expect(apart, `${JSON.stringify(one)} covers ${JSON.stringify(other)}`).toBe(true)
}
