import { inspect } from 'node:util'
import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import {
  ConfigError,
  createSessions,
  type Session,
  SessionError,
  SessionInterruptedError,
} from '../src/index.ts'
import { altered, bench, codeOf, START } from './support.ts'

function open(): Session {
  return createSessions({ store: memoryStore(), clock: () => START }).open()
}

it('the result of a commit says so when the session is read after it, so that caches keep the response to its visitor', async () => {
  const app = bench()
  await app.request(s => s.set('a', 1))
  const session = app.sessions.open(app.cookie)
  await session.load()
  const result = await app.sessions.commit(session, { status: 200 })
  expect(result.vary).toBe(false)
  session.get('a')
  expect(result.vary).toBe(true)
})

describe("Django's dictionary", () => {
  it('reads, with a fallback for what is not there', () => {
    const session = open()
    session.update({ a: 1, none: null })
    expect([session.get('a'), session.get('b'), session.get('b', 7), session.get('none', 7)]).toEqual([
      1,
      undefined,
      7,
      null,
    ])
    expect([session.has('a'), session.has('none'), session.has('b')]).toEqual([true, true, false])
  })

  it('only a real change sets modified', () => {
    const changes: [(session: Session) => unknown, boolean][] = [
      [s => s.get('a'), false],
      [s => s.delete('zz'), false],
      [s => s.pop('zz'), false],
      [s => s.pop('zz', 5), false],
      [s => s.setDefault('a', 5), false],
      [s => s.setExpiry(null), false],
      [s => s.flash('none'), false],
      [s => s.deleteTestCookie(), false],
      [s => s.set('a', 1), true],
      [s => s.delete('a'), true],
      [s => s.pop('a'), true],
      [s => s.setDefault('b', 5), true],
      [s => s.update({}), true],
      [s => s.update('a', a => a), true],
      [s => s.clear(), true],
      [s => s.flush(), true],
      [s => s.cycleKey(), true],
      [s => s.setExpiry(5), true],
      [s => s.setTestCookie(), true],
      [s => s.flash('x', 1), true],
    ]
    for (const [change, expected] of changes) {
      const session = open()
      session.set('a', 1)
      session.modified = false
      change(session)
      expect([session.modified, session.accessed], String(change)).toEqual([expected, true])
    }
  })

  it('answers as documented', () => {
    const session = open()
    expect(session.set('a', 1)).toBe(session)
    expect(session.delete('a')).toBe(true)
    expect(session.delete('a')).toBe(false)
    session.set('a', 2)
    expect(session.pop('a')).toBe(2)
    expect(session.pop('a')).toBeUndefined()
    expect(session.pop('a', 'x')).toBe('x')
    expect(session.setDefault('d', [1])).toEqual([1])
    expect(session.setDefault('d', [2])).toEqual([1])
    expect(session.update({ e: 1 })).toBe(session)
    expect(session.update('e', (e = 0) => e + 1)).toBe(session)
    expect([...session.keys()]).toEqual(['d', 'e'])
    expect([...session.values()]).toEqual([[1], 2])
    expect([...session.entries()]).toEqual([...session])
    expect(session.size).toBe(2)
    expect(JSON.stringify(session)).toBe('{"d":[1],"e":2}')
  })

  it('odd keys are plain data, and no method is shadowed [A35]', async () => {
    const app = bench()
    const keys = [
      '__proto__',
      'constructor',
      'toString',
      'get',
      'hasOwnProperty',
      'then',
      'toJSON',
      '',
      'a.b',
      '\u0000',
      '\ud83d\ude00',
    ]
    await app.request(s => {
      for (const key of keys) s.set(key, { isAdmin: true })
      s.set('outer', JSON.parse('{"__proto__": {"isAdmin": true}}'))
    })
    await app.request(s => {
      for (const key of keys) expect(s.get(key), key).toEqual({ isAdmin: true })
      expect([...s.keys()].sort()).toEqual([...keys, 'outer'].sort())
      expect(Object.keys(s.toJSON()).sort()).toEqual([...keys, 'outer'].sort())
      expect(s.data['__proto__']).toEqual({ isAdmin: true })
      expect(s.get('outer').isAdmin).toBeUndefined()
      s.update('__proto__', value => ({ ...value, n: 1 }))
      expect(s.pop('__proto__')).toEqual({ isAdmin: true, n: 1 })
      expect(s.has('__proto__')).toBe(false)
    })
    expect(({} as any).isAdmin).toBeUndefined()
    expect(await app.peek('__proto__')).toBeUndefined()
  })

  it('a property that is set on it is an error in all code, because it would not be saved', () => {
    const session = open()
    const sloppy = new Function('session', 'session.user = 1')
    expect(() => sloppy(session)).toThrow('session.user is not saved. Call session.set(key, value).')
    expect(() => Object.assign(session, { user: 1 })).toThrow(TypeError)
    // No method can be shadowed either.
    expect(() => new Function('session', 'session.get = 1')(session)).toThrow(TypeError)
    expect(session.get).toBeTypeOf('function')
    expect(session.isEmpty).toBe(true)
    expect(session).toBeInstanceOf(Object)
  })

  it('bookkeeping is hidden, and cannot be set', async () => {
    const app = bench()
    await app.request(s => {
      s.subject = 'ada'
      s.flash('notice', 'hi')
      s.setExpiry(60)
    })
    await app.request(s => {
      expect([...s.keys()]).toEqual(['_session_expiry'])
      expect(s.size).toBe(1)
      for (const key of [
        '_session_created',
        '_session_authenticated',
        '_session_subject',
        '_session_flash',
        '_session_superseded',
      ]) {
        expect([s.get(key, 'no'), s.has(key), s.pop(key), s.delete(key)]).toEqual([
          'no',
          false,
          undefined,
          false,
        ])
        expect(() => s.set(key, 1)).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
        expect(() => s.update({ [key]: 1 })).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
        expect(() => s.update(key, () => 1)).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
        expect(() => {
          s.data[key] = 1
        }).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
      }
      s.set('_session_mine', 1)
      s.set('_session_expiry', 30)
      expect(s.getExpiryAge()).toBe(30)
    })
  })

  it('a key is a string', () => {
    for (const key of [1, null, undefined, {}, Symbol('s')]) {
      expect(() => open().set(key as string, 1)).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
    }
  })

  it('update(fn): a promise, undefined, or no function at all is a TypeError, and nothing changes', () => {
    const session = open()
    session.set('a', 1)
    session.modified = false
    for (const fn of [() => undefined, async () => 1, 5, undefined])
      expect(() => session.update('a', fn as unknown as () => number)).toThrow(TypeError)
    expect(() =>
      session.update('a', () => {
        throw new RangeError('mine')
      }),
    ).toThrow(RangeError)
    expect([session.get('a'), session.modified]).toEqual([1, false])
  })
})

