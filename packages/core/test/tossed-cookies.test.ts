import { encryptedCookieStore, signedCookieStore } from '@sess/store-cookie'
import { parseSetCookie } from 'cookie'
import { describe, expect, it } from 'vitest'
import {
  ConfigError,
  type CookieOptions,
  type CorruptEvent,
  createSessions,
  type Session,
} from '../src/index.ts'
import { bench } from './support.ts'

const SECRET = 'rN8#vQ2kLp0xZ7mWc4Tj9Hb6Fy3Ds1Ga'
const target = () => ({ host: 'shop.example.com:8080', path: '/app/login?next=/' })

/** One request to an engine whose response is at hand: what it sets, deletes, and told the hook. */
function engine(options: object) {
  const corrupt: CorruptEvent[] = []
  const sessions = createSessions({
    clock: () => 1_700_000_000_000,
    hooks: { corrupt: (event: CorruptEvent) => void corrupt.push(event) },
    ...options,
  } as never)
  return async (cookie: string, handle: (session: Session) => unknown = session => session.get('user')) => {
    corrupt.length = 0
    const session = sessions.open(cookie)
    await session.load()
    const value = handle(session)
    const { setCookies } = await sessions.commit(session, { status: 200, secure: true, target } as never)
    const parsed = setCookies.map(line => parseSetCookie(line)!)
    const scope = ({ name, domain, path, partitioned }: (typeof parsed)[number]) =>
      `${name} ${domain ?? 'host'} ${path}${partitioned ? ' partitioned' : ''}`
    const deleted = parsed.filter(({ maxAge }) => maxAge === 0).map(scope)
    expect(parsed.every(({ maxAge, value }) => maxAge !== 0 || value === '')).toBe(true)
    const set = parsed.filter(({ maxAge }) => maxAge !== 0)
    // No two for one place in the browser's jar: which one stays is not defined [A14].
    expect(new Set(parsed.map(scope)).size).toBe(parsed.length)
    return {
      value,
      deleted,
      set: set.map(scope),
      pairs: set.map(({ name, value }) => `${name}=${value}`).join('; '),
      corrupt: corrupt.map(({ reason }) => reason),
    }
  }
}

