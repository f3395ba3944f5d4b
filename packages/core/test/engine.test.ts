import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import {
  type CookieStore,
  createSessions,
  type Session,
  type SessionRecord,
  type StandardSchema,
} from '../src/index.ts'
import { altered, bench, codeOf, START, slow } from './support.ts'

describe('subjects [A24, A25]', () => {
  it('are listed and ended together, but for one', async () => {
    const app = bench()
    const cookies: string[] = []
    for (const subject of ['ada', 'ada', 'ada', 'bob']) {
      await app.request(
        s => {
          s.cycleKey()
          s.subject = subject
          s.set('device', cookies.length)
        },
        { cookie: '' },
      )
      cookies.push(app.cookie)
      app.time.now += 1000
    }
    const listed = []
    for await (const info of app.sessions.scanBySubject('ada')) listed.push(info)
    expect(listed.map(({ data }) => data['device']).sort()).toEqual([0, 1, 2])
    expect(listed.find(({ data }) => data['device'] === 1)).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{40}$/),
      subject: 'ada',
      data: { device: 1 },
      createdAt: new Date(START + 1000),
      authenticatedAt: new Date(START + 1000),
      lastSeenAt: new Date(START + 1000),
      expiresAt: new Date(START + 1000 + 1_209_600_000),
    })
    await app.request(
      async s => {
        expect(await app.sessions.removeBySubject('ada', { except: s })).toBe(2)
      },
      { cookie: cookies[0]! },
    )
    expect(await Promise.all(cookies.map(cookie => app.peek('device', cookie)))).toEqual([
      0,
      undefined,
      undefined,
      3,
    ])
    expect(await app.sessions.removeBySubject('ada')).toBe(1)
    expect(await app.peek('device', cookies[0])).toBeUndefined()
  })

  it('except a session that is being rotated keeps it', async () => {
    const app = bench()
    await app.request(s => {
      s.subject = 7
      s.set('a', 1)
    })
    await app.request(async s => {
      expect(s.subject).toBe('7')
      s.cycleKey()
      expect(await app.sessions.removeBySubject(7, { except: s })).toBe(0)
    })
    expect(await app.peek('a')).toBe(1)
  })

  it('null takes all of it along, but for when the session was created', async () => {
    const app = bench()
    await app.request(s => {
      s.subject = 'ada'
    })
    app.time.now += 1000
    await app.request(s => {
      s.subject = 'bob'
      expect(s.createdAt).toEqual(new Date(START))
      expect(s.authenticatedAt).toEqual(new Date(START + 1000))
    })
    await app.request(s => {
      s.subject = null
      expect([s.subject, s.authenticatedAt]).toEqual([null, undefined])
    })
    const payloads: string[] = []
    for await (const { payload } of app.store.scan!({ now: START })) payloads.push(payload)
    expect(payloads).toEqual([JSON.stringify({ _session_created: START })])
  })

  it('a list leaves out the markers of rotations, should a store list them', async () => {
    const entry = { id: 'b'.repeat(40), expiresAt: START + 1, version: '1', subject: 'ada' }
    const { sessions } = bench({
      store: altered({
        scanBySubject: async function* () {
          yield { ...entry, payload: '{"_session_superseded":"x"}' }
          yield { ...entry, payload: '{"a":1}' }
        },
      }),
    })
    const listed = []
    for await (const { data } of sessions.scanBySubject('ada')) listed.push(data)
    expect(listed).toEqual([{ a: 1 }])
  })

  it('null ends it, and bad ones are errors', async () => {
    const app = bench()
    await app.request(s => {
      expect([s.subject, s.createdAt, s.authenticatedAt]).toEqual([null, undefined, undefined])
      s.subject = null
      expect(s.modified).toBe(false)
      for (const bad of ['', 'x'.repeat(256), {}, Number.NaN, true]) {
        expect(() => {
          s.subject = bad as string
        }).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
      }
      s.subject = 'ada'
    })
    await app.request(s => {
      s.subject = null
    })
    expect(await app.sessions.removeBySubject('ada')).toBe(0)
  })

  it('a store without an index says so', async () => {
    const { sessions } = bench({
      store: altered({ removeBySubject: undefined as any, scanBySubject: undefined as any }),
    })
    const plain = createSessions({ store: { ...plainStore() } })
    expect(await codeOf(() => plain.removeBySubject('ada'))).toBe('CONFIG')
    expect(await codeOf(() => plain.scanBySubject('ada').next())).toBe('CONFIG')
    expect(sessions).toBeDefined()
  })

  it('notBefore is not asked about a session without a subject', async () => {
    const asked: unknown[] = []
    const app = bench({
      notBefore: subject => {
        asked.push(subject)
        return START + 1000
      },
    })
    await app.request(s => s.set('a', 1))
    expect(await app.peek('a')).toBe(1)
    expect(asked).toEqual([])
  })

  it('notBefore counts from the last authentication, and not from when the session was made', async () => {
    const limit = START + 1000
    const app = bench({ notBefore: () => limit, absoluteAge: 1_000_000 })
    await app.request(s => s.set('a', 1))
    app.time.now += 2000
    await app.request(s => {
      s.cycleKey()
      s.subject = 'ada'
    })
    expect(await app.peek('a')).toBe(1)
  })

  it('notBefore voids older sessions of a subject [A34]', async () => {
    const limits = new Map<string, number>()
    for (const notBefore of [(s: string) => limits.get(s), async (s: string) => limits.get(s)]) {
      limits.clear()
      const app = bench({ notBefore })
      await app.request(s => {
        s.subject = 'ada'
        s.set('a', 1)
      })
      expect(await app.peek('a')).toBe(1)
      limits.set('ada', START)
      expect(await app.peek('a')).toBe(1)
      limits.set('ada', START + 1)
      const { setCookies } = await app.request(s => expect(s.get('a')).toBeUndefined())
      expect(setCookies[0]).toContain('Max-Age=0')
    }
    const failing = bench({ notBefore: () => Promise.reject(new Error('down')) })
    await failing.request(s => {
      s.subject = 'ada'
    })
    expect(await codeOf(() => failing.peek('a'))).toBe('SESSION_STORE')
  })
})

