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
import { isPromise, nowOf } from '@sess/core/store'
import { type CacheErrorEvent, type Clock, Copies, type Look } from './copies.ts'
import { sharedReads } from './shared-reads.ts'

export interface CachedStoreOptions {
  /**
   * Where copies are kept: Redis for several processes, `cacheStore()` for one. If processes do not share this store,
   * the others may use stale copies for up to `maxStale` seconds.
   */
  fast: Store
  /** Where sessions are. */
  durable: Store
  /** Seconds that a copy is used at the most, whatever goes wrong. Default 60. */
  maxStale?: number
  /** Milliseconds that the fast store has for one look or one change; then it counts as down. Default 500. */
  timeout?: number
  /**
   * Is called with each failure of the fast store: its name, `code` and message, safe to log. A function that throws or
   * rejects changes nothing.
   */
  onError?(error: Error, event: CacheErrorEvent): unknown
}

const AT_ONCE = 50

/**
 * A fast store in front of a durable one (Django's `cached_db`, without stale or revived sessions). The durable store is
 * changed first and decides everything. A copy in the fast store saves reads and may be lost at any time.
 *
 * @throws ConfigError for a wrong option.
 * @example
 * const store = cachedStore({ fast: redisStore(client, { prefix: 'cache:' }), durable: postgresStore(url) })
 */
export function cachedStore(options: CachedStoreOptions): Store {
  const { fast, durable, maxStaleMs, timeout, onError } = checked(options)
  const copies = new Copies({ fast, maxStaleMs, timeout, onError })
  const readShared = sharedReads()

  function read(id: string, context?: StoreContext): MaybePromise<StoredRecord | null> {
    const looked = copies.look(id, context)
    if (isPromise(looked)) return looked.then(each => each.hit ?? readBehind(id, context, each))
    return looked.hit ?? readBehind(id, context, looked)
  }

  function readBehind(id: string, context: StoreContext | undefined, looked: Look) {
    return readShared(id, context?.signal, async waited => {
      const look = waited ? await copies.look(id, context) : looked
      return look.hit ?? (await fetch(id, context, look))
    })
  }

  async function fetch(id: string, context: StoreContext | undefined, look: Look) {
    const now = nowOf(context)
    const started = performance.now()
    const record = await durable.read(id, context)
    if (record !== null) await copies.fill(id, record, look, now, performance.now() - started)
    return record
  }

  /** Changes the durable store, then ends the copy. `mustInvalidate`: a copy that stays is the caller's error. */
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
      // Nobody knows whether it was done.
      copies.invalidate(id, clock).catch(() => 'reported')
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
      'The session is removed, but the cache in front of the store could not be told. Other servers may use their ' +
        `copy for up to ${maxStaleMs / 1000} s. Try again.`,
      { cause: safeCause(cause) },
    )
  }

  const store: Store = {
    ...(durable.maxBytes !== undefined && { maxBytes: durable.maxBytes }),
    read,

    // An id that was used before may still have a copy, whose removal is under way.
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

  const { clearExpired, scan, scanBySubject, removeBySubject } = durable
  if (clearExpired) {
    store.clearExpired = async function* (options) {
      yield* clearExpired.call(durable, options)
      // A copy that expired was no session, and is not counted.
      await copies.clearExpired(options)
    }
  }
  if (scan) store.scan = context => scan.call(durable, context)
  if (scanBySubject) store.scanBySubject = (subject, context) => scanBySubject.call(durable, subject, context)
  if (scanBySubject && removeBySubject) {
    // One by one and at the version seen, because the copy of each has to go: the durable store does not tell which it
    // removed, and one that was saved between a look and a removal would be missed.
    store.removeBySubject = async (subject, options = {}) => {
      const { except, ...context } = options
      let removed = 0
      let failure: { cause: unknown } | undefined
      const removeOne = async ({ id, version }: StoredEntry): Promise<void> => {
        const clock = clockOf(context)
        try {
          if ((await durable.remove(id, version, context)) === 'ok') removed++
        } finally {
          if (failure) copies.invalidateLater(id, clock)
          else {
            await copies.invalidate(id, clock).catch(cause => {
              failure ??= { cause }
            })
          }
        }
      }
      for (;;) {
        const batch: StoredEntry[] = []
        for await (const entry of scanBySubject.call(durable, subject, context)) {
          if (entry.id !== except) batch.push(entry)
          if (batch.length === AT_ONCE) break
        }
        if (batch.length === 0) break
        await Promise.all(batch.map(removeOne))
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

function checked(options: CachedStoreOptions) {
  const {
    fast,
    durable,
    maxStale = 60,
    timeout = 500,
    onError,
    ...unknown
  } = options ?? ({} as CachedStoreOptions)
  for (const name of Object.keys(unknown)) {
    throw new ConfigError(
      name,
      'cachedStore has no such option; there are fast, durable, maxStale, timeout, onError.',
    )
  }
  for (const [name, part] of Object.entries({ fast, durable })) {
    const methods = ['read', 'insert', 'replace', 'touch', 'remove'] as const
    if (!methods.every(method => typeof part?.[method] === 'function')) {
      throw new ConfigError(name, 'Give a store, such as redisStore(client) or cacheStore().')
    }
  }
  if (fast === durable) throw new ConfigError('fast', 'must not be the durable store itself.')
  if (!(Number.isFinite(maxStale) && maxStale > 0)) {
    throw new ConfigError('maxStale', 'must be a number of seconds above 0.')
  }
  // Timers turn over at 2^31 ms.
  if (!(timeout > 0 && timeout < 2 ** 31)) {
    throw new ConfigError('timeout', 'must be a number of milliseconds above 0.')
  }
  if (onError !== undefined && typeof onError !== 'function') {
    throw new ConfigError('onError', 'must be a function.')
  }
  return { fast, durable, maxStaleMs: maxStale * 1000, timeout, onError }
}

/** The caller's clock as time goes on. */
function clockOf(context: StoreContext | undefined): Clock {
  const ahead = nowOf(context) - performance.now()
  return () => Math.ceil(ahead + performance.now())
}
