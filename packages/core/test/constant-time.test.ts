import { afterEach, describe, expect, it, vi } from 'vitest'
import type { sign, verify } from '../src/crypto.ts'
import * as web from '../src/crypto-web.ts'
import type { dumps, loads } from '../src/django.ts'

const SECRET = 'rN8#vQ2kLp0xZ7mWc4Tj9Hb6Fy3Ds1Ga'
const use = { secrets: [SECRET], purpose: 'test', name: 'sid' }

afterEach(() => {
  vi.doUnmock('node:crypto')
  vi.restoreAllMocks()
})

/** A token whose signature differs from the right one in one character. */
function altered(token: string, at: number): string {
  const place = token.length + at
  const other = token[place] === 'A' ? 'B' : 'A'
  return token.slice(0, place) + other + token.slice(place + 1)
}

/** The two modules that compare signatures, with every comparison of Node's crypto recorded. */
async function spied() {
  vi.resetModules()
  const compared: [Uint8Array, Uint8Array][] = []
  vi.doMock('node:crypto', async original => {
    const real = await original<typeof import('node:crypto')>()
    return {
      ...real,
      timingSafeEqual(a: Uint8Array, b: Uint8Array) {
        compared.push([a, b])
        return real.timingSafeEqual(a, b)
      },
    }
  })
  const tokens = (await import('../src/crypto.ts')) as { sign: typeof sign; verify: typeof verify }
  const django = (await import('../src/django.ts')) as { dumps: typeof dumps; loads: typeof loads }
  return { compared, tokens, django }
}

describe('signatures are compared in constant time [A33, F41]', () => {
  // The last character of 32 bytes in base64url has unused bits, so the last but one is changed.
  it.each([-43, -20, -2])(
    'on Node: by timingSafeEqual and nothing else, also where character %i differs',
    async at => {
      const { compared, tokens, django } = await spied()
      // Buffer's own comparisons stop at the first difference.
      const early = [
        vi.spyOn(Buffer.prototype, 'equals'),
        vi.spyOn(Buffer.prototype, 'compare'),
        vi.spyOn(Buffer, 'compare'),
      ]
      const token = tokens.sign('text', use) as string
      expect(tokens.verify(token, use)).toBe('text')
      expect(tokens.verify(altered(token, at), use)).toBeNull()
      expect(compared.map(([a, b]) => [a.length, b.length])).toEqual([
        [32, 32],
        [32, 32],
      ])
      const signed = django.dumps({ a: 1 }, { secret: SECRET }) as string
      expect(django.loads(signed, { secret: SECRET })).toEqual({ a: 1 })
      expect(() => django.loads(altered(signed, at), { secret: SECRET })).toThrow('not signed')
      expect(compared.slice(2).map(([a, b]) => [a.length, b.length])).toEqual([
        [43, 43],
        [43, 43],
      ])
      for (const spy of early) expect(spy).not.toHaveBeenCalled()
    },
  )

  it('on Web Crypto: as many bytes are read whichever differs', () => {
    const reads = (different: number): number => {
      let count = 0
      const counted = (bytes: Uint8Array) =>
        new Proxy(bytes, {
          get(target, name) {
            if (typeof name === 'string' && /^\d+$/.test(name)) count++
            return Reflect.get(target, name)
          },
        })
      const [a, b] = [new Uint8Array(32), new Uint8Array(32)]
      if (different >= 0) b[different] = 1
      expect(web.timingSafeEqual(counted(a), counted(b))).toBe(different < 0)
      return count
    }
    expect([reads(-1), reads(0), reads(16), reads(31)]).toEqual([64, 64, 64, 64])
  })
})
