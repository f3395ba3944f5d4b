import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { BOOKKEEPING } from '../src/bookkeeping.ts'
import { asStoreError } from '../src/errors.ts'
import { createSessions } from '../src/index.ts'
import { bytes, duration, isoMoment, jsonReady, moment, relative, viewOf } from '../src/inspect.ts'

// How tools write what they see: `sess` and the inspector.

const NOW = Date.UTC(2026, 10, 28, 20, 30, 19)

describe('moments and sizes', () => {
  it('are written in the largest unit that fits', () => {
    expect(duration(0)).toBe('0 seconds')
    expect(duration(1_000)).toBe('1 second')
    expect(duration(7_200_000)).toBe('2 hours')
    expect(bytes(1023)).toBe('1023 B')
    expect(bytes(1434)).toBe('1.4 KiB')
    expect(bytes(20 * 1024)).toBe('20 KiB')
    expect(bytes(3000 * 1024 ** 4)).toBe('3000 TiB')
  })

  it('say how long ago, how far off, now, or that it is not known', () => {
    expect(relative(undefined, NOW)).toBe('-')
    expect(relative(NOW + 500, NOW)).toBe('now')
    expect(relative(NOW - 7_200_000, NOW)).toBe('2 hours ago')
    expect(relative(NOW + 7_200_000, NOW)).toBe('in 2 hours')
  })

  it('are a dash or null where no date can say them', () => {
    expect(moment(NOW)).toBe('2026-11-28 20:30:19Z')
    expect(isoMoment(NOW)).toBe('2026-11-28T20:30:19.000Z')
    for (const none of [undefined, 9e15]) {
      expect(moment(none)).toBe('-')
      expect(isoMoment(none)).toBeNull()
    }
  })
})

describe('data that JSON cannot say', () => {
  it('are written as text', () => {
    const own: Record<string, unknown> = {
      when: new Date(Number.NaN),
      count: 10n,
      none: undefined,
      far: Infinity,
    }
    own['self'] = own
    expect(jsonReady(own)).toEqual({
      when: 'Invalid Date',
      count: '10n',
      none: 'undefined',
      far: 'Infinity',
      self: '… (contains itself)',
    })
  })
})

describe('flush()', () => {
  const session = createSessions({ store: memoryStore() }).open('')

  it('throws for options that it does not know, and keeps the session', () => {
    session.set('a', 1)
    for (const wrong of [
      'storage',
      null,
      { storage: true },
      { clearSiteData: [] },
      { clearSiteData: ['all'] },
    ])
      expect(() => session.flush(wrong as never)).toThrow(TypeError)
    expect(session.get('a')).toBe(1)
  })

  it('takes an empty object', () => {
    session.flush({})
    expect(session.isEmpty).toBe(true)
  })
})

describe('a view of a record', () => {
  const shown = (data: unknown, more: object = {}) =>
    viewOf(
      { id: 'a', version: '1', payload: '{}', expiresAt: NOW, ...more },
      async () => ({ data: data as Record<string, unknown>, verified: true }),
      60,
    )

  it('has subject, moments and device apart from the data', async () => {
    const view = await shown({
      _auth_user_id: '7',
      _session_expiry: 30,
      a: 1,
      _session_flash: { notice: ['hi'] },
    })
    expect(view).toMatchObject({ subject: '7', lastSeenAt: NOW - 30_000 })
    expect(view.data).toMatchObject({ a: 1, '(flash)': { notice: ['hi'] } })
  })

  it('was last seen no earlier than at its login, also if `absoluteAge` ends it', async () => {
    const login = { _session_created: NOW - 20_000, _session_authenticated: NOW - 10_000 }
    expect((await shown(login)).lastSeenAt).toBe(NOW - 10_000)
    expect((await shown({ _session_created: NOW - 20_000 })).lastSeenAt).toBe(NOW - 20_000)
    expect((await shown({ ...login, _session_expiry: 5 })).lastSeenAt).toBe(NOW - 5_000)
  })

  it('has no bookkeeping of ours in the data', async () => {
    const bookkeeping = Object.fromEntries(BOOKKEEPING.map(name => [name, 'x']))
    expect((await shown({ ...bookkeeping, _session_expiry: 30, a: 1 })).data).toEqual({
      _session_expiry: 30,
      a: 1,
    })
  })

  it('knows no last use of a session that ends at a date, or whose age nobody knows', async () => {
    expect((await shown({ _session_expiry: '2026-12-01T00:00:00Z' })).lastSeenAt).toBeUndefined()
    const view = await viewOf(
      { id: 'a', version: '1', payload: '{}', expiresAt: NOW },
      () => ({ data: {}, verified: true }),
      undefined,
    )
    expect(view.lastSeenAt).toBeUndefined()
  })

  it('says what is no session, without its text', async () => {
    expect((await shown(['x'])).problem).toBe('It is not an object.')
    for (const [error, problem] of [
      [new SyntaxError('hunter2'), /a SyntaxError: it is not/],
      ['hunter2', /an error: it is not/],
      [Object.assign(new Error('bad'), { code: 'BAD_SIGNATURE' }), /^bad$/],
    ] as const) {
      const view = await viewOf(
        { id: 'a', version: '1', payload: 'x', expiresAt: NOW },
        () => Promise.reject(error),
        60,
      )
      expect(view.problem).toMatch(problem)
      expect(view.problem).not.toContain('hunter2')
    }
  })
})

it.each([undefined, null, 'gone'])('a store that throws %j becomes an error of ours', thrown => {
  expect(asStoreError(thrown)).toMatchObject({ code: 'SESSION_STORE', status: 503 })
})
