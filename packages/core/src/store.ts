import type { Signal } from './platform.ts'

/** A value, or a promise of it: whatever the backend gives. With a store that returns at once a request continues synchronously. */
export type MaybePromise<T> = T | PromiseLike<T>

/** What a store keeps. */
export interface SessionRecord {
  /** Text the store never looks into: any Unicode, up to `maxBytes` (1 MiB of UTF-8 unless configured). */
  payload: string
  /** Milliseconds since the epoch. From that millisecond on the record is absent. */
  expiresAt: number
  /** Whose session it is: a copy for the index, 1 to 255 characters. */
  subject?: string
}

/** What a store gives back. */
export interface StoredRecord extends SessionRecord {
  /**
   * The store's own mark of what was read: opaque, compared byte for byte. The payload itself or a digest of it will
   * do, or what the backend has: a CAS token, an ETag. `touch` need not change it.
   */
  version: string
}

/** A record together with the id it is kept under. */
export interface StoredEntry extends StoredRecord {
  id: string
}

/** The last argument of every method, and part of the options where a method takes options. */
export interface StoreContext {
  /** The engine's clock, in milliseconds since the epoch. `Date.now()` where it is absent. */
  now?: number | undefined
  /** Aborted when nobody waits for the result any more. */
  signal?: Signal | undefined
}

/**
 * Where records live. Ids are 40 characters of `[0-9a-f]` (32 of `[a-z0-9]` with `hashKeys: false`).
 *
 * Each call is atomic on its own and needs no transaction with another. To every method an expired record is absent.
 * **A backend that cannot be reached throws or rejects**: an outage must never look like "no session". There is no
 * upsert, because that is how a logged-out session comes back to life (CVE-2025-46336). A record that is returned shares no
 * object with one that was passed in. If the backend rejects a statement because others ran at the same time ("could not serialize",
 * "deadlock", "busy"), the store repeats it: contention is not an outage, and the engine does not repeat what threw.
 */
export interface Store {
  /**
   * The most bytes of payload (UTF-8) that the backend can hold, if that is limited: the engine's own `maxBytes` is then
   * this at the most, so that a session too big is an error (`SESSION_DATA`) before anything is written.
   */
  readonly maxBytes?: number | undefined

  /** The live record. Absent, expired or malformed: `null`, and nothing is written. */
  read(id: string, context?: StoreContext): MaybePromise<StoredRecord | null>

  /** Adds a record. `false`: the id is taken, perhaps by an expired record, and nothing changed. */
  insert(id: string, record: SessionRecord, context?: StoreContext): MaybePromise<boolean>

  /**
   * Replaces payload, expiry and subject of a live record whose version is still `version`; a record without
   * `subject` has none afterwards. `'stale'`: it has another version. `'gone'`: there is none, and none is made.
   * Replacing a record with its equal is `'ok'`.
   */
  replace(
    id: string,
    record: SessionRecord,
    version: string,
    context?: StoreContext,
  ): MaybePromise<'ok' | 'stale' | 'gone'>

  /** Changes the expiry of a live record at that version, and nothing else. `false`: gone or changed, nothing done. */
  touch(id: string, expiresAt: number, version: string, context?: StoreContext): MaybePromise<boolean>

  /**
   * Removes the record; with a version, only at that version. `'gone'` (no error): there was none.
   * `'stale'`: it has another version and stays.
   */
  remove(id: string, version?: string, context?: StoreContext): MaybePromise<'ok' | 'stale' | 'gone'>

  /**
   * Removes expired records in batches, never one that was renewed meanwhile, and reports after each batch.
   * Absent where the backend expires by itself.
   */
  clearExpired?(options?: ClearExpiredOptions): AsyncIterable<{ removed: number }>

  /** Every live record, in no order, each at least once if it lives throughout. For inspection. */
  scan?(options?: StoreContext): AsyncIterable<StoredEntry>

  /**
   * How many records are live, and how many have expired and are still there. Each is counted up to `limit`. For inspection.
   * Absent if the backend would have to read every record for it.
   */
  count?(options: CountOptions): MaybePromise<RecordCounts>

  /** Removes every session of a subject, again until none is left. `except` is an id. Returns how many were removed. */
  removeBySubject?(subject: string, options?: RemoveBySubjectOptions): MaybePromise<number>

  /** Every live record of a subject. */
  scanBySubject?(subject: string, options?: StoreContext): AsyncIterable<StoredEntry>

  /** Releases what the store itself opened. A connection that was handed in stays open. */
  close?(): MaybePromise<void>
}

/** Options of `Store.clearExpired`. */
export interface ClearExpiredOptions extends StoreContext {
  /** At most so many records are removed in one batch. */
  batchSize?: number | undefined
}

/** Options of `Store.count`. */
export interface CountOptions extends StoreContext {
  /** The largest number to return: there may be more. */
  limit: number
}

/** What `Store.count` returns. */
export interface RecordCounts {
  live: number
  /** Records that `clearExpired` would remove. */
  expired: number
}

/** Options of `Store.removeBySubject`. */
export interface RemoveBySubjectOptions extends StoreContext {
  /** The id that stays. */
  except?: string | undefined
}

/** What a cookie store may use beside the record. */
export interface SealContext {
  /** The session cookie's name, with the tenant of `isolate`: a token made for one is void under another. */
  name: string
  /** The first one seals, and all of them unseal. Never empty. */
  secrets: readonly string[]
  /** Milliseconds since the epoch. */
  now: number
}

/**
 * Keeps the session in its cookie. There is no server side, so the last response wins and a copied token lives until it
 * expires (or its subject's `notBefore`).
 */
export interface CookieStore {
  /** The token: characters that a cookie value may hold (RFC 6265 section 4.1.1), of any length. */
  seal(record: SessionRecord, context: SealContext): MaybePromise<string>
  /** The record, or `null` for whatever does not verify or has expired; it never throws for a bad token. */
  unseal(token: string, context: SealContext): MaybePromise<SessionRecord | null>
  /**
   * Returns what is wrong with a secret (`'repeats itself.'`), or `undefined`. It is called at start-up, and a returned text
   * is a ConfigError. Core itself rejects a secret of less than 32 bytes or 8 different characters. `weakness` of
   * `@sess/core/crypto` finds others that a store should reject.
   */
  weakness?(secret: string): string | undefined
}

const FLAGS: readonly unknown[] = [true, false]
const OUTCOMES: readonly unknown[] = ['ok', 'stale', 'gone']

/** The methods that a store must have, and what each may return. `read` returns a record, too. */
export const RETURNS = {
  read: [null, undefined] as readonly unknown[],
  insert: FLAGS,
  replace: OUTCOMES,
  touch: FLAGS,
  remove: OUTCOMES,
} satisfies Partial<Record<keyof Store, readonly unknown[]>>
