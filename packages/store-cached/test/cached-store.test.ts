import { inspect } from 'node:util'
import { memoryStore } from '@sess/conformance'
import { createSessions, type Store, type StoredRecord } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CachedStoreOptions, type CacheErrorEvent, cachedStore } from '../src/index.ts'

const NOW = 1_800_000_000_000
const at = { now: NOW }
const ID = 'a'.repeat(40)
const record = (payload: string, subject?: string) => ({
  payload,
  expiresAt: NOW + 3_600_000,
  ...(subject && { subject }),
})

/** A store that counts its calls, and whose calls can be made to wait or to fail. */
function watched<S extends Store>(store: S) {
  const calls: string[] = []
  const gates = new Map<string, Promise<unknown>>()
  const watch = { ...store } as Record<string, unknown>
  for (const name of ['read', 'insert', 'replace', 'touch', 'remove'] as const) {
    watch[name] = async (...args: unknown[]) => {
      calls.push(name)
      const gate = gates.get(name)
      gates.delete(name)
      const answer = (store[name] as (...args: unknown[]) => unknown)(...args)
      await gate
      return await answer
    }
  }
  return Object.assign(watch as unknown as S, {
    calls,
    /** The next call of that name is done at once, and answered when `open` is called. */
    hold(name: string): () => void {
      const gate = Promise.withResolvers<void>()
      gates.set(name, gate.promise)
      return gate.resolve
    },
  })
}

/** A store that fails or hangs while `down` is set. */
function breakable(store: Store): Store & { down: boolean | 'hangs' } {
  const broken: Record<string, unknown> = { ...store, down: false }
  for (const name of ['read', 'insert', 'replace', 'touch', 'remove'] as const) {
    broken[name] = async (...args: unknown[]) => {
      if (broken['down'] === 'hangs') return await Promise.race([])
      if (broken['down']) throw new Error('ECONNREFUSED')
      return await (store[name] as (...args: unknown[]) => unknown)(...args)
    }
  }
  return broken as unknown as Store & { down: boolean | 'hangs' }
}

describe('configuration', () => {
  const [fast, durable] = [memoryStore(), memoryStore()]
  it.each<[string, Record<string, unknown>]>([
    ['fast', { fast: undefined }],
    ['durable', { durable: { seal: vi.fn(), unseal: vi.fn() } }],
    ['fast', { fast: durable }],
    ['maxStale', { maxStale: 0 }],
    ['maxStale', { maxStale: Number.POSITIVE_INFINITY }],
    ['maxStale', { maxStale: '60' }],
    ['timeout', { timeout: -1 }],
    ['timeout', { timeout: 2 ** 31 }],
    ['onError', { onError: 'log' }],
    ['ttl', { ttl: 60 }],
  ])('refuses a wrong `%s` by its name', (option, wrong) => {
    const options = { fast, durable, ...wrong } as unknown as CachedStoreOptions
    expect(() => cachedStore(options)).toThrow(expect.objectContaining({ code: 'CONFIG', option }))
  })

  it('names the options that there are', () => {
    expect(() => cachedStore({ fast, durable, ttl: 60 } as never)).toThrow(
      'ttl: unknown option; there are fast, durable, maxStale, timeout, onError.',
    )
  })

  it.each([undefined, null])('asks for a store when its options are %s', options => {
    expect(() => cachedStore(options as never)).toThrow(
      expect.objectContaining({
        code: 'CONFIG',
        message: 'fast: must be a store, such as redisStore(client) or cacheStore().',
      }),
    )
  })

  it('offers just the optional methods of its parts', () => {
    const { read, insert, replace, touch, remove, ...rest } = memoryStore()
    const bare: Store = { read, insert, replace, touch, remove }
    const verbs = Object.keys(bare)
    const offered = (durable: Store, fast: Store = { ...bare }) =>
      Object.keys(cachedStore({ fast, durable })).sort()
    expect(offered(bare)).toEqual([...verbs].sort())
    expect(offered({ ...bare }, { ...bare, ...rest })).toEqual([...verbs].sort())
    expect(offered(memoryStore())).toEqual([...verbs, ...Object.keys(rest)].sort())
    // Whom it removed is not to be learned from it.
    expect(offered({ ...bare, removeBySubject: rest.removeBySubject })).toEqual([...verbs].sort())
    expect(offered(bare, { ...bare, close: vi.fn() })).toEqual([...verbs, 'close'].sort())
  })

  it('has the size limit of the durable store', () => {
    expect(cachedStore({ fast, durable: { ...durable, maxBytes: 5 } }).maxBytes).toBe(5)
    expect('maxBytes' in cachedStore({ fast, durable: { ...memoryStore(), maxBytes: undefined } })).toBe(
      false,
    )
  })

  it('closes both parts', async () => {
    const close = vi.fn()
    await cachedStore({ fast: { ...memoryStore(), close }, durable: { ...memoryStore(), close } }).close?.()
    expect(close).toHaveBeenCalledTimes(2)
  })
})

