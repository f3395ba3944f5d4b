import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import {
  type Adopter,
  createSessions,
  type OldRecord,
  type OldSession,
  type Session,
  type SessionsOptions,
  type Store,
  type StoredRecord,
} from '../src/index.ts'
import { type Bench, bench, counted, keep, START } from './support.ts'

const HOUR = 3_600_000
const ANNA = 'old=secret-of-anna'

/** Another library's sessions: a map of cookie value to record. `secret-` stands for a good signature. */
function oldLibrary(options: Partial<OldSession> & { cookieOnly?: boolean } = {}) {
  const { cookieOnly, ...session } = options
  const records = new Map<string, OldRecord>([['secret-of-anna', { data: { user: 'anna', cart: ['tea'] } }]])
  const calls: string[] = []
  const hold: {
    begin?: Promise<void> | undefined
    read?: Promise<void> | undefined
    error?: Error | undefined
  } = {}
  const adopter: Adopter = (_, { cookies }) => {
    const [id, ...others] = cookies('old').filter(value => value.startsWith('secret-'))
    if (!id || others[0]) return null
    const old: OldSession = {
      id,
      async read() {
        calls.push('read')
        await hold.begin
        if (hold.error) throw hold.error
        const record = records.get(id)
        await hold.read
        return record ?? null
      },
      cookies: [{ name: 'old' }],
      ...session,
    }
    if (cookieOnly) return old
    const done = async () => {
      calls.push('done')
      records.delete(id)
    }
    return { done, ...old }
  }
  return { records, calls, hold, adopter }
}

function isSession({ payload }: StoredRecord): boolean {
  return !payload.includes('_session_superseded')
}

/** An engine that adopts, and what is in its store. */
function setUp(old = oldLibrary(), options: Partial<SessionsOptions> = {}) {
  const records = new Map<string, StoredRecord>()
  const events: string[] = []
  const self = bench({
    store: memoryStore(records),
    adopt: [old.adopter],
    hooks: {
      adopted: () => events.push('adopted'),
      corrupt: ({ reason }) => events.push(`corrupt: ${reason}`),
      storeError: ({ operation }) => events.push(`storeError: ${operation}`),
    },
    ...options,
  })
  self.cookie = ANNA
  const sessionsInStore = () => [...records.values()].filter(isSession)
  return { ...self, self, old, records, events, sessionsInStore }
}

/** A load that stops before (`begin`) or after (`read`) the old library has looked for the record. Others do not stop. */
async function heldLoad(
  { sessions }: Bench,
  { hold }: ReturnType<typeof oldLibrary>,
  where: 'begin' | 'read',
) {
  const { promise, resolve: release } = Promise.withResolvers<void>()
  hold[where] = promise
  const slow = sessions.open(ANNA)
  const loading = slow.load()
  await new Promise(resolve => setImmediate(resolve))
  hold[where] = undefined
  const loadToEnd = async () => {
    release()
    await loading
  }
  return { slow, loadToEnd }
}

