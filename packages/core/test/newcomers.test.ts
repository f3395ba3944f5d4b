import { memoryStore } from '@sess/conformance'
import { encryptedCookieStore } from '@sess/store-cookie'
import { describe, expect, it } from 'vitest'
import { SessionSlot } from '../src/adapter.ts'
import { createSessions, type Session, SessionError } from '../src/index.ts'
import { bench, codeOf, keep, slow } from './support.ts'

const store = memoryStore()
const SECRET = 'kT9w2fQxZ7mB4vLr8sYpD3hNc6jGa1Ue'

function refusal(run: () => unknown): { option: string; message: string } {
  try {
    run()
  } catch (error) {
    if ((error as SessionError).code === 'CONFIG') return error as never
    throw error
  }
  throw new Error('nothing was refused')
}

describe('options of other libraries, and usual slips, are errors that say what to do', () => {
  it.each<[option: string, remedy: string, options: any]>([
    ['resave', 'Leave it out', { store, resave: false }],
    ['saveUninitialized', 'Leave it out', { store, saveUninitialized: false }],
    ['rolling', 'saveEveryRequest: true', { store, rolling: true }],
    ['genid', 'random', { store, genid: () => 'x' }],
    ['unset', 'session.flush()', { store, unset: 'destroy' }],
    ['name', "cookie: { name: 'sid' }", { store, name: 'sid' }],
    ['proxy', 'trust proxy', { store, proxy: true }],
    ['maxAge', '`age` in seconds', { store, maxAge: 60_000 }],
    ['keys', '`secret`', { store, keys: ['a'] }],
    ['cookie.maxAge', '`age` in seconds', { store, cookie: { maxAge: 60_000 } }],
    ['cookie.expires', '`age` in seconds', { store, cookie: { expires: new Date(0) } }],
    ['cookie.signed', 'Leave it out', { store, cookie: { signed: true } }],
    ['property', "session({ store }, { property: 'admin' })", { store, property: 'admin' }],
    ['store', 'session({ store: ', store],
    ['store', 'session({ store: ', encryptedCookieStore()],
    ['secret', 'not needed', { store, secret: 'short' }],
    ['age', 'milliseconds', { store, age: 3_600_000 }],
    ['age', 'milliseconds', { store, age: 86_400_000 }],
    ['age', 'milliseconds', { store, age: 14 * 86_400_000 }],
    ['absoluteAge', 'milliseconds', { store, absoluteAge: 12 * 3_600_000 }],
  ])('%s: %s', (option, remedy, options) => {
    const slot = refusal(() => new SessionSlot(options))
    expect(slot.option).toBe(option)
    expect(slot.message).toContain(remedy)
    expect(slot.message).not.toContain(SECRET)
    expect(refusal(() => createSessions(options)).option).toBe(option)
  })

  it('a secret that would do is no error with a server-side store: the store may be chosen at start-up', () => {
    createSessions({ store, secret: SECRET })
  })

  it('long ages in seconds are none: 90 days, a year, 400 days', () => {
    for (const days of [14, 90, 365, 400]) createSessions({ store, age: days * 86_400 })
    createSessions({ store, age: 3_599_999 })
  })
})

