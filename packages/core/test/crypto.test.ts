import crypto from 'node:crypto'
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { seal, sign, type TokenUse, unseal, verify, weakness } from '../src/crypto.ts'
import * as node from '../src/crypto-node.ts'
import * as web from '../src/crypto-web.ts'
import { type dumps, loads } from '../src/django.ts'
import { ConfigError } from '../src/errors.ts'
import { checkSecrets } from '../src/secrets.ts'

// What `#crypto` is under other conditions. Both run here: Node has Web Crypto too.
const platforms = [
  ['node', node],
  ['web', web as unknown as typeof node],
] as const

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (size: number) => new Uint8Array(crypto.randomBytes(size))

afterEach(() => {
  vi.restoreAllMocks()
})

test('both platforms export the same names', () => {
  expect(Object.keys(web).sort()).toEqual(Object.keys(node).sort())
})

describe.each(platforms)('%s primitives', (_, p) => {
  test('SHA-256 (FIPS 180-4, "abc")', async () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(await p.sha256Hex('abc')).toBe(abc)
    expect(toHex(await p.sha256(p.utf8('abc')))).toBe(abc)
  })

  test('HMAC-SHA256 (RFC 4231 case 2)', async () => {
    const key = await p.macKey(p.utf8('Jefe'))
    expect(toHex(await p.hmac(key, p.utf8('what do ya want for nothing?')))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })

  test('HKDF-SHA256 (RFC 5869 case 1)', async () => {
    const okm = await p.hkdf(
      hex('0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b'),
      hex('000102030405060708090a0b0c'),
      hex('f0f1f2f3f4f5f6f7f8f9'),
      42,
    )
    expect(toHex(okm)).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
  })

  test('AES-256-GCM (McGrew and Viega, case 16)', async () => {
    const key = await p.aeadKey(hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'))
    const nonce = hex('cafebabefacedbaddecaf888')
    const bound = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2')
    const text = hex(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    )
    const token = await p.aeadSeal(key, nonce, text, bound)
    expect(toHex(token.subarray(0, 32))).toBe(toHex(bound) + toHex(nonce))
    const sealed = token.slice(32)
    expect(toHex(sealed)).toBe(
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    )
    expect(toHex((await p.aeadOpen(key, nonce, sealed, bound)) as Uint8Array)).toBe(toHex(text))
    for (const at of [0, 30, sealed.length - 1]) {
      const altered = sealed.slice()
      altered[at] = (altered[at] as number) ^ 1
      expect(await p.aeadOpen(key, nonce, altered, bound)).toBeNull()
    }
    expect(await p.aeadOpen(key, nonce, sealed, bound.slice(1))).toBeNull()
    expect(await p.aeadOpen(key, nonce, sealed.slice(0, -1), bound)).toBeNull()
    for (const size of [0, 1, 15])
      expect(await p.aeadOpen(key, nonce, new Uint8Array(size), bound)).toBeNull()
  })

  test('base64url is canonical: one text, one value', () => {
    for (let size = 0; size < 70; size++) {
      const some = bytes(size)
      const text = p.toBase64url(some)
      expect(text).toBe(Buffer.from(some).toString('base64url'))
      expect(toHex(p.fromBase64url(text) as Uint8Array)).toBe(toHex(some))
    }
    for (const bad of ['A', 'AB', 'AAB', 'AA==', 'A A', 'AA\n', 'AAAA=', '+/AA', 'é', '\0', 'AA.A', '😀']) {
      expect(p.fromBase64url(bad)).toBeNull()
    }
    const large = bytes(100_001)
    expect(toHex(p.fromBase64url(p.toBase64url(large)) as Uint8Array)).toBe(toHex(large))
  })

  test('text to bytes and back', () => {
    for (const text of ['', 'abc', '\ufeffé😀\0', 'x'.repeat(10_000)]) {
      expect(p.fromUtf8(p.utf8(text))).toBe(text)
    }
    const all = Uint8Array.from({ length: 256 }, (_, code) => code)
    expect([...p.fromLatin1(all)].map(char => char.charCodeAt(0))).toEqual([...all])
  })

  test('timingSafeEqual', () => {
    expect(p.timingSafeEqual(hex('0102'), hex('0102'))).toBe(true)
    expect(p.timingSafeEqual(hex(''), hex(''))).toBe(true)
    for (const other of ['0103', '8102', '01', '010200', '']) {
      expect(p.timingSafeEqual(hex('0102'), hex(other))).toBe(false)
    }
  })

  test('deflate makes zlib data; inflate takes nothing else', async () => {
    const text = p.utf8('a'.repeat(5000))
    const packed = await p.deflate(text)
    expect(packed.length).toBeLessThan(100)
    expect(packed[0]).toBe(0x78)
    expect(toHex(await p.inflate(packed, 5000))).toBe(toHex(text))
    const broken = [
      new Uint8Array(0),
      packed.slice(0, -1),
      bytes(40),
      new Uint8Array(gzipSync('x')),
      new Uint8Array(deflateRawSync('x')),
    ]
    for (const bad of broken) await expect((async () => p.inflate(bad, 5000))()).rejects.toThrow()
  })

  test('inflating stops at the limit [F37]', async () => {
    const bomb = new Uint8Array(deflateSync(Buffer.alloc(200_000_000)))
    const before = process.memoryUsage().arrayBuffers
    await expect((async () => p.inflate(bomb, 100_000))()).rejects.toThrow(RangeError)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50_000_000)
    const edge = new Uint8Array(deflateSync(Buffer.alloc(1000)))
    expect(await p.inflate(edge, 1000)).toHaveLength(1000)
    await expect((async () => p.inflate(edge, 999))()).rejects.toThrow()
  })

  test('randomBytes: of any size up to the pool, never the same', () => {
    const seen = new Set<string>()
    for (const size of [1, 12, 16, 32, 255, 256, 257, 4096]) expect(p.randomBytes(size)).toHaveLength(size)
    expect(() => p.randomBytes(4097)).toThrow(RangeError)
    for (let round = 0; round < 2000; round++) seen.add(toHex(p.randomBytes(16)))
    expect(seen.size).toBe(2000)
    const mine = p.randomBytes(16)
    const kept = toHex(mine)
    for (let round = 0; round < 1000; round++) p.randomBytes(16).fill(0)
    expect(toHex(mine)).toBe(kept)
    // 100,000 bytes: each value about 391 times; 6 sigma is 119.
    const counts = new Uint32Array(256)
    for (let round = 0; round < 1000; round++)
      for (const byte of p.randomBytes(100)) counts[byte] = (counts[byte] ?? 0) + 1
    expect(Math.min(...counts)).toBeGreaterThan(390 - 130)
    expect(Math.max(...counts)).toBeLessThan(390 + 130)
  })
})

