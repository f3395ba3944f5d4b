import type { SessionRecord, StoreContext, StoredRecord } from '@sess/core'
import { nowOf, pause, type SyncStore } from '@sess/core/store'
import { LRUCache } from 'lru-cache'
import { type CacheStoreOptions, readCacheOptions } from './options.ts'
import { estimate } from './size.ts'
import { subjectIndex } from './subject-index.ts'

/** A store whose methods return plain values, except for the iterators. */
export type CacheStore = Required<Omit<SyncStore, 'close' | 'maxBytes'>>

/** Other work gets a turn after so many entries. */
const EXAMINED_AT_ONCE = 10_000

interface Entry {
  readonly payload: string
  expiresAt: number
  readonly subject: string | undefined
}

/**
 * Keeps sessions in the memory of this process (Django's `cache` backend on local memory). When it is full, it removes the
 * session that was used least recently: its visitor is logged out. The version of a record is its payload.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const sessions = createSessions({ store: cacheStore({ maxBytes: 256 * 1024 * 1024 }) })
 */
export function cacheStore(options: CacheStoreOptions = {}): CacheStore {
  const { maxEntries, maxBytes } = readCacheOptions(options)
  const subjects = subjectIndex()
  // Without lru-cache's `ttl`: expiry follows the time that each call passes, and `ttl` has a clock of its own.
  const cache = new LRUCache<string, Entry>({
    max: maxEntries,
    maxSize: maxBytes,
    dispose(entry, id) {
      if (entry.subject !== undefined) subjects.delete(entry.subject, id)
    },
  })

  function live(entry: Entry | undefined, context: StoreContext | undefined): Entry | undefined {
    return entry !== undefined && entry.expiresAt > nowOf(context) ? entry : undefined
  }

  function put(id: string, { payload, expiresAt, subject }: SessionRecord): void {
    const entry: Entry = { payload, expiresAt, subject }
    const size = estimate(entry)
    // lru-cache would delete the present entry instead of throwing.
    if (size > maxBytes) {
      throw new RangeError(
        `The session takes ${size} bytes, more than maxBytes (${maxBytes}). Raise maxBytes.`,
      )
    }
    cache.set(id, entry, { size })
    if (subject !== undefined) subjects.add(subject, id)
  }

  /** The entries that are still there, with pauses for other work. */
  async function* walk(ids: string[], signal: StoreContext['signal']) {
    for (const [index, id] of ids.entries()) {
      if (index % EXAMINED_AT_ONCE === EXAMINED_AT_ONCE - 1) await pause(0)
      signal?.throwIfAborted()
      const entry = cache.peek(id)
      if (entry !== undefined) yield { id, entry }
    }
  }

  async function* entries(ids: string[], subject: string | undefined, context: StoreContext) {
    for await (const { id, entry } of walk(ids, context.signal)) {
      const isWanted = subject === undefined || entry.subject === subject
      if (isWanted && live(entry, context)) yield { id, ...stored(entry) }
    }
  }

  return {
    read(id, context) {
      const entry = live(cache.get(id), context)
      return entry === undefined ? null : stored(entry)
    },

    insert(id, record, context) {
      if (live(cache.peek(id), context)) return false
      put(id, record)
      return true
    },

    replace(id, record, version, context) {
      const entry = live(cache.peek(id), context)
      if (entry === undefined) return 'gone'
      if (entry.payload !== version) return 'stale'
      put(id, record)
      return 'ok'
    },

    touch(id, expiresAt, version, context) {
      const entry = live(cache.get(id), context)
      if (entry?.payload !== version) return false
      entry.expiresAt = expiresAt
      return true
    },

    remove(id, version, context) {
      const entry = live(cache.peek(id), context)
      if (entry !== undefined && version !== undefined && entry.payload !== version) return 'stale'
      cache.delete(id)
      return entry === undefined ? 'gone' : 'ok'
    },

    async *clearExpired({ batchSize = 1_000, ...context } = {}) {
      let removed = 0
      for await (const { id, entry } of walk([...cache.keys()], context.signal)) {
        if (live(entry, context)) continue
        cache.delete(id)
        if (++removed < batchSize) continue
        yield { removed }
        removed = 0
      }
      if (removed > 0) yield { removed }
    },

    count({ limit, ...context }) {
      const counts = { live: 0, expired: 0 }
      for (const id of cache.keys()) {
        const kind = live(cache.peek(id), context) ? 'live' : 'expired'
        counts[kind] = Math.min(counts[kind] + 1, limit)
      }
      return counts
    },

    scan: (context = {}) => entries([...cache.keys()], undefined, context),

    removeBySubject(subject, { except, ...context } = {}) {
      let removed = 0
      for (const id of subjects.of(subject)) {
        if (id === except) continue
        if (live(cache.peek(id), context)) removed++
        cache.delete(id)
      }
      return removed
    },

    scanBySubject: (subject, context = {}) => entries(subjects.of(subject), subject, context),
  }
}

function stored({ payload, expiresAt, subject }: Entry): StoredRecord {
  return subject === undefined
    ? { payload, expiresAt, version: payload }
    : { payload, expiresAt, subject, version: payload }
}
