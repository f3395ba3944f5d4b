import { memoryStore } from '@sess/conformance'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Adopter,
  createSessions,
  type ReusedEvent,
  type Session,
  type SessionsOptions,
  type StoredRecord,
} from '../src/index.ts'
import { altered, bench, codeOf, START, slow } from './support.ts'

const GRACE = 30_000

/** A session of ada whose key was rotated once, and the old cookie. */
async function stolen(options: Partial<SessionsOptions>, rotations = 1) {
  const reused: ReusedEvent[] = []
  const records = new Map<string, StoredRecord>()
  const app = bench({
    store: memoryStore(records),
    hooks: { reused: event => void reused.push(event) },
    ...options,
  })
  await app.request(session => {
    session.subject = 'ada'
    session.set('a', 1)
  })
  const old = app.cookie
  for (let n = 0; n < rotations; n++) {
    await app.request(session => session.cycleKey())
    app.time.now += 60_000
  }
  app.time.now -= 60_000
  return { app, old, reused, records }
}

describe("a key that is used after its rotation, with reuse: 'report' [A2, A27]", () => {
  it('is reported with the subject, opens nothing, and the session continues', async () => {
    const { app, old, reused } = await stolen({ reuse: 'report' })
    app.time.now += GRACE
    const own = app.cookie
    app.calls.length = 0
    const { setCookies } = await app.request(session => expect(session.get('a')).toBeUndefined(), {
      cookie: old,
    })
    expect(app.calls).toEqual(['read'])
    expect(setCookies[0]).toMatch(/^sessionid=;.*Max-Age=0/)
    expect(reused).toEqual([
      { id: expect.stringMatching(/^[0-9a-f]{40}$/), subject: 'ada', ended: false, durationMs: 0 },
    ])
    expect(await app.peek('a', own)).toBe(1)
  })

  it('is expected within the time of grace', async () => {
    const { app, old, reused } = await stolen({ reuse: 'end-all' })
    app.time.now += GRACE - 1
    const own = app.cookie
    const { setCookies } = await app.request(session => expect(session.get('a')).toBeUndefined(), {
      cookie: old,
    })
    expect([setCookies, reused]).toEqual([[], []])
    expect(await app.peek('a', own)).toBe(1)
  })

  it('is reported each time, until the old key would have expired', async () => {
    const { app, old, reused } = await stolen({ reuse: 'report', age: 600 })
    for (const seconds of [30, 300, 599, 600]) {
      app.time.now = START + seconds * 1000
      await app.peek('a', old)
    }
    expect(reused).toHaveLength(3)
  })

  it('may begin a session of its own, and its logout ends nobody else', async () => {
    const { app, old } = await stolen({ reuse: 'report' })
    const own = app.cookie
    app.time.now += GRACE
    await app.request(session => session.flush(), { cookie: old })
    expect(await app.peek('a', own)).toBe(1)
    await app.request(session => session.set('mine', true), { cookie: old })
    expect([await app.peek('mine'), await app.peek('a')]).toEqual([true, undefined])
    expect(await app.sessions.delete(old.split('=')[1]!)).toBe(false)
    expect(await app.peek('a', own)).toBe(1)
  })

  it('is reported also if the handler never looks', async () => {
    const { app, old, reused } = await stolen({ reuse: 'report' })
    app.time.now += GRACE
    await app.request(() => undefined, { cookie: old })
    expect(reused).toHaveLength(1)
  })

  it('a session without a subject is reported as nobody’s', async () => {
    const { app, reused } = await stolen({ reuse: 'report' })
    await app.request(session => session.set('b', 1), { cookie: '' })
    const old = app.cookie
    await app.request(session => session.cycleKey())
    app.time.now += GRACE
    await app.peek('b', old)
    expect(reused.map(({ subject }) => subject)).toEqual([undefined])
  })
})

