import {
  type Codec,
  SessionDataError,
  type SessionRecord,
  type Store,
  type StoreContext,
  type StoredRecord,
} from '@sess/core'
import { nowOf, pause } from '@sess/core/store'
import { announced, commonExpiry, decide, type Observed, type Step } from './decide.ts'
import {
  digestOf,
  newNonce,
  parseReceipt,
  placeholderData,
  placeholderNonce,
  type Receipt,
  receiptId,
  receiptRecord,
} from './receipt.ts'

/** Options of a `Mover`. */
export interface MoverOptions {
  /** The store that is left. */
  from: Store
  /** The store that takes its place. */
  to: Store
  /** The codec of the site. With `json()`, the engine's default, it may be left out. */
  codec?: Pick<Codec, 'encode'> | undefined
}

/** How often something was done. */
export interface Tally {
  /** Sessions that were copied to the new store. */
  copied: number
  /** Newer data that were written to the other store. */
  updated: number
  /** Sessions that had ended in one store and were removed from the other. */
  ended: number
  /** Sessions that both sites had changed. The data of the new store were kept. */
  conflicts: number
}

/** A tally of nothing. */
export function newTally(): Tally {
  return { copied: 0, updated: 0, ended: 0, conflicts: 0 }
}

/** What is known about one session, with the version of the receipt. */
export interface Seen extends Observed {
  receiptVersion: string | undefined
}

/** The old store rejects what the new site saved, so the session is newer in the new store alone. */
export class OldStoreRejects extends SessionDataError {
  /** The record in the new store. */
  readonly copy: StoredRecord

  constructor(cause: SessionDataError, copy: StoredRecord) {
    super(`The old store cannot hold the session: ${cause.message}`, { cause })
    this.copy = copy
  }
}

/** A bound for a loop that ends after two or three turns, unless others change the session all the time. */
const TRIES = 1_000
const AT_ONCE = 5
/** Processes that bring changes of one session over at the same time are few. */
const MOST_PENDING = 16

/**
 * Keeps one session the same in two stores. `movingStore` and the command `sess move` share it. Its memory are receipts in the
 * new store. So any number of processes may work at once, and each may be killed at any moment.
 *
 * @example
 * const mover = new Mover({ from: sqliteStore('sessions.db'), to: postgresStore(url) })
 * const record = await mover.carry(id)
 */
export class Mover {
  readonly from: Store
  readonly to: Store
  readonly #codec: Pick<Codec, 'encode'> | undefined

  constructor({ from, to, codec }: MoverOptions) {
    this.from = from
    this.to = to
    this.#codec = codec
  }

  /**
   * Copies a session to the new store. If it is there already, brings what ended, changed or was extended on one side to the
   * other. Returns the record in the new store afterwards, or `null` if the session has ended.
   *
   * @param tally counts what was done
   * @param known what was seen a moment ago, which saves a look
   * @throws SessionDataError (`SESSION_DATA`) if one of the stores cannot hold the session
   * @example
   * await mover.carry(id, { now: Date.now() })
   */
  async carry(
    id: string,
    context: StoreContext = {},
    tally: Tally = newTally(),
    known?: Seen,
  ): Promise<StoredRecord | null> {
    let seen = known ?? (await this.look(id, context))
    let mayExtend = true
    for (let tries = 1; tries <= TRIES; tries++) {
      context.signal?.throwIfAborted()
      const step = decide(seen, nowOf(context), mayExtend)
      if (step === 'settled') return seen.to
      const isDone = await this.#take(step, id, seen, context)
      // A store that cannot hold so late a date would be extended for ever.
      if (isDone && (step === 'extend-to' || step === 'extend-from')) mayExtend = false
      if (isDone) count(step, tally)
      // Both were equal when they were looked at, and the receipt says so now.
      if (isDone && step === 'note' && seen.placeholder === undefined) return seen.to
      if (isDone && step === 'forget' && seen.from === null) return seen.to
      // Some stores keep an expired record, and its id, until it is cleared away.
      if (step === 'reserve' && tries % AT_ONCE === 0) await this.#clearExpired(context)
      if (tries > AT_ONCE) await pause(Math.random() * Math.min(tries, 50), context.signal)
      seen = await this.look(id, context)
    }
    throw new Error('A session kept changing in both stores, so that they could not be made equal.')
  }

