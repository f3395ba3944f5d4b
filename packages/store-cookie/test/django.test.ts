import { readFileSync } from 'node:fs'
import type { SealContext, SessionRecord } from '@sess/core'
import { COOKIE_SALT, dumpJson, dumps } from '@sess/core/django'
import { describe, expect, test } from 'vitest'
import { signedCookieStore } from '../src/index.ts'

interface DecodeCase {
  id: string
  input: {
    encoded: string
    secret: string
    salt: string
    now: number
    max_age?: number | null
    fallbacks?: string[]
  }
  expect: {
    cookie_session?: { items: { value?: unknown; raises?: string }; modified: boolean; key_kept: boolean }
  }
  expect_52?: DecodeCase['expect']
}

const folder =
  process.env['SESS_DJANGO_FIXTURES'] ?? new URL('../../../test-fixtures/django', import.meta.url).pathname
const { cases } = JSON.parse(readFileSync(`${folder}/signing_decode.json`, 'utf8')) as { cases: DecodeCase[] }

describe('signing_decode.json: a cookie that Django takes is one that we take', () => {
  for (const { id, input, expect: recorded, expect_52 } of cases) {
    const expected = (expect_52 ?? recorded).cookie_session
    if (!expected) continue
    test(id, () => {
      const { encoded, secret, fallbacks = [], max_age } = input
      const now = input.now * 1000
      // An age of 0 or less is no session cookie's age with us: the smallest there is.
      const age = typeof max_age === 'number' ? Math.max(max_age, 1e-9) : 1_209_600
      const store = signedCookieStore({ django: { age } })
      const found = store.unseal(encoded, { name: 'sessionid', secrets: [secret, ...fallbacks], now })
      // `modified`: Django began a new session; the key not kept: too short for Django to be one. A list or a number it hands on, and fails when it is used; NaN is not
      // JSON for the engine's codec; and the millisecond of the end is the end here, where Django's is the last.
      const json = JSON.stringify(expected.items.value) ?? ''
      const asEnd = typeof max_age === 'number' && id.includes(`age${max_age}-max${max_age}/`)
      if (
        expected.modified ||
        !expected.key_kept ||
        expected.items.raises ||
        json.includes('$float') ||
        asEnd
      ) {
        expect(found).toBeNull()
      } else {
        expect(JSON.parse((found as SessionRecord).payload)).toEqual(expected.items.value)
      }
    })
  }
})

const secret = 'oracle-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz'
const now = 1_700_000_000_000
const context = (part: Partial<SealContext> = {}): SealContext => ({
  name: 'sessionid',
  secrets: [secret],
  now,
  ...part,
})
const AGE = 1_209_600
const store = signedCookieStore({ django: true })
const seal = (payload: string, expiresAt = now + AGE * 1000, at: Partial<SealContext> = {}) =>
  store.seal({ payload, expiresAt }, context(at)) as string
const end = (token: string, at = now) =>
  (store.unseal(token, context({ now: at })) as SessionRecord | null)?.expiresAt
/** What Django makes at that second. */
const theirs = (json: string, at = now) =>
  dumpJson(json, { secret, salt: COOKIE_SALT, compress: true, now: at }) as string

describe('the cookie is Django’s', () => {
  test('byte for byte, as recorded', () => {
    expect(seal('{"a":1}')).toBe('eyJhIjoxfQ:1r31eq:gWOT5qe4PeCdDUKfdFX6nGdZfyrM5OzkS4DHgdUGVoo')
  })

  test.each([
    ['{"user":7}', AGE],
    ['{"user":7,"_session_expiry":300}', 300],
    ['{"user":7,"_session_expiry":0}', AGE],
    ['{"user":7,"_session_expiry":null}', AGE],
    ['{"user":7,"_session_expiry":"2023-11-14T22:23:20+00:00"}', 600],
    ['{"user":7,"_session_expiry":"2023-11-14 22:23:20.500000Z"}', 600.5],
    ['{"user":7,"_session_expiry":-5}', -5],
    ['{"user":7,"_session_expiry":"2023-11-14T22:13:00+00:00"}', -20],
  ])('%s is dated to the second it is made', (payload, seconds) => {
    for (const fraction of [0, 999]) {
      const token = seal(payload, now + fraction + seconds * 1000, { now: now + fraction })
      if (payload.includes('T22') || payload.includes(' 22')) {
        expect(seal(payload, now + seconds * 1000, { now: now + fraction })).toBe(theirs(payload))
      } else expect(token).toBe(theirs(payload))
    }
  })

  test('an odd expiry lives for the age, as in Django, which reads it and does not look', () => {
    for (const odd of ['"tomorrow"', '"2023-11-14T22:13:20"', '""', '[1]', '{"a":1}', 'true']) {
      const token = theirs(`{"_session_expiry":${odd}}`)
      expect(end(token)).toBe(now + (odd === 'true' ? 1 : AGE) * 1000)
    }
  })
})