function plainStore(): Parameters<typeof createSessions>[0]['store'] {
  const store = memoryStore()
  return {
    read: store.read.bind(store),
    insert: store.insert.bind(store),
    replace: store.replace.bind(store),
    touch: store.touch.bind(store),
    remove: store.remove.bind(store),
  }
}

describe('the engine’s own verbs', () => {
  it('exists and delete by key', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const key = app.cookie.slice(10)
    expect([
      await app.sessions.exists(key),
      await app.sessions.exists('b'.repeat(32)),
      await app.sessions.exists('../x'),
    ]).toEqual([true, false, false])
    await app.request(s => s.cycleKey())
    expect(await app.sessions.exists(key)).toBe(false)
    // The old key's marker leads to the new record.
    expect(await app.sessions.delete(key)).toBe(true)
    expect(await app.peek('a')).toBeUndefined()
    expect([await app.sessions.delete(key), await app.sessions.delete('x')]).toEqual([false, false])
  })

  it('delete asks once and removes once, and says and tells only what it did', async () => {
    const destroyed: unknown[] = []
    const app = bench({ hooks: { destroyed: event => destroyed.push(event) } })
    await app.request(s => s.set('a', 1))
    const key = app.cookie.slice(10)
    app.calls.length = 0
    expect(await app.sessions.delete(key)).toBe(true)
    expect(app.calls).toEqual(['read', 'remove'])
    expect(destroyed).toHaveLength(1)
    expect(destroyed[0]).not.toHaveProperty('supersededBy')
    // Another request is faster, or the store is slow to forget what has expired.
    const record = { payload: '{}', expiresAt: START + 1, version: '1' }
    for (const change of [
      { read: () => record, remove: () => 'gone' },
      { read: () => ({ ...record, expiresAt: START }), remove: () => 'ok' },
    ]) {
      const other = bench({ store: altered(change), hooks: { destroyed: event => destroyed.push(event) } })
      expect(await other.sessions.exists(key)).toBe('remove' in change && change.remove() === 'gone')
      expect(await other.sessions.delete(key)).toBe(false)
      expect(destroyed).toHaveLength(1)
    }
  })

  it('with hashKeys: false flush removes the record at once, whatever another request has saved in it', async () => {
    const app = bench({ hashKeys: false })
    await app.request(s => s.set('a', 1))
    await app.request(async s => {
      await app.request(other => other.set('a', 2))
      app.calls.length = 0
      s.flush()
    })
    expect(app.calls).toEqual(['remove'])
    expect(app.cookie).toBe('')
  })

  it('clearExpired in batches, with progress; nothing to do where the backend expires by itself', async () => {
    const app = bench({ age: 10 })
    for (let i = 0; i < 5; i++) await app.request(s => s.set('i', i), { cookie: '' })
    app.time.now += 11_000
    await app.request(s => s.set('live', 1), { cookie: '' })
    const progress: number[] = []
    const onProgress = (removed: number): void => {
      progress.push(removed)
    }
    expect(await app.sessions.clearExpired({ batchSize: 2, onProgress })).toBe(5)
    expect(progress.at(-1)).toBe(5)
    expect(await app.peek('live')).toBe(1)
    await app.request(s => s.setExpiry(-1), { cookie: '' })
    expect(await app.sessions.clearExpired()).toBe(1)
    expect(await createSessions({ store: plainStore() }).clearExpired()).toBe(0)
  })

  it('close closes the store', async () => {
    let closed = 0
    await createSessions({ store: altered({ close: () => closed++ }) }).close()
    await createSessions({ store: plainStore() }).close()
    expect(closed).toBe(1)
  })
})