describe('a copy', () => {
  it('is returned without asking the durable store, as a plain value if the fast store returns one', async () => {
    const durable = watched(memoryStore())
    const store = cachedStore({ fast: cacheStore(), durable })
    await store.insert(ID, record('one', 'ann'), at)
    const first = await store.read(ID, at)
    const calls = durable.calls.length
    const second = store.read(ID, at)
    expect(second).toEqual(first)
    expect(second).toMatchObject({ payload: 'one', subject: 'ann', expiresAt: NOW + 3_600_000 })
    expect(durable.calls).toHaveLength(calls)
  })

  it('is believed for maxStale, and for no millisecond more, whatever becomes of the durable store [F20]', async () => {
    const durable = memoryStore()
    const store = cachedStore({ fast: cacheStore(), durable, maxStale: 60 })
    await store.insert(ID, record('one'), at)
    await store.read(ID, at)
    durable.remove(ID, undefined, at)
    expect(await store.read(ID, { now: NOW + 59_999 })).toMatchObject({ payload: 'one' })
    expect(await store.read(ID, { now: NOW + 60_000 })).toBeNull()
  })

  it('that a clock which was years ahead has made is not believed for years [F23]', async () => {
    const durable = memoryStore()
    const store = cachedStore({ fast: memoryStore(), durable })
    const far = NOW + 365 * 86_400_000
    await store.insert(ID, { payload: 'one', expiresAt: far * 2 }, at)
    await store.read(ID, { now: far })
    durable.remove(ID, undefined, at)
    expect(await store.read(ID, at)).toBeNull()
  })

  it('ends with its record', async () => {
    const store = cachedStore({ fast: memoryStore(), durable: memoryStore() })
    await store.insert(ID, { payload: 'one', expiresAt: NOW + 1_000 }, at)
    await store.read(ID, at)
    expect(await store.read(ID, { now: NOW + 999 })).not.toBeNull()
    expect(await store.read(ID, { now: NOW + 1_000 })).toBeNull()
  })

  it('of a stranger’s making is as good as none, and is replaced [C11]', async () => {
    const fast = memoryStore()
    const store = cachedStore({ fast, durable: memoryStore() })
    for (const payload of ['', 'text', '["x', '["x"', '["x",1]\n', '["x",{},1,"v"]\nevil', '[1]\n', '{}\n']) {
      const id = payload.length.toString(16).padStart(40, '0')
      await store.insert(id, record('ours'), at)
      await fast.remove(id, undefined, at)
      await fast.insert(id, { payload, expiresAt: NOW + 1e9 }, at)
      expect(await store.read(id, at)).toMatchObject({ payload: 'ours' })
      expect(await store.read(id, at)).toMatchObject({ payload: 'ours' })
    }
  })

  it('is nothing: what does not exist is asked for again', async () => {
    const store = cachedStore({ fast: memoryStore(), durable: memoryStore() })
    expect(await store.read(ID, at)).toBeNull()
    await store.insert(ID, record('one'), at)
    expect(await store.read(ID, at)).not.toBeNull()
  })
})

