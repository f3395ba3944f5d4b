import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import type { Store } from '@sess/core'
import { openStore } from '@sess/test-fixtures/probe-stores.ts'
import { requireServer, type Server, startPostgres, startRedis } from '@sess/test-fixtures/servers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ExpressStore, toExpressStore } from '../src/index.ts'

// What the tests of stores for express-session ask for, over stores of Sess.

const HOUR = 3_600_000

type Call<T = void> = (...args: unknown[]) => Promise<T>

/** The methods of a store as promises. */
function promised(store: ExpressStore) {
  const method = <T = void>(name: 'get' | 'set' | 'touch' | 'destroy' | 'all' | 'clear' | 'length') =>
    promisify(store[name] as (...args: unknown[]) => void).bind(store) as Call<T>
  return {
    get: method<{ user: string } | null>('get'),
    set: method('set'),
    touch: method('touch'),
    destroy: method('destroy'),
    all: method<{ id: string; user: string }[]>('all'),
    clear: method('clear'),
    length: method<number>('length'),
  }
}

function sessionOf(user: string, expires?: Date) {
  return { cookie: { originalMaxAge: expires ? HOUR : null, expires: expires ?? null, path: '/' }, user }
}

const SERVERS: Record<string, [variable: string, start: () => Promise<Server>] | undefined> = {
  postgres: ['POSTGRES_URL', startPostgres],
  redis: ['REDIS_URL', startRedis],
}

describe.each(['sqlite', 'file', 'postgres', 'redis'])('%s', name => {
  const server = SERVERS[name]
  const isThere = !server || requireServer(name as 'redis')
  if (!isThere) return it.skip(`needs ${name}`, () => undefined)

  let store: Store
  let bridge: ExpressStore
  let at: ReturnType<typeof promised>
  beforeAll(async () => {
    const started = await server?.[1]()
    if (server && started) process.env[server[0]] = started.url
    const opened = await openStore(name)
    store = opened.store as Store
    bridge = toExpressStore(store, { ttl: 60 })
    at = promised(bridge)
    return async () => {
      await opened.close()
      await started?.stop()
    }
  }, 60_000)
  // Other ids in each test: a session that was seen and is gone must not come back.
  let [a, b] = ['', '']
  beforeEach(async () => {
    ;[a, b] = [randomUUID(), randomUUID()]
    await at.clear()
  })

  it('has no session that was not set', async () => {
    expect(await at.get('none')).toBeNull()
    expect(await at.length()).toBe(0)
    expect(await at.all()).toEqual([])
  })

  it('returns what was set, and what was set again', async () => {
    await at.set(a, sessionOf('ada'))
    expect(await at.get(a)).toEqual(sessionOf('ada'))
    await at.set(a, sessionOf('bob'))
    expect(await at.get(a)).toMatchObject({ user: 'bob' })
    expect(await at.length()).toBe(1)
  })

  it('keeps sessions apart, whatever their ids are', async () => {
    const ids = [a, a.toUpperCase(), `${a} `, 'é', '../a', "a'b", 'a:b', 'x'.repeat(500), '0'.repeat(40)]
    for (const id of ids) await at.set(id, sessionOf(id))
    for (const id of ids) expect(await at.get(id), id).toMatchObject({ user: id })
    expect(await at.length()).toBe(ids.length)
  })

  it('destroys a session, and one that is not there without an error', async () => {
    await at.set(a, sessionOf('ada'))
    await at.set(b, sessionOf('bob'))
    await at.destroy(a)
    await at.destroy(a)
    expect(await at.get(a)).toBeNull()
    expect(await at.get(b)).toMatchObject({ user: 'bob' })
  })

  it('lists all sessions with an id that destroy takes', async () => {
    await at.set(a, sessionOf('ada'))
    await at.set(b, sessionOf('bob'))
    const all = await at.all()
    expect(all.map(({ user }) => user).sort()).toEqual(['ada', 'bob'])
    await at.destroy(all.find(({ user }) => user === 'ada')!.id)
    expect(await at.get(a)).toBeNull()
    expect(await at.get(b)).not.toBeNull()
  })

  it('clears', async () => {
    await at.set(a, sessionOf('ada'))
    await at.set(b, sessionOf('bob'))
    await at.clear()
    expect(await at.length()).toBe(0)
  })

  it('ends a session with its cookie', async () => {
    const expires = new Date(Date.now() + HOUR)
    await at.set(a, sessionOf('ada', expires))
    expect(await at.get(a)).toMatchObject({
      cookie: { expires: expires.toISOString(), originalMaxAge: HOUR },
    })
    await at.set(a, sessionOf('ada', new Date(Date.now() - 1)))
    expect(await at.get(a)).toBeNull()
    await at.set(b, sessionOf('bob', new Date(Date.now() + 30)))
    await expect.poll(() => at.get(b), { interval: 10, timeout: 5000 }).toBeNull()
    await at.set(b, sessionOf('bob again'))
    expect(await at.get(b)).toMatchObject({ user: 'bob again' })
  })

  it('ends a session whose cookie has no end after `ttl`, and touch extends it', async () => {
    await at.set(a, sessionOf('ada'))
    const end = async () => {
      for await (const { expiresAt } of store.scan!()) return expiresAt - Date.now()
      return 0
    }
    expect(await end()).toBeGreaterThan(50_000)
    expect(await end()).toBeLessThanOrEqual(61_000)
    await at.touch(a, sessionOf('not stored', new Date(Date.now() + HOUR)))
    expect(await end()).toBeGreaterThan(HOUR - 10_000)
    expect(await at.get(a)).toMatchObject({ user: 'ada' })
    await at.touch('none', sessionOf('nobody'))
    expect(await at.get('none')).toBeNull()
  })

  it('does not bring back what its get saw and is gone', async () => {
    await at.set(a, sessionOf('ada'))
    const seen = await at.get(a)
    await at.destroy(a)
    // A request that changed nothing loses nothing.
    await at.set(a, { ...seen, cookie: {} })
    expect(await at.get(a)).toBeNull()
    await at.set(b, sessionOf('bob'))
    const other = (await at.get(b))!
    const strict = promised(toExpressStore(store, { interrupted: 'error' }))
    const third = await strict.get(b)
    await promised(toExpressStore(store)).destroy(b)
    const events: string[] = []
    bridge.on('interrupted', sid => events.push(sid))
    other.user = 'changed'
    await at.set(b, other)
    expect(events).toEqual([b])
    third!.user = 'changed'
    await expect(strict.set(b, third)).rejects.toMatchObject({ code: 'SESSION_INTERRUPTED', status: 400 })
    expect(await at.length()).toBe(0)
  })

  it('keeps every one of 20 writers from failing', async () => {
    await at.set(a, sessionOf('ada'))
    await at.get(a)
    await Promise.all(Array.from({ length: 20 }, (_, index) => at.set(a, sessionOf(`writer ${index}`))))
    expect(await at.get(a)).toMatchObject({ user: expect.stringMatching(/^writer/) })
  })
})

