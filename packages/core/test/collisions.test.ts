import { describe, expect, it } from 'vitest'
import { json } from '../src/codec.ts'
import { seal, sign, unseal, verify } from '../src/crypto.ts'
import { djangoCodec } from '../src/django.ts'
import { ConfigError } from '../src/errors.ts'
import { rich } from '../src/rich.ts'
import { bench } from './support.ts'

const SECRET = 'rN8#vQ2kLp0xZ7mWc4Tj9Hb6Fy3Ds1Ga'
const codecs = { json: json(), rich: rich(), django: djangoCodec({ secret: SECRET, clock: () => 0 }) }

describe.each(Object.entries(codecs))(
  'two different values never count as one, with the codec %s [C33]',
  (_, codec) => {
    // Pairs that a 32-bit checksum, a join without quoting or loose equality takes for one.
    it.each<[unknown, unknown]>([
      ['plumless', 'buckeroo'], // one CRC-32
      ['a,b', ['a', 'b']],
      [
        ['a', 'b,c'],
        ['a,b', 'c'],
      ],
      [{ a: 1, b: 2 }, { 'a:1,b': 2 }],
      [1, '1'],
      [0, false],
      ['', null],
      [[], {}],
      [[null], [[]]],
      ['\ud800', '\ufffd'],
    ])('%j and %j', async (before, after) => {
      const app = bench({ codec })
      await app.request(session => session.set('box', { value: before }))
      await app.request(session => {
        ;(session.get('box') as { value: unknown }).value = after
      })
      expect(await app.peek('box')).toEqual({ value: after })
    })
  },
)

describe('a NUL in the purpose or the name of a token [C33]', () => {
  const one = { secrets: [SECRET], purpose: 'a\0b', name: 'c' }
  const other = { secrets: [SECRET], purpose: 'a', name: 'b\0c' }

  it('is refused, because `a NUL b` for `c` would open as `a` for `b NUL c`', () => {
    for (const use of [one, other]) {
      for (const make of [seal, sign]) expect(() => make('text', use)).toThrow(ConfigError)
      const token = sign('text', { ...use, purpose: 'a', name: 'c' }) as string
      expect(() => verify(token, use)).toThrow(/NUL/)
      const sealed = seal('text', { ...use, purpose: 'a', name: 'c' }) as string
      expect(() => unseal(sealed, use)).toThrow(/NUL/)
    }
  })
})
