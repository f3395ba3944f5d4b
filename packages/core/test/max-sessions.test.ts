import { memoryStore } from '@sess/conformance'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import {
  createSessions,
  type Session,
  type SessionsOptions,
  type Store,
  type StoredRecord,
} from '../src/index.ts'
import { altered, type Bench, bench, codeOf, START, slow } from './support.ts'

const login = (session: Session, subject = 'ada') => {
  session.cycleKey()
  session.subject = subject
}

/** A browser of its own, with a session that has no subject yet. */
async function visitor(app: Bench): Promise<string> {
  await app.request(session => session.set('cart', 1), { cookie: '' })
  return app.cookie
}

const countOf = async (app: Bench, subject = 'ada') => (await app.sessions.list(subject)).length

describe("maxSessions with then: 'end-oldest'", () => {
  const limited = (count: number, options: Partial<SessionsOptions> = {}) =>
    bench({ store: slow(memoryStore()), maxSessions: { count, then: 'end-oldest' }, ...options })

  it('ends the sessions that logged in first, of this subject alone', async () => {
    const app = limited(2)
    await app.request(session => login(session, 'bob'), { cookie: '' })
    const cookies: string[] = []
    for (let n = 0; n < 4; n++) {
      app.time.now += 1000
      await app.request(session => login(session), { cookie: await visitor(app) })
      cookies.push(app.cookie)
    }
    const subjects = await Promise.all(
      cookies.map(async cookie => {
        const session = app.sessions.open(cookie)
        await session.load()
        return session.subject
      }),
    )
    expect(subjects).toEqual([null, null, 'ada', 'ada'])
    expect([await countOf(app), await countOf(app, 'bob')]).toEqual([2, 1])
  })

  it('a write of a session that is there counts nobody', async () => {
    const app = limited(1)
    await app.request(session => login(session), { cookie: '' })
    app.calls.length = 0
    await app.request(session => session.set('n', 1))
    expect(app.calls).toEqual(['read', 'replace'])
  })

  it('tells the hook `destroyed` of each', async () => {
    const destroyed: unknown[] = []
    const app = limited(1, { hooks: { destroyed: ({ id }) => void destroyed.push(id) } })
    await app.request(session => login(session), { cookie: '' })
    const [{ id } = { id: '' }] = await app.sessions.list('ada')
    await app.request(session => login(session), { cookie: '' })
    expect(destroyed).toEqual([id])
  })

  it('a second login in one browser, a new key and a save add nothing', async () => {
    const app = limited(2)
    await app.request(session => login(session), { cookie: '' })
    const other = app.cookie
    await app.request(session => login(session), { cookie: '' })
    for (const handle of [
      login,
      (session: Session) => session.cycleKey(),
      (session: Session) => session.set('a', 1),
    ])
      await app.request(session => handle(session))
    expect(await countOf(app)).toBe(2)
    expect(await app.sessions.exists(other.split('=')[1]!)).toBe(true)
  })

  it('a change of the subject counts for the new one', async () => {
    const app = limited(1)
    await app.request(session => login(session, 'bob'), { cookie: '' })
    await app.request(session => login(session), { cookie: '' })
    await app.request(session => login(session, 'bob'))
    expect([await countOf(app), await countOf(app, 'bob')]).toEqual([0, 1])
  })

  it('create() adds one, also after a rotation', async () => {
    const app = limited(2)
    await app.request(session => login(session), { cookie: '' })
    const oldest = app.cookie
    await app.request(session => login(session), { cookie: '' })
    await app.request(session => session.cycleKey())
    const second = app.cookie
    await app.request(session => session.create())
    const exists = (cookie: string) => app.sessions.exists(cookie.split('=')[1]!)
    expect(await Promise.all([oldest, second, app.cookie].map(exists))).toEqual([false, true, true])
  })

  it('one login after another keeps the later one, whatever the clock of its server says', async () => {
    const app = limited(1)
    for (const ms of [60_000, 0, -60_000]) {
      app.time.now = START + ms
      await app.request(session => login(session), { cookie: '' })
    }
    expect(await app.sessions.exists(app.cookie.split('=')[1]!)).toBe(true)
    expect((await app.sessions.list('ada')).map(({ authenticatedAt }) => Number(authenticatedAt))).toEqual([
      START - 60_000,
    ])
  })

  it('a login gets a new key, called cycleKey() or not', async () => {
    const app = limited(1)
    const planted = await visitor(app)
    await app.request(session => void (session.subject = 'ada'))
    expect(app.cookie).not.toBe(planted)
    expect(await app.peek('cart', planted)).toBeUndefined()
    expect(await app.peek('cart')).toBe(1)
  })

  it('an explicit save() keeps it too', async () => {
    const app = limited(1)
    await app.request(login as never, { cookie: '' })
    const first = app.cookie
    app.time.now += 1
    await app.request(
      async session => {
        login(session)
        await session.save()
        expect(await countOf(app)).toBe(1)
      },
      { cookie: '' },
    )
    expect(await app.peek('a', first)).toBeUndefined()
  })
})

