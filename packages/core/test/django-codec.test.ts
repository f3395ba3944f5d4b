import { createHash, createHmac } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import * as web from '../src/crypto-web.ts'
import {
  BadSignatureError,
  COOKIE_SALT,
  djangoCodec,
  dumpJson,
  dumps,
  loadJson,
  loads,
  SignatureExpiredError,
  STORE_SALT,
  unescapeJson,
} from '../src/django.ts'
import { ConfigError, SessionDataError } from '../src/errors.ts'

const secret = 'oracle-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz'
const now = 1_700_000_000_000

describe('djangoCodec', () => {
  const codec = djangoCodec({ secret, clock: () => now })

  test('answers at once on Node, in the format of the db backend', () => {
    const payload = codec.encode({ a: 1 }) as string
    expect(payload).toBe('eyJhIjoxfQ:1r31eq:JRFvCJdUyylJKR5Xg6ALSKO_gAitP4YUhlVkXGzSxY8')
    expect(codec.decode(payload)).toEqual({ a: 1 })
  })

  test('data of another salt, a cookie say, are void [C18]', () => {
    const cookie = dumps({ a: 1 }, { secret, salt: COOKIE_SALT, now }) as string
    expect(() => codec.decode(cookie)).toThrow(BadSignatureError)
    expect(djangoCodec({ secret, salt: COOKIE_SALT }).decode(cookie)).toEqual({ a: 1 })
  })

  test('a retired secret reads and never writes [A30]', () => {
    const old = djangoCodec({ secret: 'old' })
    const rotated = djangoCodec({ secret, fallbacks: ['older', 'old'], clock: () => now })
    expect(rotated.decode(old.encode({ a: 1 }) as string)).toEqual({ a: 1 })
    expect(rotated.encode({ a: 1 })).toBe(codec.encode({ a: 1 }))
    expect(() => codec.decode(old.encode({ a: 1 }) as string)).toThrow(BadSignatureError)
  })

  test('what Python’s JSON does not hold is an error with its path; NaN and -0 it holds [F15]', () => {
    expect(() => codec.encode({ cart: [{ at: new Date() }] })).toThrow('Cannot store cart[0].at: ')
    const data = {
      a: [Number.NaN, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
      NaN: 'NaN "Infinity',
    }
    const { json } = loadJson(codec.encode(data) as string, { secret, salt: STORE_SALT }) as { json: string }
    expect(json).toBe('{"a":[NaN,-0.0,Infinity,-Infinity],"NaN":"NaN \\"Infinity"}')
    expect(codec.decode(codec.encode(data) as string)).toStrictEqual(data)
    expect(codec.parse?.(codec.stringify?.(data) as string)).toStrictEqual(data)
    for (const bad of ['-NaN', '{"a":NaN', 'Infinityx', '+Infinity'])
      expect(() => codec.parse?.(bad)).toThrow(SessionDataError)
  })

  test('a string is never taken for NaN, however it is spelt, and the time for it is linear [C33, M2]', () => {
    const parse = (json: string) => codec.parse?.(json)
    expect(parse('["\\u004eaN","NaN0","NaN",NaN]')).toStrictEqual(['NaN', 'NaN0', 'NaN', Number.NaN])
    // One string for each mark that would be tried: the time grew with the square of their number.
    const words = (mark: (n: number) => string, count: number) =>
      Array.from({ length: count }, (_, n) => mark(n))
    for (const mark of [(n: number) => `NaN${'.'.repeat(n % 2000)}`, (n: number) => `NaN${n}`]) {
      const list = words(mark, 2000)
      expect(parse(`[NaN,${JSON.stringify(list).slice(1)}`)).toStrictEqual([Number.NaN, ...list])
    }
    const big = `["${words(n => `NaN${n}`, 50_000).join('","')}",NaN]`
    const before = performance.now()
    expect(parse(big)).toHaveLength(50_001)
    // Under half a second where it is linear; minutes where each mark is looked for in the whole text.
    expect(performance.now() - before).toBeLessThan(5_000)
    // A quote without its end, and many after it.
    for (const broken of [`NaN"${'\\"'.repeat(100_000)}`, `NaN${'"\\'.repeat(50_001)}`]) {
      const start = performance.now()
      expect(() => parse(broken)).toThrow(SessionDataError)
      expect(performance.now() - start).toBeLessThan(2_000)
    }
  })

  test("the engine's maxBytes counts what is decompressed as well [F37]", () => {
    const data = { text: 'x'.repeat(3_000_000) }
    expect((codec.encode(data) as string).length).toBeLessThan(10_000)
    expect(() => codec.encode(data, { maxBytes: 1_048_576 })).toThrow(/3000011 bytes of JSON.*maxBytes/)
    // What Django stored is read up to the codec's own limit.
    expect(codec.decode(codec.encode(data) as string)).toEqual(data)
  })

  test('__proto__ is plain data [A35]', () => {
    const data = JSON.parse('{"__proto__":{"isAdmin":true},"n":1}')
    const back = codec.decode(codec.encode(data) as string) as object
    expect(JSON.stringify(back)).toBe(JSON.stringify(data))
    expect((back as { isAdmin?: unknown }).isAdmin).toBeUndefined()
    const withNan = codec.parse?.('{"__proto__":{"isAdmin":true},"n":NaN}') as object
    expect(Object.keys(withNan)).toEqual(['__proto__', 'n'])
    expect((withNan as { isAdmin?: unknown }).isAdmin).toBeUndefined()
  })

  test('inflating is bounded, and nothing is written that could not be read [F37]', () => {
    const bomb = deflateSync(`{"a":"${'a'.repeat(50_000_000)}"}`)
    const value = `.${bomb.toString('base64url')}:1r31eq`
    const key = createHash('sha256').update(`${STORE_SALT}signer${secret}`).digest()
    const signature = createHmac('sha256', key).update(value).digest('base64url')
    expect(() => codec.decode(`${value}:${signature}`)).toThrow('`maxBytes`')
    const tooMuch = { a: 'a'.repeat(5_000_000) }
    expect(() => codec.encode(tooMuch)).toThrow(SessionDataError)
    const large = djangoCodec({ secret, maxBytes: 6_000_000 })
    expect(large.decode(large.encode(tooMuch) as string)).toEqual(tooMuch)
    expect(() => codec.decode(large.encode(tooMuch) as string)).toThrow('`maxBytes`')
    const plain = djangoCodec({ secret, maxBytes: 6_000_000, compress: false })
    expect(() => codec.decode(plain.encode(tooMuch) as string)).toThrow('`maxBytes`')
  })

  test('no error holds data or the secret [A8]', () => {
    const broken = dumpJson('{"password":"hunter2"', { secret, salt: STORE_SALT, now }) as string
    try {
      codec.decode(broken)
      expect.unreachable()
    } catch (error) {
      const text = JSON.stringify(error, Object.getOwnPropertyNames(error))
      expect(text).not.toContain('hunter2')
      expect(text).not.toContain(secret)
    }
  })

  test('options are checked', () => {
    for (const bad of [
      undefined,
      null,
      {},
      { secret: '' },
      { secret: 5 },
      { secret, fallbacks: 'x' },
      { secret, fallbacks: [''] },
    ]) {
      expect(() => djangoCodec(bad as never)).toThrow(ConfigError)
    }
    expect(() => djangoCodec({ secret, salt: 5 as never })).toThrow('salt: ')
    for (const maxBytes of [0, -1, Number.NaN])
      expect(() => djangoCodec({ secret, maxBytes })).toThrow('maxBytes: ')
    expect(() => djangoCodec(undefined as never)).toThrow("secret: must be Django's SECRET_KEY.")
    expect(() => djangoCodec({ secret, compress: 'no' as never })).toThrow('compress: ')
    expect(() => djangoCodec({ secret, clock: now as never })).toThrow('clock: ')
    expect(() => djangoCodec({ secret, fallback: ['old'] } as never)).toThrow(
      'fallback: unknown option; there are secret, fallbacks, salt, maxBytes, compress, clock.',
    )
  })
})

test('codes and status of the errors', () => {
  expect(new BadSignatureError()).toMatchObject({
    code: 'BAD_SIGNATURE',
    status: 400,
    name: 'BadSignatureError',
  })
  expect(new SignatureExpiredError()).toMatchObject({
    code: 'SIGNATURE_EXPIRED',
    name: 'SignatureExpiredError',
  })
})

test('ages count from the signature to now, in fractions of a second too', () => {
  const token = dumps(1, { secret, now }) as string
  expect(loadJson(token, { secret })).toEqual({ json: '1', signedAt: 1_700_000_000 })
  expect(loads(token, { secret, maxAge: 10, now: now + 10_000 })).toBe(1)
  expect(() => loads(token, { secret, maxAge: 10, now: now + 10_001 })).toThrow(SignatureExpiredError)
  expect(() => loads(token, { secret, maxAge: 10 })).toThrow(SignatureExpiredError)
  expect(loads(dumps(1, { secret }) as string, { secret, maxAge: 10 })).toBe(1)
  // Before 1970 and far away.
  for (const at of [-1, -62, 0, 61, 62, 253_402_300_799]) {
    const { signedAt } = loadJson(dumps(1, { secret, now: at * 1000 }) as string, { secret }) as {
      signedAt: number
    }
    expect(signedAt).toBe(at)
  }
})

test('unescapeJson undoes what makes JSON ASCII, and no more', () => {
  const values = [
    'é😀\ud800\udc00',
    '\udc00\ud800',
    '\\u00e9',
    '\\\\u00e9é',
    '\u0001\u007f"\\/\b',
    '日本',
  ] as const
  for (const value of values) {
    const json = JSON.stringify({ [value]: value })
    const ascii = (loadJson(dumpJson(json, { secret }) as string, { secret }) as { json: string }).json
    expect(ascii).toMatch(/^[\x20-\x7e]*$/)
    expect(unescapeJson(ascii)).toBe(json)
  }
})

test('a good signature over a text without a timestamp is none', () => {
  const key = createHash('sha256').update(`${STORE_SALT}signer${secret}`).digest()
  const signature = createHmac('sha256', key).update('eyJhIjoxfQ').digest('base64url')
  expect(() => loads(`eyJhIjoxfQ:${signature}`, { secret, salt: STORE_SALT })).toThrow(BadSignatureError)
})

test('salts and secrets without end do not grow the cache without end', () => {
  const token = dumps(1, { secret, salt: 'first' }) as string
  for (let round = 0; round < 600; round++) dumps(1, { secret, salt: `salt ${round}` })
  expect(loads(token, { secret, salt: 'first' })).toBe(1)
})

test('the web platform writes and reads the same', async () => {
  vi.resetModules()
  vi.doMock('#crypto', () => web)
  const onWeb = (await import('../src/django.ts')) as { dumps: typeof dumps; loads: typeof loads }
  vi.doUnmock('#crypto')
  for (const compress of [false, true]) {
    for (const value of [{ a: 1 }, { k: 'a'.repeat(400) }, { mood: '😀'.repeat(20) }]) {
      const token = await onWeb.dumps(value, { secret, compress, now })
      if (!token.startsWith('.')) expect(token).toBe(await dumps(value, { secret, compress, now }))
      expect(await loads(token, { secret })).toEqual(value)
      expect(await onWeb.loads(await dumps(value, { secret, compress, now }), { secret })).toEqual(value)
    }
  }
  const packed = await dumps({ k: 'a'.repeat(400) }, { secret, compress: true })
  await expect(onWeb.loads(packed, { secret, maxBytes: 100 })).rejects.toThrow('`maxBytes`')
  await expect(onWeb.loads(packed, { secret: 'other' })).rejects.toThrow('not signed')
})
