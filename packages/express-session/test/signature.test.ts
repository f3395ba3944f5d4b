import { createSecretKey, randomBytes } from 'node:crypto'
import { sign, unsign } from 'cookie-signature'
import { describe, expect, it } from 'vitest'
import { type Secret, signatureOf } from '../src/signature.ts'

// The same signatures as the package that express-session uses, so that its live cookies stay valid.

const secrets: Record<string, Secret> = {
  text: 'keyboard cat',
  'text that is not ASCII': 'Schlüssel 🔑',
  'a block': 'x'.repeat(64),
  'more than a block': 'y'.repeat(65),
  bytes: randomBytes(32),
  'a part of other bytes': randomBytes(300).subarray(100, 200),
  'words of 16 bits': new Uint16Array([1, 2, 65_535]),
  'a key': createSecretKey(randomBytes(32)),
}
const texts = ['', 'a', 'with.dots.', 'ünï🍪', 'x'.repeat(500), randomBytes(24).toString('base64url')]

describe.each(Object.entries(secrets))('with a secret that is %s', (_, secret) => {
  it.each(texts)('signs and verifies %j as cookie-signature does', text => {
    const signed = sign(text, secret as string)
    expect(signatureOf(secret).sign(text)).toBe(signed)
    expect(signatureOf(secret).verify(signed)).toBe(text)
  })
})

it('accepts nothing else', () => {
  const signed = sign('id', 'secret')
  const forged = [
    '',
    '.',
    'id',
    'id.',
    `${signed}=`,
    `${signed} `,
    signed.slice(0, -1),
    signed.replace('id.', 'ID.'),
    signed.toLowerCase(),
    sign('id', 'another secret'),
  ]
  for (const text of forged) {
    expect(unsign(text, 'secret')).toBe(false)
    expect(signatureOf('secret').verify(text)).toBeUndefined()
  }
})

it.each([5, {}, [], true, null, undefined])('rejects %j as a secret', secret => {
  expect(() => signatureOf(secret as any)).toThrow(TypeError)
})