describe("maxSessions with then: 'refuse'", () => {
  const limited = (count: number, options: Partial<SessionsOptions> = {}) =>
    bench({ store: slow(memoryStore()), maxSessions: { count, then: 'refuse' }, ...options })

  it('a login that is one too many is a 409, and leaves the visitor and everybody else alone', async () => {
    const app = limited(1)
    await app.request(session => login(session), { cookie: '' })
    const first = app.cookie
    const cookie = await visitor(app)
    app.calls.length = 0
    const error = await app.request(session => login(session), { cookie }).catch(error => error)
    expect(error).toMatchObject({ code: 'SESSION_LIMIT', status: 409, name: 'SessionLimitError' })
    expect(app.calls).toEqual(['read', 'scanBySubject'])
    expect(await app.peek('cart', cookie)).toBe(1)
    expect(await app.sessions.exists(first.split('=')[1]!)).toBe(true)
    expect(await countOf(app)).toBe(1)
  })

  it('there is room again after a logout', async () => {
    const app = limited(1)
    await app.request(session => login(session), { cookie: '' })
    await app.request(session => session.flush())
    await app.request(session => login(session), { cookie: '' })
    expect(await countOf(app)).toBe(1)
  })

  it('flush() and a login in one request fit the limit', async () => {
    const app = limited(1)
    await app.request(session => login(session), { cookie: '' })
    await app.request(session => {
      session.flush()
      login(session)
    })
    expect(await countOf(app)).toBe(1)
  })

  it('a handler may catch it, and go on without the subject', async () => {
    const app = limited(1)
    await app.request(session => login(session), { cookie: '' })
    const cookie = await visitor(app)
    await app.request(
      async session => {
        login(session)
        expect(await codeOf(() => session.save())).toBe('SESSION_LIMIT')
        session.subject = null
        session.flash('notice', 'Too many devices.')
      },
      { cookie, status: 409 },
    )
    const session = app.sessions.open(app.cookie)
    await session.load()
    expect([session.get('cart'), session.subject, session.flash('notice')]).toEqual([
      1,
      null,
      ['Too many devices.'],
    ])
    expect(await countOf(app)).toBe(1)
  })

  it('a new session of a handler that catches it sets no cookie for a record that is gone', async () => {
    const app = limited(1)
    await app.request(session => login(session), { cookie: '' })
    const { setCookies } = await app.request(
      async session => {
        login(session)
        expect(await codeOf(() => session.save())).toBe('SESSION_LIMIT')
      },
      { cookie: '', status: 500 },
    )
    expect(setCookies).toEqual([])
  })

  it('a store that fails when it is asked again leaves no session behind', async () => {
    const records = new Map<string, StoredRecord>()
    const inner = memoryStore(records)
    let scans = 0
    const store = altered(
      {
        scanBySubject: (...args: Parameters<typeof inner.scanBySubject>) => {
          if (++scans === 2) throw new Error('down')
          return inner.scanBySubject(...args)
        },
      },
      inner,
    )
    const app = limited(1, { store })
    expect(await codeOf(() => app.request(session => login(session), { cookie: '' }))).toBe('SESSION_STORE')
    expect(records.size).toBe(0)
  })

  it('a rotation during a login looks afterwards, because that login may have counted neither of its keys [A24]', async () => {
    const backend = memoryStore()
    const first = limited(2, { store: backend })
    await first.request(session => login(session), { cookie: '' })
    const member = first.cookie

    const [listed, mayInsert, collected, mayRead] = Array.from({ length: 4 }, () =>
      Promise.withResolvers<void>(),
    )
    let scans = 0
    // It lists ids first, and reads each record later.
    const held = altered(
      {
        scanBySubject: async function* (subject: string, context: object) {
          const isSecond = ++scans === 2
          const ids = []
          for await (const { id } of backend.scanBySubject(subject, context)) ids.push(id)
          if (isSecond) {
            collected!.resolve()
            await mayRead!.promise
          }
          for (const id of ids) {
            const record = await backend.read(id, context)
            if (record?.subject === subject) yield { id, ...record }
          }
        },
        insert: async (...args: Parameters<Store['insert']>) => {
          listed!.resolve()
          await mayInsert!.promise
          return backend.insert(...args)
        },
      },
      backend,
    )
    const last = limited(2, { store: held }).request(session => login(session), { cookie: '' })
    await listed!.promise
    await limited(2, { store: backend }).request(session => login(session), { cookie: '' })
    mayInsert!.resolve()
    await collected!.promise
    const rotating = limited(2, { store: backend }).request(session => session.cycleKey(), { cookie: member })
    await vi.waitUntil(async () => (await first.sessions.list('ada')).length === 3)
    mayRead!.resolve()
    await Promise.all([last, rotating])
    expect(await countOf(first)).toBe(2)
  })

  it('counts save({ mustCreate: true }), too', async () => {
    const app = limited(1)
    await app.request(session => login(session), { cookie: '' })
    const save = (session: Session) => {
      session.subject = 'ada'
      return session.save({ mustCreate: true })
    }
    expect(await codeOf(() => app.request(save, { cookie: '' }))).toBe('SESSION_LIMIT')
  })
})

