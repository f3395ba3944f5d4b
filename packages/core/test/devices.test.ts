import { memoryStore } from '@sess/conformance'
import { encryptedCookieStore } from '@sess/store-cookie'
import { describe, expect, it } from 'vitest'
import { createSessions, type Session } from '../src/index.ts'
import { altered, bench, codeOf, START, slow } from './support.ts'

const login = (session: Session) => {
  session.cycleKey()
  session.subject = 'ada'
}

/** Logs in once for each label, a second apart. Returns their cookies. */
async function devices(app: ReturnType<typeof bench>, ...labels: string[]): Promise<string[]> {
  const cookies: string[] = []
  for (const label of labels) {
    await app.request(
      session => {
        login(session)
        session.device = { label }
      },
      { cookie: '' },
    )
    cookies.push(app.cookie)
    app.time.now += 1000
  }
  return cookies
}

describe('the list of devices [A24, A25]', () => {
  it('has the live sessions of the subject, the one seen last first, and says which is the current one', async () => {
    const app = bench({ store: slow(memoryStore()) })
    const [phone] = await devices(app, 'phone', 'laptop')
    await app.request(session => void (session.subject = 'bob'), { cookie: '' })
    const session = app.sessions.open(phone)
    await session.load()
    const list = await app.sessions.list('ada', { current: session })
    expect(list.map(({ device, current, subject }) => [device?.label, current, subject])).toEqual([
      ['laptop', false, 'ada'],
      ['phone', true, 'ada'],
    ])
    expect(list[1]).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{40}$/),
      subject: 'ada',
      current: true,
      createdAt: new Date(START),
      authenticatedAt: new Date(START),
      lastSeenAt: new Date(START),
      lastSeenWithin: undefined,
      expiresAt: new Date(START + 1_209_600_000),
      device: { label: 'phone' },
      data: {},
    })
  })

  it('knows the current one while its key is being changed, and has none without a session', async () => {
    const app = bench()
    const [phone] = await devices(app, 'phone')
    const session = app.sessions.open(phone)
    await session.load()
    session.cycleKey()
    expect((await app.sessions.list('ada', { current: session })).map(({ current }) => current)).toEqual([
      true,
    ])
    const visitor = app.sessions.open()
    expect((await app.sessions.list('ada', { current: visitor })).map(({ current }) => current)).toEqual([
      false,
    ])
  })

  it('costs one call of the store, however many there are', async () => {
    const app = bench()
    await devices(app, 'a', 'b', 'c')
    app.calls.length = 0
    await app.sessions.list('ada')
    expect(app.calls).toEqual(['scanBySubject'])
  })

  it('leaves out what `notBefore` or `absoluteAge` has ended, and asks `notBefore` once', async () => {
    const store = memoryStore()
    const app = bench({ store })
    await devices(app, 'old', 'new')
    const asked: string[] = []
    const strict = createSessions({
      store,
      clock: () => app.time.now,
      notBefore: subject => {
        asked.push(subject)
        return START + 500
      },
    })
    expect((await strict.list('ada')).map(({ device }) => device?.label)).toEqual(['new'])
    expect(asked).toEqual(['ada'])
    const scanned = []
    for await (const { device } of strict.scanBySubject('ada')) scanned.push(device?.label)
    expect(scanned).toEqual(['new'])
    const short = createSessions({ store, clock: () => START + 60_500, absoluteAge: 60 })
    expect((await short.list('ada')).map(({ device }) => device?.label)).toEqual(['new'])
  })

  it('shows a session once while its key is being changed', async () => {
    const inner = memoryStore()
    let listed: unknown[] = []
    const app = bench({ maxSessions: { count: 9, then: 'end-oldest' }, store: inner })
    await devices(app, 'phone')
    const store = altered(
      {
        // Between the insert of the new record and the marker in the old one.
        replace: async (...args: Parameters<typeof inner.replace>) => {
          listed = await app.sessions.list('ada')
          return inner.replace(...args)
        },
      },
      inner,
    )
    const other = bench({ maxSessions: { count: 9, then: 'end-oldest' }, store })
    other.time.now = app.time.now
    await other.request(session => session.cycleKey(), { cookie: app.cookie })
    expect(listed).toHaveLength(1)
    expect(await other.sessions.list('ada')).toHaveLength(1)
  })

  it('is an error with a store that has no index, one that fails, and one that does not answer in time', async () => {
    const { scanBySubject, ...plain } = memoryStore()
    expect(await codeOf(() => bench({ store: plain }).sessions.list('ada'))).toBe('CONFIG')
    const errors: unknown[] = []
    const failing = altered({
      scanBySubject: () => ({
        [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('ada has no index')) }),
      }),
    })
    const hooks = { storeError: (event: unknown) => void errors.push(event) }
    const app = bench({ store: failing, hooks })
    const error = (await app.sessions.list('ada').catch(error => error)) as Error
    expect([error, (error.cause as Error).message]).toMatchObject([
      { code: 'SESSION_STORE' },
      '… has no index',
    ])
    expect(errors).toMatchObject([{ operation: 'scanBySubject' }])
    let isClosed = false
    const stuck = altered({
      scanBySubject: () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => undefined),
          return: async () => {
            isClosed = true
          },
        }),
      }),
    })
    expect(await codeOf(() => bench({ store: stuck, timeout: 20 }).sessions.list('ada'))).toBe(
      'SESSION_STORE',
    )
    expect(isClosed).toBe(true)
  })
})

