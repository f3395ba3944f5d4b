import { memoryStore } from '@sess/conformance'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  expiryAge,
  expiryMoment,
  formatMoment,
  LAST_MOMENT,
  parseMoment,
  storedExpiry,
} from '../src/expiry.ts'
import { createSessions } from '../src/index.ts'
import { altered, bench, codeOf, START } from './support.ts'

const DAY = 86_400_000
const YEAR_ONE = Date.parse('0001-01-01T00:00:00Z')

describe('moments', () => {
  it.each<[string, number]>([
    ['2023-11-14T22:13:20+00:00', START],
    ['2023-11-14T22:13:20Z', START],
    ['2023-11-14 22:13:20+00:00', START],
    ['20231114T221320Z', START],
    ['2023-11-14T22:13Z', START - 20_000],
    ['2023-11-14T22Z', START - 800_000],
    ['2023-11-15T00:13:20+02:00', START],
    ['2023-11-15T00:13:50+02:00:30', START],
    ['2023-11-14 20:13:20-020000', START],
    ['2023-11-14T16:43:20-0530', START],
    ['2023-11-14T22:13:20.5+00:00', START + 500],
    ['2023-11-14T22:13:20.123456+00:00', START + 123.456],
    ['2023-11-14T22:13:20.123456789+00:00', START + 123.456],
    ['9999-12-31T23:59:59Z', 253_402_300_799_000],
  ])('%s', (text, ms) => {
    expect(parseMoment(text)).toBeCloseTo(ms, 3)
  })

  it.each([
    '',
    '3600',
    'tomorrow',
    '2023-11-14T22:13:20',
    '2023-11-14',
    '2023-02-30T00:00:00Z',
    '2023-13-01T00:00:00Z',
    '2023-11-14T25:00:00Z',
    'x2023-11-14T22:13:20Z',
    '2023-11-14T22:13:20Zx',
    '2023-11-14T22:13:20+02',
    '2023-11-14T22:13:20+0x:00',
    '2023-11-14T22:13:20+02:00:3x',
    '2023-11-14T22:13:20+02:00:x3',
  ])('%o is none', text => {
    expect(() => parseMoment(text)).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
  })

  it('what is written is read', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        date => {
          expect(parseMoment(formatMoment(date.getTime()))).toBe(date.getTime())
        },
      ),
    )
    expect(formatMoment(START)).toBe('2023-11-14T22:13:20+00:00')
    expect(formatMoment(START + 5)).toBe('2023-11-14T22:13:20.005000+00:00')
  })
})

describe('setExpiry', () => {
  it('takes seconds, a Date, a duration, or null', () => {
    expect(storedExpiry(5.5, START)).toBe(5.5)
    expect(storedExpiry(new Date(START), START)).toBe('2023-11-14T22:13:20+00:00')
    expect(
      storedExpiry({ days: 1, hours: -2, minutes: 3, seconds: 4, milliseconds: 5, weeks: 1 }, START),
    ).toBe(formatMoment(START + 8 * DAY - 7_200_000 + 180_000 + 4005))
    expect(storedExpiry(Object.create({ days: 1 }), START)).toBe(formatMoment(START + DAY))
    expect(storedExpiry(new Date(YEAR_ONE), START)).toBe('0001-01-01T00:00:00+00:00')
    expect(storedExpiry(new Date(LAST_MOMENT), START)).toBe('9999-12-31T23:59:59.999000+00:00')
  })

  it.each<[unknown]>([
    [Number.NaN],
    [Infinity],
    [-Infinity],
    ['60'],
    [true],
    [undefined],
    [{}],
    [{ years: 1 }],
    [{ days: 'x' }],
    [{ days: '1' }],
    [{ days: Number.NaN }],
    [{ days: 1e12 }],
    [new Date(Number.NaN)],
    [new Date(YEAR_ONE - 1)],
    [new Date(LAST_MOMENT + 1)],
    [[]],
  ])('%o is a TypeError [F23]', value => {
    expect(() => storedExpiry(value as number, START)).toThrow(TypeError)
  })

  it('reads what Django stores', () => {
    for (const none of [undefined, null, 0, false, '']) expect(expiryAge(none, START, 60)).toBe(60)
    expect(expiryAge(true, START, 60)).toBe(1)
    expect(expiryAge(new Date(START + 999), START, 60)).toBe(0)
    expect(expiryAge(new Date(START - 1), START, 60)).toBe(-1)
    expect(expiryMoment(-5, START, 60)).toBe(START - 5000)
    // A moment is kept to the millisecond; only ages are whole seconds.
    expect(expiryMoment(new Date(START + 999), START, 60)).toBe(START + 999)
    expect(expiryMoment('2023-11-14T22:13:20.999Z', START, 60)).toBe(START + 999)
    for (const odd of [{}, [], 'soon'])
      expect(() => expiryAge(odd, START, 60)).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
  })
})

