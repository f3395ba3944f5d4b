import type { SessionRecord, Store, StoredEntry, StoredRecord } from './store.ts'

/** A store in memory that notes its calls. */
export interface TestStore extends Required<Omit<Store, 'close' | 'maxBytes'>> {
  /** The names of the calls so far, in order: `['read', 'replace']`. Empty it with `calls.length = 0`. */
  readonly calls: (keyof Store)[]
}

export function countedMemoryStore(): TestStore {
  const calls: TestStore['calls'] = []
  const store = memoryStore()
  for (const [name, method] of Object.entries(store)) {
    const counted = (...args: never[]): unknown => {
      calls.push(name as keyof Store)
      return (method as (...args: never[]) => unknown)(...args)
    }
    Object.assign(store, { [name]: counted })
  }
  return Object.assign(store, { calls })
}

// `@sess/conformance` has a memory store of its own, the reference of the contract. Core cannot import it, and packages do not
// re-export each other. A test of that package runs the whole suite over this one.
function memoryStore(): Omit<TestStore, 'calls'> {
  const records = new Map<string, StoredRecord>()
  let version = 0
  const live = (id: string, now = Date.now()): StoredRecord | undefined => {
    const record = records.get(id)
    return record && record.expiresAt > now ? record : undefined
  }
  // Records hold nothing but texts and numbers, so a copy of one level shares nothing.
  const put = (id: string, { payload, expiresAt, subject }: SessionRecord): void => {
    const record: StoredRecord = { payload, expiresAt, version: `${++version}` }
    if (subject !== undefined) record.subject = subject
    records.set(id, record)
  }
  async function* entries(now?: number, subject?: string): AsyncGenerator<StoredEntry> {
    for (const id of [...records.keys()]) {
      const record = live(id, now)
      if (record && (subject === undefined || record.subject === subject)) yield { id, ...record }
    }
  }
  return {
    read(id, { now } = {}) {
      const record = live(id, now)
      return record ? { ...record } : null
    },
    insert(id, record, { now } = {}) {
      if (live(id, now)) return false
      put(id, record)
      return true
    },
    replace(id, record, expected, { now } = {}) {
      const found = live(id, now)
      if (found?.version === expected) put(id, record)
      if (!found) return 'gone'
      return found.version === expected ? 'ok' : 'stale'
    },
    touch(id, expiresAt, expected, { now } = {}) {
      const found = live(id, now)
      if (found?.version !== expected) return false
      records.set(id, { ...found, expiresAt })
      return true
    },
    remove(id, expected, { now } = {}) {
      const found = live(id, now)
      if (found && expected !== undefined && found.version !== expected) return 'stale'
      records.delete(id)
      return found ? 'ok' : 'gone'
    },
    async *clearExpired({ now, batchSize = 1_000 } = {}) {
      for (;;) {
        const ids = [...records.keys()].filter(id => !live(id, now)).slice(0, batchSize)
        if (ids.length === 0) return
        for (const id of ids) records.delete(id)
        yield { removed: ids.length }
      }
    },
    count({ now, limit }) {
      const alive = [...records.keys()].filter(id => live(id, now)).length
      return { live: Math.min(alive, limit), expired: Math.min(records.size - alive, limit) }
    },
    scan: ({ now } = {}) => entries(now),
    scanBySubject: (subject, { now } = {}) => entries(now, subject),
    removeBySubject(subject, { now, except } = {}) {
      const ids = [...records.keys()].filter(id => id !== except && live(id, now)?.subject === subject)
      for (const id of ids) records.delete(id)
      return ids.length
    },
  }
}
