import {
  ConfigError,
  type MaybePromise,
  SessionStoreError,
  type Store,
  type StoreContext,
  type StoredEntry,
  type StoredRecord,
  safeCause,
} from '@sess/core'
import { abortable, after, type Check, nowOf, readOptions } from '@sess/core/store'
import { type CacheErrorEvent, type Clock, Copies, type Look } from './copies.ts'
import { sharedReads } from './shared-reads.ts'

/** Options of `cachedStore`. */
export interface CachedStoreOptions {
  /**
   * The store of the copies: Redis for several processes, `cacheStore()` for one. If processes do not share this store,
   * the others may use stale copies for up to `maxStale` seconds.
   */
  fast: Store
  /** The store of the sessions. */
  durable: Store
  /** The most seconds that a copy is used, even if the fast store fails. Default 60. */
  maxStale?: number
  /** Milliseconds that the fast store has for one read or one change; then it counts as down. Default 500. */
  timeout?: number
  /**
   * Called with each failure of the fast store. The error has a name, `code` and message that are safe to log. If the
   * function throws or rejects, that is ignored.
   */
  onError?(error: Error, event: CacheErrorEvent): unknown
}

/** Removals of `removeBySubject` that run at the same time. */
const AT_ONCE = 50

/**
 * Puts a fast store in front of a durable one (Django's `cached_db`, without stale or revived sessions). The durable store
 * is changed first and decides everything. A copy in the fast store saves reads and may be lost at any time.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const store = cachedStore({ fast: redisStore(client, { prefix: 'cache:' }), durable: postgresStore(url) })
 */