describe('races', () => {
  it.each(['remove', 'replace', 'touch'] as const)(
    'a reader that fetched the row before a %s and fills the cache after it puts nothing back [F19, C1]',
    async verb => {
      const durable = watched(memoryStore())
      const fast = memoryStore()
      const [one, two] = [cachedStore({ fast, durable }), cachedStore({ fast, durable })]
      await one.insert(ID, record('old'), at)
      fast.remove(ID, undefined, at)
      const { version } = (await durable.read(ID, at)) as StoredRecord
      const answer = durable.hold('read')
      const slow = one.read(ID, at)
      if (verb === 'remove') await two.remove(ID, undefined, at)
      if (verb === 'replace') await two.replace(ID, record('new'), version, at)
      if (verb === 'touch') await two.touch(ID, NOW + 5_000_000, version, at)
      answer()
      expect((await slow)?.payload).toBe('old')
      const expected = {
        remove: null,
        replace: expect.objectContaining({ payload: 'new' }),
        touch: expect.objectContaining({ expiresAt: NOW + 5_000_000 }),
      }[verb]
      for (const store of [one, two]) expect(await store.read(ID, at)).toEqual(expected)
    },
  )

  it('of two readers that lift one tombstone the older one loses [F19]', async () => {
    const durable = watched(memoryStore())
    const fast = memoryStore()
    const [one, two] = [cachedStore({ fast, durable }), cachedStore({ fast, durable })]
    await one.insert(ID, record('first'), at)
    const answer = durable.hold('read')
    const slow = one.read(ID, at)
    const { version } = (await two.read(ID, at)) as StoredRecord
    await two.replace(ID, record('second'), version, at)
    expect(await two.read(ID, at)).toMatchObject({ payload: 'second' })
    answer()
    await slow
    expect(await one.read(ID, at)).toMatchObject({ payload: 'second' })
  })

  it('a stale result of the durable store invalidates the wrong copy [I6]', async () => {
    const durable = memoryStore()
    const store = cachedStore({ fast: memoryStore(), durable })
    await store.insert(ID, record('old'), at)
    const { version } = (await store.read(ID, at)) as StoredRecord
    durable.replace(ID, record('theirs'), version, at)
    expect(await store.replace(ID, record('ours'), version, at)).toBe('stale')
    expect(await store.read(ID, at)).toMatchObject({ payload: 'theirs' })
  })

  it('a gone result of the durable store invalidates the wrong copy [I1]', async () => {
    const durable = memoryStore()
    const store = cachedStore({ fast: memoryStore(), durable })
    await store.insert(ID, record('old'), at)
    const { version } = (await store.read(ID, at)) as StoredRecord
    durable.remove(ID, undefined, at)
    expect(await store.replace(ID, record('ours'), version, at)).toBe('gone')
    expect(await store.read(ID, at)).toBeNull()
  })

  it('removeBySubject ends although the durable index goes on listing what is gone, and finds what is behind that', async () => {
    const inner = memoryStore()
    const gone = Array.from({ length: 60 }, (_, n) => n.toString(16).padStart(40, '0'))
    async function* scanBySubject() {
      for (const id of gone) yield { id, ...record('{}', 'ann'), version: '1' }
      yield* inner.scanBySubject('ann', at)
    }
    const store = cachedStore({ fast: cacheStore(), durable: { ...inner, scanBySubject } })
    await store.insert(ID, record('{}', 'ann'), at)
    expect(await store.removeBySubject!('ann', at)).toBe(1)
    expect(await store.read(ID, at)).toBeNull()
  })

  it('removeBySubject stops when the signal is aborted', async () => {
    const durable = memoryStore()
    const store = cachedStore({ fast: cacheStore(), durable })
    await store.insert(ID, record('{}', 'ann'), at)
    const signal = AbortSignal.abort(new Error('nobody waits'))
    await expect(store.removeBySubject!('ann', { ...at, signal })).rejects.toThrow('nobody waits')
    expect(await durable.read(ID, at)).not.toBeNull()
  })

  it('removeBySubject ends the copies too, and those of sessions saved meanwhile [A24]', async () => {
    const durable = memoryStore()
    const [fast] = [memoryStore()]
    const store = cachedStore({ fast, durable })
    const ids = Array.from({ length: 120 }, (_, n) => n.toString(16).padStart(40, '0'))
    for (const id of ids) {
      await store.insert(id, record('x', 'ann'), at)
      await store.read(id, at)
    }
    const removing = store.removeBySubject!('ann', { ...at, except: ids[3]! })
    const { version } = (await durable.read(ids[119]!, at)) as StoredRecord
    await store.replace(ids[119]!, record('y', 'ann'), version, at)
    expect(await removing).toBe(119)
    const left = await Promise.all(ids.map(async id => await store.read(id, at)))
    expect(left.filter(found => found !== null)).toHaveLength(1)
    expect(left[3]).not.toBeNull()
  })
})