describe('lastSeenAt', () => {
  const seen = async (options: object, visit: (app: ReturnType<typeof bench>) => unknown) => {
    const app = bench(options)
    await devices(app, 'phone')
    await visit(app)
    const [{ lastSeenAt, lastSeenWithin } = {}] = await app.sessions.list('ada')
    return [lastSeenAt!.getTime() - START, lastSeenWithin]
  }
  const read = async (app: ReturnType<typeof bench>) => {
    app.time.now = START + 60_000
    await app.request(session => session.get('a'))
  }

  it.each<[string, object, [number, number | undefined]]>([
    ['exact, if every request extends the session', { saveEveryRequest: true }, [60_000, 0]],
    ['up to `touchAfter` too early', { saveEveryRequest: { touchAfter: 50 } }, [60_000, 50]],
    ['up to `touchAfter` too early, here a minute', { saveEveryRequest: { touchAfter: 90 } }, [0, 90]],
    ['the last change, if only changes extend it', {}, [0, undefined]],
    [
      'not known further, once `absoluteAge` ends it',
      { absoluteAge: 100, age: 90, saveEveryRequest: true },
      [10_000, undefined],
    ],
  ])('is %s', async (_, options, expected) => {
    expect(await seen(options, read)).toEqual(expected)
  })

  it('is never later than now, nor earlier than the login, whatever the age was', async () => {
    const store = memoryStore()
    const app = bench({ store, age: 86_400 })
    await devices(app, 'phone')
    const at = async (age: number) => {
      const sessions = createSessions({ store, clock: () => app.time.now, age })
      return Number((await sessions.list('ada'))[0]?.lastSeenAt) - START
    }
    expect([await at(3_600), await at(172_800)]).toEqual([1000, 0])
  })

  it('is the login where `setExpiry` has fixed the end, and follows its seconds otherwise', async () => {
    const later = async (app: ReturnType<typeof bench>, expiry: Date | number) => {
      await app.request(session => session.setExpiry(expiry))
      app.time.now = START + 60_000
      await app.request(session => session.set('a', 1))
    }
    expect(await seen({}, app => later(app, new Date(START + 3_600_000)))).toEqual([0, undefined])
    expect(await seen({}, app => later(app, 300))).toEqual([60_000, undefined])
    expect(await seen({}, app => later(app, 0))).toEqual([60_000, undefined])
  })

  it('does not move with a request that is no activity', async () => {
    const poll = async (app: ReturnType<typeof bench>) => {
      app.time.now = START + 60_000
      await app.request(session => {
        session.extend = false
        session.set('polled', true)
      })
    }
    expect(await seen({ saveEveryRequest: true }, poll)).toEqual([0, 0])
  })
})