describe('errors for frameworks', () => {
  it('have `statusCode` too, which is what NestJS looks at', () => {
    const error = new SessionError('SessionStore', 503, 'x')
    expect([error.status, error.statusCode]).toEqual([503, 503])
  })

  it('a change after the response says how a job saves later', async () => {
    const { sessions } = bench()
    const session = sessions.open()
    await sessions.commit(session, { status: 200 })
    expect(() => session.set('a', 1)).toThrow(
      /sessions\.open\(cookieHeader\), await session\.load\(\), .*sessions\.commit\(/,
    )
  })
})

describe('a background poll', () => {
  it('is no activity with `extend = false`', async () => {
    const app = bench({ age: 100, saveEveryRequest: true })
    await app.request(s => s.set('a', 1))
    app.time.now += 60_000
    const poll = await app.request(s => {
      s.extend = false
      expect([s.get('a'), s.remaining]).toEqual([1, 40])
    })
    expect(poll.setCookies).toEqual([])
    app.time.now += 41_000
    expect(await app.peek('a')).toBeUndefined()
  })

  it('what it saves does not extend the session either, and the cookie says so', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('a', 1))
    app.time.now += 60_000
    const { setCookies } = await app.request(s => {
      s.extend = false
      s.set('a', 2)
    })
    expect(setCookies).toEqual([expect.stringContaining('Max-Age=40')])
    app.time.now += 39_000
    expect(await app.peek('a')).toBe(2)
    app.time.now += 2_000
    expect(await app.peek('a')).toBeUndefined()
  })

  it('but setExpiry, a new session and a logout do what they say', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('a', 1))
    app.time.now += 60_000
    const longer = await app.request(s => {
      s.extend = false
      s.setExpiry(500)
    })
    expect(longer.setCookies).toEqual([expect.stringContaining('Max-Age=500')])
    const anew = await app.request(s => {
      s.extend = false
      s.flush()
      s.set('b', 1)
    })
    expect(anew.setCookies).toEqual([expect.stringContaining('Max-Age=100')])
  })

  it.each<[string, (session: Session) => unknown]>([
    ['a save', s => s.set('a', 2)],
    ['a `save()` in the handler', s => s.set('a', 2).save()],
    ['a rotation', s => s.cycleKey()],
  ])('%s keeps the end that another request has set meanwhile', async (_, change) => {
    const app = bench({ age: 100, saveEveryRequest: true })
    await app.request(s => s.set('a', 1))
    app.time.now += 60_000
    const poll = app.sessions.open(app.cookie)
    await poll.load()
    poll.extend = false
    app.time.now += 1000
    await app.request()
    app.time.now += 1000
    await change(poll)
    const { setCookies } = await app.sessions.commit(poll, { status: 200 })
    expect(setCookies).toEqual([expect.stringContaining('Max-Age=99')])
    const cookie = keep(app.cookie, setCookies)
    app.time.now += 98_000
    expect(await app.peek('a', cookie)).toBeDefined()
    app.time.now += 1_000
    expect(await app.peek('a', cookie)).toBeUndefined()
  })

  it('reads the end again only if it saves something and has not set the end itself', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    await app.request(s => s.set('a', 2))
    await app.request(s => {
      s.extend = false
      s.get('a')
    })
    await app.request(s => {
      s.extend = false
      s.setExpiry(50)
    })
    expect(app.calls).toEqual(['read', 'replace', 'read', 'read', 'replace'])
    await app.request(s => {
      s.extend = false
      s.set('a', 3)
    })
    expect(app.calls.slice(5)).toEqual(['read', 'read', 'replace'])
  })

  it('is true or false, and settled by the response', async () => {
    const app = bench()
    const session = app.sessions.open()
    expect(() => {
      session.extend = 0 as never
    }).toThrow(TypeError)
    await app.sessions.commit(session, { status: 200 })
    expect(() => {
      session.extend = false
    }).toThrow(expect.objectContaining({ code: 'SESSION_COMMITTED' }))
  })
})

describe('how long a session still has', () => {
  it('respects the absolute limit, and what is stored', async () => {
    const app = bench({ age: 3600, absoluteAge: 7200 })
    const at = (s: { expiresAt: Date }): number => (s.expiresAt.getTime() - app.time.now) / 1000
    await app.request(s => {
      expect([at(s), s.remaining]).toEqual([3600, 3600])
      s.set('a', 1)
    })
    app.time.now += 1000_500
    await app.request(s => expect([at(s), s.remaining]).toEqual([2599.5, 2599]))
    for (let step = 0; step < 2; step++) {
      app.time.now += 2_500_000
      await app.request(s => s.set('a', step))
    }
    app.time.now += 1_189_500
    await app.request(s => {
      expect([at(s), s.remaining, s.getExpiryAge()]).toEqual([10, 10, 10])
      expect(s.getExpiryDate()).toEqual(s.expiresAt)
      s.set('a', 3)
      expect(s.remaining).toBe(10)
    })
  })

  it('a lowered absolute limit holds at once', async () => {
    const first = bench({ age: 3600, absoluteAge: 7200 })
    await first.request(s => s.set('a', 1))
    const app = bench({ store: first.store, age: 3600, absoluteAge: 100 })
    app.cookie = first.cookie
    await app.request(s => expect(s.remaining).toBe(100))
  })

  it('is what `save()` has stored, and counts a nested mutation as a change', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('a', []))
    app.time.now += 10_000
    await app.request(async s => {
      expect(s.remaining).toBe(90)
      await s.save()
      expect(s.remaining).toBe(100)
      app.time.now += 10_000
      expect(s.remaining).toBe(90)
      s.get('a').push(1)
      expect(s.remaining).toBe(100)
      await s.save()
      app.time.now += 10_000
      expect(s.remaining).toBe(90)
      s.set('a', 0)
      expect(s.remaining).toBe(100)
      s.modified = false
      expect(s.remaining).toBe(90)
    })
    await app.request(s => expect(s.remaining).toBe(90))
  })

  it('is extended by the response that extends the session', async () => {
    const app = bench({ age: 100, saveEveryRequest: { touchAfter: 30 } })
    await app.request(s => s.set('a', 1))
    app.time.now += 20_000
    await app.request(s => expect(s.remaining).toBe(80))
    app.time.now += 20_000
    await app.request(s => expect(s.remaining).toBe(100))
    app.time.now += 20_000
    await app.request(s => expect(s.remaining).toBe(80))
  })
})

