import { parseSetCookie } from 'cookie'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyTo, privateCache, varyByCookie } from '../src/adapter.ts'
import { cookiePolicy, cookieValue, receivedCookies, setCookie, splitToken } from '../src/cookie.ts'

const NOW = 1_700_000_000_000

describe('the Cookie header, read by the grammar [A17, F31]', () => {
  it.each<[string, string | null | undefined]>([
    ['', undefined],
    ['sid=a', 'a'],
    ['x=1; sid=a; y=2', 'a'],
    ['x=1;sid=a;y=2', 'a'],
    ['x=1;\tsid = a \t; y=2', 'a'],
    ['sid="a"', 'a'],
    ['sid="a', '"a'],
    ['sid="', '"'],
    ['sid=', ''],
    ['sid=a=b=c', 'a=b=c'],
    ['SID=a', undefined],
    ['sid2=a; xsid=b; si=c', undefined],
    ['x=sid=a', undefined],
    ['x="; sid=a"', 'a"'],
    ['=sid=a', undefined],
    ['sid', undefined],
    ['sid; sid=a', 'a'],
    ['s%69d=a', undefined],
    ['sid=%61', '%61'],
    ['\u00a0sid=a', undefined],
    ['sid=a; sid=a', 'a'],
    ['sid=a; sid=b', null],
    ['sid=a; x=1; sid=', null],
    ['; ; sid=a;;', 'a'],
  ])('%o → %o', (header, value) => {
    expect(cookieValue(header, 'sid')).toBe(value)
  })

  it.each([
    '=__Host-sid=planted',
    '==__Host-sid=planted',
    '__host-sid=planted',
    '%5F_Host-sid=planted',
    '__Host%2Dsid=planted',
    '\u00a0__Host-sid=planted',
    '__Host-sid\u3000=planted',
    '\v__Host-sid=planted',
    '__Host-sid\0=planted',
    '"__Host-sid"=planted',
    'x,__Host-sid=planted',
    '__Host-sid[]=planted',
  ])('no odd spelling stands for a name with a prefix: %j [C28]', header => {
    expect(cookieValue(header, '__Host-sid')).toBeUndefined()
    expect(cookieValue(`${header}; __Host-sid=own`, '__Host-sid')).toBe('own')
  })

  it('agrees with a naive reading, whatever comes', () => {
    const piece = fc.oneof(
      fc.constantFrom('sid', 'sid=', ';', ' ', '\t', '=', '"', 'a', 'x=sid', 'sid.0='),
      fc.string({ maxLength: 3 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const header = pieces.join('')
        const values = new Set<string>()
        for (const pair of header.split(';')) {
          const [name, ...rest] = pair.split('=')
          if (rest.length === 0 || name!.replace(/^[ \t]+|[ \t]+$/g, '') !== 'sid') continue
          values.add(
            rest
              .join('=')
              .replace(/^[ \t]+|[ \t]+$/g, '')
              .replace(/^"(.*)"$/s, '$1'),
          )
        }
        expect(cookieValue(header, 'sid')).toBe(values.size > 1 ? null : [...values][0])
      }),
      { numRuns: 3000 },
    )
  })

  describe('the work is linear in hostile headers [C27, I8, F31]', () => {
    const units = [
      'sid=',
      'sid ',
      'sid\t=\t',
      '; sid',
      'x=sid;',
      ' ',
      'sid=a;',
      `sid=${' '.repeat(50)}a;`,
      'sid.0 ',
    ]

    it.each(units)('%j', unit => {
      const cost = (count: number): number => {
        const one = characters(unit.repeat(count), header => cookieValue(header, 'sid'))
        return one + characters(unit.repeat(count), header => receivedCookies(header, 'sid', true))
      }
      expect(cost(2000)).toBeLessThan(cost(200) * 10.5 + 1000)
      // Twelve looks at a character by one search, and six searches.
      expect(cost(200)).toBeLessThan(unit.length * 200 * 80)
    })

    it('and the measure itself sees what is quadratic', () => {
      const rescanning = (header: string): void => {
        for (let at = 0; at < header.length; at++) header.indexOf('no such', at)
      }
      const slicing = (header: string): void => {
        for (let at = 0; at < header.length; at++) header.slice(at)
      }
      const skipping = (header: string): void => {
        for (let at = 0; at < header.length; at++) for (let back = at; back >= 0; back--) header.charAt(back)
      }
      for (const slow of [rescanning, slicing, skipping]) {
        expect(characters(' '.repeat(2000), slow)).toBeGreaterThan(characters(' '.repeat(200), slow) * 50)
      }
      expect(() => characters('a', header => header.split(';'))).toThrow('split is not counted')
    })
  })
})