describe('lifetimes are enforced on the server [A21, C6, I7]', () => {
  it('idle: a write renews the life, a read does not', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('a', 1))
    app.time.now += 60_000
    await app.request(s => s.set('b', 1))
    app.time.now += 99_999
    expect(await app.peek('a')).toBe(1)
    app.time.now += 1
    expect(await app.peek('a')).toBeUndefined()
  })

  it('seconds of its own, a moment of its own, and the default again', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.setExpiry(10))
    app.time.now += 9000
    const { setCookies } = await app.request(s => {
      expect(s.getExpiryAge()).toBe(10)
      s.set('a', 1)
    })
    expect(setCookies[0]).toContain('Max-Age=10;')
    app.time.now += 9000
    await app.request(s => s.setExpiry({ seconds: 5 }))
    app.time.now += 3000
    await app.request(s => s.set('b', 1)) // does not postpone the moment
    app.time.now += 1999
    expect(await app.peek('a')).toBe(1)
    await app.request(s => s.setExpiry(null))
    app.time.now += 99_000
    expect(await app.peek('a')).toBe(1)
  })

  it('with the browser: no Max-Age, and `age` on the server', async () => {
    const app = bench({ age: 100, expireAtBrowserClose: true })
    const { setCookies } = await app.request(s => {
      expect(s.getExpireAtBrowserClose()).toBe(true)
      s.set('a', 1)
    })
    expect(setCookies[0]).not.toMatch(/Max-Age|Expires/)
    const kept = await app.request(s => s.setExpiry(60))
    expect(kept.setCookies[0]).toContain('Max-Age=60;')
    const closed = await app.request(s => s.setExpiry(0))
    expect(closed.setCookies[0]).not.toMatch(/Max-Age|Expires/)
    app.time.now += 100_000
    expect(await app.peek('a')).toBeUndefined()
  })

  it.each([
    [null, true],
    [0, true],
    [false, true],
    [true, false],
    [60, false],
  ])(
    'what says %j ends with the browser where that is the default: %j; elsewhere only what is 0',
    (value, ends) => {
      for (const expireAtBrowserClose of [true, false]) {
        const session = createSessions({ store: memoryStore(), expireAtBrowserClose }).open()
        session.set('_session_expiry', value)
        expect(session.getExpireAtBrowserClose()).toBe(value === null ? expireAtBrowserClose : ends)
      }
    },
  )

  it('an expiry in the past ends the session at once', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const cookie = app.cookie
    await app.request(s => s.setExpiry(-1))
    expect(await app.peek('a', cookie)).toBeUndefined()
  })

  it('absolute: however active, rotated or extended', async () => {
    const app = bench({ age: 100, absoluteAge: 250, saveEveryRequest: true })
    const first = await app.request(s => s.set('a', 1))
    expect(first.setCookies[0]).toContain('Max-Age=100;')
    for (let i = 0; i < 4; i++) {
      app.time.now += 60_000
      await app.request(s => (i === 1 ? s.cycleKey() : i === 2 ? s.clear() : s.get('a')))
    }
    app.time.now += 9_999
    const last = await app.request(s => s.set('a', 2))
    expect(last.setCookies[0]).toContain('Max-Age=0;')
    expect(await app.peek('a', `${last.setCookies[0]!.split(';')[0]}`)).toBe(2)
    app.time.now += 1
    expect(await app.peek('a', `${last.setCookies[0]!.split(';')[0]}`)).toBeUndefined()
  })

  it('absolute: a new subject restarts it, the same one does not; setExpiry never passes it', async () => {
    const app = bench({ absoluteAge: 100 })
    await app.request(s => s.set('a', 1))
    app.time.now += 90_000
    await app.request(s => {
      s.subject = 'ada'
    })
    app.time.now += 90_000
    await app.request(s => {
      s.subject = 'ada'
      expect(s.authenticatedAt).toEqual(new Date(app.time.now))
      s.setExpiry({ days: 30 })
    })
    app.time.now += 9999
    expect(await app.peek('a')).toBe(1)
    app.time.now += 1
    expect(await app.peek('a')).toBeUndefined()
  })

  it('absolute: another subject restarts it once more', async () => {
    const app = bench({ absoluteAge: 100 })
    for (const subject of ['ada', 'bob']) {
      await app.request(s => {
        s.subject = subject
      })
      app.time.now += 90_000
    }
    await app.request(s => expect(s.subject).toBe('bob'))
    app.time.now += 10_000
    await app.request(s => expect(s.subject).toBe(null))
  })

  it('absolute: a session from before the option gets its limit at its next save or extension', async () => {
    const store = memoryStore()
    const old = bench({ store })
    await old.request(s => s.set('a', 1))
    const app = bench({ store, absoluteAge: 100, saveEveryRequest: true })
    await app.request(s => s.get('a'), { cookie: old.cookie })
    app.time.now += 100_000
    expect(await app.peek('a')).toBeUndefined()
  })

  describe('absolute: the first extension of a session from before the option', () => {
    const before = async () => {
      const store = memoryStore()
      const old = bench({ store })
      await old.request(s => s.set('a', 1))
      return { store, old }
    }
    const options = { absoluteAge: 100, saveEveryRequest: true }

    it('sends its cookie', async () => {
      const { store, old } = await before()
      const { setCookies } = await bench({ store, ...options }).request(s => s.get('a'), {
        cookie: old.cookie,
      })
      expect(setCookies[0]).toContain('Max-Age=100;')
    })

    it('is no error and no cookie if the record is gone [C1]', async () => {
      const { store, old } = await before()
      const cookie = old.cookie
      const result = await bench({ store, ...options }).request(
        async s => {
          s.get('a')
          await old.request(other => other.flush())
        },
        { cookie },
      )
      expect(result).toEqual({ setCookies: [], vary: true, private: false })
    })

    it('is an error if the store is down', async () => {
      const { store, old } = await before()
      const down = altered({ replace: () => Promise.reject(new Error('down')) }, store)
      const app = bench({ store: down, ...options })
      expect(await codeOf(() => app.request(s => s.get('a'), { cookie: old.cookie }))).toBe('SESSION_STORE')
    })
  })

  it('the clock jumps back and forth [F23]', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('a', 1))
    app.time.now -= 1e9
    await app.request(s => s.get('a'))
    expect(await app.peek('a')).toBe(1)
    app.time.now += 1e9 + 50_000
    expect(await app.peek('a')).toBe(1)
    app.time.now += 1e12
    expect(await app.peek('a')).toBeUndefined()
    app.time.now = START
    expect(await codeOf(() => app.request(s => s.setExpiry({ days: 365 * 9000 }), { cookie: '' }))).toMatch(
      /TypeError/,
    )
    await app.request(s => s.setExpiry(1e15), { cookie: '' })
    const expiries: number[] = []
    for await (const { expiresAt } of app.store.scan!({ now: START })) expiries.push(expiresAt)
    expect(Math.max(...expiries)).toBe(253_402_300_799_999)
  })

  it('a session ends at its end, also where the store still has the record', async () => {
    for (const [left, value] of [
      [1, 1],
      [0, undefined],
    ]) {
      const app = bench({
        store: altered({ read: () => ({ payload: '{"a":1}', expiresAt: START + left!, version: 'v' }) }),
      })
      expect(await app.peek('a', `sessionid=${'a'.repeat(32)}`)).toBe(value)
    }
  })

  it('NaN from a store is not live', async () => {
    const app = bench({
      store: altered({ read: () => ({ payload: '{"a":1}', expiresAt: Number.NaN, version: 'v' }) }),
    })
    expect(await app.peek('a', `sessionid=${'a'.repeat(32)}`)).toBeUndefined()
  })
})