describe('a generator that fails is an error, never zeros [A1, C16]', () => {
  test.each([
    ['node', '../src/crypto-node.ts'],
    ['web', '../src/crypto-web.ts'],
  ])('%s', async (platform, path) => {
    vi.resetModules()
    const spy = vi.spyOn(globalThis.crypto, 'getRandomValues').mockImplementation(() => {
      throw new Error('no entropy')
    })
    vi.doMock('node:crypto', async original => ({
      ...(await original<typeof crypto>()),
      randomFillSync: () => {
        throw new Error('no entropy')
      },
    }))
    const fresh = (await import(path)) as typeof node
    for (const size of [16, 16, 300]) expect(() => fresh.randomBytes(size)).toThrow('no entropy')
    vi.doUnmock('node:crypto')
    spy.mockRestore()
    if (platform === 'web') expect(toHex(fresh.randomBytes(16))).not.toBe('00'.repeat(16))
  })
})

describe('what a platform may have or lack', () => {
  const prototype = Uint8Array.prototype as unknown as Record<string, unknown>
  const statics = Uint8Array as unknown as Record<string, unknown>

  test('native base64 of Uint8Array, and none', async () => {
    // As in the proposal: strict about characters, lax about padding and the last bits.
    prototype['toBase64'] = function (this: Uint8Array, { alphabet }: { alphabet: BufferEncoding }) {
      return Buffer.from(this).toString(alphabet)
    }
    statics['fromBase64'] = (text: string, { alphabet }: { alphabet: BufferEncoding }) =>
      new Uint8Array(Buffer.from(text, alphabet))
    try {
      for (const text of ['', 'AQ', 'AQI', 'AQID', '-_-_']) {
        expect(web.toBase64url(web.fromBase64url(text) as Uint8Array)).toBe(text)
      }
      for (const bad of ['AB', 'A', 'AA==', '+/AA']) expect(web.fromBase64url(bad)).toBeNull()
    } finally {
      delete prototype['toBase64']
      delete statics['fromBase64']
    }
  })

  test('crypto.hash, and none', async () => {
    vi.resetModules()
    vi.doMock('node:crypto', async original => ({ ...(await original<typeof crypto>()), hash: undefined }))
    const old = (await import('../src/crypto-node.ts')) as typeof node
    vi.doUnmock('node:crypto')
    expect(old.sha256Hex('é')).toBe(node.sha256Hex('é'))
  })

  test('an error that is no verdict on the token is not taken for one', async () => {
    const key = await web.macKey(bytes(32))
    const wrong = { aead: key.mac } as unknown as web.AeadKey
    await expect(web.aeadOpen(wrong, bytes(12), bytes(20), bytes(5))).rejects.toThrow()
  })

  test('a key that could not be made is made the next time', async () => {
    vi.resetModules()
    let failing = true
    const flaky = async (...given: Parameters<typeof web.hkdf>) => {
      if (failing) throw new Error('for now')
      return web.hkdf(...given)
    }
    const sha256 = async (data: Uint8Array) => {
      if (failing) throw new Error('for now')
      return web.sha256(data)
    }
    vi.doMock('#crypto', () => ({ ...web, hkdf: flaky, sha256 }))
    const tokens = (await import('../src/crypto.ts')) as { seal: typeof seal }
    const django = (await import('../src/django.ts')) as { dumps: typeof dumps }
    vi.doUnmock('#crypto')
    await expect(tokens.seal('x', use())).rejects.toThrow('for now')
    await expect(django.dumps(1, { secret: SECRET })).rejects.toThrow('for now')
    failing = false
    expect(await unseal(await tokens.seal('x', use()), use())).toBe('x')
    expect(await loads(await django.dumps(1, { secret: SECRET }), { secret: SECRET })).toBe(1)
  })
})

