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
import { believed, entryOf, tombstone } from './entry.ts'
import { Limit } from './limit.ts'
import { inTurns } from './turns.ts'

export interface CachedStoreOptions {
  /**
   * Where copies are kept: Redis for several processes, `cacheStore()` for one. What several processes do not share,
   * the others go on believing for `maxStale`.
   */
  fast: Store
  /** Where sessions are. */
  durable: Store
  /** Seconds that a copy is believed at the most, whatever goes wrong. Default 60. */
  maxStale?: number
  /** Milliseconds that the fast store has for one look or one change; then it counts as down. Default 500. */
  timeout?: number
  /**
   * Is called with each failure of the fast store: its name, `code` and message, safe to log. A function that throws or
   * rejects changes nothing.
   */
  onError?(error: Error, event: CacheErrorEvent): unknown
}

export interface CacheErrorEvent {
  /**
   * `read`, `fill`: the session came from the durable store, and no copy was kept. `forget`: a change is stored, but
   * the copy of before may be believed for `maxStale`, by other processes.
   */
  operation: 'read' | 'fill' | 'forget'
}

/** A tombstone outlives every copy that was read before it by this: clocks that differ, callers whose `now` is old. */
const MARGIN_MS = 30_000
/** After a failure reads do without the fast store for so long, and debts to it are tried again that often. */
const REST_MS = 1_000
/** More contenders for one tombstone than any time limit lets happen. */
const TRIES = 1_000
const AT_ONCE = 50

/** What a look into the fast store found: the record, if it is to be believed, and what stood there. */
interface Look {
  hit?: StoredRecord | undefined
  seen?: StoredRecord | null
}

/** Why a shared call failed that another caller gave up. */
class Abandoned {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}

/**
 * A fast store in front of a durable one (Django's `cached_db`, without stale or revived sessions). The durable store is
 * changed first and decides everything; a copy in the fast store saves reads and may be lost at any time.
 *
 * After each change a tombstone takes the copy's place. What stands in the fast store is overwritten only at the version
 * that was seen *before* the durable store was read, so no reader puts back what a tombstone has ended
 * (`docs/decisions/0030`). An id under which nothing stands is filled by `insert`; and a copy read before a change is
 * not believed any more by the time the tombstone of that change is forgotten.
 *
 * @throws ConfigError for a wrong option.
 */
