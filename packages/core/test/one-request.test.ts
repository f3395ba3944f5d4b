import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { type CookieStore, createSessions, type Session, type SessionRecord } from '../src/index.ts'
import { altered, bench, codeOf, keep, START, slow } from './support.ts'

describe('several things at once in one request', () => {
  it('while save() is under way nothing can be changed, because it would be unclear whether it was saved [I6]', async () => {
    const app = bench({ store: slow(memoryStore()) })
    const session = app.sessions.open()
    session.set('a', 1)
    const saving = session.save()
    for (const change of [
      () => session.set('b', 2),
      () => session.flush(),
      () => session.cycleKey(),
      () => session.update('a', () => 2),
    ]) {
      expect(await codeOf(change)).toBe('SESSION_COMMITTED')
    }
    await saving
    session.set('b', 2)
    const { setCookies } = await app.sessions.commit(session, { status: 200 })
    expect([await app.peek('a', keep('', setCookies)), await app.peek('b', keep('', setCookies))]).toEqual([
      1, 2,
    ])
  })

  it('saves take turns: two at once make one record, and a commit waits for them', async () => {
    const inner = memoryStore()
    const app = bench({ store: slow(inner) })
    const session = app.sessions.open()
    session.set('a', 1)
    void session.save()
    void session.save()
    const { setCookies } = await app.sessions.commit(session, { status: 200 })
    expect(await app.peek('a', keep('', setCookies))).toBe(1)
    const all = []
    for await (const entry of inner.scan!({ now: START })) all.push(entry)
    expect(all).toHaveLength(1)
    await app.request(
      async s => {
        s.cycleKey()
        void s.save()
      },
      { cookie: keep('', setCookies) },
    )
    expect(await app.peek('a')).toBe(1)
  })

  it('when one of two saves is done, the other is still under way [I6]', async () => {
    const app = bench({ store: slow(memoryStore()) })
    const session = app.sessions.open()
    session.set('a', 1)
    const first = session.save()
    const second = session.save()
    await first
    expect(await codeOf(() => session.set('b', 2))).toBe('SESSION_COMMITTED')
    await second
    session.set('b', 2)
  })

  it('a save that nobody waited for and that failed is tried again by the commit', async () => {
    const inner = memoryStore()
    let failures = 1
    const app = bench({
      store: altered(
        {
          insert: async (...args) =>
            failures-- > 0 ? Promise.reject(new Error('down')) : inner.insert(...(args as [any, any])),
        },
        inner,
      ),
    })
    await app.request(s => {
      s.set('a', 1)
      s.save().catch(() => undefined)
    })
    expect(await app.peek('a')).toBe(1)
  })

  it('a save that nobody waits for ends no process, whenever it fails [F2]', async () => {
    const unheard: unknown[] = []
    const hear = (error: unknown): void => void unheard.push(error)
    process.on('unhandledRejection', hear)
    try {
      const app = bench({ store: altered({ insert: async () => Promise.reject(new Error('down')) }) })
      const late = app.request(async s => {
        s.set('a', 1)
        void s.save()
        await new Promise(resolve => setTimeout(resolve, 5))
      })
      expect(await codeOf(() => late)).toBe('SESSION_STORE')
      const created = app.request(async s => {
        void s.create()
        await new Promise(resolve => setTimeout(resolve, 5))
      })
      expect(await codeOf(() => created)).toBe('SESSION_STORE')
      await new Promise(resolve => setImmediate(resolve))
      expect(unheard).toEqual([])
    } finally {
      process.off('unhandledRejection', hear)
    }
  })

  it('a callback for save is an error at the call', () => {
    const { sessions } = bench()
    expect(() => sessions.open().save((() => undefined) as object)).toThrow(TypeError)
  })

  it('an error of the store is reported as such, whatever its own code is [F2]', async () => {
    const failing = (own: object) => {
      const store = altered({ insert: () => Promise.reject(Object.assign(new Error('no such table'), own)) })
      return bench({ store }).request(s => s.set('a', 1))
    }
    for (const [own, message] of [
      [{ code: 'NoSuchTable', status: 404 }, 'The session store failed: see `cause`.'],
      [{ code: 'ECONNREFUSED', status: 200 }, 'The session store failed (ECONNREFUSED): see `cause`.'],
      [{ code: 'key=secret' }, 'The session store failed: see `cause`.'],
      [{ code: 5 }, 'The session store failed: see `cause`.'],
    ] as const) {
      await expect(failing(own)).rejects.toMatchObject({ code: 'SESSION_STORE', status: 503, message })
    }
    // Its own errors of ours stay what they are, of another copy of core, too.
    for (const code of ['SESSION_DATA', 'CONFIG']) {
      await expect(failing({ code, status: 500 })).rejects.toMatchObject({ code, message: 'no such table' })
    }
  })

  it('a rotation that failed sends no key, whatever the handler does next [F17, I5]', async () => {
    const inner = memoryStore()
    const app = bench({ store: inner })
    await app.request(s => s.set('role', 'old'))
    let down = true
    const broken = bench({
      store: altered(
        {
          replace: (...args) =>
            down ? Promise.reject(new Error('down')) : inner.replace(...(args as [any, any, any])),
        },
        inner,
      ),
    })
    const after = async (status: number): Promise<string[]> => {
      const { setCookies } = await broken.request(
        async s => {
          s.cycleKey()
          expect(await codeOf(() => s.save())).toBe('SESSION_STORE')
          down = status === 503
        },
        { cookie: app.cookie, status },
      )
      return setCookies
    }
    expect(await after(503)).toEqual([])
    down = true
    const fresh = keep('', await after(200))
    expect([await app.peek('role', fresh), await app.peek('role')]).toEqual(['old', undefined])
  })

  it('an object in hand stays the session’s after a save, also when others saved meanwhile', async () => {
    const app = bench()
    await app.request(s => s.set('cart', ['a']))
    await app.request(async s => {
      const cart = s.get('cart')
      s.set('x', 1)
      await s.save()
      s.set('y', 1)
      await s.save()
      cart.push('b')
      await app.request(other => other.get('cart').push('c'))
      await s.save()
      expect(cart).toEqual(['a', 'c', 'b'])
      cart.push('d')
    })
    expect(await app.peek('cart')).toEqual(['a', 'c', 'b', 'd'])
  })

  it('an object mutated after a save that failed is not forgotten', async () => {
    const inner = memoryStore()
    const app = bench({ store: inner })
    await app.request(s => s.set('cart', ['a']))
    let tries = 0
    const flaky = bench({
      store: altered(
        {
          replace: (...args) =>
            tries++ === 1 ? Promise.reject(new Error('down')) : inner.replace(...(args as [any, any, any])),
        },
        inner,
      ),
    })
    await flaky.request(
      async s => {
        s.set('x', 1)
        await app.request(other => other.get('cart').push('b'))
        expect(await codeOf(() => s.save())).toBe('SESSION_STORE')
        s.get('cart').push('c')
      },
      { cookie: app.cookie },
    )
    expect(await app.peek('cart')).toEqual(['a', 'b', 'c'])
  })

  it('two requests push the same thing: it is there twice [I6]', async () => {
    const app = bench()
    await app.request(s => s.set('cart', []))
    await app.request(async s => {
      s.get('cart').push('apple')
      await app.request(other => other.get('cart').push('apple'))
    })
    expect(await app.peek('cart')).toEqual(['apple', 'apple'])
  })

  it('an update that mutates a default counts once when it runs again', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    await app.request(async s => {
      s.setDefault('cart', [])
      s.update('cart', (cart = []) => {
        cart.push('x')
        return cart
      })
      await app.request(other => other.set('a', 2))
    })
    expect(await app.peek('cart')).toEqual(['x'])
  })

  it('logout wins over a clock that is fast: it ends a session that has expired by it', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const { cookie } = app
    app.time.now += 30 * 86_400_000
    await app.request(s => s.flush(), { cookie })
    app.time.now -= 30 * 86_400_000
    expect(await app.peek('a', cookie)).toBeUndefined()
  })

  it('logout wins, also after a cycleKey on the marker of a rotation [F17]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => s.cycleKey())
    const fresh = app.cookie
    await app.request(
      s => {
        s.cycleKey()
        s.flush()
      },
      { cookie: old },
    )
    expect(await app.peek('a', fresh)).toBeUndefined()
  })
})