describe('a visitor with an old cookie', () => {
  it('gets a session with the old data, and the old record and cookie go', async () => {
    const { self, old, sessionsInStore, events } = setUp()
    const { setCookies } = await self.request(session => expect(session.get('user')).toBe('anna'))
    expect(setCookies).toHaveLength(2)
    expect(setCookies[0]).toMatch(/^old=; Max-Age=0; .*Path=\/;/)
    expect(setCookies[1]).toMatch(/^sessionid=[a-z0-9]{32}; Max-Age=1209600;/)
    expect(old.records.size).toBe(0)
    expect(sessionsInStore()).toHaveLength(1)
    expect(self.cookie).toMatch(/^sessionid=\w{32}$/)
    expect(await self.peek('cart')).toEqual(['tea'])
    expect(events).toEqual(['adopted'])
  })

  it('needs no extension after it, also with saveEveryRequest', async () => {
    const { self } = setUp(oldLibrary(), { saveEveryRequest: true })
    await self.request(session => session.get('user'))
    expect(self.calls).not.toContain('touch')
  })

  it('is adopted by a request that does not use the session, too, and whatever the status', async () => {
    for (const status of [200, 304, 404, 500]) {
      const { self } = setUp()
      await self.request(undefined, { status })
      expect(await self.peek('user'), String(status)).toBe('anna')
    }
  })

  it('gets what the same request changed', async () => {
    const { self } = setUp()
    await self.request(session => session.update('cart', (cart = []) => [...(cart as string[]), 'milk']))
    expect(await self.peek('cart')).toEqual(['tea', 'milk'])
  })

  it('is adopted if its cookie of ours leads nowhere', async () => {
    const { self } = setUp()
    await self.request(session => expect(session.get('user')).toBe('anna'), {
      cookie: `sessionid=${'x'.repeat(32)}; ${ANNA}`,
    })
    expect(await self.peek('user')).toBe('anna')
  })

  it('is adopted where the old cookie has the name and the place of ours', async () => {
    const { self } = setUp(oldLibrary(), { cookie: { name: 'old' } })
    const { setCookies } = await self.request()
    expect(setCookies).toEqual([expect.stringMatching(/^old=[a-z0-9]{32};/)])
    expect(await self.peek('user')).toBe('anna')
  })

  it('keeps its own session if it has one, and the old library is not asked', async () => {
    const { self, old } = setUp()
    await self.request(session => session.set('user', 'bob'), { cookie: '' })
    await self.request(session => expect(session.get('user')).toBe('bob'), {
      cookie: `${self.cookie}; ${ANNA}`,
    })
    expect(old.calls).toEqual([])
  })

  it('keeps the end of the old session until a change extends it', async () => {
    const old = oldLibrary()
    old.records.get('secret-of-anna')!.expiresAt = START + HOUR
    const { self, time, sessionsInStore } = setUp(old)
    await self.request()
    expect(sessionsInStore()[0]!.expiresAt).toBe(START + HOUR)
    time.now += HOUR
    expect(await self.peek('user')).toBeUndefined()
  })

  it('has the subject that the adopter names', async () => {
    const old = oldLibrary()
    Object.assign(old.records.get('secret-of-anna')!, { subject: 42, authenticatedAt: START - HOUR })
    const { self } = setUp(old)
    await self.request(session => {
      expect(session.subject).toBe('42')
      expect(session.authenticatedAt).toEqual(new Date(START - HOUR))
    })
    expect(await self.sessions.removeBySubject(42)).toBe(1)
    expect(await self.peek('user')).toBeUndefined()
  })

  it('cannot set our bookkeeping by its data, apart from a good expiry', async () => {
    const old = oldLibrary()
    const data = { user: 'anna', _session_subject: '1', _session_superseded: 'x', _session_expiry: 60 }
    old.records.set('secret-of-anna', { data })
    const { self, sessionsInStore } = setUp(old)
    await self.request(session => {
      expect(session.subject).toBeNull()
      expect(session.get('user')).toBe('anna')
    })
    expect(sessionsInStore()[0]!.expiresAt).toBe(START + 60_000)
  })
})

describe('requests of one visitor at the same time', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('make one session, and lose nothing (order %i)', async seed => {
    const old = oldLibrary()
    const records = new Map<string, StoredRecord>()
    let random = seed * 7919
    const jitter = () => {
      random = (random * 1_103_515_245 + 12_345) % 2_147_483_648
      return new Promise(resolve => setTimeout(resolve, random % 4))
    }
    const sessions = createSessions({ store: late(memoryStore(records), jitter), adopt: [old.adopter] })
    const cookies = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        await jitter()
        const session = sessions.open(ANNA)
        await session.load()
        expect(session.get('user')).toBe('anna')
        session.set(`key${index}`, index)
        const { setCookies } = await sessions.commit(session, { status: 200 })
        return keep(ANNA, setCookies)
      }),
    )
    expect(new Set(cookies).size).toBe(1)
    expect([...records.values()].filter(isSession)).toHaveLength(1)
    const session = sessions.open(cookies[0])
    await session.load()
    expect(session.size).toBe(2 + 8)
    expect(old.records.size).toBe(0)
  })

  it('reach the session by the old cookie, as long as the browser has no other', async () => {
    const { self, old, time } = setUp()
    await self.request()
    const { cookie } = self
    time.now += 24 * HOUR
    old.calls.length = 0
    self.cookie = ANNA
    await self.request(session => session.set('seen', true))
    expect(self.cookie).toBe(cookie)
    expect(await self.peek('seen')).toBe(true)
    expect(old.calls).toEqual([])
  })

  it.each([{ cookieOnly: false }, { cookieOnly: true }])(
    'do not bring back a session that was logged out meanwhile: %o',
    async options => {
      const { self, old, sessionsInStore } = setUp(oldLibrary(options))
      const { slow, loadToEnd } = await heldLoad(self, old, 'read')
      await self.request()
      await self.request(session => session.flush())
      await loadToEnd()
      expect(slow.get('user')).toBeUndefined()
      expect(sessionsInStore()).toEqual([])
    },
  )

  it('find the session if another one has removed the old record after they looked for a claim', async () => {
    const { self, old } = setUp()
    const { slow, loadToEnd } = await heldLoad(self, old, 'begin')
    await self.request()
    await loadToEnd()
    expect(slow.get('user')).toBe('anna')
    expect(slow.sessionKey).toBe(self.cookie.slice('sessionid='.length))
  })

  it('are interrupted if they write after a login has rotated the key, and read nothing', async () => {
    const { self } = setUp()
    await self.request(session => session.cycleKey())
    await self.request(session => expect(session.get('user')).toBeUndefined(), { cookie: ANNA })
    const writes = self.request(session => session.set('a', 1), { cookie: ANNA })
    await expect(writes).rejects.toMatchObject({ code: 'SESSION_INTERRUPTED' })
  })
})

