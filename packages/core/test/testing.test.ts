import { describeStore } from '@sess/conformance/vitest'
import { encryptedCookieStore } from '@sess/store-cookie'
import { describe, expect, it } from 'vitest'
import { createSessions, type SessionsOptions } from '../src/index.ts'
import { loggedIn, testClock, testStore } from '../src/testing.ts'

describeStore('the store for tests', () => ({ store: testStore() }))

const START = new Date('2026-01-01T00:00:00Z')

function engine(options: Partial<SessionsOptions> = {}) {
  const store = testStore()
  const clock = testClock(START)
  return { store, clock, sessions: createSessions({ store, clock, age: 600, ...options }) }
}

describe('loggedIn', () => {
  it('returns the Cookie header of a session with the data and the subject', async () => {
    const { sessions, store } = engine()
    const cookie = await loggedIn(sessions, { userId: 'ada', n: 1 }, { subject: 'ada' })
    expect(cookie).toMatch(/^sessionid=[a-z0-9]{32}$/)
    const session = sessions.open(cookie)
    await session.load()
    expect([session.toJSON(), session.subject, session.isFresh(1)]).toEqual([
      { userId: 'ada', n: 1 },
      'ada',
      true,
    ])
    expect(store.calls).toEqual(['insert', 'read'])
  })

  it('makes a session for empty data, too, and a new one at each call', async () => {
    const { sessions } = engine()
    expect(await loggedIn(sessions, {})).not.toBe(await loggedIn(sessions, {}))
    expect(await sessions.exists((await loggedIn(sessions, {})).split('=')[1]!)).toBe(true)
  })

  it('returns all cookies of a cookie session, whole or split', async () => {
    const options = {
      store: encryptedCookieStore(),
      secret: 'some-secret-for-the-tests-of-testing-0',
      cookie: { maxBytes: 8192 },
    }
    const { sessions } = engine(options)
    for (const text of ['short', 'x'.repeat(4000)]) {
      const session = sessions.open(await loggedIn(sessions, { text }))
      await session.load()
      expect(session.get('text')).toBe(text)
    }
  })

  it('returns the value of the header if keys are in a header, and a cookie if both are allowed', async () => {
    for (const header of ['authorization', 'x-session'] as const) {
      const { sessions } = engine({ carrier: { header } })
      const value = await loggedIn(sessions, { n: 1 })
      const session = sessions.open('', { header: () => value })
      await session.load()
      expect(session.get('n')).toBe(1)
    }
    const both = engine({ carrier: { header: 'x-session', cookie: true } })
    expect(await loggedIn(both.sessions, { n: 1 })).toMatch(/^sessionid=/)
  })

  it('makes the session of a tenant', async () => {
    const { sessions } = engine({ cookie: (req: { tenant: string }) => ({ isolate: req.tenant }) })
    const cookie = await loggedIn(sessions, { n: 1 }, { request: { tenant: 'a' } })
    for (const [tenant, expected] of [
      ['a', 1],
      ['b', undefined],
    ] as const) {
      const session = sessions.open(cookie, { request: { tenant } })
      await session.load()
      expect(session.get('n')).toBe(expected)
    }
  })

  it('fails as a save fails', async () => {
    await expect(loggedIn(engine().sessions, { f: () => 1 })).rejects.toMatchObject({ code: 'SESSION_DATA' })
  })
})

describe('the clock', () => {
  it('stands still, moves on, and ends sessions', async () => {
    const { sessions, clock } = engine()
    expect([clock(), clock()]).toEqual([Number(START), Number(START)])
    const cookie = await loggedIn(sessions, { n: 1 })
    const value = async () => {
      const session = sessions.open(cookie)
      await session.load()
      return session.get('n')
    }
    clock.advance(599)
    expect(await value()).toBe(1)
    clock.advance(2)
    expect(await value()).toBeUndefined()
    clock.set(START)
    expect(await value()).toBe(1)
  })

  it('begins now, and takes nothing but times', () => {
    expect(Math.abs(testClock()() - Date.now())).toBeLessThan(1000)
    expect(() => testClock().advance(Number.NaN)).toThrow(TypeError)
    expect(() => testClock().set(new Date('never'))).toThrow(TypeError)
  })
})

it('`calls` can be emptied between two requests', async () => {
  const { sessions, store } = engine()
  await loggedIn(sessions, {}, { subject: 'ada' })
  store.calls.length = 0
  await sessions.list('ada')
  await sessions.removeBySubject('ada')
  expect(store.calls).toEqual(['scanBySubject', 'removeBySubject'])
})
