import { ConfigError, type CookieStore, createSessions, type Session, type SessionsOptions } from '@sess/core'
import { describe, expect, test } from 'vitest'
import { encryptedCookieStore, signedCookieStore } from '../src/index.ts'

const SECRET = 'Zk3vQ9nW1rT7yB5mX8cL2pD6sF4hJ0gA'
const OTHER = 'aG0jHf4Fs6Dp2Lc8Xm5By7Tr1Wn9Qv3K'
const START = 1_700_000_000_000

function app(store: CookieStore, options: Partial<SessionsOptions> = {}) {
  let time = START
  const jar = new Map<string, string>()
  const sessions = createSessions({ store, secret: SECRET, clock: () => time, ...options })
  return {
    sessions,
    jar,
    pass: (seconds: number) => {
      time += seconds * 1000
    },
    async request<T>(work: (session: Session) => T): Promise<T> {
      const session = sessions.open([...jar].map(([name, value]) => `${name}=${value}`).join('; '))
      await session.load()
      const result = work(session)
      const out = await sessions.commit(session, { status: 200, secure: true })
      for (const cookie of out.setCookies) {
        const [pair = ''] = cookie.split(';')
        const [name = '', value = ''] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
        if (/max-age=0/i.test(cookie)) jar.delete(name)
        else jar.set(name, value)
      }
      return result
    },
  }
}

describe.each([
  ['encrypted', encryptedCookieStore],
  ['signed', signedCookieStore],
  ['signed, for Django', () => signedCookieStore({ django: true })],
])('%s, through the engine', (_, make) => {
  test.each(['keyboard cat'.repeat(3), 'my-super-secret-session-key-please-change-me', 'short'])(
    '%j is refused as a secret at start-up, and not told [A8, A31]',
    secret => {
      for (const given of [secret, [SECRET, secret]]) {
        const start = (): unknown => createSessions({ store: make(), secret: given })
        expect(start).toThrow(ConfigError)
        expect(start).toThrow(expect.not.objectContaining({ message: expect.stringContaining(secret) }))
      }
    },
  )

  test('a session comes back, and its end is the server’s', async () => {
    const { request, pass } = app(make())
    await request(session => {
      session.set('user', 'é 7')
      session.subject = 'ann'
    })
    expect(await request(session => [session.get('user'), session.subject])).toEqual(['é 7', 'ann'])
    pass(1_209_599)
    expect(await request(session => session.get('user'))).toBe('é 7')
    pass(1)
    expect(await request(session => session.get('user'))).toBeUndefined()
  })

  test('setExpiry holds on the server, shorter and longer [C6]', async () => {
    for (const expiry of [60, { minutes: 1 }, 2_592_000, { days: 30 }]) {
      const { request, pass } = app(make())
      const seconds =
        typeof expiry === 'number' ? expiry : (expiry.minutes ?? 0) * 60 + (expiry.days ?? 0) * 86_400
      await request(session => {
        session.set('a', 1)
        session.setExpiry(expiry)
      })
      pass(seconds - 1)
      expect(await request(session => session.get('a'))).toBe(1)
      pass(1)
      expect(await request(session => session.get('a'))).toBeUndefined()
    }
  })

  test('the absolute age holds too, however active [A21]', async () => {
    const { request, pass } = app(make(), { absoluteAge: 100, saveEveryRequest: true })
    await request(session => session.set('a', 1))
    pass(60)
    expect(await request(session => session.get('a'))).toBe(1)
    pass(39)
    expect(await request(session => session.get('a'))).toBe(1)
    pass(1)
    expect(await request(session => session.get('a'))).toBeUndefined()
  })

  test('notBefore voids a subject’s older cookies, copied ones too [A24, A34]', async () => {
    let voidBefore: number | undefined
    const { request, pass } = app(make(), { notBefore: () => voidBefore })
    await request(session => {
      session.set('user', 7)
      session.subject = 'ann'
    })
    pass(10)
    voidBefore = START + 5_000
    expect(await request(session => session.get('user'))).toBeUndefined()
    await request(session => {
      session.set('user', 7)
      session.subject = 'ann'
    })
    expect(await request(session => session.get('user'))).toBe(7)
  })

  test('a long session is spread over cookies, and comes back whole [A13]', async () => {
    const { request, jar } = app(make(), { cookie: { maxBytes: 12_288 } })
    const text = Array.from({ length: 1200 }, (_, n) => (n * 7919 + 13).toString(36)).join('')
    await request(session => session.set('text', text))
    expect(jar.size).toBeGreaterThan(1)
    expect(await request(session => session.get('text'))).toBe(text)
    await request(session => session.set('text', 'short'))
    expect(jar.size).toBe(1)
    await request(session => session.flush())
    expect(jar.size).toBe(0)
  })

  test('rotating the secret logs nobody out [A30]', async () => {
    const before = app(make(), { secret: OTHER })
    await before.request(session => session.set('a', 1))
    const rotated = app(make(), { secret: [SECRET, OTHER] })
    for (const [name, value] of before.jar) rotated.jar.set(name, value)
    expect(await rotated.request(session => session.get('a'))).toBe(1)
    await rotated.request(session => session.set('a', 2))
    const after = app(make(), { secret: SECRET })
    for (const [name, value] of rotated.jar) after.jar.set(name, value)
    expect(await after.request(session => session.get('a'))).toBe(2)
    for (const [name, value] of before.jar) after.jar.set(name, value)
    expect(await after.request(session => session.get('a'))).toBeUndefined()
  })

  test('without a good secret the engine does not start [A31]', () => {
    for (const secret of [undefined, [], 'short', 'keyboard cat'.repeat(3)]) {
      expect(() => createSessions({ store: make(), ...(secret && { secret }) })).toThrow(ConfigError)
    }
  })
})