describe('hooks [A27]', () => {
  it('hear of everything, with ids that open nothing', async () => {
    const heard: [string, any][] = []
    const hooks = Object.fromEntries(
      ['created', 'loaded', 'saved', 'rotated', 'destroyed', 'interrupted'].map(name => [
        name,
        (event: unknown) => heard.push([name, event]),
      ]),
    )
    const app = bench({ hooks })
    await app.request(s => s.set('a', 1))
    await app.request(s => s.set('a', 2))
    await app.request(s => s.cycleKey())
    await codeOf(() =>
      app.request(async s => {
        s.set('a', 3)
        await app.request(other => other.flush())
      }),
    )
    expect(heard.map(([name]) => name)).toEqual([
      'created',
      'loaded',
      'saved',
      'loaded',
      'rotated',
      'loaded',
      'loaded',
      'destroyed',
      'interrupted',
    ])
    for (const [, event] of heard) expect(event.id).toMatch(/^[0-9a-f]{40}$/)
    expect(heard[1]![1]).toEqual({ id: heard[0]![1].id, found: true, durationMs: 0 })
  })

  it('`created` and `destroyed` count sessions, whatever becomes of their keys', async () => {
    const heard: string[] = []
    const app = bench({
      maxSessions: { count: 1, then: 'refuse' },
      hooks: {
        created: () => heard.push('created'),
        rotated: () => heard.push('rotated'),
        destroyed: ({ supersededBy }) =>
          heard.push(supersededBy === undefined ? 'destroyed' : 'marker removed'),
      },
    })
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => s.cycleKey())
    // A logout that comes with the old key, in its time of grace.
    await app.request(s => s.flush(), { cookie: old })
    expect(heard).toEqual(['created', 'rotated', 'destroyed', 'marker removed'])

    heard.length = 0
    await app.request(s => s.set('a', 1), { cookie: '' })
    await codeOf(() =>
      app.request(async s => {
        s.cycleKey()
        await app.request(other => other.flush())
      }),
    )
    expect(heard).toEqual(['created', 'destroyed'])

    heard.length = 0
    const logins = Array.from({ length: 2 }, () =>
      codeOf(() =>
        app.request(
          s => {
            s.subject = 'ada'
          },
          { cookie: '' },
        ),
      ),
    )
    expect(await Promise.all(logins)).toContain('SESSION_LIMIT')
    expect(heard).toEqual(['created'])
  })

  it('without hashing an id is a key, and is not told', async () => {
    const ids: unknown[] = []
    const app = bench({ hashKeys: false, hooks: { created: ({ id }) => ids.push(id) } })
    await app.request(s => s.set('a', 1))
    expect(ids).toEqual([undefined])
  })

  it('a hook that throws or rejects changes nothing, and `error` gets it [C8, F39]', async () => {
    const errors: unknown[] = []
    for (const error of [
      (error: unknown, hook: string) => errors.push([hook, (error as Error).message]),
      undefined,
      () => {
        throw new Error('again')
      },
    ]) {
      const app = bench({
        hooks: {
          created: () => {
            throw new Error('sync')
          },
          destroyed: (async () => {
            throw new Error('async')
          }) as () => void,
          ...(error && { error }),
        },
      })
      await app.request(s => s.set('a', 1))
      expect(await app.peek('a')).toBe(1)
      await app.request(s => s.flush())
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(errors).toEqual([
      ['created', 'sync'],
      ['destroyed', 'async'],
    ])
  })

  it('onConflict, a codec and an update function that throw [F39]', async () => {
    const app = bench({
      onConflict: () => {
        throw new RangeError('policy')
      },
    })
    await app.request(s => s.set('a', 0))
    let runs = 0
    for (const [act, error] of [
      [(s: any) => s.set('a', 2), 'RangeError: policy'],
      [
        (s: any) =>
          s.update('a', (a: number) => {
            if (runs++ > 0) throw new TypeError('second run')
            return a + 1
          }),
        'TypeError: second run',
      ],
    ] as const) {
      expect(
        await codeOf(() =>
          app.request(async s => {
            act(s)
            await app.request(other => other.set('a', 1 + (other.get('a') as number)))
          }),
        ),
      ).toBe(error)
    }
    expect(await app.peek('a')).toBe(2)
  })
})

