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
  | 'extend-to'
  | 'extend-from'
  /** Remove the receipt. */
  | 'forget'

/** Stores round an expiry, to a second at the most. */
export const ROUNDING_MS = 1_000

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

  if (to === null) {
    if (receipt === undefined) return from ? 'reserve' : 'settled'
    // The copy may have expired while the old site extended its own record.
    return from && !expired ? 'end-from' : 'forget'
  }

  if (placeholder !== undefined) {
    if (from === null) return 'discard'
    if (receipt === undefined) return 'note'
    if (receipt.nonce !== placeholder) return expired ? 'note' : 'end-both'
    return 'fill'
  }

  if (from === null) {
    // Without a receipt the session began in the new store.
    if (receipt === undefined) return 'settled'
    return expired ? 'forget' : 'end-to'
  }
  const [digest, copied] = [digestOf(from.payload), digestOf(to.payload)]
  if (digest !== copied) {
    const base = agreed(receipt, digest, copied)
    if (copied === base) return 'update-to'
    return digest === base ? 'update-from' : 'conflict'
  }
  const later = from.expiresAt - to.expiresAt
  if (mayExtend && later > ROUNDING_MS) return 'extend-to'
  if (mayExtend && later < -ROUNDING_MS) return 'extend-from'
  if (receipt?.digest !== digest || receipt.pending.length > 0) return 'note'
  return Math.abs(receipt.expiresAt - latestExpiry(from, to)) > ROUNDING_MS ? 'note' : 'settled'
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

export function latestExpiry(from: StoredRecord, to: StoredRecord): number {
  return Math.max(from.expiresAt, to.expiresAt)
}
