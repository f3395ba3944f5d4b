import { randomBytes, randomInt } from 'node:crypto'
import { describeCookieStore } from '@sess/conformance/vitest'
import type { CookieStore, SealContext, SessionRecord } from '@sess/core'
import { seal } from '@sess/core/crypto'
import { describe, expect, test } from 'vitest'
import { encryptedCookieStore, signedCookieStore } from '../src/index.ts'
import { alterations } from './alterations.ts'

const stores: [name: string, store: () => CookieStore][] = [
  ['encrypted', encryptedCookieStore],
  ['signed', signedCookieStore],
  ['signed, for Django', () => signedCookieStore({ django: true })],
]

describeCookieStore('encrypted cookie', () => ({ store: encryptedCookieStore() }))
describeCookieStore('signed cookie', () => ({ store: signedCookieStore() }))

const now = 1_700_000_000_000
const context = (part: Partial<SealContext> = {}): SealContext => ({
  name: 'sessionid',
  secrets: ['Zk3vQ9nW1rT7yB5mX8cL2pD6sF4hJ0gA'],
  now,
  ...part,
})
const record = (part: Partial<SessionRecord> = {}): SessionRecord => ({
  payload: '{"user":7,"_session_subject":"ann"}',
  expiresAt: now + 1_209_600_000,
  subject: 'ann',
  ...part,
})

describe.each(stores)('%s', (name, make) => {
  const store = make()

  test('returns plain values on Node', () => {
    const token = store.seal(record(), context())
    expect(typeof token).toBe('string')
    expect(store.unseal(token as string, context())).toEqual(record())
  })

  test('ten thousand altered tokens, none accepted [A28, A29]', () => {
    const token = store.seal(record(), context()) as string
    const other = store.seal(
      record({ payload: '{"user":8}', subject: undefined as never }),
      context(),
    ) as string
    let tried = 0
    for (const altered of alterations(token, other, randomInt)) {
      if (store.unseal(altered, context()) !== null) expect.fail(`accepted ${altered}`)
      if (++tried === 10_000) break
    }
    expect(store.unseal(token, context())).toEqual(record())
  })

  test('the token of an encrypted cookie shows nothing; a signed one is plain to read [A8]', () => {
    const token = store.seal(
      record({ payload: '{"card":"4111","_session_subject":"ann"}' }),
      context(),
    ) as string
    const readable = Buffer.from(token.replaceAll('.', ''), 'base64url').toString('latin1') + token
    const pieces = token.split(/[.:]/).map(piece => Buffer.from(piece, 'base64url').toString('latin1'))
    expect((readable + pieces.join()).includes('4111')).toBe(name !== 'encrypted')
  })
})

describe('options', () => {
  const secret = 'Zk3vQ9nW1rT7yB5mX8cL2pD6sF4hJ0gA'
  const encrypted = encryptedCookieStore as (...given: unknown[]) => CookieStore
  const signed = signedCookieStore as (...given: unknown[]) => CookieStore
  test.each<[option: string, remedy: string, () => CookieStore]>([
    ['djang', 'unknown option; there are django.', () => signed({ djang: true })],
    ['django.slat', '; there are salt, age, compress.', () => signed({ django: { slat: 'x' } })],
    ['maxAge', 'unknown option; there are none.', () => encrypted({ maxAge: 60 })],
    ['options', 'must be an object.', () => encrypted(secret)],
    ['secret', 'is an option of session() and createSessions().', () => encrypted({ secret })],
    ['secret', 'is an option of session() and createSessions().', () => signed({ secret })],
    ['django.secret', 'of session() and createSessions().', () => signed({ django: { secret } })],
  ])('%s is refused at start-up: %s', (option, remedy, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIG', option }))
    expect(make).toThrow(remedy)
    expect(make).not.toThrow(secret)
  })
})

describe('what only these formats hold', () => {
  test.each([
    ['encrypted', encryptedCookieStore()],
    ['signed', signedCookieStore()],
  ])('%s: any payload, any subject, any moment', (_, store) => {
    for (const payload of ['', '\n', '\r', '\0', '{}', 'a\nb\rc', '\ud800', '😀'.repeat(1000), '\ufeff{}']) {
      for (const subject of [undefined, 'a', 'a b\n', '"', '\udc00', 'é'.repeat(255)]) {
        for (const expiresAt of [now + 1, now + 0.5, 8.64e15]) {
          const given = subject === undefined ? { payload, expiresAt } : { payload, expiresAt, subject }
          expect(store.unseal(store.seal(given, context()) as string, context())).toStrictEqual(given)
        }
      }
    }
  })

  test('an end that is no number is an end, not a session for ever [F23]', () => {
    for (const store of [encryptedCookieStore(), signedCookieStore()]) {
      for (const expiresAt of [Number.NaN, Number.NEGATIVE_INFINITY]) {
        expect(store.unseal(store.seal(record({ expiresAt }), context()) as string, context())).toBeNull()
      }
    }
  })

  test('the encrypted token is compact: 44 characters and a third more than the payload', () => {
    const payload = JSON.stringify({ id: randomBytes(150).toString('hex') })
    const token = encryptedCookieStore().seal({ payload, expiresAt: now + 1 }, context()) as string
    expect(token.length).toBeLessThanOrEqual(Math.ceil((payload.length + 14 + 33) * (4 / 3)))
  })
})

test('a token of one kind, and of another use of the same secret, is void in the other [C18, A9]', () => {
  const tokens = stores.map(([, make]) => make().seal(record(), context()) as string)
  tokens.push(
    seal('{"user":7}', {
      secrets: context().secrets,
      purpose: 'something else',
      name: 'sessionid',
    }) as string,
  )
  for (const [at, [, make]] of stores.entries()) {
    for (const [from, token] of tokens.entries()) {
      const found = make().unseal(token, context())
      if (from === at) expect(found).toEqual(record())
      else expect(found).toBeNull()
    }
  }
})

test('a token lives until it expires, whatever happened meanwhile [A34]', () => {
  const store = encryptedCookieStore()
  const old = store.seal(record(), context()) as string
  store.seal(record({ payload: '{}' }), context({ now: now + 1000 }))
  expect(store.unseal(old, context({ now: now + 1_209_599_999 }))).toEqual(record())
  expect(store.unseal(old, context({ now: now + 1_209_600_000 }))).toBeNull()
})