describe('the life of a session is kept on the server [C6]', () => {
  test('a shorter _session_expiry ends it, in Django’s cookies too', () => {
    const token = theirs('{"a":1,"_session_expiry":300}')
    expect(end(token, now + 299_999)).toBe(now + 300_000)
    expect(end(token, now + 300_000)).toBeUndefined()
    const dated = theirs('{"a":1,"_session_expiry":"2023-11-14T22:23:20+00:00"}')
    expect(end(dated, now + 599_999)).toBe(now + 600_000)
    expect(end(dated, now + 600_000)).toBeUndefined()
    expect(end(theirs('{"a":1,"_session_expiry":-1}'))).toBeUndefined()
  })

  test('a life beyond Django’s age is kept by a later date, which Django takes too', () => {
    const month = 30 * 86_400_000
    for (const expiry of ['2592000', '"2023-12-14T22:13:20+00:00"']) {
      const token = seal(`{"_session_expiry":${expiry}}`, now + month)
      expect(end(token)).toBe(now + month)
      expect(end(token, now + month - 1)).toBe(now + month)
      expect(end(token, now + month)).toBeUndefined()
      // Django's own, read at day 20: over for Django, and so for us.
      expect(end(theirs(`{"_session_expiry":${expiry}}`), now + 20 * 86_400_000)).toBeUndefined()
    }
  })

  test('an end before all that (an absolute age) is kept by an earlier date', () => {
    for (const data of [
      '{}',
      '{"_session_expiry":86400}',
      '{"_session_expiry":"2023-11-20T00:00:00+00:00"}',
    ]) {
      const token = seal(data, now + 60_000)
      expect(end(token)).toBe(now + 60_000)
      expect(end(token, now + 60_000)).toBeUndefined()
    }
  })

  test('seconds are all the format has: never longer, less than one shorter', () => {
    for (const ms of [1, 500, 999]) {
      const kept = end(seal('{}', now + 5_000 + ms)) as number
      expect(kept).toBe(now + 5_000)
    }
  })

  test('another age and salt', () => {
    const short = signedCookieStore({ django: { age: 60, salt: 'my.cookies', compress: false } })
    const token = short.seal({ payload: '{"a":1}', expiresAt: now + 60_000 }, context()) as string
    expect(token).toBe(dumps({ a: 1 }, { secret, salt: 'my.cookies', now }))
    expect(short.unseal(token, context({ now: now + 59_999 }))).toEqual({
      payload: '{"a":1}',
      expiresAt: now + 60_000,
    })
    expect(short.unseal(token, context({ now: now + 60_000 }))).toBeNull()
    expect(store.unseal(token, context())).toBeNull()
    for (const age of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '60']) {
      expect(() => signedCookieStore({ django: { age: age as number } })).toThrow('django.age: ')
    }
    expect(() => signedCookieStore({ django: { salt: 5 as never } })).toThrow('django.salt: ')
  })
})

describe('what the payload may be', () => {
  test('the text of json() comes back as it was', () => {
    for (const value of ['é', '😀', '\ud800', '\\u00e9', '"\\\n\u007f', 'x'.repeat(5000)]) {
      const payload = JSON.stringify({ [value]: [value] })
      expect((store.unseal(seal(payload), context()) as SessionRecord).payload).toBe(payload)
    }
  })

  test('what is no JSON object is an error, not a cookie [F15]', () => {
    for (const payload of ['', 'x', '5', 'null', '[1]', '"text"']) {
      expect(() => seal(payload)).toThrow('Use the codec json()')
    }
  })

  test('the subject travels in the data, as the engine writes it', () => {
    const record = { payload: '{"_session_subject":"ann"}', expiresAt: now + 60_000, subject: 'ann' }
    expect(store.unseal(store.seal(record, context()) as string, context())).toEqual(record)
    expect(() => store.seal({ ...record, subject: 'bob' }, context())).toThrow('_session_subject')
    expect(() => store.seal({ ...record, payload: '{}' }, context())).toThrow('_session_subject')
    expect(store.unseal(theirs('{"_session_subject":5}'), context())).not.toHaveProperty('subject')
  })

  test('SECRET_KEY_FALLBACKS read, and do not write [A30]', () => {
    const old = store.seal(
      { payload: '{}', expiresAt: now + 60_000 },
      context({ secrets: ['retired-one'] }),
    ) as string
    expect(store.unseal(old, context({ secrets: [secret, 'retired-one'] }))).not.toBeNull()
    expect(store.unseal(old, context())).toBeNull()
    expect(seal('{}', undefined, { secrets: [secret, 'retired-one'] })).toBe(seal('{}'))
  })
})