describe('many requests at once', () => {
  it('10,000 on one session are two reads behind the cache, and on an expired one, too [F24]', async () => {
    const durable = watched(memoryStore())
    const store = cachedStore({ fast: watched(cacheStore()), durable })
    await store.insert(ID, record('one'), at)
    for (const [id, payload] of [
      [ID, 'one'],
      ['b'.repeat(40), undefined],
    ] as const) {
      durable.calls.length = 0
      const answers = await Promise.all(Array.from({ length: 10_000 }, async () => await store.read(id, at)))
      expect(answers.every(answer => answer?.payload === payload)).toBe(true)
      expect(durable.calls.length).toBeLessThanOrEqual(2)
    }
  })

  it('share no object', async () => {
    const store = cachedStore({ fast: watched(memoryStore()), durable: watched(memoryStore()) })
    await store.insert(ID, record('one'), at)
    const answers = await Promise.all(Array.from({ length: 5 }, async () => await store.read(ID, at)))
    expect(new Set(answers).size).toBe(5)
  })

  it('one that comes after a save is not answered with a read that began before it [I6]', async () => {
    const durable = watched(memoryStore())
    const store = cachedStore({ fast: memoryStore(), durable })
    await store.insert(ID, record('old'), at)
    const { version } = (await durable.read(ID, at)) as StoredRecord
    const answer = durable.hold('read')
    const before = store.read(ID, at)
    await store.replace(ID, record('new'), version, at)
    const after = store.read(ID, at)
    answer()
    expect(await before).toMatchObject({ payload: 'old' })
    expect(await after).toMatchObject({ payload: 'new' })
  })

  it('one that gives up does not take the others along [F3]', async () => {
    const durable = watched(memoryStore())
    const read = durable.read
    durable.read = (id, context) =>
      Promise.race([
        read(id, context) as Promise<StoredRecord | null>,
        new Promise<never>((_, reject) =>
          context?.signal?.addEventListener('abort', () => reject(context.signal?.reason)),
        ),
      ])
    const store = cachedStore({ fast: memoryStore(), durable })
    await store.insert(ID, record('one'), at)
    durable.hold('read')
    const impatient = new AbortController()
    const first = store.read(ID, at)
    const second = store.read(ID, { ...at, signal: impatient.signal })
    const third = store.read(ID, at)
    impatient.abort(new Error('nobody waits'))
    await expect(second).rejects.toThrow('nobody waits')
    // The first hangs; after a second those who wait for it go on without it.
    expect(await third).toMatchObject({ payload: 'one' })
    first as unknown
  })
})

