import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '@sess/core'
import { session } from '@sess/express'
import { sqliteStore } from '@sess/store-sql'
import { cookiesOf, type HttpResponse, request, serve } from '@sess/test-fixtures/http.ts'
import express from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { start } from './probe.ts'

let folder: string
let store: Store
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-express-'))
  store = sqliteStore(join(folder, 'sessions.db'))
})
afterEach(async () => {
  await store.close?.()
  await rm(folder, { recursive: true })
})

/** 200 requests at once that each put something into the cart of one session. */
async function fillCart(store: Store): Promise<{ statuses: Set<number>; cart: number[] }> {
  const probe = await start({ store })
  try {
    const cookie = cookiesOf(await request(`${probe.url}/set?k=cart&v=[]`, { method: 'POST' }))
    const responses = await Promise.all(
      Array.from({ length: 200 }, (_, item) =>
        request(`${probe.url}/append?k=cart&v=${item}&wait=5`, { method: 'POST', cookie }),
      ),
    )
    const { json } = await request(`${probe.url}/get?k=cart`, { cookie })
    return { statuses: new Set(responses.map(({ status }) => status)), cart: json.value }
  } finally {
    await probe.stop()
  }
}

describe('200 requests at once that add to the cart of one session [F16]', () => {
  it('add 200 items', async () => {
    const { statuses, cart } = await fillCart(store)
    expect(statuses).toEqual(new Set([200]))
    expect(cart.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, item) => item))
  })

  it('fail this test over a store that lets the last writer win', async () => {
    const lastWriterWins: Store = {
      ...store,
      async replace(id, record, _version, context) {
        const current = await store.read(id, context)
        return current ? store.replace(id, record, current.version, context) : 'gone'
      },
    }
    const { cart } = await fillCart(lastWriterWins)
    expect(cart.length).toBeLessThan(200)
  })
})

describe('a logout while another request of the session is under way [F17]', () => {
  async function overlap(slow: string): Promise<{ slow: HttpResponse; after: HttpResponse; cookie: string }> {
    const app = express()
    app.set('env', 'test')
    app.use(session({ store }))
    app.post('/login', (req, res) => {
      req.session.cycleKey()
      req.session.set('user', 'ada')
      res.send('ok')
    })
    app.post('/logout', (req, res) => {
      req.session.flush()
      res.send('ok')
    })
    app.get('/user', (req, res) => res.json(req.session.get('user') ?? null))
    app.get('/read', async (req, res) => {
      const user = req.session.get('user')
      await sleep(60)
      res.json(user)
    })
    app.get('/write', async (req, res) => {
      req.session.set('seen', true)
      await sleep(60)
      res.json(req.session.get('user'))
    })
    await using server = await serve(app)
    const cookie = cookiesOf(await request(`${server.url}/login`, { method: 'POST' }))
    const response = request(server.url + slow, { cookie })
    await sleep(20)
    const logout = await request(`${server.url}/logout`, { method: 'POST', cookie })
    expect(logout.setCookies[0]).toMatch(/Max-Age=0/)
    const done = await response
    return { slow: done, after: await request(`${server.url}/user`, { cookie }), cookie }
  }

  it('the writer gets a 400, and the session stays gone [C1]', async () => {
    const { slow, after } = await overlap('/write')
    expect([slow.status, slow.setCookies]).toEqual([400, []])
    expect(after.json).toBe(null)
  })

  it('the reader gets a 200, and the session stays gone [C1]', async () => {
    const { slow, after } = await overlap('/read')
    expect([slow.status, slow.json, slow.setCookies]).toEqual([200, 'ada', []])
    expect(after.json).toBe(null)
  })
})
