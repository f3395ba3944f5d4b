import type { SessionRecord, Store, StoredEntry, StoredRecord } from '@sess/core'
import { storeFrom } from '@sess/core/store'
import { describe, expect, test } from 'vitest'
import { openStore, type Report, runCases } from '../src/runner.ts'
import { quickCases, seedOfToday } from '../src/sample.ts'
import { storeCases } from '../src/store-cases/index.ts'
import type { StoreCase, StoreSetup } from '../src/store-fixture.ts'
import { inhabited, openHabitat, slowed, takingTime } from './zoo/habitat.ts'

/** The right store on a backend that takes no such records. */
function rejecting(isRejected: (record: Partial<SessionRecord>) => boolean): Store {
  const { right } = openHabitat()
  const check = (record: Partial<SessionRecord>) => {
    if (isRejected(record)) throw new Error('invalid input')
  }
  return {
    ...right,
    insert(id, record, context) {
      check(record)
      return right.insert(id, record, context)
    },
    replace(id, record, version, context) {
      check(record)
      return right.replace(id, record, version, context)
    },
    touch(id, expiresAt, version, context) {
      check({ expiresAt })
      return right.touch(id, expiresAt, version, context)
    },
  }
}

/** What 32 bits can say of a second. */
const LAST_DATE = 2_147_483_647_000

/** The right store on a backend that drops a record by itself, when `dropsAt` says, and needs no clean-up. */
function expiringBy(dropsAt: (expiresAt: number) => number | undefined): StoreSetup {
  const records = new Map<string, StoredRecord>()
  const { clearExpired: _, ...store } = openHabitat(records).right
  const expiryOf = (id: string) => dropsAt(records.get(id)?.expiresAt ?? Number.NaN)
  return { store, expiryOf }
}