/** How many characters of a text `read` looks at, in whatever way. A way that is not counted here is an error. */
function characters(text: string, read: (text: string) => unknown): number {
  let count = 0
  const searched = (found: number, from: number, needle: string): number => {
    count += (found === -1 ? text.length : found + needle.length) - from
    return found
  }
  const counted: Record<string, unknown> = {
    length: text.length,
    indexOf: (needle: string, from = 0) => searched(text.indexOf(needle, from), from, needle),
    includes: (needle: string) => searched(text.indexOf(needle), 0, needle) !== -1,
    slice(from: number, to = text.length) {
      count += to - from
      return text.slice(from, to)
    },
    charAt(at: number) {
      count++
      return text.charAt(at)
    },
  }
  const proxy = new Proxy(counted, {
    get(target, name) {
      if (typeof name === 'string' && Object.hasOwn(target, name)) return target[name]
      if (!/^-?\d+$/.test(String(name))) throw new Error(`${String(name)} is not counted`)
      count++
      return text[name as unknown as number]
    },
  })
  read(proxy as unknown as string)
  return count
}

describe('a token over several cookies', () => {
  it.each<[string, string[], string[], string[]?]>([
    ['', [], []],
    ['sid=a', ['a'], ['sid']],
    ['sid=a; sid=b', [], ['sid'], ['sid']],
    ['sid.0=a; sid.1=b', ['ab', 'a'], ['sid.0', 'sid.1']],
    ['sid.1=b; sid.0=a', ['ab', 'a'], ['sid.0', 'sid.1']],
    ['sid.0=a; sid.1=b; sid.2=c', ['abc', 'ab', 'a'], ['sid.0', 'sid.1', 'sid.2']],
    ['sid.1=b', [], ['sid.1']],
    ['sid.0=a; sid.2=c', ['a'], ['sid.0', 'sid.2']],
    ['sid=x; sid.0=a', ['x', 'a'], ['sid', 'sid.0']],
    ['sid=x; sid.1=a', ['x'], ['sid', 'sid.1']],
    ['sid.0=a; sid.0=b', [], ['sid.0'], ['sid.0']],
    ['sid.0=a; sid.1=b; sid=x; sid=y', [], ['sid', 'sid.0', 'sid.1'], ['sid']],
    ['sid.3=d', [], ['sid.3']],
    ['sid.4=e', [], []],
  ])('%o', (header, tokens, names, contested = []) => {
    const received = receivedCookies(header, 'sid', true)
    expect({ ...received, tokens: received.tokens.map(({ text }) => text) }).toEqual({
      tokens,
      names,
      contested,
    })
    for (const token of received.tokens) {
      for (const name of token.names) expect(names).toContain(name)
    }
  })

  // What a browser counts is the whole line (RFC 6265 section 6.1), so attributes take room too.
  it.each([
    {},
    { name: 'sid' },
    { name: '__Host-a-longer-name', secure: true },
    { domain: 'a-long-name-of-a-shop.example.com', path: `/${'p'.repeat(900)}`, priority: 'high' as const },
  ])(
    'is split so that no Set-Cookie line has more than 4096 bytes, three at the most, with %j [A13]',
    options => {
      const policy = cookiePolicy({ ...options, maxBytes: 12_288 })
      const linesOf = (length: number) =>
        splitToken(policy, 'x'.repeat(length)).map(({ name, value }) =>
          setCookie(policy, name, value, true, 34_560_000, NOW),
        )
      let most = 0
      for (let length = 1; ; length += 401) {
        let parts: ReturnType<typeof splitToken>
        try {
          parts = splitToken(policy, 'x'.repeat(length))
        } catch (error) {
          expect(String(error)).toMatch(/takes? \d+ bytes of Set-Cookie.*cookie\.maxBytes.*12288/)
          break
        }
        most = length
        const lines = linesOf(length)
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(4096)
        expect(lines.join('').length).toBeLessThanOrEqual(12_288)
        const names = parts.map(({ name }) => name)
        expect(names).toEqual(
          names.length === 1 ? [policy.name] : names.map((_, index) => `${policy.name}.${index}`),
        )
        const header = parts.map(({ name, value }) => `${name}=${value}`).join('; ')
        expect(receivedCookies(header, policy.name, true).tokens[0]!.text).toHaveLength(length)
      }
      // The limit is not far below what would fit.
      expect(most + 401).toBeGreaterThan(3 * (4096 - policy.attributes.length - policy.name.length - 120))
    },
  )

  it('takes 3,072 bytes of Set-Cookie by default, in one cookie', () => {
    const policy = cookiePolicy({})
    let length = 1
    const line = () => {
      const [{ name, value }, ...more] = splitToken(policy, 'x'.repeat(length)) as [
        { name: string; value: string },
      ]
      expect([name, more]).toEqual(['sessionid', []])
      return setCookie(policy, name, value, true, 1_209_600, NOW)
    }
    expect(() => {
      for (; ; length++) line()
    }).toThrow(/more than `cookie\.maxBytes` \(3072\)/)
    length--
    expect(line().length).toBeGreaterThan(3_050)
    expect(line().length).toBeLessThanOrEqual(3_072)
  })

  it.each([0, 100, 12_289, 1.5, '3072', Number.NaN])('cookie.maxBytes: %j is an error', maxBytes => {
    expect(() => cookiePolicy({ maxBytes } as never)).toThrow(/cookie\.maxBytes/)
  })
})