describe('the engine', () => {
  it('end(id) ends one listed session; delete(id) says that an id is no key', async () => {
    const app = bench()
    await app.request(s => {
      s.subject = 'ada'
    })
    const old = app.cookie
    await app.request(s => s.cycleKey())
    const { value: info } = await app.sessions.scanBySubject('ada').next()
    await expect(app.sessions.delete(info!.id)).rejects.toThrow('end(')
    expect(await app.sessions.exists(app.cookie.slice(10))).toBe(true)
    expect(await app.sessions.end(info!.id)).toBe(true)
    expect(await app.sessions.end(info!.id)).toBe(false)
    expect(await app.sessions.exists(app.cookie.slice(10))).toBe(false)
    expect(old).not.toBe(app.cookie)
    for (const none of ['', 'x', app.cookie.slice(10), '../../etc/passwd', null]) {
      await expect(app.sessions.end(none as string)).rejects.toThrow(TypeError)
    }
  })

  it('end(id) without hashed keys takes the key, which is the id then', async () => {
    const app = bench({ hashKeys: false })
    await app.request(s => s.set('a', 1))
    expect(await app.sessions.end(app.cookie.slice(10))).toBe(true)
    expect(await app.sessions.delete('0'.repeat(32))).toBe(false)
  })

  it('close() waits for what is under way, and no longer than the timeout', async () => {
    const order: string[] = []
    const { promise: answer, resolve } = Promise.withResolvers<void>()
    const inner = slow(memoryStore())
    const sessions = createSessions({
      timeout: 300,
      store: {
        ...inner,
        insert: async (id, record) => {
          await answer
          order.push('insert')
          return inner.insert(id, record)
        },
        close: () => void order.push('close'),
      },
    })
    const session = sessions.open()
    session.set('a', 1)
    const saved = sessions.commit(session, { status: 200 })
    const closed = sessions.close()
    resolve()
    await Promise.all([saved, closed])
    expect(order).toEqual(['insert', 'close'])

    const hanging = createSessions({
      timeout: 20,
      store: { ...inner, insert: () => new Promise(() => undefined), close: () => void order.push('late') },
    })
    const stuck = hanging.open()
    stuck.set('a', 1)
    const failed = codeOf(() => hanging.commit(stuck, { status: 200 }))
    await hanging.close()
    expect(order.at(-1)).toBe('late')
    expect(await failed).toBe('SESSION_STORE')
  })

  it('clearExpired waits for onProgress, whose rejection is its own; the count is cumulative', async () => {
    const app = bench({ age: 1 })
    for (let n = 0; n < 3; n++) await app.request(s => s.set('a', 1), { cookie: '' })
    app.time.now += 2000
    const counts: number[] = []
    await app.sessions.clearExpired({ batchSize: 1, onProgress: async count => void counts.push(count) })
    expect(counts).toEqual([1, 2, 3])
    await app.request(s => s.set('a', 1), { cookie: '' })
    app.time.now += 2000
    const onProgress = (): Promise<void> => Promise.reject(new Error('the log is down'))
    await expect(app.sessions.clearExpired({ onProgress })).rejects.toThrow('the log is down')
  })
})
