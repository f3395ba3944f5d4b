import type { SessionRecord, Store, StoredEntry, StoredRecord } from '@sess/core'

/**
 * The contract, in memory, as plainly as it can be said: the reference that the cases are tested with.
 *
 * The store of `@sess/core/testing` is another one. Core cannot import this package, and packages do not re-export each other.
 *
 * @param records Where the records are kept: stores with the same map are store objects on one backend.
 * @example
 * const records = new Map()
 * const report = await runStoreCases(() => ({ store: memoryStore(records), second: memoryStore(records) }))
 */
export function memoryStore(
  records: Map<string, StoredRecord> = new Map(),
): Required<Omit<Store, 'close' | 'maxBytes'>> {
  const live = (id: string, now = Date.now()): StoredRecord | undefined => {
    const record = records.get(id)
    return record && record.expiresAt > now ? record : undefined
  }
  const put = (id: string, record: SessionRecord): void => {
    records.set(id, { ...structuredClone(record), version: crypto.randomUUID() })
  }
  async function* entries(now: number | undefined, subject?: string): AsyncGenerator<StoredEntry> {
    for (const id of [...records.keys()]) {
      const record = live(id, now)
      if (record && (subject === undefined || record.subject === subject)) yield { id, ...record }
    }
  }

  return {
    read: (id, { now } = {}) => structuredClone(live(id, now)) ?? null,
    insert(id, record, { now } = {}) {
      if (live(id, now)) return false
      put(id, record)
      return true
    },
    replace(id, record, version, { now } = {}) {
      const found = live(id, now)
      if (found?.version === version) put(id, record)
      return !found ? 'gone' : found.version === version ? 'ok' : 'stale'
    },
    touch(id, expiresAt, version, { now } = {}) {
      const found = live(id, now)
      if (found?.version !== version) return false
      records.set(id, { ...found, expiresAt })
      return true
    },
    remove(id, version, { now } = {}) {
      const found = live(id, now)
      if (found && version !== undefined && found.version !== version) return 'stale'
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