describe('a store', () => {
  it('passes its errors to the callback, without what a driver has attached', async () => {
    const error = Object.assign(new Error('no connection to "secret"'), {
      parameters: ['secret'],
      code: 'ECONNREFUSED',
    })
    const read = () => Promise.reject(error)
    const { store } = (await openStore('cache')) as { store: Store }
    const bridge = promised(toExpressStore({ ...store, read }))
    const failure = await bridge.get('a').catch(thrown => thrown)
    expect(failure).toMatchObject({ code: 'SESSION_STORE', status: 503, cause: { code: 'ECONNREFUSED' } })
    expect(
      JSON.stringify(failure, Object.getOwnPropertyNames(failure)) + failure.cause.message,
    ).not.toContain('secret')
  })

  it('names the subject, for "log out everywhere"', async () => {
    const { store } = (await openStore('cache')) as { store: Store }
    const at = promised(toExpressStore(store, { subject: session => session.user }))
    await at.set('a', sessionOf('ada'))
    await at.set('b', sessionOf('bob'))
    expect(await store.removeBySubject!('ada')).toBe(1)
    expect(await at.get('a')).toBeNull()
    expect(await at.get('b')).not.toBeNull()
  })

  it('without scan has no all, clear and length', async () => {
    const { store } = (await openStore('cache')) as { store: Store }
    const { read, insert, replace, touch, remove } = store
    const bridge = toExpressStore({ read, insert, replace, touch, remove })
    expect([bridge.all, bridge.clear, bridge.length]).toEqual([undefined, undefined, undefined])
  })

  it('that is none, and wrong options, are errors at start-up', async () => {
    const { store } = (await openStore('cache')) as { store: Store }
    expect(() => toExpressStore({} as Store)).toThrow(/store: must be a store of Sess/)
    expect(() => toExpressStore(store, { ttl: -1 })).toThrow(/ttl: must be seconds/)
    expect(() => toExpressStore(store, { prefix: 'x' } as object)).toThrow(/prefix: unknown option/)
  })
})
