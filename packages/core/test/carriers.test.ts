import { memoryStore } from '@sess/conformance'
import { encryptedCookieStore } from '@sess/store-cookie'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Carrier,
  type CommitResult,
  createSessions,
  type Session,
  type SessionsOptions,
} from '../src/index.ts'
import { codeOf, counted, keep, slow } from './support.ts'

interface Sent {
  cookie?: string
  header?: string
}

function app(carrier: Carrier, options: Partial<SessionsOptions> = {}) {
  const calls: string[] = []
  const sessions = createSessions({ store: counted(memoryStore(), calls), carrier, ...options })
  const request = async (sent: Sent, handle: (session: Session) => unknown = session => session.get('n')) => {
    const read = (name: string) =>
      typeof carrier === 'object' && name === carrier.header ? sent.header : undefined
    const session = sessions.open(sent.cookie, { header: read })
    await session.load()
    const value = await handle(session)
    const out = await sessions.commit(session, { status: 200, secure: true })
    return {
      value,
      out,
      session,
      header: typeof carrier === 'object' ? out.headers?.[carrier.header] : undefined,
    }
  }
  return { sessions, calls, request }
}

const X = { header: 'x-session' } as const
const BOTH = { header: 'x-session', cookie: true } as const
const set = (session: Session) => session.set('n', 1)
const KEY = /^[a-z0-9]{32}$/

describe('a session in a header', () => {
  it('begins, is found, gets a new key and ends, all by the header and without a cookie', async () => {
    const { request } = app(X)
    const begun = await request({}, set)
    expect(begun.header).toMatch(KEY)
    expect(begun.out).toEqual({
      setCookies: [],
      vary: true,
      private: false,
      varyBy: 'X-Session',
      headers: { 'cache-control': 'no-store', 'x-session': begun.header },
    })
    const read = await request({ header: begun.header! })
    expect([read.value, read.header]).toEqual([1, undefined])
    expect(read.out).toMatchObject({ vary: true, setCookies: [], headers: { 'cache-control': 'no-store' } })
    const changed = await request({ header: begun.header! }, session => session.set('n', 2))
    expect([changed.header, changed.out.headers]).toEqual([undefined, { 'cache-control': 'no-store' }])
    const rotated = await request({ header: begun.header! }, session => session.cycleKey())
    expect(rotated.header).toMatch(KEY)
    expect(rotated.header).not.toBe(begun.header)
    expect((await request({ header: begun.header! })).value).toBeUndefined()
    expect((await request({ header: rotated.header! })).value).toBe(2)
    const ended = await request({ header: rotated.header! }, session => session.flush())
    expect([ended.header, ended.out.setCookies]).toEqual(['', []])
    expect((await request({ header: rotated.header! })).header).toBe('')
  })

  it('has the scheme Bearer in Authorization, and no other scheme is read', async () => {
    const { request } = app({ header: 'authorization' })
    const { header } = await request({ header: 'Basic YTpi' }, set)
    expect(header).toMatch(/^Bearer [a-z0-9]{32}$/)
    const key = header!.slice(7)
    for (const text of [header!, `bearer ${key}`, ` BEARER  ${key} `]) {
      expect((await request({ header: text })).value).toBe(1)
    }
    for (const text of [
      key,
      `Basic ${key}`,
      `Bearer${key}`,
      `Bearer ${key}, Bearer ${key}`,
      `Bearer ${key} x`,
    ]) {
      expect((await request({ header: text })).value).toBeUndefined()
    }
  })

  it('costs no call, no field and no Vary if the handler leaves it alone', async () => {
    const { request, calls } = app(X)
    const { out } = await request({}, () => undefined)
    expect([calls, out]).toEqual([[], { setCookies: [], vary: false, private: false, varyBy: 'X-Session' }])
    const { header } = await request({}, set)
    calls.length = 0
    await request({ header: header! })
    expect(calls).toEqual(['read'])
  })

  it('varies if the session is extended, even if the handler leaves it alone', async () => {
    const { request } = app(X, { saveEveryRequest: true })
    const { header } = await request({}, set)
    const { out } = await request({ header: header! }, () => undefined)
    expect([out.vary, out.varyBy, out.headers]).toEqual([true, 'X-Session', { 'cache-control': 'no-store' }])
  })

  it('is marked no-store if it is read after the commit', async () => {
    const { request } = app(X)
    const { header } = await request({}, set)
    const { out, session } = await request({ header: header! }, () => undefined)
    expect([out.vary, out.headers]).toEqual([false, undefined])
    expect(session.get('n')).toBe(1)
    expect([out.vary, out.headers]).toEqual([true, { 'cache-control': 'no-store' }])
  })

  it('says how it came, for the protection against CSRF', async () => {
    const { request } = app(BOTH)
    const how = (session: Session) => session.carrier
    expect((await request({}, how)).value).toBe('cookie')
    expect((await request({ header: 'new' }, how)).value).toBe('header')
    expect((await request({ header: '', cookie: 'sessionid=x' }, how)).value).toBe('header')
  })

  it('clears what cannot be a key, once the session is read, and says nothing to `new` or an empty header', async () => {
    const { request, calls } = app(X)
    const answered = async (header: string) => (await request({ header })).header
    expect([await answered('new'), await answered(''), await answered('Ünsinn')]).toEqual([
      undefined,
      undefined,
      '',
    ])
    expect(calls).toEqual([])
  })

  it('holds cookie sessions, up to `cookie.maxBytes`', async () => {
    const options = { store: encryptedCookieStore(), secret: 'some-secret-for-the-tests-of-carriers-0' }
    const { request } = app(X, options)
    const { header } = await request({}, set)
    expect((await request({ header: header! })).value).toBe(1)
    expect((await request({ header: header! }, session => session.set('n', 2))).header).not.toBe(header)
    expect(await codeOf(() => request({}, session => session.set('n', 'x'.repeat(4000))))).toBe(
      'SESSION_DATA',
    )
  })

  it('adds Clear-Site-Data beside its own fields', async () => {
    const { request } = app(X)
    const { header } = await request({}, set)
    const { out } = await request({ header: header! }, session =>
      session.flush({ clearSiteData: ['storage'] }),
    )
    expect(out.headers).toEqual({
      'cache-control': 'no-store',
      'x-session': '',
      'clear-site-data': '"storage"',
    })
  })
})

