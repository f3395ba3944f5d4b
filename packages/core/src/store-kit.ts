import { ConfigError } from './errors.ts'
import type { BareSignal } from './platform.ts'
import type {
  MaybePromise,
  RemoveBySubjectOptions,
  SessionRecord,
  Store,
  StoreContext,
  StoredEntry,
  StoredRecord,
} from './store.ts'
import { after, whenTimeIsUp } from './task.ts'

export { type Check, flag, oneOf, type Read, readOptions, type Table, textLike } from './check.ts'
export { after, isPromise, settle, whenTimeIsUp } from './task.ts'

/** A `Store` whose methods return values, never promises (iterables apart): for stores in this process's memory. */
export type SyncStore = {
  [Name in keyof Store]: Variant<NonNullable<Store[Name]>, 'sync'>
}

/** A `Store` whose methods return promises (iterables apart): for stores on a network. */
export type AsyncStore = {
  [Name in keyof Store]: Variant<NonNullable<Store[Name]>, 'async'>
}

type Variant<Method, Kind> = Method extends (...args: infer Args) => infer Result
  ? (
      ...args: Args
    ) => [Result] extends [AsyncIterable<unknown>]
      ? Result
      : Kind extends 'sync'
        ? Awaited<Result>
        : Promise<Awaited<Result>>
  : Method

/**
 * Whether a text is a well-formed id: 40 of `0-9a-f`, or 32 of `0-9a-z` (`hashKeys: false`). For a malformed one a
 * store finds nothing and writes nothing; test it before the id reaches a path, a pattern or a query.
 *
 * @example
 * if (!isSessionId(id)) return null
 */
export function isSessionId(id: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-z]{32})$/.test(id)
}

/**
 * The clock of a call, in milliseconds since the epoch: the engine's `now`, or `Date.now()` if the caller gave none.
 *
 * @example
 * const expired = record.expiresAt <= nowOf(context)
 */
export function nowOf(context: StoreContext | undefined): number {
  return context?.now ?? Date.now()
}

/**
 * The time to live in whole seconds, rounded up, for a backend that expires records itself. Never below 1, because 0
 * means "for ever" to memcached and is an error in Redis. The backend then keeps a record up to a second too long, so
 * keep `expiresAt` in the value and compare it with `now` as well.
 *
 * `max` limits the result, in seconds. Above 2,592,000 (30 days) memcached takes a number for a date: pass
 * `Math.ceil(expiresAt / 1000)` to memcached instead.
 *
 * @example
 * await client.set(key, value, { EX: ttlSeconds(record.expiresAt, nowOf(context)) })
 */
export function ttlSeconds(expiresAt: number, now: number, max = Number.MAX_SAFE_INTEGER): number {
  return Math.min(max, Math.max(1, Math.ceil((expiresAt - now) / 1000)))
}

/** What `abortable` does when the signal is aborted. */
export interface AbortableOptions<T> {
  /** Gets a value that arrives after the wait has ended, for example a connection to give back. */
  late?(value: T): void
  /** Returns why the work takes so long. It becomes the `cause` of the signal's reason. */
  cause?(): Error | undefined
}

/**
 * Waits for a promise until the signal is aborted; then it rejects with the signal's reason. Hand the signal to the
 * client as well if it takes one.
 *
 * A result that has arrived wins over the signal. After a long computation Node runs its timers before it reads its
 * sockets, so a time limit can pass although the result is there. See `whenTimeIsUp`.
 *
 * @example
 * return await abortable(client.get(key), context?.signal)
 */
export function abortable<T>(
  work: PromiseLike<T>,
  signal: BareSignal | undefined,
  { late, cause }: AbortableOptions<T> = {},
): Promise<T> {
  if (signal === undefined) return Promise.resolve(work)
  return new Promise((resolve, reject) => {
    let isWaiting = true
    let cancel: (() => void) | undefined
    const abort = () => {
      // At once, because the engine does not wait: it reports this reason.
      explain(signal.reason, cause)
      cancel = whenTimeIsUp(1, () => {
        isWaiting = false
        reject(signal.reason)
      })
    }
    const done = () => {
      cancel?.()
      signal.removeEventListener('abort', abort)
    }
    // A listener on an aborted signal is never called.
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    work.then(
      value => {
        done()
        if (isWaiting) resolve(value)
        else late?.(value)
      },
      error => {
        done()
        reject(error)
      },
    )
  })
}

/**
 * Gives the reason of an aborted signal a `cause`, if it is an error without one. The engine reports the reason, so this
 * tells the user why a store was late.
 *
 * @example
 * explain(signal.reason, () => lastError)
 */
export function explain(reason: unknown, cause: (() => Error | undefined) | undefined): void {
  if (!(reason instanceof Error) || reason.cause !== undefined || !Object.isExtensible(reason)) return
  const found = cause?.()
  if (found) reason.cause = found
}

/**
 * Waits `ms` milliseconds. Rejects with the signal's reason if that is aborted meanwhile.
 *
 * @example
 * await pause(10, context?.signal)
 */
export function pause(
  ms: number,
  signal?: BareSignal,
  options?: Pick<AbortableOptions<void>, 'cause'>,
): Promise<void> {
  return abortable(new Promise(resolve => setTimeout(resolve, ms)), signal, options)
}