describe('saveEveryRequest', () => {
  it('extends by a touch, sends the cookie again, and rewrites nothing', async () => {
    const touched: unknown[] = []
    const app = bench({ age: 100, saveEveryRequest: true, hooks: { touched: event => touched.push(event) } })
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    app.time.now += 60_000
    const { setCookies } = await app.request()
    expect(setCookies[0]).toContain('Max-Age=100;')
    expect(app.calls).toEqual(['read', 'touch'])
    expect(touched).toEqual([{ id: expect.any(String), durationMs: 0 }])
    app.time.now += 99_000
    expect(await app.peek('a')).toBe(1)
  })

  it('touchAfter: at most so often', async () => {
    const app = bench({ age: 100, saveEveryRequest: { touchAfter: 30 } })
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    app.time.now += 29_999
    expect((await app.request(s => s.get('a'))).setCookies).toEqual([])
    app.time.now += 1
    expect((await app.request(s => s.get('a'))).setCookies).toHaveLength(1)
    expect((await app.request(s => s.get('a'))).setCookies).toEqual([])
    expect(app.calls).toEqual(['read', 'read', 'touch', 'read'])
  })

  it('also when lazy and untouched, but never for a 5xx or without a session', async () => {
    const app = bench({ saveEveryRequest: true, lazy: true })
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    const untouched = app.sessions.open(app.cookie)
    app.time.now += 1000
    expect((await app.sessions.commit(untouched, { status: 200 })).setCookies).toHaveLength(1)
    await app.request(undefined, { status: 500 })
    await app.request(undefined, { cookie: '' })
    expect(app.calls).toEqual(['read', 'touch', 'read'])
  })

  it('a session that the request saved itself is extended already; its key is confirmed and its cookie sent', async () => {
    const app = bench({ age: 100, saveEveryRequest: true })
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    app.time.now += 1000
    const { setCookies } = await app.request(async s => {
      await s.save()
      app.time.now += 5
    })
    expect(setCookies[0]).toContain('Max-Age=100;')
    expect(app.calls).toEqual(['read', 'replace', 'read'])
  })

  it('a moment of its own is not moved, but a touch confirms the key, and no hook is called', async () => {
    const touched: unknown[] = []
    const app = bench({ saveEveryRequest: true, hooks: { touched: event => touched.push(event) } })
    await app.request(s => s.setExpiry({ minutes: 5 }))
    app.calls.length = 0
    app.time.now += 1000
    const { setCookies } = await app.request()
    expect(app.calls).toEqual(['read', 'touch'])
    expect(touched).toEqual([])
    expect(setCookies[0]).toContain('Max-Age=299;')
  })

  it('a touch that fails, because the record is gone or changed, is no error and no cookie [C1, F17]', async () => {
    const app = bench({ saveEveryRequest: true })
    await app.request(s => s.set('a', 1))
    app.time.now += 1000
    const result = await app.request(async s => {
      s.get('a')
      await app.request(other => other.flush())
    })
    expect(result).toEqual({ setCookies: [], vary: true, private: false })
  })

  it('sends no cookie for an extension that a failed `save()` did not make', async () => {
    const app = bench({ age: 100, saveEveryRequest: true })
    await app.request(s => s.set('a', 1))
    const failing = createSessions({
      store: altered({ replace: () => Promise.reject(new Error('down')) }, app.store),
      clock: () => START + 60_000,
      age: 100,
      saveEveryRequest: true,
    })
    const session = failing.open(app.cookie)
    await session.load()
    session.set('a', 2)
    expect(await codeOf(() => session.save())).toBe('SESSION_STORE')
    session.modified = false
    expect((await failing.commit(session, { status: 200 })).setCookies).toEqual([])
  })

  it('a store that is down does not trouble a request that leaves the session alone [F1]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const broken = createSessions({
      store: altered({ read: async () => Promise.reject(new Error('down')) }),
      saveEveryRequest: true,
    })
    const session = broken.open(app.cookie)
    expect(await broken.commit(session, { status: 200 })).toEqual({
      setCookies: [],
      vary: false,
      private: false,
    })
    const failing = createSessions({
      store: altered({ touch: () => Promise.reject(new Error('down')) }, app.store),
      clock: () => START + 1000,
      saveEveryRequest: true,
    })
    const other = failing.open(app.cookie)
    await other.load()
    expect(await codeOf(() => failing.commit(other, { status: 200 }))).toBe('SESSION_STORE')
  })
})