describe('nested mutation is seen', () => {
  it.each<[string, (session: Session) => void]>([
    ['get', s => s.get('cart').push(2)],
    ['values', s => ([...s.values()][0] as number[]).push(2)],
    ['entries', s => ([...s][0]![1] as number[]).push(2)],
    ['data', s => s.data['cart'].push(2)],
    ['toJSON', s => (s.toJSON()['cart'] as number[]).push(2)],
    ['setDefault', s => s.setDefault('cart', []).push(2)],
  ])('through %s', async (_, mutate) => {
    const app = bench()
    await app.request(s => s.set('cart', [1]))
    await app.request(s => {
      mutate(s)
      expect(s.modified).toBe(false)
    })
    expect(await app.peek('cart')).toEqual([1, 2])
  })

  it('a value handed in is saved as it is when the response leaves', async () => {
    const app = bench()
    const cart = [1]
    await app.request(s => {
      s.set('cart', cart)
      cart.push(2)
    })
    expect(await app.peek('cart')).toEqual([1, 2])
  })

  it.each<[string, (session: Session, cart: number[]) => unknown]>([
    ['set', (s, cart) => s.set('cart', cart)],
    ['setDefault', (s, cart) => s.setDefault('cart', cart)],
  ])('a value handed in by %s stays the session’s after a save', async (_, hand) => {
    const app = bench()
    const cart = [1]
    await app.request(async s => {
      hand(s, cart)
      await s.save()
      cart.push(2)
    })
    expect(await app.peek('cart')).toEqual([1, 2])
  })

  it('looking at an object saves nothing', async () => {
    const app = bench()
    await app.request(s => s.set('cart', { items: [1, { a: 2 }] }))
    app.calls.length = 0
    expect((await app.request(s => s.get('cart').items[1])).setCookies).toEqual([])
    expect(app.calls).toEqual(['read'])
  })

  it('a mutation before an update of the same key is part of it, also when others saved meanwhile', async () => {
    const app = bench()
    await app.request(s => s.set('cart', ['a']))
    await app.request(async s => {
      s.get('cart').push('b')
      s.update('cart', (cart = []) => [...cart, 'c'])
      await app.request(other => other.update('cart', (cart = []) => [...cart, 'x']))
      s.get('cart').push('d')
    })
    expect((await app.peek('cart')) as string[]).toEqual(expect.arrayContaining(['a', 'b', 'c', 'd', 'x']))
    expect(await app.peek('cart')).toHaveLength(5)
  })

  it('an update that mutates its argument and returns it counts once', async () => {
    const app = bench()
    await app.request(s => s.set('cart', ['a']))
    await app.request(async s => {
      s.get('cart')
      s.update('cart', cart => {
        cart.push('b')
        return cart
      })
      await app.request(other => other.update('cart', (cart = []) => [...cart, 'x']))
    })
    expect(await app.peek('cart')).toEqual(['a', 'x', 'b'])
  })

  it("trackMutations: false is Django's rule", async () => {
    const app = bench({ trackMutations: false })
    await app.request(s => s.set('cart', [1]))
    await app.request(s => s.get('cart').push(2))
    expect(await app.peek('cart')).toEqual([1])
  })

  it('trackMutations: false: what is saved has the mutations, also when others saved meanwhile', async () => {
    for (const touch of [(s: Session) => s.set('x', 1), (s: Session) => (s.modified = true)]) {
      const app = bench({ trackMutations: false })
      await app.request(s => s.update({ cart: ['a'], x: 0 }))
      await app.request(async s => {
        const cart = s.get('cart')
        cart.push('b')
        touch(s)
        await app.request(other => other.set('y', 1))
      })
      expect([await app.peek('cart'), await app.peek('y')]).toEqual([['a', 'b'], 1])
    }
  })

  it('trackMutations: false: an object in hand is left alone when others saved meanwhile', async () => {
    const app = bench({ trackMutations: false })
    await app.request(s => s.set('cart', ['a']))
    await app.request(async s => {
      const cart = s.get('cart')
      s.set('x', 1)
      await app.request(other => other.set('cart', ['c']))
      await s.save()
      expect([cart, s.get('cart')]).toEqual([['a'], ['c']])
    })
  })

  it('what cannot be stored is an error that names the key, and the stored session stays [F15]', async () => {
    const app = bench()
    await app.request(s => s.set('cart', [1]))
    const cycle: any[] = []
    cycle.push(cycle)
    for (const value of [() => 1, 5n, Symbol('s'), new Map(), Number.NaN, cycle, undefined]) {
      await expect(app.request(s => s.get('cart').push({ bad: value }))).rejects.toThrow(
        /^Cannot store cart\[1\]/,
      )
    }
    await expect(app.request(s => s.set('big', 'x'.repeat(1_048_577)))).rejects.toThrow(/maxBytes/)
    await expect(app.request(s => s.set('big', 'é'.repeat(600_000)))).rejects.toThrow(/1200\d\d\d bytes/)
    await app.request(s => s.set('fits', 'x'.repeat(1_000_000)))
    expect(await app.peek('cart')).toEqual([1])
  })
})