describe('what other code gets wrong is told', () => {
  it('promises from update and onConflict are TypeErrors, and do not end the process [F39]', async () => {
    const app = bench({ onConflict: async () => Promise.reject(new Error('late')) })
    await app.request(s => s.set('n', 1))
    expect(() =>
      app.sessions.open().update('n', (async () => Promise.reject(new Error('late'))) as any),
    ).toThrow(TypeError)
    const conflict = app.request(async s => {
      s.set('n', 2)
      await app.request(other => other.set('n', 3))
    })
    await expect(conflict).rejects.toThrow(/onConflict/)
    await new Promise(resolve => setImmediate(resolve))
  })

  it('a return value that is not in the contract is no success [A23, A38]', async () => {
    for (const [method, answer] of [
      ['replace', undefined],
      ['replace', true],
      ['insert', undefined],
      ['remove', false],
      ['read', 'x'],
      // The names of the types, and what is no record.
      ['read', 'object'],
      ['read', []],
      ['insert', 'boolean'],
      ['insert', 1],
    ] as const) {
      const inner = memoryStore()
      const app = bench({ store: inner })
      await app.request(s => s.set('a', 1))
      const odd = bench({ store: altered({ [method]: () => answer }, inner) })
      const cookie = method === 'insert' ? '' : app.cookie
      expect(
        await codeOf(() => odd.request(s => (method === 'remove' ? s.flush() : s.set('a', 2)), { cookie })),
      ).toBe('SESSION_STORE')
    }
  })

  it('durations that nobody can measure, and units that do not exist', () => {
    const session = createSessions({ store: memoryStore(), clock: () => START }).open()
    for (const odd of [{ months: 1 }, { years: 1, days: 1 }, { day: 1, hours: 2 }, {}]) {
      expect(() => session.setExpiry(odd as object)).toThrow(TypeError)
    }
    session.setExpiry({ years: 0, months: 0, days: 1 } as object)
    expect(session.getExpiryAge()).toBe(86_400)
  })

  it('removeBySubject: a store that fails is a SessionStoreError, and nobody is not everybody', async () => {
    const { sessions } = bench({
      store: altered({ removeBySubject: () => Promise.reject(new Error('down')) }),
    })
    expect(await codeOf(() => sessions.removeBySubject('ada'))).toBe('SESSION_STORE')
    expect(await codeOf(() => sessions.removeBySubject(undefined as unknown as string))).toBe('SESSION_DATA')
    expect(await codeOf(() => sessions.scanBySubject('').next())).toBe('SESSION_DATA')
  })

  it('notBefore that returns no number fails closed', async () => {
    for (const answer of ['2030-01-01', Number.NaN]) {
      const app = bench({ notBefore: () => answer as number })
      await app.request(s => {
        s.subject = 'ada'
      })
      expect(await codeOf(() => app.peek('a'))).toBe('SESSION_STORE')
    }
  })

  it('save(callback), update(promise), update(array)', async () => {
    const session = createSessions({ store: memoryStore() }).open()
    expect(await codeOf(() => session.save((() => 1) as any))).toMatch(/TypeError/)
    for (const odd of [new Map([['a', 1]]), Promise.resolve({}), [['a', 1]]])
      expect(() => session.update(odd as any)).toThrow(TypeError)
  })

  it('a property of its own is no data, and says so', () => {
    const session = createSessions({ store: memoryStore() }).open()
    expect(() => {
      ;(session as any).userId = 5
    }).toThrow(TypeError)
  })

  it('a codec that says sync and is not', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const odd = createSessions({
      store: app.store,
      clock: () => START,
      codec: { sync: true, encode: async () => '{}', decode: async () => ({}) },
    })
    const session = odd.open(app.cookie)
    await session.load()
    expect(await codeOf(() => session.get('a'))).toBe('CONFIG')
  })
})