export function cachedStore(options: CachedStoreOptions): Store {
  const { fast, durable, maxStaleMs, timeout, onError } = checked(options)
  const lookBehind = inTurns<StoredRecord | null>()
  const bury = inTurns<void>()
  /** Ids whose tombstone could not be placed, each with the clock of that call; their copies are not believed here. */
  const debts = new Map<string, { clock: () => number; until: number }>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let restUntil = Number.NEGATIVE_INFINITY

  function report(error: unknown, operation: CacheErrorEvent['operation']): void {
    try {
      const heard = onError?.(safeCause(error), { operation })
      if (isPromise(heard)) void heard.then(undefined, () => undefined)
    } catch {
      // Whether it throws or rejects, the call goes on, because there is nobody left to tell.
    }
  }

  function failed(error: unknown, operation: CacheErrorEvent['operation']): void {
    restUntil = performance.now() + REST_MS
    report(error, operation)
  }

  const isUsable = (id: string) => performance.now() >= restUntil && !debts.has(id)

  /** Asks the fast store; a plain value where that one answers at once. */
  function look(id: string, context: StoreContext | undefined): MaybePromise<Look> {
    if (!isUsable(id)) return {}
    const now = nowOf(context)
    const found = (record: StoredRecord | null): Look =>
      // A debt may have been made meanwhile.
      !debts.has(id) ? { hit: believed(record, now, maxStaleMs), seen: record } : {}
    const missed = (error: unknown): Look => {
      if (context?.signal?.aborted) throw error
      failed(error, 'read')
      return {}
    }
    const limit = new Limit(now, timeout, context?.signal)
    let answer: MaybePromise<StoredRecord | null>
    try {
      answer = fast.read(id, limit)
    } catch (error) {
      return missed(error)
    }
    return isPromise(answer) ? limit.wait(answer).then(found, missed) : found(answer)
  }

  function read(id: string, context?: StoreContext): MaybePromise<StoredRecord | null> {
    const looked = look(id, context)
    if (isPromise(looked)) return looked.then(each => each.hit ?? readBehind(id, context, each))
    return looked.hit ?? readBehind(id, context, looked)
  }

  async function readBehind(id: string, context: StoreContext | undefined, looked: Look) {
    for (;;) {
      let mine = false
      const shared = lookBehind(id, async waited => {
        mine = true
        try {
          const now = waited ? await look(id, context) : looked
          return now.hit ?? (await fetch(id, context, now))
        } catch (error) {
          throw context?.signal?.aborted ? new Abandoned(error) : error
        }
      })
      try {
        const record = await unlessAborted(context?.signal, shared)
        return record && { ...record }
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error
        if (mine || context?.signal?.aborted) throw error.reason
      }
    }
  }

  async function fetch(id: string, context: StoreContext | undefined, { seen }: Look) {
    const now = nowOf(context)
    const started = performance.now()
    const record = await durable.read(id, context)
    const old = performance.now() - started
    // Too old, it would be believed by nobody.
    if (record !== null && seen !== undefined && old < maxStaleMs && isUsable(id)) {
      await fill(id, entryOf(record, now, keepUntil(record, now, seen)), seen, now + old)
    }
    return record
  }

  /** What takes the place of a tombstone stands as long as the tombstone would have. */
  function keepUntil(record: StoredRecord, now: number, seen: StoredRecord | null): number {
    return Math.max(seen?.expiresAt ?? 0, Math.min(record.expiresAt, now + maxStaleMs))
  }

  async function fill(
    id: string,
    entry: ReturnType<typeof entryOf>,
    seen: StoredRecord | null,
    now: number,
  ): Promise<void> {
    const limit = new Limit(now, timeout)
    try {
      await limit.wait<unknown>(
        seen === null ? fast.insert(id, entry, limit) : fast.replace(id, entry, seen.version, limit),
      )
    } catch (error) {
      failed(error, 'fill')
    }
  }

  /** Puts a tombstone, or rejects and remembers the debt. It does not end with the caller's patience. */
  async function forget(id: string, clock: () => number): Promise<void> {
    try {
      await bury(id, () => placeTombstone(id, clock))
    } catch (error) {
      owe(id, clock)
      failed(error, 'forget')
      throw error
    }
  }

  async function placeTombstone(id: string, clock: () => number): Promise<void> {
    const limit = new Limit(clock(), timeout)
    for (let tries = 1; tries <= TRIES; tries++) {
      const seen = await limit.wait(fast.read(id, limit))
      const mark = tombstone(Math.max(seen?.expiresAt ?? 0, clock() + maxStaleMs + MARGIN_MS))
      const isPlaced =
        seen === null
          ? await limit.wait(fast.insert(id, mark, limit))
          : (await limit.wait(fast.replace(id, mark, seen.version, limit))) === 'ok'
      if (isPlaced) {
        debts.delete(id)
        return
      }
      // Nothing there, and yet it is taken: by an expired record, in stores that leave them lying about.
      if (seen === null && tries % 3 === 0) await sweep(limit)
    }
    throw new Error(
      'The fast store never took a tombstone. Does its insert take the id of an expired record?',
    )
  }

  async function sweep(limit: Limit): Promise<void> {
    for await (const _ of fast.clearExpired?.(limit) ?? []);
  }

  function owe(id: string, clock: () => number): void {
    debts.set(id, { clock, until: performance.now() + maxStaleMs + MARGIN_MS })
    repayLater()
  }

  function repayLater(): void {
    if (timer !== undefined || debts.size === 0) return
    timer = setTimeout(repay, REST_MS)
    if (typeof timer === 'object') timer.unref()
  }

  async function repay(): Promise<void> {
    try {
      for (const [id, { clock, until }] of debts) {
        if (until < performance.now()) debts.delete(id)
        else await bury(id, () => placeTombstone(id, clock))
      }
    } catch (error) {
      report(error, 'forget')
    }
    timer = undefined
    repayLater()
  }

  /** Changes the durable store, then tells the fast one. `mustForget`: not telling it is the caller's error. */
  async function change<T>(
    id: string,
    context: StoreContext | undefined,
    run: () => MaybePromise<T>,
    mustForget: (result: T) => boolean = () => false,
  ): Promise<T> {
    const clock = clockOf(context)
    let result: T
    try {
      result = await run()
    } catch (error) {
      // Nobody knows whether it was done.
      forget(id, clock).catch(() => 'reported')
      throw error
    }
    try {
      await forget(id, clock)
    } catch (cause) {
      if (mustForget(result)) throw notForgotten(cause)
    }
    return result
  }

  function notForgotten(cause: unknown): SessionStoreError {
    const seconds = maxStaleMs / 1000
    return new SessionStoreError(
      'The session is removed, but the cache in front of the store could not be told: other servers may believe ' +
        `their copy for up to ${seconds} s. Try again.`,
      { cause: safeCause(cause) },
    )
  }

  const store: Store = {
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
      // What the fast store forgets was no session, and is not counted.
      for await (const _ of fast.clearExpired?.(options) ?? []);
    }
  }
  if (scan) store.scan = context => scan.call(durable, context)
  if (scanBySubject) store.scanBySubject = (subject, context) => scanBySubject.call(durable, subject, context)
  if (scanBySubject && removeBySubject) {
    // One by one and at the version seen, for the copy of each has to go: the durable store does not tell which it
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
          if (failure) owe(id, clock)
          else
            await forget(id, clock).catch(cause => {
              failure ??= { cause }
            })
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
      if (failure) throw notForgotten(failure.cause)
      return removed
    }
  }
  if (fast.close || durable.close) {
    store.close = async () => {
      clearTimeout(timer)
      debts.clear()
      await Promise.all([fast.close?.(), durable.close?.()])
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

function nowOf(context: StoreContext | undefined): number {
  return context?.now ?? Date.now()
}

/** The caller's clock as time goes on, in ms. */
function clockOf(context: StoreContext | undefined): () => number {
  const ahead = nowOf(context) - performance.now()
  return () => Math.ceil(ahead + performance.now())
}

function isPromise<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}

/** Ends the caller's waiting, not what others wait for too. */
function unlessAborted<T>(signal: AbortSignal | undefined, shared: Promise<T>): Promise<T> {
  if (signal === undefined) return shared
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    shared.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