describe('what cannot be read is an empty session and one event [F14, F33, F42]', () => {
  it.each(['', '{', 'null', '[]', '1', '"x"', '{"a":1}x', '\ud800'])('%o', async payload => {
    const corrupt: any[] = []
    const inner = memoryStore()
    const app = bench({ store: inner, hooks: { corrupt: event => corrupt.push(event) } })
    await app.request(s => s.set('a', 1))
    const entries = []
    for await (const entry of inner.scan!({ now: START })) entries.push(entry)
    const [entry] = entries
    await inner.replace(entry!.id, { payload, expiresAt: START + 1e6 }, entry!.version, { now: START })
    await app.request(s => expect([s.get('a'), s.sessionKey]).toEqual([undefined, app.cookie.slice(10)]))
    expect(corrupt).toEqual([{ reason: 'payload', id: entry!.id, error: expect.any(Error) }])
    await app.request(s => s.set('b', [1]))
    await app.request(s => s.get('b').push(2))
    expect(await app.peek('b')).toEqual([1, 2])
  })
})

describe('a schema', () => {
  const schema = (validate: (value: any) => any): StandardSchema<unknown, { n: number }> => ({
    '~standard': { version: 1, vendor: 'test', validate },
  })

  it('validates what comes out of the store, and may change it', async () => {
    for (const wrap of [(value: unknown) => value, (value: unknown) => Promise.resolve(value)]) {
      const store = memoryStore()
      const plain = bench({ store })
      await plain.request(s => {
        s.set('n', '5')
        s.setExpiry(60)
        s.subject = 'ada'
      })
      const app = createSessions({
        store,
        clock: () => START,
        schema: schema(
          value =>
            wrap(
              '_session_subject' in value ? { issues: ['bookkeeping'] } : { value: { n: Number(value.n) } },
            ) as any,
        ),
      })
      const session = app.open(plain.cookie)
      await session.load()
      expect([session.get('n'), session.subject, session.getExpiryAge()]).toEqual([5, 'ada', 60])
      expect((await app.commit(session, { status: 200 })).setCookies).toEqual([])
    }
  })

  it('what it refuses is an empty session and an event', async () => {
    const store = memoryStore()
    const plain = bench({ store })
    await plain.request(s => s.set('n', 'x'))
    const corrupt: unknown[] = []
    const app = createSessions({
      store,
      clock: () => START,
      hooks: { corrupt: event => corrupt.push(event) },
      schema: schema(() => ({ issues: ['n'] })),
    })
    const session = app.open(plain.cookie)
    await session.load()
    expect(session.get('n')).toBeUndefined()
    expect(corrupt).toEqual([
      { reason: 'schema', id: expect.any(String), error: expect.any(Error), paths: [''] },
    ])
  })
})