describe('saveEveryRequest at its edges', () => {
  it('a session that lives shorter than touchAfter is extended in time', async () => {
    const app = bench({ saveEveryRequest: { touchAfter: 600 } })
    await app.request(s => s.setExpiry(300))
    for (let i = 0; i < 5; i++) {
      app.time.now += 200_000
      expect((await app.request(s => expect(s.getExpiryAge()).toBe(300))).setCookies).toHaveLength(1)
    }
  })

  it('a new session that was told not to be saved is not', async () => {
    const app = bench({ saveEveryRequest: true })
    const strict = bench({ saveEveryRequest: true, absoluteAge: 100 })
    for (const begin of [(s: Session) => s.set('a', 1), (s: Session) => s.cycleKey()]) {
      for (const { request } of [app, strict]) {
        const result = await request(s => {
          begin(s)
          s.modified = false
        })
        expect(result).toEqual({ setCookies: [], vary: true, private: false })
      }
    }
    expect([...app.calls, ...strict.calls]).toEqual([])
  })
})

describe('chunks of a cookie session that an overlapping response left behind [C7]', () => {
  const store: CookieStore = {
    seal: record => Buffer.from(JSON.stringify(record)).toString('base64url'),
    unseal: token => {
      try {
        return JSON.parse(Buffer.from(token, 'base64url').toString()) as SessionRecord
      } catch {
        return null
      }
    },
  }

  it.each([
    ['of one subject: the whole token is read', 'ann', 'small'],
    // Nobody can tell it from a planted one.
    ['of no subject: neither is read', undefined, undefined],
  ])('do not lock the browser out, and the rest goes with the next save; %s', async (_, subject, read) => {
    const app = bench({
      store,
      secret: 'one-request-test-secret-0123456789',
      cookie: { maxBytes: 12_288 },
    })
    const write = (value: string) => (s: Session) => {
      s.set('a', value)
      if (subject) s.subject = subject
    }
    await app.request(write('x'.repeat(5000)))
    const long = app.cookie
    await app.request(write('small'), { cookie: '' })
    app.cookie = `${app.cookie}; ${long}`
    expect(await app.peek('a')).toBe(read)
    await app.request(s => s.set('a', 'again'))
    expect(app.cookie).toMatch(/^sessionid=[^;]+$/)
    const rest = long.split('; ')[1]!
    await app.request(s => expect(s.get('a')).toBeUndefined(), { cookie: rest })
    expect(app.cookie).toBe('')
  })
})