describe("with reuse: 'end-all'", () => {
  it.each([1, 2, 5])('the session ends over %i rotations, before the handler runs', async rotations => {
    const { app, old, reused, records } = await stolen(
      { reuse: 'end-all', store: slow(memoryStore()) },
      rotations,
    )
    app.time.now += GRACE
    const own = app.cookie
    const session = app.sessions.open(old)
    await session.load()
    expect(reused).toMatchObject([{ subject: 'ada', ended: true }])
    expect(await app.peek('a', own)).toBeUndefined()
    expect(await app.sessions.list('ada')).toEqual([])
    expect(records.size).toBe(0)
  })

  it('also when the session had a shorter life for a while', async () => {
    const { app, old } = await stolen({ reuse: 'end-all' })
    await app.request(session => session.setExpiry(60))
    await app.request(session => session.cycleKey())
    await app.request(session => session.setExpiry(null))
    app.time.now += 300_000
    const own = app.cookie
    await app.peek('a', old)
    expect(await app.peek('a', own)).toBeUndefined()
  })

  it('ends the sessions of this key alone', async () => {
    const { app, old } = await stolen({ reuse: 'end-all' })
    await app.request(session => void (session.subject = 'ada'), { cookie: '' })
    app.time.now += GRACE
    await app.peek('a', old)
    expect(await app.sessions.list('ada')).toHaveLength(1)
  })

  it('after a logout there is nothing left to end, and the hook says so', async () => {
    const { app, old, reused } = await stolen({ reuse: 'end-all' })
    await app.request(session => session.flush())
    app.time.now += GRACE
    await app.peek('a', old)
    expect(reused).toMatchObject([{ subject: 'ada', ended: false }])
  })

  it('a store that cannot end it is an error of the request, and the hook is called all the same', async () => {
    const inner = memoryStore()
    let isDown = false
    const remove = (...args: Parameters<typeof inner.remove>) => {
      if (isDown) throw new Error('down')
      return inner.remove(...args)
    }
    const { app, old, reused } = await stolen({ reuse: 'end-all', store: altered({ remove }, inner) })
    app.time.now += GRACE
    isDown = true
    expect(await codeOf(() => app.peek('a', old))).toBe('SESSION_STORE')
    expect(reused).toMatchObject([{ subject: 'ada', ended: false }])
  })

  it('end(id) with an old id ends the device that was meant', async () => {
    const { app } = await stolen({ reuse: 'report' })
    const [{ id } = { id: '' }] = await app.sessions.list('ada')
    await app.request(session => session.cycleKey())
    app.time.now += 3_600_000
    expect(await app.sessions.end(id, { subject: 'bob' })).toBe(false)
    expect(await app.sessions.end(id, { subject: 'ada' })).toBe(true)
    expect(await app.sessions.list('ada')).toEqual([])
  })
})

describe('the option', () => {
  it('is off by default: an old key is forgotten after 30 s, and no event tells of it', async () => {
    const { app, old, reused, records } = await stolen({})
    expect([...records.values()].map(({ expiresAt }) => expiresAt)).toContain(START + GRACE)
    app.time.now += GRACE
    await app.peek('a', old)
    expect(reused).toEqual([])
  })

  it('an engine without it treats the markers of another as unknown keys', async () => {
    const { app, old, records } = await stolen({ reuse: 'report' })
    app.time.now += GRACE
    const plain = createSessions({ store: memoryStore(records), clock: () => app.time.now })
    const session = plain.open(old)
    await session.load()
    session.set('mine', true)
    const { setCookies } = await plain.commit(session, { status: 200 })
    expect(setCookies[0]).toMatch(/^sessionid=[a-z0-9]{32};/)
  })

  it('stores neither a key nor data in a marker, and no subject in its index', async () => {
    const { records, old, app } = await stolen({ reuse: 'report' })
    const marker = [...records.values()].find(({ payload }) => payload.includes('_session_superseded'))!
    expect(marker.subject).toBeUndefined()
    expect(JSON.parse(marker.payload)).toEqual({
      _session_superseded: expect.stringMatching(/^[0-9a-f]{40}$/),
      _session_rotation: { grace: START + GRACE },
      _session_subject: 'ada',
    })
    for (const { payload } of records.values())
      for (const cookie of [old, app.cookie]) expect(payload).not.toContain(cookie.split('=')[1])
  })

  it.each<[object, RegExp]>([
    [{ reuse: 'end' }, /^reuse: must be "report" or "end-all"/],
    [{ reuse: 'report', hashKeys: false }, /^reuse: needs `hashKeys: true`/],
    [
      {
        reuse: 'report',
        store: { seal: () => '', unseal: () => null },
        secret: 'xxxxxxxxxxxxxxxxxxxxabcdefghijklmnop',
      },
      /^reuse: needs a store/,
    ],
  ])('rejects %j', (options, message) => {
    expect(() => bench(options)).toThrow(message)
  })
})

type Step = { who: 'owner' | 'thief'; does: 'read' | 'write' | 'rotate' | 'logout' }

