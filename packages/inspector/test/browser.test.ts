import { launchChromium, requireChromium } from '@sess/test-fixtures/chromium.ts'
import axe from 'axe-core'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'
import { ADMIN, fill, makeSite, type Served, type Site, serveInspector } from './site.ts'

describe.skipIf(!requireChromium())('in Chromium', () => {
  let browser: Browser
  let site: Site
  let served: Served
  const contexts: BrowserContext[] = []
  /** What a page has to complain about: a breach of its policy, an error in its script. */
  const complaints: string[] = []
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())
  beforeEach(async () => {
    site = makeSite({ label: 'Tea shop', notice: 'This is a demonstration.' }, { absoluteAge: 86_400 * 60 })
    await fill(site, 8)
    await site.login(session => {
      session.subject = '<img src=x onerror=alert(1)>\u202e'
      const data = session as never as Map<string, unknown>
      data.set('user', {
        name: '<script>alert(2)</script>',
        password: 'hunter2',
        active: true,
        none: null,
        tags: [1, 'b'],
      })
      data.set('a" onmouseover="alert(3)', { deep: { deeper: { deepest: [[['end']]] } } })
    })
    await site.store.insert('f'.repeat(40), { payload: '<not json>', expiresAt: Date.now() + 60_000 })
    served = await serveInspector(site.inspect)
  })
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map(context => context.close()))
    await served.stop()
    expect(complaints.splice(0)).toEqual([])
  })

  async function visit(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ extraHTTPHeaders: { authorization: ADMIN }, ...options })
    context.setDefaultTimeout(10_000)
    contexts.push(context)
    const page = await context.newPage()
    page.on('pageerror', error => complaints.push(error.message))
    page.on('dialog', dialog => complaints.push(dialog.message()))
    page.on('console', message => {
      if (message.type() === 'error' && !/status of 404/.test(message.text())) complaints.push(message.text())
    })
    await page.goto(served.url + path)
    return page
  }

  async function pathOfSession(): Promise<string> {
    const list = await (await site.get('/sessions/list?q=user.active%3Dtrue')).text()
    return /href="(\/sessions\/session\/[0-9a-f]+)\?/.exec(list)![1]!
  }

  // Colours do not depend on the width, nor the structure on the colours: so each is examined as a whole once.
  const colours: axe.RunOptions = { runOnly: ['color-contrast'] }
  const looks: ['light' | 'dark', width: number, axe.RunOptions][] = [
    ['light', 1280, {}],
    ['dark', 390, {}],
    ['dark', 1280, colours],
    ['light', 390, colours],
  ]
  test.each(looks)(
    'axe finds nothing on any page, and nothing is cut off: %s, %i px',
    async (colorScheme, width, rules) => {
      const viewport = { width, height: 800 }
      const page = await visit('/sessions/', { colorScheme, viewport, reducedMotion: 'reduce' })
      const paths = [
        '/sessions/',
        '/sessions/list',
        '/sessions/list?q=42&by=subject',
        '/sessions/list?q=nothing-has-this',
        await pathOfSession(),
        `/sessions/session/${'f'.repeat(40)}`,
        '/sessions/live',
        '/sessions/nowhere',
      ]
      // These four have every colour.
      const looked = rules === colours ? [paths[0]!, paths[2]!, paths[4]!, paths[6]!] : paths
      for (const path of looked) {
        await page.context().addCookies([{ name: 'sess_inspector_ended', value: '2', url: served.url }])
        await page.goto(served.url + path)
        expect(await page.locator('.done').count()).toBe(path.includes('/list') ? 1 : 0)
        // The questions before something is ended, and all of the data.
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true
        })
        await page.evaluate(axe.source)
        const { violations } = (await page.evaluate(
          rules =>
            (globalThis as never as { axe: typeof axe }).axe.run({ ...rules, resultTypes: ['violations'] }),
          rules,
        )) as axe.AxeResults
        const found = violations.map(
          ({ id, nodes }) => `${path}: ${id}: ${nodes.map(node => node.html).join(' ')}`,
        )
        expect(found).toEqual([])
        const [content, window] = await page.evaluate(() => [
          document.documentElement.scrollWidth,
          innerWidth,
        ])
        expect([path, content! <= window!]).toEqual([path, true])
      }
    },
  )

  it('is used with the keyboard alone', async () => {
    const page = await visit('/sessions/')
    const { keyboard } = page
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')
    const tabTo = async (text: string) => {
      for (let presses = 0; presses < 40; presses++) {
        if ((await focused()) === text) return
        await keyboard.press('Tab')
      }
      throw new Error(`The keyboard does not reach "${text}".`)
    }
    await keyboard.press('Tab')
    expect(await focused()).toBe('Skip to the content')
    await keyboard.press('Enter')
    await keyboard.press('/')
    await keyboard.type('42')
    await keyboard.press('Enter')
    await page.waitForURL(/list\?q=42/)
    await tabTo('End all…')
    await keyboard.press('Enter')
    await keyboard.press('Escape')
    expect(await page.locator('details.confirm').getAttribute('open')).toBeNull()
    await keyboard.press('Enter')
    await tabTo('Cancel')
    await keyboard.press('Enter')
    expect(await page.locator('details.confirm').getAttribute('open')).toBeNull()
    expect(await focused()).toBe('End all…')
    await keyboard.press('Enter')
    await tabTo('End all sessions')
    await keyboard.press('Enter')
    await page.getByText(/^Ended \d+ sessions?\.$/).waitFor()
    expect(await page.locator('.empty').textContent()).toContain('no live session')
  })

  it('finds, shows and ends a session without JavaScript', async () => {
    const page = await visit('/sessions/', { javaScriptEnabled: false })
    await page.getByLabel('Find sessions').fill('user.active=true')
    await page.getByRole('button', { name: 'Find' }).click()
    await page.locator('a.id').click()
    await page.getByText('"<script>alert(2)</script>"').waitFor()
    expect(await page.locator('.masked').count()).toBe(1)
    expect(await page.getByRole('button', { name: 'Copy' }).count()).toBe(0)
    await page.getByText('End session…').click()
    await page.getByRole('link', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'End this session' }).waitFor({ state: 'hidden' })
    await page.getByText('End session…').click()
    await page.getByRole('button', { name: 'End this session' }).click()
    await page.getByText('Ended 1 session.').waitFor()
    await page.reload()
    expect(await page.locator('.done').count()).toBe(0)
    await page.getByRole('link', { name: 'Live' }).click()
    await page.locator('.tag', { hasText: 'ended' }).waitFor()
    await page.getByRole('link', { name: 'Refresh' }).click()
    await page.locator('.tag', { hasText: 'ended' }).waitFor()
  })

  it('a newcomer ends all sessions of user 42 with three clicks, and one session with four', async () => {
    const page = await visit('/sessions/')
    let clicks = 0
    const click = async (role: 'button' | 'link' | 'none', name: string | RegExp) => {
      clicks += 1
      await (role === 'none' ? page.getByText(name) : page.getByRole(role, { name }).first()).click()
    }
    const find = async () => {
      await page.getByLabel('Find sessions').fill('42')
      await click('button', 'Find')
    }
    await find()
    await click('link', /^Session /)
    await click('none', 'End session…')
    await click('button', 'End this session')
    await page.getByText('Ended 1 session.').waitFor()
    expect(clicks).toBe(4)

    await page.goto(`${served.url}/sessions/`)
    clicks = 0
    await find()
    await click('none', 'End all…')
    await click('button', 'End all sessions')
    await page.getByText(/^Ended \d+ sessions?\.$/).waitFor()
    expect(clicks).toBe(3)
    expect(await (await site.get('/sessions/list?q=42&by=subject')).text()).toContain('no live session')
  })

  it('shows what happens as it happens, and pauses', async () => {
    const page = await visit('/sessions/live')
    await page.getByText('Listening').waitFor()
    const rows = page.locator('[data-events] tr')
    const before = await rows.count()
    await site.login(session => {
      session.subject = '7'
    })
    await expect.poll(() => rows.count()).toBe(before + 1)
    expect(await rows.first().locator('.tag').textContent()).toBe('created')
    expect(await rows.first().locator('time').getAttribute('title')).toMatch(/^\d{4}-\d\d-\d\d .*Z$/)
    await page.getByRole('button', { name: 'Pause' }).click()
    await site.login(session => {
      session.subject = '8'
    })
    await page.waitForTimeout(600)
    expect(await rows.count()).toBe(before + 1)
    await page.getByRole('button', { name: 'Go on' }).click()
    await expect.poll(() => rows.count()).toBe(before + 2)
    await rows.first().locator('a').click()
    await page.getByRole('heading', { name: /^Session / }).waitFor()
  })

  it('runs nothing that data contain, and shows no masked value', async () => {
    const page = await visit(await pathOfSession())
    await page.locator('.key').last().hover()
    expect(await page.locator('main img, main script').count()).toBe(0)
    expect(await page.content()).not.toContain('hunter2')
    const keys = await page.locator('.key').allTextContents()
    expect(keys).toContain('a" onmouseover="alert(3)')
    expect(await page.locator('.facts').textContent()).toContain('<img src=x onerror=alert(1)>\\u202e')
  })

  it('a form of another site ends nothing', async () => {
    const context = await browser.newContext({ extraHTTPHeaders: { authorization: ADMIN } })
    contexts.push(context)
    const page = await context.newPage()
    await page.goto(`${served.url}/sessions/`)
    const token = await page.locator('[name=token]').first().getAttribute('value')
    // Even one that has learnt the token: the browser names the place of the form, and keeps our cookie from it.
    const evil = `http://localhost:${new URL(served.url).port}`
    await page.route(`${evil}/evil`, route =>
      route.fulfill({
        contentType: 'text/html',
        body: `<form method=post action="${served.url}/sessions/end-subject"><input name=token value="${token}"><input name=subject value=42><button>Win</button></form>`,
      }),
    )
    await page.goto(`${evil}/evil`)
    await page.getByRole('button').click()
    await page.getByText('did not come from a page of the inspector').waitFor()
    expect(await (await site.get('/sessions/list?q=42')).text()).toContain('End all')
  })
})