/**
 * `removeBySubject` made of `scanBySubject` and `remove`: removes each record at the version that was seen, and looks
 * again until two looks in a row find nothing to remove. One look can miss a session that gets a new key meanwhile: the new
 * record was not there when the look began, and the old one is gone when its turn comes. A session that changes hands meanwhile
 * stays. A record that the index still lists though it is gone is not counted, and does not keep the loop going.
 *
 * @example
 * return { ...store, scanBySubject, removeBySubject: removeEach(scanBySubject, store.remove) }
 */
export function removeEach(
  scanBySubject: (subject: string, context: StoreContext) => AsyncIterable<StoredEntry>,
  remove: (id: string, version: string, context: StoreContext) => MaybePromise<'ok' | 'stale' | 'gone'>,
): (subject: string, options?: RemoveBySubjectOptions) => Promise<number> {
  return async (subject, { except, ...context } = {}) => {
    let removed = 0
    for (let quiet = 0; quiet < 2; quiet++) {
      for await (const { id, version } of scanBySubject(subject, context)) {
        context.signal?.throwIfAborted()
        if (id === except) continue
        const answer = await remove(id, version, context)
        if (answer === 'ok') removed += 1
        if (answer !== 'gone') quiet = -1
      }
    }
    return removed
  }
}

/** What `storeFrom` needs of a backend that compares and writes in one step. */
export interface CompareAndSet {
  /**
   * The record under the id, with its version, expired or not. `null` or `undefined` if there is none. The record is not
   * looked at after `storeFrom` returned a copy, so it may be shared.
   */
  get(id: string, context: StoreContext): MaybePromise<StoredRecord | null | undefined>
  /**
   * Writes the record if the version under the id is still `version`, or if nothing is there and `version` is `null`.
   * Compare and write are one step of the backend. Returns whether it wrote.
   */
  putIf(
    id: string,
    record: SessionRecord,
    version: string | null,
    context: StoreContext,
  ): MaybePromise<boolean>
  /** Removes what is there if its version is still `version`, in one step. Returns whether it removed. */
  removeIf(id: string, version: string, context: StoreContext): MaybePromise<boolean>
}

type FiveMethods = Pick<Store, 'read' | 'insert' | 'replace' | 'touch' | 'remove'>

/**
 * The five methods of a `Store`, made of three of a backend with compare-and-set (memcached `gets` and `cas`, NATS KV
 * revisions, ETags, conditional writes). They never revive a removed record, tell "stale" from "gone" by a second look
 * after a lost comparison, find expired and malformed ids absent, and return copies. Synchronous if the backend is.
 *
 * Each write costs one read more than a statement that compares the expiry itself (`UPDATE … WHERE version = ? AND
 * expires_at > ?`); write that method by hand over this one if it matters: `{ ...storeFrom(backend), replace }`.
 *
 * @throws ConfigError (`CONFIG`) if one of the three methods is missing
 * @example
 * const store = storeFrom({
 *   get: id => records.get(id),
 *   putIf(id, record, version) {
 *     if ((records.get(id)?.version ?? null) !== version) return false
 *     records.set(id, { ...record, version: crypto.randomUUID() })
 *     return true
 *   },
 *   removeIf: (id, version) => records.get(id)?.version === version && records.delete(id),
 * })
 */
export function storeFrom(backend: CompareAndSet): FiveMethods {
  for (const name of ['get', 'putIf', 'removeIf'] as const) {
    if (typeof backend?.[name] !== 'function')
      throw new ConfigError(name, 'must be a function of the backend.')
  }

  /** The live record, whose clock has been read before anything was waited for. */
  const live = (id: string, context: StoreContext = {}): MaybePromise<StoredRecord | null> => {
    if (!isSessionId(id)) return null
    const now = nowOf(context)
    return after(backend.get(id, context), found => (found && found.expiresAt > now ? copy(found) : null))
  }

  const whyNot = (id: string, context: StoreContext | undefined): MaybePromise<'stale' | 'gone'> =>
    after(live(id, context), found => (found ? 'stale' : 'gone'))

  function remove(
    id: string,
    version?: string,
    context: StoreContext = {},
  ): MaybePromise<'ok' | 'stale' | 'gone'> {
    return after(live(id, context), found => {
      if (!found) return 'gone'
      if (version !== undefined && found.version !== version) return 'stale'
      return after(backend.removeIf(id, found.version, context), done => {
        if (done) return 'ok'
        // Without a version the removal is meant for whatever is there, so a change on the way does not stop it.
        return version === undefined ? remove(id, undefined, context) : whyNot(id, context)
      })
    })
  }

  return {
    read: live,
    insert: (id, record, context = {}) => isSessionId(id) && backend.putIf(id, record, null, context),
    replace: (id, record, version, context = {}) =>
      after(live(id, context), found => {
        if (!found) return 'gone'
        if (found.version !== version) return 'stale'
        return after(backend.putIf(id, record, version, context), done => (done ? 'ok' : whyNot(id, context)))
      }),
    touch: (id, expiresAt, version, context = {}) =>
      after(live(id, context), found => {
        if (found?.version !== version) return false
        const { version: _, ...record } = found
        return backend.putIf(id, { ...record, expiresAt }, version, context)
      }),
    remove,
  }
}

/** An object of the caller's own, without a `subject` that is `undefined` or `null`, as rows of a database have it. */
function copy({ payload, expiresAt, subject, version }: StoredRecord): StoredRecord {
  return { payload, expiresAt, ...((subject ?? undefined) !== undefined && { subject }), version }
}
