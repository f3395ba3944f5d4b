import { describeStore } from '@sess/conformance/vitest'
import { describe, expect, it } from 'vitest'
import { cacheStore } from '../src/index.ts'
import { subjectIndex } from '../src/subject-index.ts'

describeStore('lru-cache', () => {
  const store = cacheStore()
  return { store, second: store }
})

const NOW = 1_800_000_000_000
const at = { now: NOW }
const hour = NOW + 3_600_000
const id = (n: number) => n.toString(16).padStart(40, '0')
const record = (payload: string, subject?: string) => ({
  payload,
  expiresAt: hour,
  ...(subject && { subject }),
})

async function all<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const entry of entries) found.push(entry)
  return found
}

describe('bounds', () => {
  it('drops the least recently used session when entries run out, and no other [F9]', () => {
    const store = cacheStore({ maxEntries: 3 })
    for (const n of [1, 2, 3]) store.insert(id(n), record(`${n}`), at)
    store.read(id(1), at)
    store.touch(id(2), hour + 1, '2', at)
    store.insert(id(4), record('4'), at)
    expect([1, 2, 3, 4].map(n => store.read(id(n), at)?.payload)).toEqual(['1', '2', undefined, '4'])
    expect(store.replace(id(3), record('back'), '3', at)).toBe('gone')
  })

  it('keeps within maxBytes, counting two bytes for each character beyond Latin-1 [F40]', () => {
    const kept = (payload: string) => {
      const store = cacheStore({ maxEntries: 10_000, maxBytes: 1_000_000 })
      for (let n = 0; n < 2_000; n++) store.insert(id(n), record(payload), at)
      return Array.from({ length: 2_000 }, (_, n) => store.read(id(n), at)).filter(Boolean).length
    }
    expect(kept('é'.repeat(776))).toBe(1_000)
    expect(kept('ё'.repeat(388))).toBe(1_000)
    expect(kept('ё'.repeat(776))).toBe(Math.floor(1_000_000 / (224 + 2 * 776)))
  })

  it('rejects a save that can never fit and keeps what is there [F9]', () => {
    const store = cacheStore({ maxBytes: 2_000 })
    store.insert(id(1), record('small', 'ann'), at)
    expect(() => store.replace(id(1), record('x'.repeat(2_000)), 'small', at)).toThrow(
      'more than maxBytes (2000). Raise maxBytes.',
    )
    expect(() => store.insert(id(2), record('x'.repeat(2_000)), at)).toThrow(RangeError)
    expect(store.read(id(1), at)?.payload).toBe('small')
    expect(store.removeBySubject('ann', at)).toBe(1)
  })

  it('forgets the subject of a dropped session', async () => {
    const store = cacheStore({ maxEntries: 10 })
    for (let n = 0; n < 1_000; n++) store.insert(id(n), record('x', `user-${n % 20}`), at)
    const found = await Promise.all(
      Array.from({ length: 20 }, (_, n) => all(store.scanBySubject(`user-${n}`, at))),
    )
    expect(found.flat().map(entry => entry.id)).toEqual(Array.from({ length: 10 }, (_, n) => id(990 + n)))
    expect(store.removeBySubject('user-0', at)).toBe(0)
  })

  it.each([0, -1, 1.5, Number.NaN, '10' as unknown as number])(
    'refuses a bound of %s by the name of its option',
    bound => {
      expect(() => cacheStore({ maxEntries: bound })).toThrow(
        expect.objectContaining({ code: 'CONFIG', option: 'maxEntries' }),
      )
      expect(() => cacheStore({ maxBytes: bound })).toThrow(
        expect.objectContaining({ code: 'CONFIG', option: 'maxBytes' }),
      )
    },
  )

  it('rejects an option that does not exist, and names those that do', () => {
    expect(() => cacheStore({ max: 5 } as never)).toThrow(
      expect.objectContaining({
        code: 'CONFIG',
        option: 'max',
        message: 'max: unknown option; there are maxEntries, maxBytes.',
      }),
    )
  })
})

describe('cost', () => {
  it('returns plain values', () => {
    const store = cacheStore()
    expect(store.insert(id(1), record('a', 'ann'), at)).toBe(true)
    expect(store.replace(id(1), record('b', 'ann'), 'a', at)).toBe('ok')
    expect(store.touch(id(1), hour, 'b', at)).toBe(true)
    expect(store.read(id(1), at)).toEqual({ ...record('b', 'ann'), version: 'b' })
    expect(store.removeBySubject('ann', at)).toBe(1)
    expect(store.remove(id(1), undefined, at)).toBe('gone')
  })

  it('lets other work go on amid a long walk, and stops it when the signal says so', async () => {
    const store = cacheStore()
    for (let n = 0; n < 25_000; n++) store.insert(id(n), { payload: '', expiresAt: n % 2 ? hour : NOW }, at)
    let turns = 0
    const timer = setInterval(() => turns++)
    expect((await all(store.scan(at))).length).toBe(12_500)
    const batches = await all(store.clearExpired({ ...at, batchSize: 5_000 }))
    clearInterval(timer)
    expect(batches).toEqual([{ removed: 5_000 }, { removed: 5_000 }, { removed: 2_500 }])
    expect(turns).toBeGreaterThan(0)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(all(store.scan({ ...at, signal }))).rejects.toThrow('enough')
    await expect(all(store.clearExpired({ now: hour, signal }))).rejects.toThrow('enough')
  })
})

describe('the index of subjects', () => {
  it('is empty again when every session is gone', () => {
    const index = subjectIndex()
    for (const n of [1, 2, 3]) {
      index.add('ann', id(n))
      index.add('ann', id(n))
    }
    index.add('bob', id(9))
    index.delete('bob', id(1))
    expect(index.of('bob')).toEqual([id(9)])
    for (const n of [1, 2, 3]) {
      expect(index.of('ann')).toHaveLength(4 - n)
      index.delete('ann', id(n))
    }
    index.delete('ann', id(3))
    index.delete('bob', id(9))
    expect(index.size).toBe(0)
  })
})
