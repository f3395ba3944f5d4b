import { memoryStore } from '@sess/conformance'
import { encryptedCookieStore } from '@sess/store-cookie'
import { describe, expect, it } from 'vitest'
import { createSessions, type Session, type SessionsOptions, type Store } from '../src/index.ts'
import { keep, slow } from './support.ts'

interface Req {
  tenant: string
  cookie?: string
}

/** An app whose cookies depend on the tenant of the request. */
function app(options: Partial<SessionsOptions> = {}) {
  const sessions = createSessions({
    store: memoryStore(),
    cookie: (req: Req) => ({ domain: `${req.tenant}.example`, isolate: req.tenant }),
    ...options,
  })
  const request = async (req: Req, handle: (session: Session) => unknown = session => session.get('n')) => {
    const session = sessions.open(req.cookie, { request: req })
    await session.load()
    const value = await handle(session)
    const { setCookies } = await sessions.commit(session, { status: 200 })
    return { value, setCookies, cookie: keep(req.cookie ?? '', setCookies), key: session.sessionKey }
  }
  return { sessions, request }
}

const set = (session: Session) => session.set('n', 1)

it.each<[string, Partial<SessionsOptions>]>([
  ['a store in memory', {}],
  ['a store that returns later', { store: slow(memoryStore()) as Store }],
  ['cookie sessions', { store: encryptedCookieStore(), secret: 'some-secret-for-the-tests-of-tenants-0' }],
])('a key of one tenant opens no session of another, in %s', async (_, options) => {
  const { request } = app({ cookie: (req: Req) => ({ isolate: req.tenant }), ...options })
  const { cookie } = await request({ tenant: 'a' }, set)
  expect((await request({ tenant: 'a', cookie })).value).toBe(1)
  for (const tenant of ['b', 'A', 'a ', 'a=x', 'ab']) {
    const { value, key } = await request({ tenant, cookie })
    expect([tenant, value, key]).toEqual([tenant, undefined, null])
  }
  // What tenant b does with that key leaves the session of tenant a alone.
  await request({ tenant: 'b', cookie }, session => session.flush())
  expect((await request({ tenant: 'a', cookie })).value).toBe(1)
})

it('no name and tenant have the ids of another name and tenant', async () => {
  const store = memoryStore()
  const key = 'a'.repeat(32)
  const ids: string[] = []
  const create = async (name: string, isolate?: string) => {
    const sessions = createSessions({ store, cookie: { name, ...(isolate !== undefined && { isolate }) } })
    const session = sessions.openKey(key, { isNew: true })
    session.set('n', 1)
    await session.save({ mustCreate: true })
    ids.push(`${name} ${isolate}`)
  }
  for (const isolate of [undefined, 'a', 'b', 'a=b', 'a@b', 'a%40b', 'ä']) await create('sid', isolate)
  await create('sid%40a')
  await create('a', 'sid')
  // `mustCreate` throws if an id is taken.
  expect(ids).toHaveLength(9)
})

it('rotation, logout and deletion keep to the tenant and its attributes', async () => {
  const { sessions, request } = app()
  const first = await request({ tenant: 'a' }, set)
  expect(first.setCookies[0]).toContain('; Domain=a.example;')
  const rotated = await request({ tenant: 'a', cookie: first.cookie }, session => session.cycleKey())
  expect(rotated.key).not.toBe(first.key)
  expect((await request({ tenant: 'a', cookie: rotated.cookie })).value).toBe(1)
  expect(await sessions.exists(rotated.key!, { isolate: 'a' })).toBe(true)
  expect(await sessions.exists(rotated.key!, { isolate: 'b' })).toBe(false)
  expect(await sessions.exists(rotated.key!)).toBe(false)
  const out = await request({ tenant: 'a', cookie: rotated.cookie }, session => session.flush())
  expect(out.setCookies).toEqual([
    expect.stringMatching(/^sessionid=; Max-Age=0;.*Domain=a\.example; HttpOnly; SameSite=Lax/),
  ])
  const again = await request({ tenant: 'a' }, set)
  expect(await sessions.delete(again.key!, { isolate: 'b' })).toBe(false)
  expect(await sessions.delete(again.key!, { isolate: 'a' })).toBe(true)
  expect((await request({ tenant: 'a', cookie: again.cookie })).value).toBeUndefined()
})