describe('a device can be ended', () => {
  it('by its id, and only once', async () => {
    const app = bench()
    const [phone] = await devices(app, 'phone', 'laptop')
    const id = (await app.sessions.list('ada')).find(({ device }) => device?.label === 'phone')!.id
    expect(await app.sessions.end(id, { subject: 'ada' })).toBe(true)
    expect(await app.peek('a', phone)).toBeUndefined()
    expect((await app.sessions.list('ada')).map(({ device }) => device?.label)).toEqual(['laptop'])
    expect(await app.sessions.end(id, { subject: 'ada' })).toBe(false)
  })

  it('by its own subject alone, where the subject is given', async () => {
    const app = bench()
    await devices(app, 'phone')
    const [{ id } = { id: '' }] = await app.sessions.list('ada')
    expect(await app.sessions.end(id, { subject: 'bob' })).toBe(false)
    expect(await app.sessions.end(id, { subject: null })).toBe(false)
    // Of a visitor who is not logged in an application may have `undefined`, such as `user?.id`.
    expect(await app.sessions.end(id, { subject: undefined })).toBe(false)
    expect(await app.sessions.list('ada')).toHaveLength(1)
    expect(await app.sessions.end(id, { subject: 'ada' })).toBe(true)
  })

  it('also when it got a new key since the list was made, within the time of grace', async () => {
    const app = bench()
    const [phone] = await devices(app, 'phone')
    const [{ id } = { id: '' }] = await app.sessions.list('ada')
    await app.request(session => session.cycleKey(), { cookie: phone! })
    expect(await app.sessions.end(id, { subject: 'bob' })).toBe(false)
    expect(await app.sessions.end(id, { subject: 'ada' })).toBe(true)
    expect(await app.sessions.list('ada')).toEqual([])
  })

  it('and the session of the request that asks ends as by flush()', async () => {
    const app = bench()
    await devices(app, 'phone')
    const [{ id } = { id: '' }] = await app.sessions.list('ada')
    await app.request(async session => {
      await app.sessions.end(id, { subject: session.subject })
      expect(session.subject).toBeNull()
    })
    expect(app.cookie).toBe('')
  })
})

describe('session.device', () => {
  it('keeps user agent, address and label, through cycleKey and clear() ends it', async () => {
    const app = bench()
    await app.request(session => {
      session.subject = 'ada'
      session.device = { userAgent: 'Firefox', ip: '192.0.2.1', label: undefined }
    })
    await app.request(session => {
      session.cycleKey()
      expect(session.device).toEqual({ userAgent: 'Firefox', ip: '192.0.2.1' })
      expect([...session.keys()]).toEqual([])
    })
    await app.request(session => {
      session.device = null
      expect(session.device).toBeUndefined()
    })
    expect((await app.sessions.list('ada'))[0]?.device).toBeUndefined()
  })

  it('cuts off what is long, and not inside a character', async () => {
    const app = bench()
    await app.request(session => {
      session.device = { userAgent: `${'x'.repeat(511)}😀 and more` }
      expect(session.device?.userAgent).toBe('x'.repeat(511))
    })
  })

  it.each<[string, unknown]>([
    ['text', 'Firefox'],
    ['an unknown name', { browser: 'Firefox' }],
    ['a value that is no text', { ip: ['192.0.2.1'] }],
    ['an array', ['Firefox']],
  ])('is an error for %s', async (_, device) => {
    const session = bench().sessions.open()
    expect(await codeOf(() => void (session.device = device as never))).toBe('SESSION_DATA')
    expect(session.modified).toBe(false)
  })

  it('is set from the request when the subject is set, with `devices: true`', async () => {
    const device = () => ({ userAgent: 'Firefox', ip: '192.0.2.1' })
    const noted = async (devices: boolean, handle: (session: Session) => void) => {
      const sessions = createSessions({ store: memoryStore(), devices })
      const session = sessions.open('', { device })
      handle(session)
      await sessions.commit(session, { status: 200 })
      return (await sessions.list('ada'))[0]?.device
    }
    expect(await noted(true, login)).toEqual({ userAgent: 'Firefox', ip: '192.0.2.1' })
    expect(await noted(false, login)).toBeUndefined()
    const own = (session: Session) => {
      session.device = { label: 'till 4' }
      login(session)
    }
    expect(await noted(true, own)).toEqual({ label: 'till 4' })
  })

  it('goes with the subject', async () => {
    const app = bench()
    await devices(app, 'phone')
    await app.request(session => {
      session.subject = null
      expect(session.device).toBeUndefined()
    })
  })
})