describe('session.data', () => {
  it('is the session as an object', async () => {
    const app = bench()
    await app.request(({ data }) => {
      data['a'] = 1
      data['b'] = { c: 2 }
      delete data['zz']
      expect('a' in data).toBe(true)
      expect(Object.keys(data)).toEqual(['a', 'b'])
      expect({ ...data }).toEqual({ a: 1, b: { c: 2 } })
      expect(JSON.stringify(data)).toBe('{"a":1,"b":{"c":2}}')
      expect(() => Object.defineProperty(data, 'x', { get: () => 1 })).toThrow(TypeError)
      expect(() => Object.setPrototypeOf(data, {})).toThrow(TypeError)
      expect(() => Object.freeze(data)).toThrow(TypeError)
      expect(() => {
        ;(data as any)[Symbol('s')] = 1
      }).toThrow(TypeError)
      expect((data as any)[Symbol.iterator]).toBeUndefined()
      expect(Object.getOwnPropertyDescriptor(data, 'a')).toEqual({
        value: 1,
        writable: true,
        enumerable: true,
        configurable: true,
      })
      delete data['a']
    })
    expect([await app.peek('a'), await app.peek('b')]).toEqual([undefined, { c: 2 }])
    const session = open()
    expect(session.data).toBe(session.data)
  })
})