describe('the option', () => {
  it.each([
    [{ count: 0, then: 'refuse' }],
    [{ count: 1.5, then: 'refuse' }],
    [{ count: 1 }],
    [{ count: 1, then: 'refuse', per: 'user' }],
    [3],
    ['refuse'],
  ])('rejects %j', maxSessions => {
    expect(() => bench({ maxSessions: maxSessions as never })).toThrow(/^maxSessions: /)
  })

  it('rejects a store without scanBySubject, at start-up', () => {
    const { scanBySubject, ...store } = memoryStore()
    expect(() => createSessions({ store, maxSessions: { count: 1, then: 'refuse' } })).toThrow(
      /^maxSessions: needs a store with scanBySubject/,
    )
  })

  it('costs nothing when it is not used', async () => {
    const app = bench()
    await app.request(session => login(session), { cookie: await visitor(app) })
    expect(app.calls).toEqual(['insert', 'read', 'insert', 'replace'])
  })
})

type Step = 'login' | 'relogin' | 'rotate' | 'reauthenticate' | 'write' | 'logout' | 'end'

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Step>('login') },
    { weight: 1, arbitrary: fc.constant<Step>('relogin') },
    { weight: 2, arbitrary: fc.constant<Step>('rotate') },
    { weight: 1, arbitrary: fc.constant<Step>('reauthenticate') },
    { weight: 1, arbitrary: fc.constant<Step>('write') },
    { weight: 1, arbitrary: fc.constant<Step>('logout') },
    { weight: 1, arbitrary: fc.constant<Step>('end') },
  ),
  { minLength: 2, maxLength: 4 },
)

/** Every call of the store, and every record of a scan, comes when the scheduler says so. */
function scheduled(store: Store, scheduler: fc.Scheduler): Store {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      if (name === 'scanBySubject') {
        // As a store that lists ids first, and reads each record later: Redis, say.
        return async function* (subject: string, context: object) {
          await scheduler.schedule(Promise.resolve(), 'scan')
          const ids = []
          for await (const { id } of target.scanBySubject!(subject, context)) ids.push(id)
          for (const id of ids) {
            await scheduler.schedule(Promise.resolve(), 'scanned')
            const record = await target.read(id, context)
            if (record?.subject === subject) yield { id, ...record }
          }
        }
      }
      return async (...args: unknown[]) => {
        await scheduler.schedule(Promise.resolve(), String(name))
        const result = await method.apply(target, args)
        await scheduler.schedule(Promise.resolve(), `${String(name)} answered`)
        return result
      }
    },
  })
}

