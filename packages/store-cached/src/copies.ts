import { type MaybePromise, type Store, type StoreContext, type StoredRecord, safeCause } from '@sess/core'
import { isPromise, nowOf } from '@sess/core/store'
import { believed, entryOf, tombstone } from './entry.ts'
import { Limit } from './limit.ts'
import { inTurns } from './turns.ts'

export interface CacheErrorEvent {
  /**
   * `read`, `fill`: the session came from the durable store, and no copy was kept. `invalidate`: a change is stored,
   * but other processes may use the copy of before for up to `maxStale`.
   */
  operation: 'read' | 'fill' | 'invalidate'
}

/** What a look into the fast store found. */
export interface Look {
  /** The record, if its copy may be used. */
  hit?: StoredRecord | undefined
  /** What stood there: a copy, a tombstone or nothing. Not set when the fast store was not asked. */
  seen?: StoredRecord | null
}

/** The caller's clock as time goes on, in ms since the epoch. */
export type Clock = () => number

export interface CopiesOptions {
  fast: Store
  maxStaleMs: number
  /** Milliseconds that the fast store has for one look or one change. */
  timeout: number
  onError: ((error: Error, event: CacheErrorEvent) => unknown) | undefined
}

/** A tombstone outlives every copy that was read before it by this: clocks that differ, callers whose `now` is old. */
const MARGIN_MS = 30_000
/** After a failure the fast store is not read for so long, and pending invalidations are tried again that often. */
const REST_MS = 1_000
/** More contenders for one tombstone than any time limit lets happen. */
const TRIES = 1_000

/**
 * The copies of records in the fast store.
 *
 * `invalidate` puts a tombstone in the place of a copy. `fill` overwrites what stands there only at the version that
 * `look` saw *before* the durable store was read, so no reader puts back what a tombstone has ended. An id under which
 * nothing stands is filled by `insert`; and a copy read before a change is too old to be used by the time the tombstone
 * of that change expires. `docs/decisions/0030` has the reasoning.
 */
export class Copies {
  readonly #fast: Store
  readonly #maxStaleMs: number
  readonly #timeout: number
  readonly #onError: CopiesOptions['onError']
  readonly #inTurns = inTurns<void>()
  /** Ids whose tombstone could not be placed, each with the clock of that call. Their copies are not used here. */
  readonly #pending = new Map<string, { clock: Clock; until: number }>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #restUntil = Number.NEGATIVE_INFINITY

  constructor({ fast, maxStaleMs, timeout, onError }: CopiesOptions) {
    this.#fast = fast
    this.#maxStaleMs = maxStaleMs
    this.#timeout = timeout
    this.#onError = onError
  }

  /** Asks the fast store. Returns a plain value where that one answers at once. */
  look(id: string, context: StoreContext | undefined): MaybePromise<Look> {
    if (!this.#isUsable(id)) return {}
    const now = nowOf(context)
    const found = (seen: StoredRecord | null): Look =>
      // An invalidation may have failed meanwhile.
      this.#pending.has(id) ? {} : { hit: believed(seen, now, this.#maxStaleMs), seen }
    const failed = (error: unknown): Look => {
      if (context?.signal?.aborted) throw error
      this.#failed(error, 'read')
      return {}
    }
    const limit = new Limit(now, this.#timeout, context?.signal)
    let answer: MaybePromise<StoredRecord | null>
    try {
      answer = this.#fast.read(id, limit)
    } catch (error) {
      return failed(error)
    }
    return isPromise(answer) ? limit.wait(answer).then(found, failed) : found(answer)
  }

  /** Keeps a copy of what the durable store returned, `age` ms after it was asked at `now`. */
  async fill(id: string, record: StoredRecord, { seen }: Look, now: number, age: number): Promise<void> {
    if (seen === undefined || age >= this.#maxStaleMs || !this.#isUsable(id)) return
    // What takes the place of a tombstone stands as long as the tombstone would have.
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

  /** Puts a tombstone in the place of a copy. If it fails, it rejects and is tried again later. No signal ends it. */
  async invalidate(id: string, clock: Clock): Promise<void> {
    try {
      await this.#inTurns(id, () => this.#placeTombstone(id, clock))
    } catch (error) {
      this.invalidateLater(id, clock)
      this.#failed(error, 'invalidate')
      throw error
    }
  }

  /** Uses no copy of this session in this process until its tombstone is placed, or the copy is too old anyway. */
  invalidateLater(id: string, clock: Clock): void {
    this.#pending.set(id, { clock, until: performance.now() + this.#maxStaleMs + MARGIN_MS })
    this.#startTimer()
  }

  async clearExpired(options: StoreContext | undefined): Promise<void> {
    for await (const _ of this.#fast.clearExpired?.(options) ?? []);
  }

  /** Tries pending invalidations a last time. */
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
      // Nothing is there, and yet the id is taken: by an expired record, in stores that leave them lying about.
      if (seen === null && tries % 3 === 0) await this.clearExpired(limit)
    }
    throw new Error(
      'The fast store never took a tombstone. Does its insert take the id of an expired record?',
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
      const heard = this.#onError?.(safeCause(error), { operation })
      if (isPromise(heard)) void heard.then(undefined, () => undefined)
    } catch {
      // Whether it throws or rejects, the call goes on, because there is nobody left to tell.
    }
  }
}