describe('flash values', () => {
  it('are left, and taken once', async () => {
    const app = bench()
    await app.request(s => {
      s.flash('notice', { text: 'saved' })
      s.flash('__proto__', 'odd')
    })
    await app.request(s => {
      expect(s.flash('notice')).toEqual([{ text: 'saved' }])
      expect(s.flash('notice')).toEqual([])
      expect(s.flash('toString')).toEqual([])
    })
    await app.request(s => {
      expect(s.flash('notice')).toEqual([])
      expect(s.flash('__proto__')).toEqual(['odd'])
    })
    const result = await app.request(s => s.flash('__proto__'))
    expect(result.setCookies).toEqual([])
  })

  it('leaving answers nothing, taking the last one leaves nothing behind, and names are strings', async () => {
    const app = bench()
    await app.request(s => {
      s.set('a', 1)
      expect([s.flash('notice', 1), s.flash('notice', 2)]).toEqual([undefined, undefined])
      for (const act of [() => s.flash(5 as any), () => s.flash(5 as any, 1)]) {
        expect(act).toThrow(expect.objectContaining({ code: 'SESSION_DATA' }))
      }
    })
    await app.request(s => expect(s.flash('notice')).toEqual([1, 2]))
    const payloads: string[] = []
    for await (const { payload } of app.store.scan!({ now: START })) payloads.push(payload)
    expect(payloads).toEqual(['{"a":1}'])
  })

  it('a 5xx leaves them there, and overlapping requests lose none', async () => {
    const app = bench()
    await app.request(s => s.flash('a', 1))
    await app.request(s => s.flash('a'), { status: 500 })
    await app.request(async s => {
      expect(s.flash('a')).toEqual([1])
      await app.request(other => other.flash('b', 2))
    })
    await app.request(s => expect([s.flash('a'), s.flash('b')]).toEqual([[], [2]]))
  })

  it('two requests at the same time both add theirs, and taking leaves what came meanwhile', async () => {
    const app = bench()
    await app.request(s => s.flash('a', { n: 1 }))
    await app.request(async s => {
      s.flash('a', { n: 2 })
      await app.request(other => other.flash('a', { n: 3 }))
    })
    await app.request(async s => {
      expect(s.flash('a')).toEqual([{ n: 1 }, { n: 3 }, { n: 2 }])
      await app.request(other => other.flash('a', { n: 1 }))
      await app.request(other => other.flash('a', { n: 4 }))
    })
    await app.request(s => expect(s.flash('a')).toEqual([{ n: 1 }, { n: 4 }]))
  })

  it('taking what another request has taken already leaves what that one added, whatever it is', async () => {
    const app = bench()
    await app.request(s => {
      s.flash('a', 'x')
      s.flash('a', { n: 1 })
    })
    const added = ['"x"', { n: 2 }, null, '{"n":1}']
    await app.request(async s => {
      expect(s.flash('a')).toEqual(['x', { n: 1 }])
      await app.request(other => {
        other.flash('a')
        for (const value of added) other.flash('a', value)
      })
    })
    await app.request(s => expect(s.flash('a')).toEqual(added))
  })

  it('the list is the caller’s: changing it changes nothing', async () => {
    const app = bench()
    await app.request(s => s.flash('a', 1))
    await app.request(s => {
      s.flash('a').push(2)
      s.flash('b', 3)
      s.flash('b').push(4)
    })
    await app.request(s => expect([s.flash('a'), s.flash('b')]).toEqual([[], []]))
  })
})