/** Every call waits before and after. */
function late(store: Store, pause: () => Promise<unknown>): Store {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        await pause()
        const result = await value.apply(target, args)
        await pause()
        return result
      }
    },
  })
}

describe('an old cookie that was used', () => {
  it.each([{ cookieOnly: false }, { cookieOnly: true }])('is nothing after the logout: %o', async options => {
    const { self, time, sessionsInStore } = setUp(oldLibrary(options))
    await self.request()
    await self.request(session => session.flush())
    for (const hours of [0, 1, 24 * 13]) {
      time.now += hours * HOUR
      await self.request(session => expect(session.get('user')).toBeUndefined(), { cookie: ANNA })
    }
    expect(sessionsInStore()).toEqual([])
  })

  it('is nothing after "log out everywhere", and after a login under it has rotated the key', async () => {
    const old = oldLibrary({ cookieOnly: true })
    old.records.get('secret-of-anna')!.subject = 1
    const { self } = setUp(old)
    await self.request()
    await self.sessions.removeBySubject(1)
    await self.request(session => expect(session.isEmpty).toBe(true), { cookie: ANNA })

    const { self: other, time: later } = setUp(oldLibrary({ cookieOnly: true }))
    await other.request(session => session.cycleKey())
    const { cookie } = other
    later.now += HOUR
    await other.request(session => expect(session.isEmpty).toBe(true), { cookie: ANNA })
    expect(await other.peek('user', cookie)).toBe('anna')
  })

  it('cannot fix a session: who planted it has nothing after the victim logs in', async () => {
    const { self, time } = setUp()
    await self.request()
    const planted = self.cookie
    self.cookie = ANNA
    await self.request(session => {
      session.cycleKey()
      session.set('user', 'victim')
    })
    for (const cookie of [planted, ANNA]) {
      expect(await self.peek('user', cookie)).toBeUndefined()
      time.now += HOUR
      expect(await self.peek('user', cookie)).toBeUndefined()
    }
    expect(await self.peek('user')).toBe('victim')
  })
})

describe('what is no old session', () => {
  it('costs no store call: no cookie, another cookie, a forged one, two that are genuine', async () => {
    const { self, calls, old } = setUp()
    for (const cookie of ['', 'theme=dark', 'old=forged', 'old="forged"', `${ANNA}; old=secret-of-bob`]) {
      const session = self.sessions.open(cookie)
      expect(session.load(), cookie).toBeUndefined()
      expect(session.get('user')).toBeUndefined()
      expect(self.sessions.commit(session, { status: 200 }), cookie).toMatchObject({ setCookies: [] })
    }
    expect([...calls, ...old.calls]).toEqual([])
  })

  it('has ended: the cookie goes, and nothing is stored', async () => {
    for (const record of [undefined, { data: { user: 'anna' }, expiresAt: START }]) {
      const old = oldLibrary()
      if (record) old.records.set('secret-of-anna', record)
      else old.records.clear()
      const { self, records } = setUp(old)
      const { setCookies } = await self.request(session => expect(session.isEmpty).toBe(true))
      expect(setCookies).toEqual([expect.stringMatching(/^old=; Max-Age=0/)])
      expect(records.size).toBe(0)
    }
  })

  it('is void by `notBefore`', async () => {
    const old = oldLibrary()
    old.records.get('secret-of-anna')!.subject = 1
    const { self } = setUp(old, { notBefore: () => START })
    await self.request(session => expect(session.get('user')).toBeUndefined())
  })

  it('cannot be stored: a hook is told, and the old record stays', async () => {
    const { self, old, events, records } = setUp(oldLibrary(), { maxBytes: 10 })
    await self.request(session => expect(session.isEmpty).toBe(true))
    expect(events).toEqual(['corrupt: adopted'])
    expect(old.records.size).toBe(1)
    expect(records.size).toBe(0)
  })
})

