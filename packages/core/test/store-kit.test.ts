import { memoryStore } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import { describe, expect, expectTypeOf, it } from 'vitest'
import type { SessionRecord, Store, StoredEntry, StoredRecord } from '../src/index.ts'
import {
  type AsyncStore,
  abortable,
  isSessionId,
  nowOf,
  pause,
  removeEach,
  type SyncStore,
  storeFrom,
  ttlSeconds,
} from '../src/store-kit.ts'

const ID = 'a'.repeat(40)

/** A backend with compare-and-set, in memory. */
function backend(records: Map<string, StoredRecord>) {
  return {
    get: (id: string) => records.get(id),
    putIf(id: string, record: SessionRecord, version: string | null) {
      if ((records.get(id)?.version ?? null) !== version) return false
      records.set(id, { ...record, version: crypto.randomUUID() })
      return true
    },
    removeIf: (id: string, version: string) => records.get(id)?.version === version && records.delete(id),
  }
}

function built(records: Map<string, StoredRecord>): Store {
  const store = storeFrom(backend(records))
  async function* scanBySubject(subject: string, { now }: { now?: number | undefined } = {}) {
    for (const [id, record] of [...records]) {
      if (record.subject === subject && record.expiresAt > (now ?? Date.now())) yield { id, ...record }
    }
  }
  return { ...store, scanBySubject, removeBySubject: removeEach(scanBySubject, store.remove) }
}

describeStore('a store made by storeFrom and removeEach', () => {
  const records = new Map<string, StoredRecord>()
  return { store: built(records), second: built(records) }
})

describeStore('a store made by storeFrom over a backend with promises', () => {
  const records = new Map<string, StoredRecord>()
  const { get, putIf, removeIf } = backend(records)
  const store = () =>
    storeFrom({
      get: async id => get(id),
      putIf: async (id, record, version) => putIf(id, record, version),
      removeIf: async (id, version) => removeIf(id, version),
    })
  return { store: store(), second: store() }
})

describe('storeFrom', () => {
  const record = { payload: '{}', expiresAt: 2000 }

  it('returns values at once over a backend that does', () => {
    const store = storeFrom(backend(new Map()))
    expect(store.insert(ID, record, { now: 1 })).toBe(true)
    expect(store.read(ID, { now: 1 })).toMatchObject(record)
  })

  it.each(['get', 'putIf', 'removeIf'])('names a missing %s', name => {
    const lacking = { ...backend(new Map()), [name]: undefined }
    expect(() => storeFrom(lacking as never)).toThrow(
      expect.objectContaining({ code: 'CONFIG', option: name }),
    )
  })

  it.each([
    ['stale', { ...record, version: 'theirs' }],
    ['gone', undefined],
  ])('a comparison that was lost is %s by a second look', async (answer, next) => {
    let found: StoredRecord | undefined = { ...record, version: 'mine' }
    const lose = () => {
      found = next
      return false
    }
    const make = () => {
      found = { ...record, version: 'mine' }
      return storeFrom({ get: () => found, putIf: lose, removeIf: lose })
    }
    expect(make().replace(ID, record, 'mine', { now: 1 })).toBe(answer)
    expect(make().remove(ID, 'mine', { now: 1 })).toBe(answer)
    expect(make().touch(ID, 3000, 'mine', { now: 1 })).toBe(false)
  })

  it('a row with `subject: null` is a record without a subject', () => {
    const store = storeFrom({
      ...backend(new Map()),
      get: () => ({ ...record, version: '1', subject: null as never }),
    })
    expect(store.read(ID, { now: 1 })).toEqual({ ...record, version: '1' })
  })
})