/** Right stores with ways of their own. */
const UNUSUAL: Record<string, () => StoreSetup> = {
  'five methods and no more': () => {
    const { read, insert, replace, touch, remove } = inhabited().store
    return { store: { read, insert, replace, touch, remove } }
  },
  'insert answers false for the id of an expired record': () => {
    const records = new Map<string, StoredRecord>()
    const make = (): Store => {
      const { right } = openHabitat(records)
      return {
        ...right,
        insert: (id, record, context) => !records.has(id) && right.insert(id, record, context),
      }
    }
    return { store: make(), second: make }
  },
  'a touch makes a new version': () => {
    const records = new Map<string, StoredRecord>()
    const make = (): Store => {
      const { right } = openHabitat(records)
      return {
        ...right,
        touch(id, expiresAt, version, context) {
          const done = right.touch(id, expiresAt, version, context)
          const found = records.get(id)
          if (done && found) records.set(id, { ...found, version: crypto.randomUUID() })
          return done
        },
      }
    }
    return { store: make(), second: make }
  },
  'the payload is the version': () => {
    const records = new Map<string, StoredRecord>()
    const make = () =>
      storeFrom({
        get: id => records.get(id),
        putIf(id, record, version) {
          if ((records.get(id)?.version ?? null) !== version) return false
          records.set(id, { ...record, version: record.payload })
          return true
        },
        removeIf: (id, version) => records.get(id)?.version === version && records.delete(id),
      })
    return { store: make(), second: make }
  },
  'records are frozen': () => {
    const { right } = openHabitat()
    const freeze = (found: StoredRecord | null) => found && Object.freeze(found)
    return {
      store: { ...right, read: (id, context) => freeze(right.read(id, context) as StoredRecord | null) },
    }
  },
  'records have getters': () => {
    const { right } = openHabitat()
    const read: Store['read'] = (id, context) => {
      const found = right.read(id, context) as StoredRecord | null
      if (!found) return null
      return {
        get payload() {
          return found.payload
        },
        get expiresAt() {
          return found.expiresAt
        },
        ...(found.subject !== undefined && { subject: found.subject }),
        get version() {
          return found.version
        },
      }
    }
    return { store: { ...right, read } }
  },
  'payloads of 64 KB at the most': () => ({
    store: {
      maxBytes: 65_536,
      ...rejecting(({ payload }) => payload !== undefined && Buffer.byteLength(payload) > 65_536),
    },
  }),
  'expiresAt is a whole number, in a column of PostgreSQL': () => ({
    store: rejecting(({ expiresAt }) => expiresAt !== undefined && !Number.isInteger(expiresAt)),
  }),
  'the backend knows no date beyond 2038, and keeps what lives longer until then': () =>
    expiringBy(expiresAt => Math.min(expiresAt, LAST_DATE)),
  'the backend knows no date beyond 2038, and keeps what lives longer for ever': () =>
    expiringBy(expiresAt => (expiresAt > LAST_DATE ? undefined : expiresAt)),
  'the backend has a clock of its own, which can be moved': () => {
    let now = Date.now() - 5_000_000
    const { right } = openHabitat()
    const mine = <A extends unknown[], R>(method: (...args: [...A, { now: number }]) => R, length: number) =>
      ((...args: unknown[]) =>
        method(...([...args.slice(0, length), { ...(args[length] as object), now }] as never))) as never
    const store: Store = {
      ...right,
      read: mine(right.read as never, 1),
      insert: mine(right.insert as never, 2),
      replace: mine(right.replace as never, 3),
      touch: mine(right.touch as never, 3),
      remove: mine(right.remove as never, 2),
      removeBySubject: mine(right.removeBySubject as never, 1),
    }
    const { clearExpired: _, scan: __, scanBySubject: ___, ...rest } = store
    const advance = (ms: number) => {
      now += ms
    }
    return { store: rest, now: () => now, advance }
  },
  'every call is asynchronous and takes some turns of the event loop': () => {
    const turn = () => new Promise(resolve => setImmediate(resolve))
    const { store, second, ...rest } = inhabited()
    const other = second as () => Store
    return { ...rest, store: slowed(store, turn), second: () => slowed(other(), turn) }
  },
  'a scan is what was there when it began, in any order, and gives some records twice': () => {
    const records = new Map<string, StoredRecord>()
    const make = (): Store => {
      const { right } = openHabitat(records)
      async function* shuffled(entries: AsyncIterable<StoredEntry>, twice = false) {
        const all = await Array.fromAsync(entries)
        const sorted = all.toSorted((a, b) => (a.payload < b.payload ? -1 : 1))
        for (const entry of [...sorted, ...all.filter((_, n) => twice && n % 7 === 0)]) {
          await null
          yield entry
        }
      }
      return {
        ...right,
        scan: options => shuffled(right.scan(options), true),
        scanBySubject: (subject, options) => shuffled(right.scanBySubject(subject, options)),
      }
    }
    return { store: make(), second: make }
  },
}

/** Cases of so many calls one after the other that they take long over a slow store; `pnpm campaign slow-store 50` has them all. */
const LONG =
  /^engine\/(?:overlap|many|slow)|random|many-refusals|subject-exact|races-rotation|scan-while|read-while|everywhere-/

async function clean(cases: readonly StoreCase[], make: () => StoreSetup): Promise<Report> {
  // Each store has a backend of its own.
  const options = { quick: true, concurrency: 100 }
  const report = await runCases(cases, openStore(make, options), options)
  expect(
    report.results.filter(({ status }) => status === 'failed').map(({ id, happened }) => [id, happened]),
  ).toEqual([])
  return report
}

/** Those that stop the process say nothing about ways. */
const quickly = (name: string) => quickCases(storeCases, seedOfToday(name)).filter(({ alone }) => !alone)

describe('no false alarm on right stores with unusual ways', () => {
  test.concurrent('a call takes 50 ms: some cases, others each day', async () => {
    const short = quickly('50 ms').filter(({ id }) => !LONG.test(id))
    const report = await clean(
      short.filter((_, n) => n % 4 === seedOfToday() % 4),
      () => takingTime(50),
    )
    expect(report.passed).toBeGreaterThan(20)
  })

  test.concurrent.each(Object.keys(UNUSUAL))('%s', async name => {
    const report = await clean(quickly(name), UNUSUAL[name] as () => StoreSetup)
    expect(report.passed).toBeGreaterThan(100)
  })
})