describe('a failure', () => {
  it('of the old store is an error, never "no session", and nobody is logged out by it', async () => {
    const { self, old, events } = setUp()
    old.hold.error = new Error('down')
    const { setCookies } = await self.request()
    expect(setCookies).toEqual([])
    await expect(self.request(session => session.get('user'))).rejects.toMatchObject({ status: 503 })
    old.hold.error = undefined
    await self.request(session => expect(session.get('user')).toBe('anna'))
    expect(events).toEqual(['storeError: adopt', 'storeError: adopt', 'adopted'])
  })

  it('after the adoption deletes no cookie, because the browser does not know the new one yet', async () => {
    const inner = memoryStore()
    let reads = 0
    const read: Store['read'] = (...args) => {
      // The claim, then the new session.
      if (++reads === 2) throw new Error('down')
      return inner.read(...args)
    }
    const { self } = setUp(oldLibrary(), { store: { ...inner, read } })
    expect(await self.request()).toMatchObject({ setCookies: [] })
    await self.request(session => expect(session.get('user')).toBe('anna'))
  })

  it('of the removal of the old record is told to a hook, and the session is there', async () => {
    const done = () => Promise.reject(new Error('down'))
    const { self, events } = setUp(oldLibrary({ done }))
    await self.request(session => expect(session.get('user')).toBe('anna'))
    expect(events).toEqual(['adopted', 'storeError: adopt'])
    await self.request(session => session.flush()).catch(() => undefined)
    await self.request(session => expect(session.isEmpty).toBe(true), { cookie: ANNA })
  })

  it.each([1, 2, 3, 4, 5, 6])('of store call %i loses neither the session nor its data', async failing => {
    const old = oldLibrary()
    const records = new Map<string, StoredRecord>()
    const calls: string[] = []
    const store = counted(memoryStore(records), calls)
    let down = true
    const faulty = new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          // Both kinds of failure: before the call, and of an answer that is lost.
          const lost = failing % 2 === 0 && value.apply(target, args)
          if (down && calls.length + (lost ? 0 : 1) === failing) throw new Error('down')
          return lost || value.apply(target, args)
        }
      },
    })
    const { self, sessionsInStore } = {
      ...setUp(old, { store: faulty }),
      sessionsInStore: () => [...records.values()].filter(isSession),
    }
    await self.request(session => session.get('user')).catch(() => undefined)
    down = false
    await self.request(session => expect(session.get('user')).toBe('anna'))
    await self.request(session => session.flush())
    // What a request left that failed between the two inserts: nobody knows its key.
    expect(sessionsInStore().length).toBeLessThanOrEqual(1)
    await self.request(session => expect(session.isEmpty).toBe(true), { cookie: ANNA })
  })
})

describe('with `keep`', () => {
  it('the old app can take over again: its record and cookie stay until the logout', async () => {
    const { self, old } = setUp(oldLibrary({ keep: true }))
    const { setCookies } = await self.request()
    expect(setCookies).toHaveLength(1)
    expect(old.calls).toEqual(['read'])
    await self.request(session => expect(session.get('user')).toBe('anna'))
    const logout = await self.request(session => session.flush())
    expect(logout.setCookies[0]).toMatch(/^old=; Max-Age=0/)
    expect(old.records.size).toBe(0)
    expect(self.cookie).toBe('')
  })

  it.each(['save', 'create'] as const)('%s() is no logout: the old record stays', async method => {
    const { self, old } = setUp(oldLibrary({ keep: true }))
    await self.request(async session => {
      session.set('n', 1)
      await session[method]()
    })
    expect(old.records.size).toBe(1)
    expect(await self.peek('n')).toBe(1)
  })
})