describe('two different cookies of the session name: neither is used, and the response clears what may be in the way', () => {
  const one = 'a'.repeat(32)
  const two = 'b'.repeat(32)
  const make = (cookie: CookieOptions = {}) => {
    const app = bench()
    return { app, request: engine({ store: app.store, cookie }) }
  }

  it('a read deletes the cookies of other domains and paths, and leaves the configured one alone [A18]', async () => {
    const { app, request } = make()
    const { deleted, set, corrupt } = await request(`sessionid=${one}; sessionid=${two}`)
    expect(app.calls).toEqual([])
    expect(corrupt).toEqual(['cookie'])
    expect(set).toEqual([])
    expect(deleted).not.toContain('sessionid host /')
    for (const scope of ['example.com /', 'shop.example.com /', 'host /app', 'example.com /app']) {
      expect(deleted).toContain(`sessionid ${scope}`)
    }
    expect(deleted).not.toContain('sessionid com /')
  })

  it.each<[string, CookieOptions, string]>([
    ['domain', { domain: 'example.com' }, 'sessionid host /'],
    ['domain, written as of old,', { domain: '.Example.com' }, 'sessionid host /'],
    ['no domain any more', {}, 'sessionid example.com /'],
    ['path', { path: '/app' }, 'sessionid host /'],
    ['no path any more', {}, 'sessionid host /app'],
    ['partitioned', { partitioned: true, secure: true }, 'sessionid host /'],
    ['not partitioned any more', {}, 'sessionid host / partitioned'],
    ['domain and path', { domain: 'example.com', path: '/app' }, 'sessionid host /'],
  ])('a changed %s: a login sets its cookie and deletes the old one', async (_, cookie, old) => {
    const { request } = make(cookie)
    const { deleted, set } = await request(`sessionid=${one}; sessionid=${two}`, session => {
      session.cycleKey()
      session.set('user', 'ann')
    })
    expect(set).toHaveLength(1)
    expect(deleted).toContain(old)
    expect(deleted).not.toContain(set[0])
  })

  it('nothing is deleted for one cookie, or for one that came twice', async () => {
    const { app, request } = make()
    await app.request(session => session.set('user', 'ann'))
    for (const cookie of [app.cookie, `${app.cookie}; ${app.cookie}`]) {
      expect(await request(cookie)).toMatchObject({ value: 'ann', deleted: [], set: [], corrupt: [] })
    }
  })

  it('a host and a path that are none, or long ones, put nothing odd into the header', async () => {
    const hosts = [
      'localhost',
      '127.0.0.1:3000',
      '[::1]:3000',
      'a;b.example.com',
      '',
      `${'a.'.repeat(100)}com`,
    ]
    const sessions = createSessions({ store: bench().store })
    for (const host of hosts) {
      for (const path of ['*', '/a;Domain=x', '/é', `/${'x'.repeat(5000)}`, '/a'.repeat(50), '']) {
        const session = sessions.open('sessionid=a; sessionid=b')
        const { setCookies } = await sessions.commit(session, {
          status: 200,
          target: () => ({ host, path }),
        } as never)
        expect(setCookies.join('').length).toBeLessThan(3072)
        expect(setCookies.length).toBeLessThanOrEqual(24)
        for (const line of setCookies) {
          expect(line).toMatch(/^sessionid=; Max-Age=0; [ -~]*$/)
          expect(line).not.toMatch(/Domain=(x|com|localhost|127|\[)|xxxx/)
        }
      }
    }
  })
})

describe.each([
  ['encrypted', encryptedCookieStore()],
  ['signed', signedCookieStore()],
])('cookies tossed beside a long %s session', (_, store) => {
  const options = { store, secret: SECRET, cookie: { maxBytes: 12_288 } }
  const request = engine(options)
  const big = 'x'.repeat(5000)
  const long = async (user: string, subject = user) =>
    (
      await request('', session => {
        session.set('big', big)
        session.set('user', user)
        if (subject) session.subject = subject
      })
    ).pairs
  const short = async (user: string, subject = user) =>
    (
      await request('', session => {
        session.set('user', user)
        if (subject) session.subject = subject
      })
    ).pairs

  it('junk beside it: the session stays, the junk is deleted, the hook is called', async () => {
    const own = await long('ann')
    expect(own).toMatch(/^sessionid\.0=.*; sessionid\.1=/)
    for (const name of ['sessionid', 'sessionid.2', 'sessionid.3']) {
      for (const junk of ['junk', '', '""']) {
        const { value, deleted, set, corrupt } = await request(`${name}=${junk}; ${own}`)
        const found = { name, junk, value, set, corrupt }
        expect(found).toEqual({ name, junk, value: 'ann', set: [], corrupt: ['cookie'] })
        expect(deleted).toContain(`${name} host /`)
        expect(deleted).toContain(`${name} example.com /`)
        expect(deleted.every(scope => scope.startsWith(`${name} `))).toBe(true)
      }
    }
  })

  it('a chunk beside a short session: the session stays, the chunk is deleted', async () => {
    const own = await short('ann')
    const [planted] = (await long('mallory')).split('; ')
    for (const chunk of ['sessionid.0=junk', 'sessionid.0=', planted]) {
      const { value, deleted, corrupt } = await request(`${own}; ${chunk}`)
      expect({ value, corrupt }).toEqual({ value: 'ann', corrupt: ['cookie'] })
      expect(deleted).toContain('sessionid.0 host /')
      expect(deleted.every(scope => scope.startsWith('sessionid.0 '))).toBe(true)
    }
  })

  it('a chunk beside a session that grows: the chunk is replaced, and not deleted', async () => {
    const own = await short('ann')
    const { deleted, set } = await request(`${own}; sessionid.0=junk`, session => session.set('big', big))
    expect(set).toContain('sessionid.0 host /')
    expect(deleted).toContain('sessionid host /')
    expect(deleted).not.toContain('sessionid.0 host /')
  })

  it("a stranger's whole session beside it: neither is used, and the visitor's cookies stay", async () => {
    for (const subject of ['mallory', '']) {
      const planted = await short('mallory', subject)
      const own = await long('ann', subject && 'ann')
      for (const cookie of [`${planted}; ${own}`, `${own}; ${planted}`]) {
        const { value, deleted, set, corrupt } = await request(cookie)
        expect({ value, set, corrupt }).toEqual({ value: undefined, set: [], corrupt: ['cookie'] })
        expect(deleted).toContain('sessionid example.com /')
        expect(deleted.filter(scope => scope.endsWith(' host /'))).toEqual([])
      }
    }
  })

  it("a stranger's chunks beside a short session: neither is used", async () => {
    const { value, deleted } = await request(`${await short('ann')}; ${await long('mallory')}`)
    expect(value).toBeUndefined()
    expect(deleted.filter(scope => scope.endsWith(' host /'))).toEqual([])
  })

  it('two of one subject, left by two responses that crossed: the one that lives longer is used', async () => {
    const aged = engine({ ...options, age: 60 })
    const older = (
      await aged('', session => {
        session.set('user', 'ann, before')
        session.subject = 'ann'
      })
    ).pairs
    expect((await request(`${older}; ${await long('ann')}`)).value).toBe('ann')
  })

  it('a chunk that came twice with two values: neither is used, and nothing of our own is deleted', async () => {
    const own = await long('ann')
    const { value, deleted, corrupt } = await request(`sessionid.0=junk; ${own}`)
    expect({ value, corrupt }).toEqual({ value: undefined, corrupt: ['cookie'] })
    expect(deleted).toContain('sessionid.0 example.com /')
    expect(deleted.filter(scope => scope.endsWith(' host /'))).toEqual([])
  })

  it('a login clears all of it, so that the next request finds one session', async () => {
    const cookie = `${await short('mallory')}; ${await long('ann')}`
    const { deleted, set } = await request(cookie, session => {
      session.cycleKey()
      session.set('user', 'bob')
    })
    expect(set).toEqual(['sessionid host /'])
    for (const scope of ['sessionid.0 host /', 'sessionid.1 host /', 'sessionid example.com /']) {
      expect(deleted).toContain(scope)
    }
  })

  it('what no longer verifies at all is deleted, as ever', async () => {
    const { deleted, corrupt } = await request('sessionid=junk; sessionid.0=more; sessionid.1=junk')
    expect(corrupt).toEqual(['token'])
    expect(deleted).toEqual(['sessionid host /', 'sessionid.0 host /', 'sessionid.1 host /'])
  })
})

it('a name that ends like a chunk of another is an error: `sid` split and `sid.0` would delete each other', () => {
  for (const name of ['sid.0', 'sid.3', 'sid.12', '__Secure-sid.1']) {
    const make = () => createSessions({ store: bench().store, cookie: { name, secure: true } })
    expect(make, name).toThrow(ConfigError)
    expect(make, name).toThrow(/cookie\.name.*chunk|cookie\.name.*split/s)
  }
  for (const name of ['sid.a', 'sid.0a', 'sid0', '0'])
    createSessions({ store: bench().store, cookie: { name } })
})