export function cachedStore(options: CachedStoreOptions): Store {
  const { fast, durable, maxStaleMs, timeout, onError } = checked(options)
  const copies = new Copies({ fast, maxStaleMs, timeout, onError })
  const readShared = sharedReads()

  function read(id: string, context?: StoreContext): MaybePromise<StoredRecord | null> {
    return after(copies.look(id, context), cached => cached.hit ?? readBehind(id, context, cached))
  }

  function readBehind(id: string, context: StoreContext | undefined, before: Look) {
    return readShared(id, context?.signal, async afterWaiting => {
      // The read that this one waited for may have left a copy.
      const cached = afterWaiting ? await copies.look(id, context) : before
      return cached.hit ?? (await fetch(id, context, cached))
    })
  }

  async function fetch(id: string, context: StoreContext | undefined, cached: Look) {
    const now = nowOf(context)
    const started = performance.now()
    const record = await durable.read(id, context)
    if (record !== null) await copies.fill(id, record, cached, now, performance.now() - started)
    return record
  }

  /** Changes the durable store, then invalidates the copy. If `mustInvalidate`, a failure of that is the caller's error. */
  async function change<T>(
    id: string,
    context: StoreContext | undefined,
    run: () => MaybePromise<T>,
    mustInvalidate: (result: T) => boolean = () => false,
  ): Promise<T> {
    const clock = clockOf(context)
    let result: T
    try {
      result = await run()
    } catch (error) {
      // The change may have been made all the same. So it is an error only when nobody finds the old copy any more.
      const gone = copies.invalidate(id, clock).catch(() => 'reported')
      const signal = context?.signal
      if (!signal?.aborted) await abortable(gone, signal).catch(() => 'the caller stopped waiting')
      throw error
    }
    try {
      await copies.invalidate(id, clock)
    } catch (cause) {
      if (mustInvalidate(result)) throw notInvalidated(cause)
    }
    return result
  }

  function notInvalidated(cause: unknown): SessionStoreError {
    return new SessionStoreError(
      'The session is removed, but its copy in the cache is not. Other servers may use the copy for up to ' +
        `${maxStaleMs / 1000} s. Try again.`,
      { cause: safeCause(cause) },
    )
  }

  const store: Store = {
    ...(durable.maxBytes !== undefined && { maxBytes: durable.maxBytes }),
    read,

    // An id that was used before may still have a copy.
    insert: (id, record, context) => change(id, context, () => durable.insert(id, record, context)),

    replace: (id, record, version, context) =>
      change(id, context, () => durable.replace(id, record, version, context)),

    touch: (id, expiresAt, version, context) =>
      change(id, context, () => durable.touch(id, expiresAt, version, context)),

    remove: (id, version, context) =>
      change(
        id,
        context,
        () => durable.remove(id, version, context),
        result => result !== 'stale',
      ),
  }

  const { clearExpired, count, scan, scanBySubject, removeBySubject } = durable
  if (clearExpired) {
    store.clearExpired = async function* (options) {
      yield* clearExpired.call(durable, options)
      // An expired copy is no session, so it is not counted.
      await copies.clearExpired(options)
    }
  }
  if (count) store.count = options => count.call(durable, options)
  if (scan) store.scan = context => scan.call(durable, context)
  if (scanBySubject) store.scanBySubject = (subject, context) => scanBySubject.call(durable, subject, context)
  if (scanBySubject && removeBySubject) {
    // Each record is removed at the version that was seen, because its copy must go too. The durable store's own
    // `removeBySubject` does not return the ids, and a session saved since the scan would keep its copy.
    store.removeBySubject = async (subject, options = {}) => {
      const { except, ...context } = options
      let removed = 0
      let failure: { cause: unknown } | undefined
      /** `false`: it is gone already, though the index of the durable store may go on listing it. */
      const removeOne = async ({ id, version }: StoredEntry): Promise<boolean> => {
        const clock = clockOf(context)
        try {
          const result = await durable.remove(id, version, context)
          if (result === 'ok') removed++
          return result !== 'gone'
        } finally {
          if (failure) copies.invalidateLater(id, clock)
          else {
            await copies.invalidate(id, clock).catch(cause => {
              failure ??= { cause }
            })
          }
        }
      }
      // One look can miss a session that gets a new key meanwhile. See `removeEach` of `@sess/core/store`.
      for (let quiet = 0; quiet < 2; quiet++) {
        const batch: StoredEntry[] = []
        const removeBatch = async (): Promise<void> => {
          const found = await Promise.all(batch.splice(0).map(removeOne))
          if (found.includes(true)) quiet = -1
        }
        for await (const entry of scanBySubject.call(durable, subject, context)) {
          context.signal?.throwIfAborted()
          if (entry.id !== except) batch.push(entry)
          if (batch.length === AT_ONCE) await removeBatch()
        }
        await removeBatch()
      }
      if (failure) throw notInvalidated(failure.cause)
      return removed
    }
  }
  if (fast.close || durable.close) {
    store.close = async () => {
      await Promise.all([copies.close(), durable.close?.()])
    }
  }
  return store
}

const isStore = (value: unknown): boolean =>
  ['read', 'insert', 'replace', 'touch', 'remove'].every(
    method => typeof (value as Record<string, unknown> | null)?.[method] === 'function',
  )
const STORE: Check = [isStore, 'a store, such as redisStore(client) or cacheStore()']

function checked(options: CachedStoreOptions) {
  const read = readOptions<CachedStoreOptions, 'onError'>(options, {
    fast: [undefined, STORE],
    durable: [undefined, STORE],
    maxStale: [60, [value => Number.isFinite(value) && value > 0, 'a number of seconds above 0']],
    // Node's timers end at 2^31 ms.
    timeout: [500, [value => value > 0 && value < 2 ** 31, 'a number of milliseconds above 0']],
    onError: [undefined, [value => typeof value === 'function', 'a function']],
  })
  for (const name of ['fast', 'durable'] as const) {
    if (read[name] === undefined) throw new ConfigError(name, `must be ${STORE[1]}.`)
  }
  if (read.fast === read.durable) throw new ConfigError('fast', 'must not be the durable store itself.')
  const { maxStale, ...rest } = read
  return { ...rest, maxStaleMs: maxStale * 1000 }
}

/** A clock that starts at the caller's `now`. */
function clockOf(context: StoreContext | undefined): Clock {
  const ahead = nowOf(context) - performance.now()
  return () => Math.ceil(ahead + performance.now())
}