describe('the test cookie', () => {
  it('tells that the browser keeps cookies', async () => {
    const app = bench()
    await app.request(s => {
      expect(s.testCookieWorked()).toBe(false)
      s.setTestCookie()
    })
    await app.request(s => {
      expect(s.testCookieWorked()).toBe(true)
      s.deleteTestCookie()
    })
    await app.request(s => expect(s.testCookieWorked()).toBe(false))
  })
})

describe('flags', () => {
  it('accessed and getExpiryDate, as in Django', () => {
    const session = open()
    expect(session.getExpiryDate({ expiry: 5 })).toEqual(new Date(START + 5000))
    expect(session.getExpiryAge({ expiry: 5, modification: new Date(0) })).toBe(5)
    expect(session.accessed).toBe(false)
    expect(session.getExpiryDate()).toEqual(new Date(START + 1_209_600_000))
    expect(session.accessed).toBe(true)
    session.accessed = false
    expect(session.accessed).toBe(false)
  })

  it('asking whether it ends with the browser, and saving, are looks', async () => {
    const session = open()
    expect(session.getExpireAtBrowserClose()).toBe(false)
    expect(session.accessed).toBe(true)
    const app = bench()
    await app.request(s => s.set('a', 1))
    const other = app.sessions.open(app.cookie)
    await other.save()
    expect(other.accessed).toBe(true)
  })

  it('the name of an error is that of its class', () => {
    const names = [
      new SessionError('SessionData', 500, 'x'),
      new SessionInterruptedError(),
      new ConfigError('a', 'b'),
    ]
    expect(names.map(({ name }) => name)).toEqual([
      'SessionDataError',
      'SessionInterruptedError',
      'ConfigError',
    ])
  })
})

describe('what a session does not tell [A8]', () => {
  it('neither its key nor its data, when inspected', async () => {
    const app = bench()
    await app.request(s => s.set('password', 'hunter2'))
    const session = app.sessions.open(app.cookie)
    await session.load()
    session.get('password')
    for (const text of [
      inspect(session, { depth: 9, showHidden: true }),
      inspect(app.sessions, { depth: 9 }),
    ]) {
      expect(text).not.toContain(app.cookie.slice(10))
      expect(text).not.toContain('hunter2')
    }
    expect(JSON.stringify(session)).not.toContain(app.cookie.slice(10))
  })

  it('the store sees a digest, never the key, and a key is void under another cookie name [A7, A9, C18]', async () => {
    const store = memoryStore()
    const one = bench({ store })
    await one.request(s => s.set('a', 1))
    const key = one.cookie.slice(10)
    const ids: string[] = []
    for await (const { id } of store.scan!({ now: START })) ids.push(id)
    expect(ids).toEqual([expect.stringMatching(/^[0-9a-f]{40}$/)])
    expect(ids[0]).not.toContain(key)
    const other = bench({ store, cookie: { name: 'admin' } })
    expect(await other.peek('a', `admin=${key}`)).toBeUndefined()
  })
})

