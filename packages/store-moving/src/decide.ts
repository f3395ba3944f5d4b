import type { StoredRecord } from '@sess/core'
import { digestOf, type Receipt } from './receipt.ts'

/** What both stores hold of one session. The receipt was read before the two records. */
export interface Observed {
  receipt: Receipt | undefined
  /** The record in the old store. */
  from: StoredRecord | null
  /** The record in the new store: the copy, or a placeholder. */
  to: StoredRecord | null
  /** The nonce, if `to` is a placeholder. */
  placeholder: string | undefined
}

export type Step =
  /** Nothing is to be done. */
  | 'settled'
  /** Insert a placeholder into the new store. */
  | 'reserve'
  /** Write the receipt. */
  | 'note'
  /** Replace the placeholder by the session. */
  | 'fill'
  /** Remove the placeholder. */
  | 'discard'
  /** It ended in the new store: remove it from the old one. */
  | 'end-from'
  /** It ended in the old store: remove it from the new one. */
  | 'end-to'
  /** It ended in the new store, and a late copier left a placeholder: remove both. */
  | 'end-both'
  /** The old store has newer data: write them to the new one. */
  | 'update-to'
  /** The new store has newer data: write them to the old one. */
  | 'update-from'
  /** Both have newer data, and cannot be merged without the codec: the new store's are kept. */
  | 'conflict'
  /** Give the copy the expiry of the old record. */
  | 'extend-to'
  /** Give the old record the expiry of the copy. */
  | 'extend-from'
  /** Remove the receipt. */
  | 'forget'

/** Stores round an expiry, to a second at the most. */
const ROUNDING_MS = 1_000

/**
 * What is to be done next about one session, so that both stores agree. Each step is one atomic call, and after each step both stores are
 * looked at again. So it may stop after any step, and another process may continue.
 *
 * The placeholder comes before the receipt, and the receipt before the copy. So a receipt without a record in the new store means
 * that the copy has ended, whatever crashed when.
 */
export function decide({ receipt, from, to, placeholder }: Observed, now: number, mayExtend: boolean): Step {
  if (receipt?.released) return from ? 'end-from' : 'forget'
  const expired = receipt !== undefined && receipt.expiresAt <= now
  const inserting = receipt?.inserting === true

  if (to === null) {
    // The insert that runs still writes to the old store, and removes the receipt afterwards.
    if (inserting && from === null && !expired) return 'settled'
    if (receipt === undefined) return from ? 'reserve' : 'settled'
    // The copy may have expired while the old site extended its own record.
    return from && !expired ? 'end-from' : 'forget'
  }

  if (placeholder !== undefined) {
    if (from === null || inserting) return 'discard'
    if (receipt === undefined) return 'note'
    if (receipt.nonce !== placeholder) return expired ? 'note' : 'end-both'
    return 'fill'
  }

  if (from === null) {
    // Without a receipt the session began in the new store.
    if (receipt === undefined || inserting) return 'settled'
    return expired ? 'forget' : 'end-to'
  }
  const [digest, copied] = [digestOf(from.payload), digestOf(to.payload)]
  if (digest !== copied) {
    // What the insert wrote to the old store is as old as the session.
    if (inserting) return 'update-from'
    const base = agreed(receipt, digest, copied)
    if (copied === base) return 'update-to'
    return digest === base ? 'update-from' : 'conflict'
  }
  if (mayExtend && !isNear(from.expiresAt, to.expiresAt)) {
    if (from.expiresAt < to.expiresAt) return 'extend-from'
    // The new site shortened it, and the old one has not touched it.
    const shortened =
      receipt && isNear(from.expiresAt, receipt.expiresAt) && !isNear(to.expiresAt, receipt.expiresAt)
    return shortened ? 'extend-from' : 'extend-to'
  }
  if (receipt?.digest !== digest || receipt.pending.length > 0 || inserting) return 'note'
  return isNear(receipt.expiresAt, commonExpiry(from, to)) ? 'settled' : 'note'
}

/** The digest that both stores last agreed on. A pending write that has arrived counts. */
function agreed(receipt: Receipt | undefined, digest: string, copied: string): string {
  if (receipt?.pending.includes(announced('to', copied))) return copied
  if (receipt?.pending.includes(announced('from', digest))) return digest
  return receipt?.digest ?? ''
}

/** How a receipt names a write to one of the stores. */
export function announced(store: 'from' | 'to', digest: string): string {
  return (store === 'to' ? '>' : '<') + digest
}

/** Whether two expiries are the same, apart from rounding. */
export function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= ROUNDING_MS
}

/** The expiry of both. If they differ, one of the stores cannot hold so late a date. */
export function commonExpiry(from: StoredRecord, to: StoredRecord): number {
  const [earlier, later] = [from.expiresAt, to.expiresAt].sort((a, b) => a - b) as [number, number]
  return isNear(earlier, later) ? later : earlier
}
