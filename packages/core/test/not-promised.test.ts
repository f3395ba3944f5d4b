/** What SECURITY.md does not promise. A sentence there that stops being true is found here. */
import { cacheStore } from '@sess/store-cache'
import { signedCookieStore } from '@sess/store-cookie'
import { describe, expect, it } from 'vitest'
import { createSessions } from '../src/index.ts'
import { bench } from './support.ts'

const SECRET = 'rN8#vQ2kLp0xZ7mWc4Tj9Hb6Fy3Ds1Ga'
const inCookies = () => bench({ store: signedCookieStore(), secret: SECRET } as never)

describe('what SECURITY.md says is not promised', () => {
  it('a copied cookie session works until it expires, also after a logout', async () => {
    const app = inCookies()
    await app.request(session => session.set('user', 'ann'))
    const copied = app.cookie
    await app.request(session => session.flush())
    expect(await app.peek('user')).toBeUndefined()
    expect(await app.peek('user', copied)).toBe('ann')
  })

  it('of two cookie sessions that overlap the last response wins', async () => {
    const app = inCookies()
    await app.request(session => session.set('n', 0))
    const before = app.cookie
    await app.request(session => session.set('a', 1), { cookie: before })
    await app.request(session => session.set('b', 1), { cookie: before })
    expect([await app.peek('a'), await app.peek('b')]).toEqual([undefined, 1])
  })

  it('a record that somebody else wrote into the store is believed', async () => {
    const app = bench()
    await app.request(session => session.set('user', 'ann'))
    const context = { now: app.time.now }
    for await (const { id, payload, expiresAt, version } of app.store.scan!(context)) {
      await app.store.replace(id, { payload: payload.replace('ann', 'root'), expiresAt }, version, context)
    }
    expect(await app.peek('user')).toBe('root')
  })

  it('a cookie works wherever it comes from', async () => {
    const app = bench()
    await app.request(session => session.set('user', 'ann'))
    // All that an engine gets of a request is its `Cookie` header. No address and no device is part of it.
    const elsewhere = createSessions({ store: app.store, clock: () => app.time.now })
    const session = elsewhere.open(app.cookie)
    await session.load()
    expect(session.get('user')).toBe('ann')
  })

  it('bots push visitors out of a bounded cache store, if each of them gets a session', async () => {
    const visitor = bench({ store: cacheStore({ maxEntries: 10 }) })
    await visitor.request(session => session.set('user', 'ann'))
    const own = visitor.cookie
    for (let n = 0; n < 10; n++) await visitor.request(session => session.set('bot', n), { cookie: '' })
    expect(await visitor.peek('user', own)).toBeUndefined()
  })

  it('an old key still ends the session for 30 seconds after a rotation, and gets nothing else from it', async () => {
    const app = bench()
    await app.request(session => session.set('cart', 1))
    const planted = app.cookie
    await app.request(session => {
      session.cycleKey()
      session.set('user', 'ann')
    })
    const own = app.cookie
    expect(await app.peek('user', planted)).toBeUndefined()
    await app.request(session => session.flush(), { cookie: planted })
    expect(await app.peek('user', own)).toBeUndefined()
  })

  it('a cookie that a neighbour planted where there was none is used until the login', async () => {
    const app = bench()
    await app.request(session => session.set('note', 'of the neighbour'))
    const planted = app.cookie
    await app.request(session => session.set('note', 'of the visitor'), { cookie: planted })
    expect(await app.peek('note', planted)).toBe('of the visitor')
    await app.request(session => session.cycleKey(), { cookie: planted })
    expect(await app.peek('note', planted)).toBeUndefined()
  })
})