describe('owner and thief at the same time', () => {
  const steps = fc.array(
    fc.record<Step>({
      who: fc.constantFrom('owner', 'thief'),
      does: fc.constantFrom('read', 'write', 'rotate', 'logout'),
    }),
    { minLength: 2, maxLength: 4 },
  )

  it('a reused key always ends the family, whatever overlaps it [A2, A37]', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.scheduler(), async (program, scheduler) => {
        const records = new Map<string, StoredRecord>()
        const { app, old } = await stolen({ reuse: 'end-all', store: memoryStore(records) }, 2)
        app.time.now += GRACE
        const reused: ReusedEvent[] = []
        const store = new Proxy(memoryStore(records), {
          get: (target, name) => {
            const method = Reflect.get(target, name)
            if (typeof method !== 'function') return method
            return async (...args: unknown[]) => {
              await scheduler.schedule(Promise.resolve(), String(name))
              return method.apply(target, args)
            }
          },
        })
        const options: SessionsOptions = {
          store,
          reuse: 'end-all',
          clock: () => app.time.now,
          timeout: 60_000,
          random: size => (size === 1 ? new Uint8Array(1) : crypto.getRandomValues(new Uint8Array(size))),
          hooks: { reused: event => void reused.push(event) },
        }
        const keys: (string | undefined)[] = []
        const act = (session: Session, does: Step['does']) => {
          if (does === 'read') session.get('a')
          else if (does === 'write') session.update('a', (n = 0) => n + 1)
          else if (does === 'rotate') session.cycleKey()
          else session.flush()
        }
        const request = async ({ who, does }: Step) => {
          const sessions = createSessions(options)
          const session = sessions.open(who === 'owner' ? app.cookie : old)
          try {
            await session.load()
            act(session, does)
            const { setCookies } = await sessions.commit(session, { status: 200 })
            if (who === 'owner') keys.push(/^(sessionid=[^;]+)/.exec(setCookies[0] ?? '')?.[1])
          } catch (error) {
            if ((error as { code: string }).code !== 'SESSION_INTERRUPTED') throw error
          }
        }
        await scheduler.waitFor(Promise.all(program.map(request)))
        const wasStolen = program.some(({ who }) => who === 'thief')
        if (wasStolen && reused.length === 0) throw new Error('nobody was told')
        for (const cookie of [app.cookie, ...keys]) {
          const session = app.sessions.open(cookie)
          await session.load()
          if (wasStolen && session.subject !== null) throw new Error('the family lives on')
        }
      }),
      { numRuns: Number(process.env['SESS_MODEL_RUNS'] ?? 500) },
    )
  })
})

it('an old key does not end the session of another user, who has logged in with the same browser', async () => {
  const { app, old, reused } = await stolen({ reuse: 'end-all' })
  await app.request(session => {
    session.subject = 'bob'
  })
  await app.request(session => session.cycleKey())
  app.time.now += GRACE
  await app.request(undefined, { cookie: old })
  expect(reused).toMatchObject([{ subject: 'ada', ended: false }])
  expect(await app.sessions.list('bob')).toHaveLength(1)
})

it('an old key of a session that has ended meanwhile is reported once, and its markers are removed', async () => {
  const { app, old, reused, records } = await stolen({ reuse: 'end-all' }, 3)
  await app.request(session => session.flush())
  expect(records.size).toBe(3)
  app.time.now += GRACE
  await app.request(undefined, { cookie: old })
  await app.request(undefined, { cookie: old })
  expect(reused).toMatchObject([{ subject: 'ada', ended: false }])
  expect(records.size).toBe(0)
})

describe('the kept cookie of an old library, whose session was adopted and rotated', () => {
  const reused: ReusedEvent[] = []
  const adopter =
    (keep: boolean): Adopter =>
    (_, { cookies }) => {
      const [id] = cookies('old')
      return id
        ? { id, read: () => ({ data: { a: 1 }, subject: 'ada' }), cookies: [{ name: 'old' }], keep }
        : null
    }

  /** Adopts, logs in, and comes with the old cookie alone: the browser was closed, and kept that one. */
  async function returning(keep: boolean) {
    reused.length = 0
    const app = bench({
      store: memoryStore(),
      reuse: 'end-all',
      adopt: [adopter(keep)],
      hooks: { reused: event => void reused.push(event) },
    })
    await app.request(undefined, { cookie: 'old=x' })
    await app.request(session => session.cycleKey())
    const own = app.cookie
    app.time.now += GRACE
    await app.request(session => expect(session.get('a')).toBeUndefined(), { cookie: 'old=x' })
    return { left: await app.peek('a', own) }
  }

  it('is no theft while it stays in the browser, so no session is ended', async () => {
    expect(await returning(true)).toEqual({ left: 1 })
    expect(reused).toEqual([])
  })

  it('is reported if it should have been deleted', async () => {
    expect(await returning(false)).toEqual({ left: undefined })
    expect(reused).toMatchObject([{ subject: 'ada', ended: true }])
  })
})

describe('the cookie of a handshake, kept while its socket is open', () => {
  it('is no theft after a rotation: it opens nothing, is not reported, and ends nothing', async () => {
    const { app, old, reused } = await stolen({ reuse: 'end-all' })
    app.time.now += GRACE
    const session = app.sessions.open(old, { kept: true })
    await session.load()
    expect(session.get('a')).toBeUndefined()
    expect(reused).toEqual([])
    expect(await app.peek('a', app.cookie)).toBe(1)
  })

  it('is a theft in a handshake itself', async () => {
    const { app, old, reused } = await stolen({ reuse: 'end-all' })
    app.time.now += GRACE
    await app.sessions.open(old).load()
    expect(reused).toMatchObject([{ subject: 'ada', ended: true }])
  })
})
