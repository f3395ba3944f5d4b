import { describe, expect, it } from 'vitest'
import type { Expiry, Session, Sessions, SessionsOptions } from '../src/index.ts'
import { bench } from './support.ts'

/** What the slow request does with the session before its response. */
const slowHandlers: Record<string, (session: Session) => unknown> = {
  nothing: () => undefined,
  read: session => session.get('user'),
  save: session => session.save(),
  'set, save': async session => {
    session.set('a', 1)
    await session.save()
  },
  'set, save, modified = false': async session => {
    session.set('a', 1)
    await session.save()
    session.modified = false
  },
  'cycleKey, save': async session => {
    session.cycleKey()
    await session.save()
  },
  create: session => session.create(),
  'flush, set, save': async session => {
    session.flush()
    session.set('a', 1)
    await session.save()
  },
}

/** What ends the key while the slow request runs. `slow` is the slow request's session. */
const endings: Record<string, (sessions: Sessions, cookie: string, slow: Session) => Promise<unknown>> = {
  rotation: async (sessions, cookie) => {
    const session = sessions.open(cookie)
    await session.load()
    session.cycleKey()
    session.set('b', 1)
    await sessions.commit(session, { status: 200 })
  },
  logout: async (sessions, cookie) => {
    const session = sessions.open(cookie)
    await session.load()
    session.flush()
    await sessions.commit(session, { status: 200 })
  },
  'logout everywhere': sessions => sessions.removeBySubject('ada'),
  deletion: async (sessions, cookie, slow) => {
    await sessions.delete(cookie.slice('sessionid='.length))
    await sessions.delete(slow.sessionKey ?? '')
  },
}

const saveEvery: SessionsOptions['saveEveryRequest'][] = [false, true, { touchAfter: 5 }]
/** The engine's age, until the browser closes, a fixed moment. */
const expiries: Expiry[] = [null, 0, { minutes: 5 }]
/** `later`: the session was stored before the option was. */
const limits = { none: undefined, near: 60, far: 3_000_000, later: 3_000_000 }

describe('a cookie is sent only for a key that the store has confirmed in this commit', () => {
  it.each(Object.keys(slowHandlers))('a slow request that does this: %s', async name => {
    const slow = slowHandlers[name]!
    let checked = 0
    for (const [ending, end] of Object.entries(endings))
      for (const saveEveryRequest of saveEvery)
        for (const expiry of expiries)
          for (const [limit, absoluteAge] of Object.entries(limits))
            for (const lazy of [false, true])
              for (const status of [200, 500])
                for (const pause of [0, 10_000]) {
                  const options = { lazy, hashKeys: !lazy, saveEveryRequest }
                  const facts = { ...options, ending, expiry, limit, status, pause }
                  const before = bench({ hashKeys: !lazy })
                  const app = bench({
                    ...options,
                    absoluteAge,
                    store: before.store,
                    clock: () => before.time.now,
                  })
                  await (limit === 'later' ? before : app).request(session => {
                    session.set('user', 'ada')
                    session.setExpiry(expiry)
                    if (limit !== 'later') session.subject = 'ada'
                  })
                  const cookie = app.cookie || before.cookie
                  before.time.now += pause
                  const session = app.sessions.open(cookie)
                  await session.load()
                  await slow(session)
                  await end(app.sessions, cookie, session)
                  for (const line of (await app.sessions.commit(session, { status })).setCookies) {
                    const [, key = ''] = /^sessionid=([^;]*)/.exec(line)!
                    if (key === '' || (await app.sessions.exists(key))) continue
                    throw new Error(`a dead key was sent: ${JSON.stringify(facts)}`)
                  }
                  checked++
                }
    expect(checked).toBe(4 * 3 * 3 * 4 * 2 * 2 * 2)
  })

  it('costs a touch where the expiry stays, and a read after an explicit save(), and nothing else', async () => {
    const app = bench({ saveEveryRequest: true })
    await app.request(s => s.setExpiry({ minutes: 5 }))
    app.calls.length = 0
    expect((await app.request()).setCookies[0]).toContain('Max-Age=300;')
    expect(app.calls.splice(0)).toEqual(['read', 'touch'])
    await app.request(s => s.set('a', 1))
    expect(app.calls.splice(0)).toEqual(['read', 'replace'])
    await app.request(async s => {
      s.set('a', 2)
      await s.save()
    })
    expect(app.calls.splice(0)).toEqual(['read', 'replace', 'read'])
    // A save that the commit has to wait for is part of it.
    const session = app.sessions.open(app.cookie)
    await session.load()
    session.set('a', 3)
    const saving = session.save()
    expect((await app.sessions.commit(session, { status: 200 })).setCookies).toHaveLength(1)
    await saving
    expect(app.calls.splice(0)).toEqual(['read', 'replace'])
  })
})
