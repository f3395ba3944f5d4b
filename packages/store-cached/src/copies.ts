import { type MaybePromise, type Store, type StoreContext, type StoredRecord, safeCause } from '@sess/core'
import { isPromise, nowOf, settle } from '@sess/core/store'
import { entryOf, tombstone, usableRecord } from './entry.ts'
import { Limit } from './limit.ts'
import { inTurns } from './turns.ts'

/** The second argument of `onError`. */
export interface CacheErrorEvent {
  /**
   * - `read`, `fill`: the session was read from the durable store, and no copy was kept.
   * - `invalidate`: a change is stored, but other processes may use the old copy for up to `maxStale` seconds.
   */
  operation: 'read' | 'fill' | 'invalidate'
}

/** The result of reading the fast store. */
export interface Look {
  /** The record, if its copy may be used. */
  hit?: StoredRecord | undefined
  /** The copy, tombstone or nothing that was there. Not set if the fast store was not read. */
  seen?: StoredRecord | null
}

/** The time of the caller's clock, in ms since the epoch. */
export type Clock = () => number

export interface CopiesOptions {
  fast: Store
  maxStaleMs: number
  /** Milliseconds that the fast store has for one read or one change. */
  timeout: number
  onError: ((error: Error, event: CacheErrorEvent) => unknown) | undefined
}

/** A tombstone lives this much longer than any copy read before it, because clocks differ and a `now` may be old. */
const MARGIN_MS = 30_000
/** Pause after a failure of the fast store: it is not read, and then pending invalidations are retried. */
const REST_MS = 1_000
/** A bound for a loop that the time limit should end earlier. */
const TRIES = 1_000

/**
 * The copies of records in the fast store.
 *
 * - `invalidate` replaces a copy by a tombstone.
 * - `fill` writes a copy only at the version that `look` saw before the durable store was read. So a reader cannot undo an
 *   invalidation that happened meanwhile. If nothing was there, `fill` inserts.
 * - A tombstone lives until every copy that was read before it is too old to be used. A fast store that evicts tombstones
 *   earlier, because its memory is full, can let an old copy back in, for `maxStale` at the most.
 *
 * `docs/decisions/0030` has the reasoning.
 */
export class Copies {
  readonly #fast: Store
  readonly #maxStaleMs: number
  readonly #timeout: number
  readonly #onError: CopiesOptions['onError']
  readonly #inTurns = inTurns<void>()
  /** Ids whose tombstone could not be written, with the clock of that call. This process does not use their copies. */
  readonly #pending = new Map<string, { clock: Clock; until: number }>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #restUntil = Number.NEGATIVE_INFINITY

  constructor({ fast, maxStaleMs, timeout, onError }: CopiesOptions) {
    this.#fast = fast
    this.#maxStaleMs = maxStaleMs
    this.#timeout = timeout
    this.#onError = onError
  }