it('lists, and "everywhere but here", know the session of a tenant', async () => {
  const { sessions, request } = app()
  const login = (session: Session) => void (session.subject = 'a:ada')
  const [one] = [await request({ tenant: 'a' }, login), await request({ tenant: 'a' }, login)]
  await request({ tenant: 'a', cookie: one.cookie }, async session => {
    const list = await sessions.list('a:ada', { current: session })
    expect(list.map(({ current }) => current).sort()).toEqual([false, true])
    expect(await sessions.removeBySubject('a:ada', { except: session })).toBe(1)
    expect(await sessions.list('a:ada')).toHaveLength(1)
  })
})

it('the options of a request stand over those of the engine', async () => {
  const sessions = createSessions({
    store: memoryStore(),
    cookie: {
      name: 'sid',
      sameSite: 'strict',
      path: '/shop',
      byRequest: (req: { framed: boolean }) =>
        req.framed ? { sameSite: 'none', secure: true, partitioned: true } : {},
    },
  })
  const line = async (framed: boolean) => {
    const session = sessions.open('', { request: { framed } })
    session.set('n', 1)
    const { setCookies } = await sessions.commit(session, { status: 200, secure: true })
    return setCookies[0]!.replace(/sid=[a-z0-9]{32}/, 'sid=…').replace(/; Max-Age=.*GMT/, '')
  }
  expect(await line(false)).toBe('sid=…; Path=/shop; HttpOnly; SameSite=Strict; Secure')
  expect(await line(true)).toBe('sid=…; Path=/shop; HttpOnly; SameSite=None; Partitioned; Secure')
})

it('is asked once for each request, and makes its settings once for each result', async () => {
  let calls = 0
  const { request } = app({
    cookie: () => {
      calls++
      return { isolate: 'a' }
    },
  })
  const { cookie } = await request({ tenant: 'a' }, set)
  expect((await request({ tenant: 'a', cookie })).value).toBe(1)
  expect(calls).toBe(2)
})

it('more tenants than are kept in memory still find their sessions', async () => {
  const { request } = app()
  const first = await request({ tenant: 't0' }, set)
  for (let n = 1; n <= 1100; n++) await request({ tenant: `t${n}` }, () => undefined)
  expect((await request({ tenant: 't0', cookie: first.cookie })).value).toBe(1)
})

describe('a wrong option is a ConfigError that names it', () => {
  it.each<[string, unknown, RegExp]>([
    ['no object', () => null, /^cookie\.byRequest: /],
    ['a promise', async () => ({}), /^cookie\.byRequest: /],
    ['a name', () => ({ name: 'other' }), /^cookie\.name: /],
    ['no tenant', () => ({ isolate: undefined }), /^cookie\.isolate: .*404/],
    ['an empty tenant', () => ({ isolate: '' }), /^cookie\.isolate: /],
    ['SameSite=None without Secure', () => ({ sameSite: 'none', secure: false }), /^cookie\.secure: /],
    ['an unknown option', () => ({ sameSit: 'lax' }), /^cookie\.sameSit: /],
  ])('%s, for that request', (_, cookie, message) => {
    const sessions = createSessions({ store: memoryStore(), cookie: cookie as never })
    expect(() => sessions.open('', { request: {} })).toThrow(message)
  })

  it('without the request, with a way to pass it', () => {
    expect(() => app().sessions.open('')).toThrow(/sessions\.open\(cookieHeader, \{ request \}\)/)
    expect(() => app().sessions.openKey('k')).toThrow(/^cookie\.byRequest: /)
  })

  it('isolate without hashed keys', async () => {
    const options = { store: memoryStore(), hashKeys: false }
    expect(() => createSessions({ ...options, cookie: { isolate: 'a' } })).toThrow(
      /^cookie\.isolate: .*hashKeys/,
    )
    const sessions = createSessions({ ...options, cookie: () => ({ isolate: 'a' }) })
    expect(() => sessions.open('', { request: {} })).toThrow(/^cookie\.isolate: .*hashKeys/)
    await expect(sessions.delete('a'.repeat(32), { isolate: 'a' })).rejects.toThrow(/hashKeys/)
  })
})