describe('save and create', () => {
  it('save() of a new session, create() of a second record, save({ mustCreate })', async () => {
    const app = bench()
    const session = app.sessions.open()
    await session.save()
    const first = session.sessionKey
    expect(first).toMatch(/^[a-z0-9]{32}$/)
    session.set('a', 1)
    await session.create()
    expect(session.sessionKey).not.toBe(first)
    expect(await codeOf(() => session.save({ mustCreate: true }))).toBe('SESSION_EXISTS')
    // By another process: an engine of our own would end this session as by `flush()`.
    await bench({ store: app.store }).sessions.delete(session.sessionKey!)
    expect(await codeOf(() => session.save())).toBe('SESSION_INTERRUPTED')
    session.set('b', 1)
    await session.save({ mustCreate: true })
    // What is saved is not saved again. Its key is confirmed.
    app.calls.length = 0
    await app.sessions.commit(session, { status: 200 })
    expect(app.calls).toEqual(['read'])
    expect(await app.peek('a', `sessionid=${session.sessionKey}`)).toBe(1)
    expect(await app.sessions.exists(first!)).toBe(true)
  })

  it('save({ mustCreate }) after cycleKey carries out the rotation [I1]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie.slice(10)
    let key: string | null = null
    await app.request(async s => {
      s.cycleKey()
      key = s.sessionKey
      await s.save({ mustCreate: true })
      expect(await app.sessions.exists(old)).toBe(false)
    })
    expect(app.cookie).toBe(`sessionid=${key}`)
    expect(await app.peek('a')).toBe(1)
  })

  it('save() after a flush removes, and no more', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    await app.request(async s => {
      s.flush()
      await s.save()
      expect(app.calls).toEqual(['read', 'remove'])
      await s.save()
      expect([s.sessionKey, s.isEmpty]).toEqual([null, true])
    })
    expect(app.calls).toEqual(['read', 'remove'])
    const fresh = app.sessions.open()
    fresh.set('a', 1)
    fresh.flush()
    await fresh.save()
    expect(fresh.sessionKey).toBe(null)
  })

  it('flush, then create', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    const all: string[] = []
    await app.request(async s => {
      s.flush()
      await s.create()
      for await (const { payload } of app.store.scan!({ now: START })) all.push(payload)
    })
    expect(all).toEqual(['{}'])
    expect(app.cookie).not.toBe(old)
  })

  it('create() of a session that nothing looked at copies it', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => s.create())
    expect(app.cookie).not.toBe(old)
    expect([await app.peek('a'), await app.peek('a', old)]).toEqual([1, 1])
  })

  it('cycleKey, then create: the old key leads nowhere', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    let rotated: string | null = null
    await app.request(async s => {
      s.cycleKey()
      rotated = s.sessionKey
      await s.create()
    })
    expect(await app.peek('a', old)).toBeUndefined()
    // What create leaves behind is the rotated session.
    expect(await app.peek('a', `sessionid=${rotated}`)).toBe(1)
    expect(await app.peek('a')).toBe(1)
  })

  it('an id that is taken is not overwritten: another key is drawn', async () => {
    let draws = 0
    const random = (size: number): Uint8Array => new Uint8Array(size).fill(draws++ < 2 ? 1 : 2)
    const app = bench({ random })
    draws = 0
    await app.request(s => s.set('a', 1), { cookie: '' })
    const first = app.cookie
    await app.request(s => s.set('b', 1), { cookie: '' })
    expect(app.cookie).not.toBe(first)
    expect([await app.peek('a', first), await app.peek('b')]).toEqual([1, 1])
  })

  it('a store that calls every id taken is an error, and not asked for ever', async () => {
    const app = bench({ store: altered({ insert: () => false }) })
    expect(await codeOf(() => app.request(s => s.set('a', 1)))).toBe('SESSION_STORE')
    expect(app.calls).toEqual(Array.from({ length: 8 }, () => 'insert'))
    const session = app.sessions.open()
    expect(await codeOf(() => session.save())).toBe('SESSION_STORE')
    expect(session.modified).toBe(false)
  })

  it('no key without random bytes [A1, C16]', async () => {
    const broken = bench({ random: size => new Uint8Array(size).fill(255) })
    await expect(broken.request(s => s.set('a', 1))).rejects.toThrow(/random/)
    let calls = 0
    const failing = bench({
      random: size => {
        if (calls++ > 0) throw new Error('no entropy')
        return new Uint8Array(size)
      },
    })
    await expect(failing.request(s => s.set('a', 1))).rejects.toThrow('no entropy')
  })
})