describe('the same bytes from both platforms', () => {
  test('every primitive', async () => {
    for (const size of [0, 1, 16, 31, 257, 5000]) {
      const [data, secret, nonce, bound] = [bytes(size), bytes(32), bytes(12), bytes(5)]
      expect(toHex(await web.sha256(data))).toBe(toHex(await node.sha256(data)))
      expect(toHex(await web.hkdf(data, bound, secret, 36))).toBe(
        toHex(await node.hkdf(data, bound, secret, 36)),
      )
      expect(toHex(await web.hmac(await web.macKey(secret), data))).toBe(
        toHex(await node.hmac(await node.macKey(secret), data)),
      )
      const token = await node.aeadSeal(await node.aeadKey(secret), nonce, data, bound)
      expect(toHex(await web.aeadSeal(await web.aeadKey(secret), nonce, data, bound))).toBe(toHex(token))
      const sealed = token.subarray(bound.length + nonce.length)
      expect(toHex((await web.aeadOpen(await web.aeadKey(secret), nonce, sealed, bound)) as Uint8Array)).toBe(
        toHex(data),
      )
      expect(toHex(await web.inflate(await node.deflate(data), 5000))).toBe(toHex(data))
      expect(toHex(await node.inflate(await web.deflate(data), 5000))).toBe(toHex(data))
    }
  })

  test('a token of one is opened by the other', async () => {
    vi.resetModules()
    vi.doMock('#crypto', () => web)
    const onWeb = (await import('../src/crypto.ts')) as { seal: typeof seal; unseal: typeof unseal } & {
      sign: typeof sign
      verify: typeof verify
    }
    vi.doUnmock('#crypto')
    expect(onWeb.seal('x', use())).toBeInstanceOf(Promise)
    expect(await unseal(await onWeb.seal('to node', use()), use())).toBe('to node')
    expect(await onWeb.unseal(await seal('to web', use()), use())).toBe('to web')
    expect(await onWeb.sign('same', use())).toBe(await sign('same', use()))
    expect(await onWeb.verify(await sign('to web', use()), use())).toBe('to web')
    const strange = use({ secrets: [OTHER] })
    expect(await onWeb.unseal(await seal('x', strange), use())).toBeNull()
    expect(await onWeb.verify(await sign('x', strange), use())).toBeNull()
    expect(await onWeb.unseal(`${(await seal('x', use())).slice(0, -4)}AAAA`, use())).toBeNull()
  })
})