describe('Set-Cookie', () => {
  it('every attribute is there as configured, read by another parser [C31]', () => {
    const policy = cookiePolicy({
      name: '__Secure-sid',
      path: '/app',
      domain: 'example.com',
      secure: true,
      sameSite: 'none',
      partitioned: true,
      priority: 'high',
    })
    expect(parseSetCookie(setCookie(policy, '__Secure-sid', 'abc', false, 60, NOW))).toEqual({
      name: '__Secure-sid',
      value: 'abc',
      maxAge: 60,
      expires: new Date(NOW + 60_000),
      path: '/app',
      domain: 'example.com',
      httpOnly: true,
      secure: true,
      partitioned: true,
      priority: 'high',
      sameSite: 'none',
    })
  })

  it('the deletion has the attributes that set it [A15]', () => {
    for (const options of [
      {},
      { domain: 'example.com', path: '/x', httpOnly: false, sameSite: 'strict' as const },
      { partitioned: true, secure: true },
    ]) {
      const policy = cookiePolicy(options)
      const { maxAge, expires, value, ...set } = parseSetCookie(
        setCookie(policy, policy.name, 'v', true, 60, NOW),
      )
      const deletion = parseSetCookie(setCookie(policy, policy.name, '', true, 0, 0))
      expect(deletion).toEqual({ ...set, value: '', maxAge: 0, expires: new Date(0) })
    }
  })

  it("secure 'auto' follows the connection, and counts as secure if nothing is known of it [A20]", () => {
    const policy = cookiePolicy({})
    const secure = (told: boolean | undefined): unknown =>
      parseSetCookie(setCookie(policy, 'sessionid', 'v', told, 1, NOW)).secure
    expect([secure(true), secure(undefined), secure(false)]).toEqual([true, true, undefined])
    expect(
      parseSetCookie(setCookie(cookiePolicy({ secure: true }), 'sessionid', 'v', false, 1, NOW)).secure,
    ).toBe(true)
    expect(
      parseSetCookie(setCookie(cookiePolicy({ secure: false }), 'sessionid', 'v', true, 1, NOW)).secure,
    ).toBeUndefined()
  })

  it('lives 400 days at the most, and its dates are dates [A14, F23]', () => {
    const policy = cookiePolicy({})
    const life = (maxAge: number | undefined): string[] =>
      setCookie(policy, 'sessionid', 'v', true, maxAge, NOW)
        .split('; ')
        .filter(part => /^(Max-Age|Expires)/.test(part))
    expect(life(undefined)).toEqual([])
    expect(life(1e12)).toEqual(['Max-Age=34560000', 'Expires=Wed, 18 Dec 2024 22:13:20 GMT'])
    expect(life(-0.5)).toEqual(['Max-Age=0', 'Expires=Tue, 14 Nov 2023 22:13:19 GMT'])
    expect(life(-1e12)).toEqual(['Max-Age=-1000000000000', 'Expires=Thu, 01 Jan 1970 00:00:00 GMT'])
    expect(life(1.9)[0]).toBe('Max-Age=1')
  })
})

describe('headers merge [C13]', () => {
  it.each([
    [undefined, 'Cookie'],
    ['', 'Cookie'],
    ['Accept-Encoding', 'Accept-Encoding, Cookie'],
    ['accept-encoding, COOKIE', 'accept-encoding, COOKIE'],
    ['Cookie2', 'Cookie2, Cookie'],
    ['*', '*'],
    ['Accept,Cookie , X', 'Accept,Cookie , X'],
  ])('Vary %o → %o', (current, expected) => {
    expect(varyByCookie(current)).toBe(expected)
  })

  it.each([
    [undefined, 'private'],
    ['', 'private'],
    [',', 'private'],
    ['no-store', 'no-store'],
    ['max-age=60', 'max-age=60, private'],
    ['public, max-age=60', 'max-age=60, private'],
    ['s-maxage=10, max-age=60', 'max-age=60, private'],
    ['PRIVATE', 'PRIVATE'],
    ['private="set-cookie"', 'private="set-cookie", private'],
    ['no-cache="a, public", max-age=1', 'no-cache="a, public", max-age=1, private'],
  ])('Cache-Control %o → %o', (current, expected) => {
    expect(privateCache(current)).toBe(expected)
  })
})

describe('applyTo', () => {
  it('appends the cookies and merges Vary and Cache-Control', () => {
    const headers = new Headers({
      'set-cookie': 'own=1',
      vary: 'Accept',
      'cache-control': 'public, max-age=60',
    })
    applyTo(headers, { setCookies: ['a=1', 'b=2'], vary: true, private: true })
    expect(headers.getSetCookie()).toEqual(['own=1', 'a=1', 'b=2'])
    expect(headers.get('vary')).toBe('Accept, Cookie')
    expect(headers.get('cache-control')).toBe('max-age=60, private')
  })

  it('leaves the headers alone where there is nothing to send', () => {
    const headers = new Headers()
    applyTo(headers, { setCookies: [], vary: false, private: false })
    expect([...headers]).toEqual([])
    applyTo(headers, { setCookies: [], vary: true, private: false })
    expect([...headers]).toEqual([['vary', 'Cookie']])
  })
})