describe('an outage of the cache', () => {
  const errors: CacheErrorEvent['operation'][] = []
  let fast: ReturnType<typeof breakable>
  let durable: Store
  let cache: Store
  let store: Store
  /** Another process on the same two stores, whose way to the cache works. */
  let other: Store

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    errors.length = 0
    cache = memoryStore()
    fast = breakable(cache)
    durable = memoryStore()
    const onError: CachedStoreOptions['onError'] = (_, { operation }) => {
      errors.push(operation)
      throw new Error('a listener that fails')
    }
    store = cachedStore({ fast, durable, onError })
    other = cachedStore({ fast: cache, durable })
    await store.insert(ID, record('old', 'ann'), at)
    await store.read(ID, at)
  })
  afterEach(() => vi.useRealTimers())

  it('a read is slower, succeeds, and is reported [F20]', async () => {
    fast.down = true
    expect(await store.read(ID, at)).toMatchObject({ payload: 'old' })
    expect(errors).toEqual(['read'])
  })

  it('a cache that hangs holds a read up for `timeout`, and the next second of reads not at all [F3, F20]', async () => {
    fast.down = 'hangs'
    const reading = store.read(ID, at)
    let answered = false
    void Promise.resolve(reading).then(() => (answered = true))
    await vi.advanceTimersByTimeAsync(499)
    expect(answered).toBe(false)
    // A last look at results that have arrived takes up to 52 ms.
    await vi.advanceTimersByTimeAsync(53)
    expect(await reading).toMatchObject({ payload: 'old' })
    expect(await store.read(ID, at)).toMatchObject({ payload: 'old' })
    fast.down = false
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await store.read(ID, at)).toMatchObject({ payload: 'old' })
    expect(errors).toEqual(['read'])
  })

  it('an onError that rejects ends nothing, least of all the process [M1, F39]', async () => {
    const unheard: unknown[] = []
    const hear = (reason: unknown) => unheard.push(reason)
    process.on('unhandledRejection', hear)
    try {
      const rejects = async () => {
        throw new Error('the log service is down, too')
      }
      const third = cachedStore({ fast, durable, onError: rejects })
      fast.down = true
      expect(await third.read(ID, at)).toMatchObject({ payload: 'old' })
      const { version } = (await durable.read(ID, at)) as StoredRecord
      expect(await third.replace(ID, record('new'), version, at)).toBe('ok')
      await expect(third.remove(ID, undefined, at)).rejects.toMatchObject({ code: 'SESSION_STORE' })
      await vi.advanceTimersByTimeAsync(2_000)
      // Node tells of it when the microtasks are done.
      await new Promise(setImmediate)
      await new Promise(setImmediate)
      expect(unheard).toEqual([])
    } finally {
      process.off('unhandledRejection', hear)
    }
  })

  it('what the cache threw is handed on as name, code and message [H2]', async () => {
    const heard: unknown[] = []
    const talkative = new Proxy(fast, {
      get: (target, name) =>
        name === 'read'
          ? async () => {
              const command = { name: 'get', args: ['canary-key', 'canary-payload'] }
              throw Object.assign(new Error('OOM command not allowed'), { code: 'OOM', command })
            }
          : Reflect.get(target, name),
    })
    const third = cachedStore({ fast: talkative, durable, onError: error => heard.push(error) })
    await third.read(ID, at)
    const failure = await Promise.resolve(third.remove(ID, undefined, at)).catch((error: unknown) => error)
    heard.push(failure)
    expect(heard).toHaveLength(3)
    for (const error of heard) {
      const shown = `${inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })} ${JSON.stringify(error)}`
      expect(shown).toContain('OOM command not allowed')
      expect(shown).not.toContain('canary')
    }
  })

  it('a save is done and reported; this process reads nothing stale, others may until the cache is back [F20]', async () => {
    const { version } = (await store.read(ID, at)) as StoredRecord
    fast.down = true
    expect(await store.replace(ID, record('new', 'ann'), version, at)).toBe('ok')
    expect(errors).toEqual(['invalidate'])
    expect(await other.read(ID, at)).toMatchObject({ payload: 'old' })
    fast.down = false
    // It comes back with the old copy, which is not believed here.
    expect(await store.read(ID, at)).toMatchObject({ payload: 'new' })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await other.read(ID, at)).toMatchObject({ payload: 'new' })
  })

  it('elsewhere a copy that nobody could end is believed for maxStale at the most [F20]', async () => {
    const { version } = (await store.read(ID, at)) as StoredRecord
    fast.down = true
    await store.replace(ID, record('new'), version, at)
    expect(await other.read(ID, { now: NOW + 59_999 })).toMatchObject({ payload: 'old' })
    expect(await other.read(ID, { now: NOW + 60_000 })).toMatchObject({ payload: 'new' })
  })

  it('a touch is done and reported [F20]', async () => {
    const { version } = (await store.read(ID, at)) as StoredRecord
    fast.down = true
    expect(await store.touch(ID, NOW + 9_000_000, version, at)).toBe(true)
    expect(errors).toEqual(['invalidate'])
    expect(await store.read(ID, at)).toMatchObject({ expiresAt: NOW + 9_000_000 })
  })

  it('at a logout: the record is removed, and yet it is an error; trying again is right [F20, A23]', async () => {
    fast.down = true
    await expect(store.remove(ID, undefined, at)).rejects.toMatchObject({
      code: 'SESSION_STORE',
      status: 503,
      cause: { message: 'ECONNREFUSED' },
    })
    expect(await durable.read(ID, at)).toBeNull()
    expect(await store.read(ID, at)).toBeNull()
    await expect(store.remove(ID, undefined, at)).rejects.toMatchObject({ code: 'SESSION_STORE' })
    fast.down = false
    expect(await store.remove(ID, undefined, at)).toBe('gone')
    expect(await other.read(ID, at)).toBeNull()
  })

  it('a logout that is stale has removed nothing, and is no error [F20]', async () => {
    fast.down = true
    expect(await store.remove(ID, 'another version', at)).toBe('stale')
    expect(errors).toEqual(['invalidate'])
  })

  it('at a logout everywhere: all are removed, and it is an error [F20, A24]', async () => {
    const more = Array.from({ length: 60 }, (_, n) => n.toString(16).padStart(40, '0'))
    for (const id of more) await store.insert(id, record('x', 'ann'), at)
    fast.down = true
    await expect(store.removeBySubject!('ann', at)).rejects.toMatchObject({ code: 'SESSION_STORE' })
    for (const id of [ID, ...more]) expect(await durable.read(id, at)).toBeNull()
    fast.down = false
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await other.read(ID, at)).toBeNull()
  })

  it('a cache that fails repeatedly gets its invalidations later [F20]', async () => {
    fast.down = true
    await expect(store.remove(ID, undefined, at)).rejects.toMatchObject({ code: 'SESSION_STORE' })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await other.read(ID, at)).toMatchObject({ payload: 'old' })
    fast.down = false
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await other.read(ID, at)).toBeNull()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('close() retries pending invalidations once [F20]', async () => {
    const third = cachedStore({ fast, durable: { ...durable, close: () => undefined } })
    fast.down = true
    await expect(third.remove(ID, undefined, at)).rejects.toMatchObject({ code: 'SESSION_STORE' })
    expect(await other.read(ID, at)).toMatchObject({ payload: 'old' })
    fast.down = false
    await third.close!()
    expect(await other.read(ID, at)).toBeNull()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('nothing is kept, and no timer runs, when the copies are too old to be believed anyway [F29]', async () => {
    fast.down = true
    await expect(store.remove(ID, undefined, at)).rejects.toMatchObject({ code: 'SESSION_STORE' })
    await vi.advanceTimersByTimeAsync(95_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a change whose outcome is unknown ends the copy as well [F20]', async () => {
    const { version } = (await store.read(ID, at)) as StoredRecord
    const lossy: Store = {
      ...durable,
      async replace(...args: Parameters<Store['replace']>) {
        await durable.replace(...args)
        throw new Error('connection lost')
      },
    }
    const third = cachedStore({ fast, durable: lossy })
    await expect(third.replace(ID, record('new'), version, at)).rejects.toThrow('connection lost')
    await vi.advanceTimersByTimeAsync(0)
    expect(await other.read(ID, at)).toMatchObject({ payload: 'new' })
  })

  describe('a change whose outcome is unknown', () => {
    const lossy: Store = {
      ...memoryStore(),
      async replace() {
        await durable.replace(ID, record('new'), (await durable.read(ID, at))!.version, at)
        throw new Error('connection lost')
      },
    }

    it('is told when its copy is gone, so that the next request finds what is stored [F20]', async () => {
      const { version } = (await store.read(ID, at)) as StoredRecord
      const slow = watched(fast)
      const open = slow.hold('replace')
      const third = cachedStore({ fast: slow, durable: lossy })
      let isTold = false
      const told = Promise.resolve(third.replace(ID, record('new'), version, at)).catch(() => {
        isTold = true
      })
      await vi.advanceTimersByTimeAsync(10)
      expect([slow.calls, isTold]).toEqual([['read', 'replace'], false])
      open()
      await told
      expect(await other.read(ID, at)).toMatchObject({ payload: 'new' })
    })

    it('is told at once when the caller stops waiting, though the cache hangs [F3]', async () => {
      const { version } = (await store.read(ID, at)) as StoredRecord
      const hanging = breakable(fast)
      hanging.down = 'hangs'
      const third = cachedStore({ fast: hanging, durable: lossy })
      const caller = new AbortController()
      const told = Promise.resolve(
        third.replace(ID, record('new'), version, { ...at, signal: caller.signal }),
      ).catch((error: Error) => error.message)
      await vi.advanceTimersByTimeAsync(20)
      caller.abort(new Error('nobody waits'))
      await vi.advanceTimersByTimeAsync(5)
      expect(await Promise.race([told, vi.advanceTimersByTimeAsync(1)])).toBe('connection lost')
    })
  })

  it('an outage of the durable store is an error, never "no session" [F1]', async () => {
    const behind = breakable(durable)
    const third = cachedStore({ fast: memoryStore(), durable: behind })
    behind.down = true
    await expect(third.read(ID, at)).rejects.toThrow('ECONNREFUSED')
    await expect(third.remove(ID, undefined, at)).rejects.toThrow('ECONNREFUSED')
    await expect(third.insert('b'.repeat(40), record('x'), at)).rejects.toThrow('ECONNREFUSED')
  })
})

describe('clean-up', () => {
  it('removes expired copies, too, and counts sessions alone', async () => {
    const [fast, durable] = [memoryStore(), memoryStore()]
    const store = cachedStore({ fast, durable })
    for (let n = 0; n < 5; n++) {
      const id = n.toString(16).padStart(40, '0')
      await store.insert(id, { payload: 'x', expiresAt: NOW + 1_000 }, at)
    }
    const removed: number[] = []
    for await (const batch of store.clearExpired!({ now: NOW + 200_000, batchSize: 3 }))
      removed.push(batch.removed)
    expect(removed).toEqual([3, 2])
    expect(fast.insert('0'.repeat(40), record('free'), at)).toBe(true)
  })
})

it('an engine over it asks the durable store once in many requests that only read', async () => {
  const durable = watched(memoryStore())
  const sessions = createSessions({ store: cachedStore({ fast: cacheStore(), durable }) })
  const session = sessions.open()
  session.set('user', 'ann')
  await sessions.commit(session, { status: 200 })
  const cookie = `sessionid=${session.sessionKey}`
  durable.calls.length = 0
  for (let n = 0; n < 20; n++) {
    const reader = sessions.open(cookie)
    await reader.load()
    expect(reader.get('user')).toBe('ann')
    await sessions.commit(reader, { status: 200 })
  }
  expect(durable.calls).toEqual(['read'])
})
