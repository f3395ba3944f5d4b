import {
  type ClearExpiredOptions,
  ConfigError,
  type RemoveBySubjectOptions,
  type SessionRecord,
  type Store,
  type StoreContext,
  type StoredEntry,
  type StoredRecord,
} from '@sess/core'
import { LRUCache } from 'lru-cache'
import { subjectIndex } from './subject-index.ts'

export interface CacheStoreOptions {
  /** Sessions at the most, expired ones included. Default 100,000. Room for 32 bytes each is taken at once. */
  maxEntries?: number
  /** Bytes of memory that all sessions may take, by estimate. Default 67,108,864 (64 MiB). */
  maxBytes?: number
}

/** A store that answers at once: no call but the iterators makes a promise. */
export interface CacheStore extends Store {
  read(id: string, context?: StoreContext): StoredRecord | null
  insert(id: string, record: SessionRecord, context?: StoreContext): boolean
  replace(id: string, record: SessionRecord, version: string, context?: StoreContext): 'ok' | 'stale' | 'gone'
  touch(id: string, expiresAt: number, version: string, context?: StoreContext): boolean
  remove(id: string, version?: string, context?: StoreContext): 'ok' | 'stale' | 'gone'
  clearExpired(options?: ClearExpiredOptions): AsyncIterable<{ removed: number }>
  scan(options?: StoreContext): AsyncIterable<StoredEntry>
  removeBySubject(subject: string, options?: RemoveBySubjectOptions): number
  scanBySubject(subject: string, options?: StoreContext): AsyncIterable<StoredEntry>
}

// What V8 takes for a session beside the characters (Node 24, 64 bit, hash table half full; `pnpm campaign cache-heap`):
// entry, id, map and list slots. And for a subject: its string and place in the index.
const ENTRY_BYTES = 224
const SUBJECT_BYTES = 80
const EXAMINED_AT_ONCE = 10_000

interface Entry {
  readonly payload: string
  expiresAt: number
  readonly subject: string | undefined
}

/**
 * Sessions in this process's memory (Django's `cache` backend on local memory). When it is full, the session that was
 * used least recently goes: its visitor is logged out. A version is the payload itself.
 *
 * Expiry goes by the time that each call is given, so lru-cache's own `ttl`, which has a clock of its own, stays unused.
 */
export function cacheStore(options: CacheStoreOptions = {}): CacheStore {
  const { maxEntries = 100_000, maxBytes = 67_108_864, ...unknown } = options
  for (const name of Object.keys(unknown)) {
    throw new ConfigError(name, 'cacheStore has no such option; there are maxEntries, maxBytes.')
  }
  checkPositive('maxEntries', maxEntries)
  checkPositive('maxBytes', maxBytes)
  const subjects = subjectIndex()
  const cache = new LRUCache<string, Entry>({
    max: maxEntries,
    maxSize: maxBytes,
    dispose(entry, id) {
      if (entry.subject !== undefined) subjects.delete(entry.subject, id)
    },
  })

  function live(entry: Entry | undefined, now = Date.now()): Entry | undefined {
    return entry !== undefined && entry.expiresAt > now ? entry : undefined
  }

  function put(id: string, { payload, expiresAt, subject }: SessionRecord): void {
    const entry: Entry = { payload, expiresAt, subject }
    const size = estimate(entry)
    // lru-cache answers what can never fit by deleting the entry that is there.
    if (size > maxBytes) {
      throw new RangeError(
        `The session takes more memory than the whole store may. Raise maxBytes (${maxBytes}).`,
      )
    }
    cache.set(id, entry, { size })
    if (subject !== undefined) subjects.add(subject, id)
  }

  async function* entries(ids: Iterable<string>, subject: string | undefined, context: StoreContext) {
    let examined = 0
    for (const id of ids) {
      if (++examined % EXAMINED_AT_ONCE === 0) await breathe()
      context.signal?.throwIfAborted()
      const entry = cache.peek(id)
      if (entry === undefined || entry.expiresAt <= (context.now ?? Date.now())) continue
      if (subject === undefined || entry.subject === subject) yield { id, ...stored(entry) }
    }
  }

  return {
    read(id, context) {
      const entry = live(cache.get(id), context?.now)
      return entry === undefined ? null : stored(entry)
    },

    insert(id, record, context) {
      if (live(cache.peek(id), context?.now) !== undefined) return false
      put(id, record)
      return true
    },

    replace(id, record, version, context) {
      const entry = live(cache.peek(id), context?.now)
      if (entry === undefined) return 'gone'
      if (entry.payload !== version) return 'stale'
      put(id, record)
      return 'ok'
    },

    touch(id, expiresAt, version, context) {
      const entry = live(cache.get(id), context?.now)
      if (entry?.payload !== version) return false
      entry.expiresAt = expiresAt
      return true
    },

    remove(id, version, context) {
      const entry = live(cache.peek(id), context?.now)
      if (entry !== undefined && version !== undefined && entry.payload !== version) return 'stale'
      cache.delete(id)
      return entry === undefined ? 'gone' : 'ok'
    },

    async *clearExpired({ now, signal, batchSize = 1_000 } = {}) {
      let removed = 0
      let examined = 0
      for (const id of [...cache.keys()]) {
        if (++examined % EXAMINED_AT_ONCE === 0) await breathe()
        signal?.throwIfAborted()
        const entry = cache.peek(id)
        if (entry === undefined || entry.expiresAt > (now ?? Date.now())) continue
        cache.delete(id)
        if (++removed < batchSize) continue
        yield { removed }
        removed = 0
      }
      if (removed > 0) yield { removed }
    },

    scan: (context = {}) => entries([...cache.keys()], undefined, context),

    removeBySubject(subject, { now = Date.now(), except } = {}) {
      let removed = 0
      for (const id of subjects.of(subject)) {
        if (id === except) continue
        if (cache.peek(id)!.expiresAt > now) removed++
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

function estimate({ payload, subject }: Entry): number {
  const bytes = ENTRY_BYTES + characters(payload)
  return subject === undefined ? bytes : bytes + SUBJECT_BYTES + characters(subject)
}

// V8 keeps a byte a character where all are Latin-1, and two everywhere else.
function characters(text: string): number {
  return /[^\0-\xff]/.test(text) ? 2 * text.length : text.length
}

/** Lets requests have their turn amid a long walk. */
function breathe(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve))
}

function checkPositive(option: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value > 0)) {
    throw new ConfigError(option, 'must be a positive whole number.')
  }
}