describe('a codec that has to be waited for', () => {
  const codec = {
    encode: async (data: object) => `x${JSON.stringify(data)}`,
    decode: async (text: string) => JSON.parse(text.slice(1)),
  }

  it('works like any other: mutations, merging, rotation', async () => {
    const app = bench({ codec, store: slow(memoryStore()) })
    await app.request(s => s.set('list', ['a']))
    app.calls.length = 0
    await app.request(s => s.get('list'))
    expect(app.calls).toEqual(['read'])
    await app.request(async s => {
      s.get('list').push('b')
      await app.request(other => other.get('list').push('c'))
    })
    await app.request(s => s.cycleKey())
    expect(await app.peek('list')).toEqual(['a', 'c', 'b'])
  })
})

describe('a codec with a format of its own', () => {
  class Prefixed {
    readonly sync = true
    readonly prefix = 'x'
    encode(data: object): string {
      return this.prefix + JSON.stringify(data)
    }
    decode(text: string): Record<string, unknown> {
      if (!text.startsWith(this.prefix)) throw new Error('not mine')
      return JSON.parse(text.slice(1))
    }
  }
  /** Whose methods need `this`, as methods of a class may. */
  class Compared extends Prefixed {
    stringify(value: unknown): string {
      return this.prefix + JSON.stringify(value)
    }
    parse(text: string): unknown {
      return this.decode(text)
    }
  }

  it.each([new Prefixed(), new Compared()])('is not asked to read a value’s text: %o', async codec => {
    const app = bench({ codec })
    await app.request(s => s.set('a', 1))
    await app.request(async s => {
      s.update('n', (n = 0) => n + 1).update('n', (n = 0) => n + 1)
      s.setDefault('list', ['a'])
      s.update('list', (list = []) => [...list, 'b'])
      await app.request(other => other.set('a', 2))
    })
    await app.request(async s =>
      expect([...s]).toEqual([
        ['a', 2],
        ['n', 2],
        ['list', ['a', 'b']],
      ]),
    )
    app.calls.length = 0
    await app.request(s => s.get('list'))
    expect(app.calls).toEqual(['read'])
  })
})