describe('a logout', () => {
  const logout = (session: Session) => session.flush()

  it('of an old session alone is kept by no cache', async () => {
    const { self } = setUp(oldLibrary({ cookieOnly: true }))
    const out = await self.request(logout)
    expect(out.setCookies).toEqual([expect.stringMatching(/^old=; Max-Age=0/)])
    expect([out.vary, out.private]).toEqual([true, true])
  })

  it('deletes an old cookie that has our name at another path', async () => {
    const old = oldLibrary({ cookies: [{ name: 'sessionid', path: '/app' }] })
    const { self } = setUp(old)
    const { setCookies } = await self.request(session => session.set('n', 1))
    expect(setCookies.map(line => /^sessionid=;.*Path=\/app/.test(line))).toEqual([true, false])
  })

  it('uses up an old cookie that came beside the session, so that no copy of it is adopted', async () => {
    const { self } = setUp(oldLibrary({ cookieOnly: true }))
    await self.request(session => session.set('user', 'bob'), { cookie: '' })
    await self.request(logout, { cookie: `${self.cookie}; ${ANNA}` })
    await self.request(session => expect(session.isEmpty).toBe(true), { cookie: ANNA })
  })

  it('ends the session to which that old cookie leads', async () => {
    const { self, sessionsInStore } = setUp()
    await self.request()
    await self.request(session => session.set('user', 'bob'), { cookie: '' })
    expect(sessionsInStore()).toHaveLength(2)
    await self.request(logout, { cookie: `${self.cookie}; ${ANNA}` })
    expect(sessionsInStore()).toEqual([])
  })

  it('by an adopted request itself ends it', async () => {
    const { self, old, sessionsInStore } = setUp()
    const { setCookies } = await self.request(logout)
    expect(setCookies).toEqual([expect.stringMatching(/^old=; Max-Age=0/)])
    expect([old.records.size, sessionsInStore().length]).toEqual([0, 0])
  })
})

describe('the option', () => {
  it('is a list of functions', () => {
    for (const adopt of [{}, [{}], 'expressSession']) {
      expect(() => createSessions({ store: memoryStore(), adopt: adopt as never })).toThrow(/`adopt`|adopt/)
    }
  })

  it('is refused for cookie sessions, which cannot remember what was used', () => {
    const store = { seal: () => '', unseal: () => null }
    const secret = 'a-secret-of-thirty-two-bytes-0123456789'
    expect(() => createSessions({ store, secret, adopt: [() => null] })).toThrow(
      /needs a store on the server/,
    )
  })

  it('costs nothing if the list is empty', () => {
    const { sessions } = bench({ adopt: [] })
    expect(sessions.open(ANNA).load()).toBeUndefined()
  })

  it('works with keys that are not hashed, and the claim is no session for anybody', async () => {
    const { self, records } = setUp(oldLibrary(), { hashKeys: false })
    await self.request()
    expect(await self.peek('user')).toBe('anna')
    const claim = [...records.keys()].find(id => !isSession(records.get(id)!))!
    expect(claim).toMatch(/^[0-9a-f]{40}$/)
    await self.request(session => expect(session.isEmpty).toBe(true), { cookie: `sessionid=${claim}` })
  })
})

describe('a schema', () => {
  const schemaThat = (fails: boolean): SessionsOptions['schema'] =>
    ({
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => (fails ? { issues: [{ message: 'no', path: ['user'] }] } : { value }),
      },
    }) as SessionsOptions['schema']

  it('lets in old data that fit', async () => {
    const { self, events } = setUp(oldLibrary(), { schema: schemaThat(false) })
    await self.request(session => expect(session.get('user')).toBe('anna'))
    expect(events).toEqual(['adopted'])
  })

  it('takes old data that do not fit for no session, and reports them', async () => {
    const { self, events, sessionsInStore } = setUp(oldLibrary(), { schema: schemaThat(true) })
    await self.request(session => expect(session.get('user')).toBeUndefined())
    expect(events).toEqual(['corrupt: adopted'])
    expect(sessionsInStore()).toEqual([])
  })
})