const SECRET = 'Zk3vQ9nW1rT7yB5mX8cL2pD6sF4hJ0gA'
const OTHER = 'aG0jHf4Fs6Dp2Lc8Xm5By7Tr1Wn9Qv3K'
const use = (part: Partial<TokenUse> = {}): TokenUse => ({
  secrets: [SECRET],
  purpose: 'test',
  name: 'sessionid',
  ...part,
})

describe.each([
  ['seal', seal, unseal],
  ['sign', sign, verify],
])('%s', (kind, close, open) => {
  test('answers at once on Node, with what was put in', () => {
    for (const text of ['', 'a', '{"é":"😀\\n\0"}', 'x'.repeat(100_000)]) {
      const token = close(text, use()) as string
      expect(token).toMatch(/^[\w.-]+$/)
      expect(open(token, use())).toBe(text)
    }
  })

  test('is void for another cookie name and another purpose [A9, C18]', () => {
    const token = close('x', use()) as string
    expect(open(token, use({ name: 'admin' }))).toBeNull()
    expect(open(token, use({ name: 'SESSIONID' }))).toBeNull()
    expect(open(token, use({ purpose: 'other' }))).toBeNull()
    // Not by moving the border between the two.
    expect(
      open(close('x', use({ purpose: 'ab', name: 'c' })) as string, use({ purpose: 'a', name: 'bc' })),
    ).toBeNull()
  })

  test('the first secret seals, all unseal, a retired one does not [A30, C20]', () => {
    const old = close('old', use({ secrets: [OTHER] })) as string
    expect(open(old, use({ secrets: [SECRET, OTHER] }))).toBe('old')
    expect(open(old, use({ secrets: [SECRET] }))).toBeNull()
    const fresh = close('new', use({ secrets: [SECRET, OTHER] })) as string
    expect(open(fresh, use({ secrets: [SECRET] }))).toBe('new')
    expect(open(fresh, use({ secrets: [OTHER] }))).toBeNull()
  })

  test('ten thousand altered tokens, none accepted [A29, C17]', () => {
    const token = close('{"user":"ann","admin":false}', use()) as string
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \0é'
    let tried = 0
    for (let round = 0; tried < 10_000; round++) {
      const at = round % token.length
      const char = alphabet[crypto.randomInt(alphabet.length)] as string
      for (const altered of [
        token.slice(0, at) + char + token.slice(at + 1),
        token.slice(0, at) + char + token.slice(at),
        token.slice(0, at) + token.slice(at + 1),
        token.slice(at) + token.slice(0, at),
      ]) {
        if (altered === token) continue
        tried++
        if (open(altered, use()) !== null) expect.fail(`accepted an alteration at ${at}`)
      }
    }
    expect(open(token, use())).not.toBeNull()
  })

  test('the format and the key id are fixed [A28]', () => {
    const token = close('x', use()) as string
    const swap = kind === 'seal' ? sign('x', use()) : seal('x', use())
    expect(open(swap as string, use())).toBeNull()
    for (const format of [0, 1, 2, 3, 255]) {
      const head = node.fromBase64url(token.split('.')[0]?.slice(0, 4) as string) as Uint8Array
      if (head[0] === format) continue
      head[0] = format
      expect(open(node.toBase64url(head) + token.slice(4), use())).toBeNull()
    }
    for (const bad of [
      '',
      '.',
      '..',
      '...',
      'AQAAAAA',
      'AgAAAAA..',
      'AgAAAAA.AAAA.',
      `${token}.`,
      `.${token}`,
      `${token}.AA`,
    ]) {
      expect(open(bad, use())).toBeNull()
    }
  })

  test('secrets and names without end do not grow the cache without end', () => {
    for (let round = 0; round < 600; round++) close('x', use({ name: `cookie${round}` }))
    const token = close('x', use({ name: 'cookie0' })) as string
    expect(open(token, use({ name: 'cookie0' }))).toBe('x')
  })
})

test('two tokens of one text share no nonce and no ciphertext [A32]', () => {
  const nonces = new Set<string>()
  const tokens = new Set<string>()
  for (let round = 0; round < 5000; round++) {
    const token = seal('the same text', use()) as string
    tokens.add(token)
    nonces.add(toHex((node.fromBase64url(token) as Uint8Array).subarray(5, 17)))
  }
  expect(nonces.size).toBe(5000)
  expect(tokens.size).toBe(5000)
})