describe('removeEach', () => {
  const entry = (id: string): StoredEntry => ({ id, payload: '', expiresAt: 9e15, version: '1' })

  it('ends although the index still lists what is gone', async () => {
    async function* stale() {
      yield entry('gone')
    }
    expect(await removeEach(stale, () => 'gone')('ann')).toBe(0)
  })

  it('looks again where a record was replaced on the way', async () => {
    const answers = ['stale', 'ok'] as const
    let call = 0
    async function* scan() {
      if (call < 2) yield entry('a')
    }
    expect(await removeEach(scan, () => answers[call++] ?? 'gone')('ann')).toBe(1)
  })

  it.each([
    ['listed, and has gone', ['old']],
    ['not listed, because its record was read late', []],
  ])(
    'looks again for a session that got a new key during the look: its old record is %s [A24]',
    async (_, first) => {
      let look = 0
      async function* scan() {
        const ids = [first, ['new'], []][look++] ?? []
        for (const id of ids) yield entry(id)
      }
      expect(await removeEach(scan, id => (id === 'new' ? 'ok' : 'gone'))('ann')).toBe(1)
    },
  )

  it('stops when the signal is aborted', async () => {
    async function* scan() {
      yield entry('a')
    }
    const signal = AbortSignal.abort(new Error('nobody waits'))
    await expect(removeEach(scan, () => 'ok')('ann', { signal })).rejects.toThrow('nobody waits')
  })
})

describe('small parts', () => {
  it.each([
    [ID, true],
    ['z'.repeat(32), true],
    ['z'.repeat(40), false],
    ['A'.repeat(40), false],
    [`${ID}\n`, false],
    ['', false],
    ['__proto__', false],
  ])('isSessionId(%j) is %s', (id, expected) => expect(isSessionId(id)).toBe(expected))

  it.each([
    [1000, 0, undefined, 1],
    [1001, 0, undefined, 2],
    [0, 1000, undefined, 1],
    [90 * 86_400_000, 0, undefined, 7_776_000],
    [90 * 86_400_000, 0, 2_592_000, 2_592_000],
  ])('ttlSeconds(%d, %d, %s) is %d', (expiresAt, now, max, expected) => {
    expect(ttlSeconds(expiresAt, now, max)).toBe(expected)
  })

  it('nowOf goes by the context, then by the platform', () => {
    expect(nowOf({ now: 0 })).toBe(0)
    for (const context of [undefined, {}, { now: undefined }]) {
      expect(Math.abs(nowOf(context) - Date.now())).toBeLessThan(1000)
    }
  })

  it('abortable gives the value, the error, or the reason of the signal', async () => {
    const { signal } = new AbortController()
    expect(await abortable(Promise.resolve(5), undefined)).toBe(5)
    expect(await abortable(Promise.resolve(5), signal)).toBe(5)
    await expect(abortable(Promise.reject(new Error('own')), signal)).rejects.toThrow('own')
    const never = new Promise(() => undefined)
    const aborting = new AbortController()
    const waiting = abortable(never, aborting.signal)
    aborting.abort(new Error('nobody waits'))
    await expect(waiting).rejects.toThrow('nobody waits')
    await expect(abortable(never, aborting.signal)).rejects.toThrow('nobody waits')
  })

  it('abortable prefers a result that has arrived to the signal', async () => {
    const controller = new AbortController()
    const arriving = new Promise(resolve => setImmediate(resolve, 'arrived'))
    const waiting = abortable(arriving, controller.signal)
    controller.abort()
    expect(await waiting).toBe('arrived')
  })

  it('abortable hands over a late value, and tells the cause of the delay', async () => {
    const controller = new AbortController()
    const late: unknown[] = []
    let arrive!: (value: string) => void
    const work = new Promise<string>(resolve => {
      arrive = resolve
    })
    const cause = new Error('the pool is empty')
    const waiting = abortable(work, controller.signal, {
      late: value => late.push(value),
      cause: () => cause,
    })
    controller.abort(new Error('time is up'))
    await expect(waiting).rejects.toMatchObject({ message: 'time is up', cause })
    arrive('connection')
    await work
    expect(late).toEqual(['connection'])
  })

  it('pause waits, and ends with the signal', async () => {
    await pause(1)
    const controller = new AbortController()
    const waiting = pause(60_000, controller.signal)
    controller.abort(new Error('nobody waits'))
    await expect(waiting).rejects.toThrow('nobody waits')
  })

  it('the variants of Store', () => {
    expectTypeOf<ReturnType<SyncStore['insert']>>().toEqualTypeOf<boolean>()
    expectTypeOf<ReturnType<AsyncStore['insert']>>().toEqualTypeOf<Promise<boolean>>()
    expectTypeOf<SyncStore>().toExtend<Store>()
    expectTypeOf<AsyncStore>().toExtend<Store>()
    const sync: SyncStore = memoryStore() as SyncStore
    expect(sync.read(ID)).toBeNull()
  })
})
