import type { RequestListener } from 'node:http'
import { session } from '@sess/express'
import { cacheStore } from '@sess/store-cache'
import { cookiesOf } from '@sess/test-fixtures/http.ts'
import { down, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import express from 'express'
import { inject } from 'light-my-request'
import { expect, it } from 'vitest'

// In a file of its own: light-my-request changes the prototypes that all Express apps of a process share.

/** An app over a store that takes its time, as one on a network does. */
function place() {
  const store = intercept(cacheStore())
  store.before = () => Promise.resolve()
  const app = express().set('env', 'test')
  app.use(session({ store }))
  app.use((req, res) => {
    req.session.update('n', (n = 0) => n + 1)
    res.json({ n: req.session.get('n') })
  })
  return { store, listener: app as RequestListener }
}

it('keeps a session over light-my-request', async () => {
  const { listener } = place()
  const first = await inject(listener, { url: '/' })
  const cookie = cookiesOf({ setCookies: [first.headers['set-cookie']].flat() } as never)
  const second = await inject(listener, { url: '/', headers: { cookie } })
  expect([first.json(), second.json()]).toEqual([{ n: 1 }, { n: 2 }])
})

it('sends the status of a failed save over light-my-request', async () => {
  const { store, listener } = place()
  store.before = async () => down()
  const failed = await inject(listener, { url: '/' })
  expect([failed.statusCode, failed.headers['set-cookie']]).toEqual([503, undefined])
  expect(failed.payload).not.toContain('"n"')
})