  /** Looks at a session in both stores. The receipt comes first: `decide` relies on that. */
  async look(id: string, context: StoreContext): Promise<Seen> {
    const kept = await this.to.read(receiptId(id), context)
    const receipt = kept ? parseReceipt(kept.payload) : undefined
    const reading = this.from.read(id, context)
    // An insert writes to the new store first. So what is in the old one alone is a session whose removal began.
    if (receipt?.inserting) await reading
    const [from, to] = await Promise.all([reading, this.to.read(id, context)])
    return {
      receipt,
      receiptVersion: kept?.version,
      from,
      to,
      placeholder: to ? placeholderNonce(id, to.payload) : undefined,
    }
  }

  /**
   * Says that a session is being inserted, so that it is not taken for one that the old site ended. Returns `false` if the id is
   * taken. `unclaim` is for afterwards.
   */
  async claim(id: string, { expiresAt }: SessionRecord, nonce: string, context: StoreContext) {
    const claim = { ...receiptOf(id, expiresAt), nonce, inserting: true }
    for (let tries = 1; tries <= AT_ONCE; tries++) {
      const { receipt, from, to, placeholder } = await this.look(id, context)
      if (receipt === undefined && from === null && (to === null || placeholder !== undefined)) {
        if (await this.#writeReceipt(claim, undefined, context)) return true
      } else if (receipt?.inserting && receipt.expiresAt > nowOf(context)) return false
      // Another process ended it a moment ago, or it is there.
      else if ((await this.carry(id, context)) !== null) return false
    }
    return false
  }

  /** Removes the receipt of an insert, if the session has ended meanwhile. The insert must not write to the old store any more. */
  async unclaim(id: string, nonce: string, context: StoreContext): Promise<void> {
    const { receipt, receiptVersion, to } = await this.look(id, context)
    if (to === null && receipt?.inserting && receipt.nonce === nonce)
      await this.to.remove(receiptId(id), receiptVersion, context)
  }

  /**
   * Makes the copy alone the session: removes the old record, then the receipt. For the end of the move, when no process uses
   * the old store any more.
   */
  async release(receipt: Receipt, version: string, context: StoreContext = {}): Promise<void> {
    const id = receiptId(receipt.id)
    const released = receiptRecord({ ...receipt, released: true })
    if ((await this.to.replace(id, released, version, context)) === 'ok')
      await this.carry(receipt.id, context)
  }

  /** Takes one step. Returns `false` if a record had changed since it was seen. */
  async #take(step: Step, id: string, seen: Seen, context: StoreContext): Promise<boolean> {
    const { from: old, to: copy } = seen
    switch (step) {
      case 'reserve':
        this.#assertFits(old!)
        return this.to.insert(id, await this.#placeholder(id, old!), context)
      case 'note':
        return this.#note(id, seen, context)
      case 'fill':
      case 'update-to':
        this.#assertFits(old!)
        if (!(await this.#announce(id, 'to', old!, seen, context))) return false
        return (await this.to.replace(id, withoutVersion(old!), copy!.version, context)) === 'ok'
      case 'update-from':
      case 'conflict':
        if (!(await this.#announce(id, 'from', copy!, seen, context))) return false
        try {
          return (await this.from.replace(id, withoutVersion(copy!), old!.version, context)) === 'ok'
        } catch (error) {
          throw error instanceof SessionDataError ? new OldStoreRejects(error, copy!) : error
        }
      case 'extend-to':
        if (!(await this.#isUntouched(id, seen, context))) return false
        return this.to.touch(id, old!.expiresAt, copy!.version, context)
      case 'extend-from':
        if (!(await this.#isUntouched(id, seen, context))) return false
        return this.from.touch(id, copy!.expiresAt, old!.version, context)
      case 'discard':
        return (await this.to.remove(id, copy!.version, context)) === 'ok'
      case 'end-to':
        if (!(await this.#isCurrent(id, seen, context))) return false
        return (await this.to.remove(id, copy!.version, context)) === 'ok'
      case 'end-both':
        if (!(await this.#isCurrent(id, seen, context))) return false
        await this.from.remove(id, old!.version, context)
        return (await this.to.remove(id, copy!.version, context)) === 'ok'
      case 'end-from':
        if (!(await this.#isCurrent(id, seen, context))) return false
        return (await this.from.remove(id, old!.version, context)) === 'ok'
      case 'forget':
        return (await this.to.remove(receiptId(id), seen.receiptVersion, context)) === 'ok'
      case 'settled':
        return true
    }
  }

  /** Whether the receipt is still the one that was seen, so that both records are what it is about. */
  async #isCurrent(id: string, { receiptVersion }: Seen, context: StoreContext): Promise<boolean> {
    return (await this.to.read(receiptId(id), context))?.version === receiptVersion
  }

  /** Whether the copy still has the expiry that was seen. A touch changes no version. */
  async #isUntouched(id: string, seen: Seen, context: StoreContext): Promise<boolean> {
    const [isCurrent, copy] = await Promise.all([
      this.#isCurrent(id, seen, context),
      this.to.read(id, context),
    ])
    return isCurrent && copy?.expiresAt === seen.to!.expiresAt
  }

  /** Writes the receipt: both stores hold the same, or are about to. */
  #note(id: string, { from, to, placeholder, receipt, receiptVersion }: Seen, context: StoreContext) {
    const noted: Receipt = {
      ...receiptOf(id, commonExpiry(from!, to!)),
      nonce: placeholder ?? receipt?.nonce ?? '',
      digest: digestOf(from!.payload),
    }
    return this.#writeReceipt(noted, receiptVersion, context)
  }

  /** Says in the receipt what is written next, so that it is not taken for a change of a site. */
  async #announce(
    id: string,
    store: 'from' | 'to',
    { payload }: StoredRecord,
    seen: Seen,
    context: StoreContext,
  ): Promise<boolean> {
    const { from, to, receipt, receiptVersion } = seen
    const digest = digestOf(payload)
    const pending = announced(store, digest)
    // One of the records may be newer than the other, if a third one has been announced meanwhile.
    if (receipt?.digest === digest || receipt?.pending.includes(pending))
      return this.#isCurrent(id, seen, context)
    const before = receipt ?? receiptOf(id, commonExpiry(from!, to!))
    // Others may be about to write something older, which must not look like a change either.
    const announcedNow = [...before.pending, pending].slice(-MOST_PENDING)
    return this.#writeReceipt({ ...before, pending: announcedNow }, receiptVersion, context)
  }

  async #writeReceipt(
    receipt: Receipt,
    version: string | undefined,
    context: StoreContext,
  ): Promise<boolean> {
    const id = receiptId(receipt.id)
    const record = receiptRecord(receipt)
    if (version === undefined) return this.to.insert(id, record, context)
    return (await this.to.replace(id, record, version, context)) === 'ok'
  }

  async #placeholder(id: string, { expiresAt }: StoredRecord) {
    const nonce = newNonce()
    const data = placeholderData(id, nonce)
    const plain = { payload: JSON.stringify(data), expiresAt }
    if (!this.#codec) return plain
    try {
      const payload = await this.#codec.encode(data)
      // A codec that encrypts or compresses would hide the nonce from other processes.
      return placeholderNonce(id, payload) === nonce ? { payload, expiresAt } : plain
    } catch {
      // A codec that only reads, such as Django's without its secret.
      return plain
    }
  }

  #assertFits({ payload }: StoredRecord): void {
    const { maxBytes } = this.to
    if (maxBytes === undefined || payload.length * 3 <= maxBytes) return
    const bytes = Buffer.byteLength(payload)
    if (bytes > maxBytes) {
      throw new SessionDataError(
        `The session has ${bytes} bytes, and the new store holds ${maxBytes} at the most.`,
      )
    }
  }

  async #clearExpired(context: StoreContext): Promise<void> {
    for await (const _ of this.to.clearExpired?.(context) ?? []);
  }
}

function receiptOf(id: string, expiresAt: number): Receipt {
  return { id, nonce: '', digest: '', pending: [], expiresAt, released: false, inserting: false }
}

function withoutVersion({ version: _, ...record }: StoredRecord) {
  return record
}

function count(step: Step, tally: Tally): void {
  if (step === 'fill') tally.copied += 1
  if (step === 'update-to' || step === 'update-from') tally.updated += 1
  if (step === 'conflict') tally.conflicts += 1
  if (step === 'end-to' || step === 'end-from' || step === 'end-both') tally.ended += 1
}