test('equal blocks of text do not show [C19]', () => {
  const token = node.fromBase64url(seal('A'.repeat(160), use()) as string) as Uint8Array
  const blocks = new Set<string>()
  for (let at = 17; at + 16 <= token.length; at += 16) blocks.add(toHex(token.subarray(at, at + 16)))
  expect(blocks.size).toBe(11)
})

test('HKDF runs once for each secret and use, not for each token [A31]', async () => {
  vi.resetModules()
  const hkdf = vi.fn(node.hkdf)
  vi.doMock('#crypto', () => ({ ...node, hkdf }))
  const counted = (await import('../src/crypto.ts')) as { seal: typeof seal; unseal: typeof unseal }
  vi.doUnmock('#crypto')
  for (let round = 0; round < 50; round++) {
    expect(counted.unseal(counted.seal('x', use()) as string, use({ secrets: [SECRET, OTHER] }))).toBe('x')
  }
  expect(hkdf).toHaveBeenCalledTimes(1)
})

describe('short and well-known secrets are errors, which do not show them [A31, C20, A8]', () => {
  const store = { seal: () => '', unseal: () => null, weakness }

  test.each([
    '',
    'secret',
    'keyboard cat',
    'Zk3vQ9nW1rT7yB5mX8cL2pD6sF4hJ0g',
    'a'.repeat(32),
    '0'.repeat(64),
    'secret'.repeat(8),
    'keyboard cat'.repeat(3),
    'keyboard cat '.repeat(4),
    'keyboard cat'.padEnd(40, '!'),
    'keyboard cat 1234567890 1234567890',
    'my-super-secret-session-key-please-change-me',
    'complex_password_at_least_32_characters_long',
    'a secret with minimum length of 32 characters',
    '80d42cfb-1cd2-462c-8f17-e3237d9027e9',
    'abcabcabcabcabcabcabcabcabcabcabcabc',
    '01234567012345670123456701234567',
  ])('%j', secret => {
    for (const given of [secret, [secret], [SECRET, secret]]) {
      try {
        checkSecrets(given, store)
        expect.unreachable()
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        expect((error as ConfigError).option).toBe(
          Array.isArray(given) ? `secret[${given.length - 1}]` : 'secret',
        )
        if (secret.length > 8) expect((error as Error).message).not.toContain(secret)
      }
    }
  })

  test('what is no list of strings', () => {
    expect(() => checkSecrets([], store)).toThrow('secret: must be a string of 32 bytes')
    for (const bad of [undefined, null, 5, {}, [undefined], [[SECRET]]]) {
      expect(() => checkSecrets(bad as string, store)).toThrow(ConfigError)
    }
  })

  test('a store with a server side needs none; a cookie store may leave what is long enough at that', () => {
    expect(checkSecrets(undefined)).toEqual([])
    const known = 'keyboard cat'.repeat(3)
    expect(checkSecrets(known, { seal: () => '', unseal: () => null })).toEqual([known])
    for (const short of ['keyboard cat', 'a'.repeat(64)]) {
      expect(() => checkSecrets(short, { seal: () => '', unseal: () => null })).toThrow(ConfigError)
    }
  })

  test('good ones pass, counted in bytes', () => {
    for (const secret of [
      SECRET,
      crypto.randomBytes(32).toString('hex'),
      crypto.randomBytes(24).toString('base64'),
      crypto.randomUUID(),
      'ключ-秘密-🔑-ключ-два',
      'a sentence with a secret that only my cat could know',
      // Marked so by Django, but its own for each project, and needed to share cookies with it.
      'django-insecure-$q&8!t^)(*%#@=+[]kdh27ghs8',
    ]) {
      expect(checkSecrets(secret, store)).toEqual([secret])
    }
    for (let round = 0; round < 500; round++) checkSecrets(crypto.randomBytes(16).toString('hex'), store)
    const list = [SECRET, OTHER]
    const checked = checkSecrets(list, store)
    list.pop()
    expect(checked).toEqual([SECRET, OTHER])
    expect(Object.isFrozen(checked)).toBe(true)
  })
})