  /** Reads the fast store. Returns a plain value if that one does. */
  look(id: string, context: StoreContext | undefined): MaybePromise<Look> {
    if (!this.#isUsable(id)) return {}
    const now = nowOf(context)
    const found = (seen: StoredRecord | null): Look =>
      // An invalidation may have failed meanwhile.
      this.#pending.has(id) ? {} : { hit: usableRecord(seen, now, this.#maxStaleMs), seen }
    const failed = (error: unknown): Look => {
      if (context?.signal?.aborted) throw error
      this.#failed(error, 'read')
      return {}
    }
    const limit = new Limit(now, this.#timeout, context?.signal)
    const read = () => {
      const result = this.#fast.read(id, limit)
      return isPromise(result) ? limit.wait(result) : result
    }
    return settle(read, found, failed)
  }

  /** Keeps a copy of a record that the durable store was asked for at `now` and returned `age` ms later. */
  async fill(id: string, record: StoredRecord, { seen }: Look, now: number, age: number): Promise<void> {
    if (seen === undefined || age >= this.#maxStaleMs || !this.#isUsable(id)) return
    // A copy that replaces a tombstone is kept as long as the tombstone would have been. Otherwise the id would be free too
    // soon, and a slower reader could insert a copy that is not too old yet.
    const until = Math.max(seen?.expiresAt ?? 0, Math.min(record.expiresAt, now + this.#maxStaleMs))
    const copy = entryOf(record, now, until)
    const limit = new Limit(now + age, this.#timeout)
    try {
      await limit.wait<unknown>(
        seen === null
          ? this.#fast.insert(id, copy, limit)
          : this.#fast.replace(id, copy, seen.version, limit),
      )
    } catch (error) {
      this.#failed(error, 'fill')
    }
  }

  /** Replaces a copy by a tombstone. If that fails, it rejects, and is retried later. No signal ends it. */
  async invalidate(id: string, clock: Clock): Promise<void> {
    try {
      await this.#inTurns(id, () => this.#placeTombstone(id, clock))
    } catch (error) {
      this.invalidateLater(id, clock)
      this.#failed(error, 'invalidate')
      throw error
    }
  }

  /** Uses no copy of this session in this process until the tombstone is written, or until every copy is too old. */
  invalidateLater(id: string, clock: Clock): void {
    this.#pending.set(id, { clock, until: performance.now() + this.#maxStaleMs + MARGIN_MS })
    this.#startTimer()
  }

  async clearExpired(options: StoreContext | undefined): Promise<void> {
    for await (const _ of this.#fast.clearExpired?.(options) ?? []);
  }

  /** Retries pending invalidations once more, then closes the fast store. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#invalidatePending()
    this.#pending.clear()
    await this.#fast.close?.()
  }

  #isUsable(id: string): boolean {
    return performance.now() >= this.#restUntil && !this.#pending.has(id)
  }

  async #placeTombstone(id: string, clock: Clock): Promise<void> {
    const limit = new Limit(clock(), this.#timeout)
    for (let tries = 1; tries <= TRIES; tries++) {
      const seen = await limit.wait(this.#fast.read(id, limit))
      const mark = tombstone(Math.max(seen?.expiresAt ?? 0, clock() + this.#maxStaleMs + MARGIN_MS))
      const isPlaced =
        seen === null
          ? await limit.wait(this.#fast.insert(id, mark, limit))
          : (await limit.wait(this.#fast.replace(id, mark, seen.version, limit))) === 'ok'
      if (isPlaced) {
        this.#pending.delete(id)
        return
      }
      // Nothing was read, and yet the id is taken: some stores keep expired records until they are cleared.
      if (seen === null && tries % 3 === 0) await this.clearExpired(limit)
    }
    throw new Error(
      'The fast store did not accept a tombstone. Its insert() must accept the id of an expired record.',
    )
  }

  #startTimer(): void {
    if (this.#timer !== undefined || this.#pending.size === 0) return
    this.#timer = setTimeout(async () => {
      await this.#invalidatePending()
      this.#timer = undefined
      this.#startTimer()
    }, REST_MS)
    if (typeof this.#timer === 'object') this.#timer.unref()
  }

  async #invalidatePending(): Promise<void> {
    try {
      for (const [id, { clock, until }] of this.#pending) {
        if (until < performance.now()) this.#pending.delete(id)
        else await this.#inTurns(id, () => this.#placeTombstone(id, clock))
      }
    } catch (error) {
      this.#report(error, 'invalidate')
    }
  }

  #failed(error: unknown, operation: CacheErrorEvent['operation']): void {
    this.#restUntil = performance.now() + REST_MS
    this.#report(error, operation)
  }

  #report(error: unknown, operation: CacheErrorEvent['operation']): void {
    try {
      const result = this.#onError?.(safeCause(error), { operation })
      if (isPromise(result)) void result.then(undefined, () => undefined)
    } catch {
      // Ignored like a rejection, because there is nobody to report it to.
    }
  }
}
