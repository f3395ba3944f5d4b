import { loggedIn, testClock, testStore } from '@sess/core/testing'
import { session } from '@sess/fastify'
import fastify from 'fastify'
import { expect, it } from 'vitest'

it("Fastify's inject begins logged in, moves the clock and counts store calls", async () => {
  const store = testStore()
  const clock = testClock()
  const sess = session({ store, clock, age: 600 })
  const app = fastify()
  await app.register(sess)
  app.get('/account', async request => ({ userId: request.session.get('userId') ?? null }))
  const cookie = await loggedIn(sess.sessions, { userId: 'ada' }, { subject: 'ada' })
  store.calls.length = 0
  const account = async () => (await app.inject({ url: '/account', headers: { cookie } })).json()
  expect([await account(), store.calls]).toEqual([{ userId: 'ada' }, ['read']])
  clock.advance(601)
  expect(await account()).toEqual({ userId: null })
  await app.close()
})

it('cookies depend on the request, with a key that is of one tenant alone', async () => {
  const store = testStore()
  const sess = session({
    store,
    cookie: (request: { hostname: string }) => ({ domain: request.hostname, isolate: request.hostname }),
  })
  const app = fastify()
  await app.register(sess)
  app.get('/', async request => {
    request.session.update('n', (n = 0) => n + 1)
    return { n: request.session.get('n') }
  })
  const first = await app.inject({ url: '/', headers: { host: 'a.example' } })
  const cookie = String(first.headers['set-cookie']).split(';')[0]!
  expect(String(first.headers['set-cookie'])).toContain('Domain=a.example')
  const n = async (host: string) => (await app.inject({ url: '/', headers: { host, cookie } })).json().n
  expect([await n('a.example'), await n('b.example'), await n('a.example')]).toEqual([2, 1, 3])
  await app.close()
})