describe('cookie sessions', () => {
  const store: CookieStore = {
    seal: record => Buffer.from(JSON.stringify(record)).toString('base64url'),
    unseal: (token, { now }) => {
      try {
        const record = JSON.parse(Buffer.from(token, 'base64url').toString()) as SessionRecord
        return record.expiresAt > now ? record : null
      } catch {
        return null
      }
    },
  }
  const options = { store, secret: 'cookie-session-test-secret-0123456789' }

  it('are the same session, in the cookie', async () => {
    const app = bench(options)
    await app.request(s => s.set('a', [1]))
    await app.request(s => s.get('a').push(2))
    expect(await app.peek('a')).toEqual([1, 2])
    expect((await app.request(s => s.get('a'))).setCookies).toEqual([])
    await app.request(s => {
      s.cycleKey()
      s.set('b', 1)
    })
    expect(await app.peek('b')).toBe(1)
    await app.request(async s => {
      await s.create()
      await s.save()
    })
    expect(await app.sessions.exists('a'.repeat(32))).toBe(false)
    expect(await app.sessions.clearExpired()).toBe(0)
    await app.sessions.close()
    expect(await codeOf(() => app.sessions.removeBySubject('ada'))).toBe('CONFIG')
    await app.request(async s => {
      s.flush()
      await s.save()
    })
    expect(app.cookie).toBe('')
  })

  it.each<[string, (session: Session) => unknown]>([
    ['cycleKey()', s => s.cycleKey()],
    ['create()', s => s.create()],
  ])('%s seals again with the response, and not before', async (_, act) => {
    const app = bench({ ...options, age: 100 })
    await app.request(s => s.set('a', 1))
    const token = app.cookie.slice(10)
    app.time.now += 60_000
    const { setCookies } = await app.request(act, { status: 500 })
    expect(setCookies).toEqual([])
    await app.request(async s => {
      await act(s)
      expect([s.sessionKey, s.modified]).toEqual([token, true])
    })
    app.time.now += 99_000
    expect(await app.peek('a')).toBe(1)
  })

  it('what save() sealed is not sealed again', async () => {
    let seals = 0
    const app = bench({
      ...options,
      store: {
        ...store,
        seal: (record, context) => {
          seals++
          return store.seal(record, context)
        },
      },
    })
    await app.request(async s => {
      s.set('a', 1)
      await s.save()
    })
    expect([seals, await app.peek('a')]).toEqual([1, 1])
  })

  it('a token that does not verify is an empty session, and its cookie goes [A29]', async () => {
    const reasons: string[] = []
    const app = bench({ ...options, hooks: { corrupt: ({ reason }) => reasons.push(reason) } })
    const { setCookies } = await app.request(s => expect(s.get('a')).toBeUndefined(), {
      cookie: 'sessionid=garbage',
    })
    expect(setCookies[0]).toContain('Max-Age=0')
    expect(reasons).toEqual(['token'])
  })

  it('saveEveryRequest seals again, touchAfter at most so often', async () => {
    const app = bench({ ...options, age: 100, saveEveryRequest: { touchAfter: 10 } })
    await app.request(s => s.set('a', 1))
    app.time.now += 5000
    expect((await app.request()).setCookies).toEqual([])
    app.time.now += 5000
    expect((await app.request()).setCookies).toHaveLength(1)
    app.time.now += 99_000
    expect(await app.peek('a')).toBe(1)
  })

  it('long tokens are split, and stale chunks deleted', async () => {
    const app = bench({ ...options, cookie: { maxBytes: 12_288 } })
    await app.request(s => s.set('a', 'x'.repeat(5000)))
    expect(app.cookie).toMatch(/^sessionid\.0=.*; sessionid\.1=/)
    expect(await app.peek('a')).toHaveLength(5000)
    const { setCookies } = await app.request(s => s.set('a', 'small'))
    expect(setCookies.map(line => line.split('=')[0])).toEqual(['sessionid', 'sessionid.0', 'sessionid.1'])
    expect(app.cookie).toMatch(/^sessionid=[^;]+$/)
    await app.request(s => s.set('a', 'x'.repeat(5000)))
    expect(app.cookie).not.toContain('sessionid=')
    await app.request(s => s.flush())
    expect(app.cookie).toBe('')
    await expect(app.request(s => s.set('a', 'x'.repeat(20_000)))).rejects.toThrow(/bytes of Set-Cookie/)
  })

  it('an explicit save is sent even with a 5xx', async () => {
    const app = bench(options)
    await app.request(
      async s => {
        s.set('a', 1)
        await s.save()
      },
      { status: 500 },
    )
    expect(await app.peek('a')).toBe(1)
  })
})