it('reads no cookie if only a header is allowed, and a key that the caller verified gets no cookie either', async () => {
  const { sessions, request } = app(X)
  const { header } = await request({}, set)
  expect((await request({ cookie: `sessionid=${header}` })).value).toBeUndefined()
  const session = sessions.openKey('socket')
  await session.load()
  session.set('n', 1)
  const { setCookies } = await sessions.commit(session, { status: 200 })
  expect([session.carrier, setCookies]).toEqual(['header', []])
})

it('the header wins over a cookie in one request, and the cookie is left alone', async () => {
  const { request } = app(BOTH)
  const cookie = keep('', (await request({}, set)).out.setCookies)
  const { header } = await request({ header: 'new', cookie }, session => session.set('n', 2))
  const both = await request({ header: header!, cookie })
  expect([both.value, both.out.varyBy, both.out.setCookies]).toEqual([2, 'Cookie, X-Session', []])
  await request({ header: header!, cookie }, session => session.flush())
  const after = await request({ cookie })
  expect([after.value, after.out.varyBy, after.out.headers]).toEqual([1, 'Cookie, X-Session', undefined])
})

const step = fc.record({
  by: fc.constantFrom('cookie', 'header', 'both', 'new', 'nothing'),
  action: fc.constantFrom('set', 'read', 'cycle', 'flush', 'flush and set', 'login', 'nothing', 'who'),
  status: fc.constantFrom(200, 200, 404, 500),
})

it.each<[string, () => Partial<SessionsOptions>]>([
  ['at once', () => ({})],
  ['later', () => ({ store: slow(memoryStore()), saveEveryRequest: true })],
])(
  'no key that came by a cookie leaves by a header, nor the other way round, over a store that returns %s',
  async (_, options) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async steps => {
        const sessions = createSessions({ store: memoryStore(), ...options(), carrier: BOTH })
        let cookie = ''
        let header = 'new'
        const cookieKeys = new Set<string>()
        const headerKeys = new Set<string>()
        for (const { by, action, status } of steps) {
          const sentHeader = { header, both: header, new: 'new' }[by as 'new'] as string | undefined
          const sentCookie = by === 'cookie' || by === 'both' || by === 'new' ? cookie : ''
          const session = sessions.open(sentCookie, { header: () => sentHeader })
          await session.load()
          if (action === 'set') session.set('n', (session.get('n', 0) as number) + 1)
          if (action === 'read') session.get('n')
          if (action === 'who') void session.isEmpty
          if (action === 'login') {
            session.cycleKey()
            session.set('user', 'ada')
          }
          if (action === 'cycle') session.cycleKey()
          if (action.startsWith('flush')) session.flush()
          if (action === 'flush and set') session.set('n', 0)
          const out: CommitResult = await sessions.commit(session, { status, secure: true })
          const isByHeader = sentHeader !== undefined
          expect(session.carrier).toBe(isByHeader ? 'header' : 'cookie')
          expect(out.varyBy).toBe('Cookie, X-Session')
          if (isByHeader) {
            expect([out.setCookies, out.private]).toEqual([[], false])
            if (out.vary) expect(out.headers?.['cache-control']).toBe('no-store')
            const answered = out.headers?.['x-session']
            if (answered !== undefined) header = answered || 'new'
            if (answered) headerKeys.add(answered)
          } else {
            expect(out.headers).toBeUndefined()
            cookie = keep(cookie, out.setCookies)
            if (cookie) cookieKeys.add(cookie.slice('sessionid='.length))
          }
          for (const key of headerKeys) expect(cookieKeys.has(key)).toBe(false)
        }
      }),
      { numRuns: 150 },
    )
  },
)

describe('a wrong option is a ConfigError that names it', () => {
  it.each([
    'header',
    { header: 'cookie' },
    { header: 'x session' },
    { header: 'x-' },
    { header: 'x-session', cookie: 'yes' },
    { header: 'x-session', cookies: true },
    {},
    ['cookie'],
  ])('%j', carrier => {
    expect(() => createSessions({ store: memoryStore(), carrier: carrier as Carrier })).toThrow(
      /^carrier: must be/,
    )
  })

  it('without the headers, with a way to pass them', () => {
    expect(() => app(X).sessions.open('')).toThrow(
      /^carrier: needs the headers: sessions\.open\(cookieHeader, \{ header/,
    )
  })
})

it.each([5, 'header', null, { header: 'cookie' }, { header: 'x-key', other: 1 }])(
  'rejects carrier: %j',
  carrier => {
    expect(() => createSessions({ store: memoryStore(), carrier: carrier as never })).toThrow(/^carrier/)
  },
)

it('a symbol is no property of a session', () => {
  const session = createSessions({ store: memoryStore() }).open('')
  expect(Object.getOwnPropertyDescriptor(session, Symbol('key'))).toBeUndefined()
})