/** Runs requests of as many browsers, over a subject that is one below its limit. Returns how the engine kept the limit. */
async function race(
  program: Step[],
  then: 'end-oldest' | 'refuse',
  scheduler: fc.Scheduler,
  breakStore: (store: Store) => Store = store => store,
): Promise<void> {
  const backend = memoryStore()
  const time = { now: START }
  let seed = 1
  const random = (size: number) => {
    if (size === 1) return new Uint8Array(1)
    return Uint8Array.from({ length: size }, () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed >>> 16
    })
  }
  const count = 2
  const options = { clock: () => time.now, random, timeout: 60_000, maxSessions: { count, then } }
  const direct = createSessions({ ...options, store: backend })
  const request = async (sessions: typeof direct, cookie: string, handle: (session: Session) => unknown) => {
    const session = sessions.open(cookie)
    await session.load()
    await handle(session)
    const { setCookies } = await sessions.commit(session, { status: 200 })
    return /^sessionid=[^;]+/.exec(setCookies[0] ?? '')?.[0] ?? cookie
  }
  const members: string[] = []
  for (let n = 0; n < count - 1; n++) members.push(await request(direct, '', session => login(session)))
  const visitors = await Promise.all(
    program.map(() => request(direct, '', session => session.set('cart', 1))),
  )
  const [{ id } = { id: '' }] = await direct.list('ada')

  const run = async (step: Step, n: number) => {
    // Each request in a process of its own.
    const sessions = createSessions({ ...options, store: scheduled(breakStore(backend), scheduler) })
    const member = members[0]!
    try {
      if (step === 'login')
        return { cookie: await request(sessions, visitors[n]!, session => login(session)) }
      if (step === 'relogin') return { cookie: await request(sessions, member, session => login(session)) }
      if (step === 'rotate') return { cookie: await request(sessions, member, session => session.cycleKey()) }
      if (step === 'reauthenticate')
        return {
          cookie: await request(sessions, member, session => session.subject && session.reauthenticated()),
        }
      if (step === 'write') await request(sessions, member, session => session.set('n', n))
      if (step === 'logout') await request(sessions, member, session => session.flush())
      if (step === 'end') await sessions.end(id, { subject: 'ada' })
      return {}
    } catch (error) {
      const { code } = error as { code: string }
      if (code !== 'SESSION_INTERRUPTED' && code !== 'SESSION_LIMIT') throw error
      return { code }
    }
  }
  const outcomes = await scheduler.waitFor(Promise.all(program.map(run)))

  const live = await direct.list('ada')
  const isKept = live.length <= count
  if (!isKept) throw new Error(`${live.length} sessions are left, the limit is ${count}`)
  const isIdle = !program.some(step => step === 'logout' || step === 'end')
  const logins = program.filter(step => step === 'login').length
  // The limit is no reason to end more sessions, or to turn more logins away, than necessary.
  if (isIdle && live.length < Math.min(count, 1 + logins))
    throw new Error(`only ${live.length} sessions are left`)
  for (const [n, outcome] of outcomes.entries()) {
    if (outcome.code !== 'SESSION_LIMIT') continue
    const session = direct.open(visitors[n])
    await session.load()
    if (session.get('cart') !== 1) throw new Error('a refused login has cost the visitor their session')
  }
}

const RUNS = Number(process.env['SESS_MODEL_RUNS'] ?? 300)

describe.each(['end-oldest', 'refuse'] as const)("logins that overlap, with then: '%s'", then => {
  const property = (breakStore?: (store: Store) => Store) =>
    fc.asyncProperty(steps, fc.scheduler(), (program, scheduler) =>
      race(program, then, scheduler, breakStore),
    )

  it('never leave more than the limit once all requests are done [A24, A37]', async () => {
    await fc.assert(property(), { numRuns: RUNS })
  })

  it('the model finds a list that is made before the insert', async () => {
    // What is listed is what was there when the request began, and what it has inserted itself.
    const early = (store: Store): Store => {
      const own: string[] = []
      let before: Promise<string[]> | undefined
      const idsOf = async (entries: AsyncIterable<{ id: string }>) => {
        const found = []
        for await (const { id } of entries) found.push(id)
        return found
      }
      return altered(
        {
          insert: (...args: Parameters<Store['insert']>) => {
            own.push(args[0])
            return store.insert(...args)
          },
          scanBySubject: async function* (subject: string, context: object) {
            before ??= idsOf(store.scanBySubject!(subject, context))
            for (const id of new Set([...(await before), ...own])) {
              const record = await store.read(id, context)
              if (record?.subject === subject) yield { id, ...record }
            }
          },
        },
        store,
      )
    }
    const result = await fc.check(property(early), { numRuns: RUNS * 4, endOnFailure: true })
    expect(result.failed).toBe(true)
  })
})