describe('freshness [A25]', () => {
  it('lasts so many seconds from the login, and from reauthenticated()', async () => {
    const app = bench()
    await app.request(login)
    const fresh = () => app.request(session => void states.push(session.isFresh(600)))
    const states: boolean[] = []
    await fresh()
    app.time.now += 599_999
    await fresh()
    app.time.now += 1
    await fresh()
    const before = app.cookie
    await app.request(session => session.reauthenticated())
    await fresh()
    expect(states).toEqual([true, true, false, true])
    expect(app.cookie).not.toBe(before)
    expect(await app.peek('a', before)).toBeUndefined()
  })

  it('is false for nobody, who cannot reauthenticate either', () => {
    const session = bench().sessions.open()
    expect(session.isFresh(600)).toBe(false)
    expect(() => session.reauthenticated()).toThrow(TypeError)
    expect(session.modified).toBe(false)
  })

  it('does not postpone the end by `absoluteAge`', async () => {
    const app = bench({ absoluteAge: 1000 })
    await app.request(login)
    app.time.now += 900_000
    await app.request(session => session.reauthenticated())
    await app.request(session => expect(session.remaining).toBe(100))
  })

  it.each([0, -1, Number.NaN, 3_600_001, '600', undefined])('%s are no seconds', seconds => {
    const session = bench().sessions.open()
    expect(() => session.isFresh(seconds as number)).toThrow(TypeError)
  })
})

describe('background polls', () => {
  const poll = async (path: string | undefined, background: string[]) => {
    const app = bench({ saveEveryRequest: true, background })
    await app.request(session => session.set('a', 1))
    app.time.now += 60_000
    const session = app.sessions.open(app.cookie, { target: () => ({ path }) })
    await session.load()
    await app.sessions.commit(session, { status: 200 })
    return session.extend
  }

  it.each<[string | undefined, string[], boolean]>([
    ['/unread', ['/unread'], false],
    ['/unread?since=1', ['/unread'], false],
    ['/unread/2', ['/unread'], true],
    ['/events/2/x', ['/chat', '/events/*'], false],
    ['/event', ['/events/*'], true],
    [undefined, ['/events/*'], true],
    ['/unread', [], true],
  ])('to %s with %j: counts as activity: %s', async (path, background, expected) => {
    expect(await poll(path, background)).toBe(expected)
  })

  it.each([[['unread']], [['/a?b']], [['/a*b']], ['/unread'], [[1]]])(
    '%j is no list of paths',
    background => {
      expect(() => bench({ background: background as string[] })).toThrow(/^background: /)
    },
  )
})

describe('idOf [A25]', () => {
  it('is the id of lists and hooks, before and after a new key is stored', async () => {
    const destroyed: unknown[] = []
    const app = bench({
      store: slow(memoryStore()),
      hooks: { destroyed: ({ id }) => void destroyed.push(id) },
    })
    const [cookie] = await devices(app, 'phone')
    const session = app.sessions.open(cookie)
    await session.load()
    const [before] = await app.sessions.list('ada')
    expect(await app.sessions.idOf(session)).toBe(before!.id)
    session.cycleKey()
    expect(await app.sessions.idOf(session)).toBe(before!.id)
    await session.save()
    const [after] = await app.sessions.list('ada')
    expect(after!.id).not.toBe(before!.id)
    expect(await app.sessions.idOf(session)).toBe(after!.id)
    expect(await app.sessions.end(after!.id)).toBe(true)
    expect(destroyed).toEqual([after!.id])
  })

  it('is that of the new session after a cycleKey on the marker of a rotation', async () => {
    const app = bench()
    const [old] = await devices(app, 'phone')
    await app.request(session => session.cycleKey(), { cookie: old! })
    const session = app.sessions.open(old)
    await session.load()
    session.cycleKey()
    const id = await app.sessions.idOf(session)
    session.set('a', 1)
    await session.save()
    expect(await app.sessions.idOf(session)).toBe(id)
    expect(await app.sessions.end(id!)).toBe(true)
  })

  it('is undefined for a session without a key, and for cookie sessions', async () => {
    const { sessions } = bench({ store: memoryStore() })
    const session = sessions.open('')
    session.set('a', 1)
    expect(await sessions.idOf(session)).toBeUndefined()
    const secret = 'a secret of the tests, which nobody should use'
    const app = bench({ store: encryptedCookieStore(), secret })
    await app.request(session => session.set('a', 1))
    const stored = app.sessions.open(app.cookie)
    await stored.load()
    expect(stored.get('a')).toBe(1)
    expect(await app.sessions.idOf(stored)).toBeUndefined()
  })
})
