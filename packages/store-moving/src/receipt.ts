import { createHash, randomBytes } from 'node:crypto'
import type { SessionRecord } from '@sess/core'

/**
 * What the new store remembers about one session of the old one, in a record of its own. It outlives the copy, so "the copy has
 * ended" and "there was never a copy" are different things.
 */
export interface Receipt {
  /** The session's id in both stores. */
  id: string
  /** The nonce of the placeholder that the copy replaced, or of the insert. Empty if there was none. */
  nonce: string
  /** Digest of the payload when both stores last held the same one. */
  digest: string
  /**
   * Writes that were about to be made since then: `>` to the new store or `<` to the old one, and the digest of the payload. A
   * store that holds such a payload has not been changed by its site.
   */
  pending: readonly string[]
  /** The expiry that both had at that time, in ms since the epoch. If one of the stores cannot hold so late a date, the earlier one. */
  expiresAt: number
  /** The move is finished for this session: the copy alone is the session. */
  released: boolean
  /** The session began in the new store, and the old one may not have it yet. */
  inserting: boolean
}

/** A receipt outlives its session by this long, in milliseconds: 30 days. */
const KEPT_MS = 2_592_000_000
/** The end of the year 9999, the latest date that SQL databases hold, in ms since the epoch. */
const LATEST = 253_402_300_799_000

/** Tools that show sessions take a receipt for the marker of a rotation, whatever the codec of the site, and leave it out. */
const MARK = '{"_session_superseded":"sess-move","receipt":'

/** The id of a session's receipt. No session key leads to it. */
export function receiptId(id: string): string {
  return hex(`receipt ${id}`, 40)
}

export function receiptRecord(receipt: Receipt): SessionRecord {
  const { id, nonce, digest, pending, expiresAt, released, inserting } = receipt
  return {
    payload: `${MARK}${JSON.stringify([id, nonce, digest, pending, expiresAt, released, inserting])}}`,
    expiresAt: Math.max(expiresAt, Math.min(expiresAt + KEPT_MS, LATEST)),
  }
}

/** The receipt in a payload, or `undefined` for anything else. */
export function parseReceipt(payload: string): Receipt | undefined {
  if (!isReceipt(payload)) return undefined
  type Fields = [
    id: string,
    nonce: string,
    digest: string,
    pending: string[],
    expiresAt: number,
    released: boolean,
    inserting: boolean,
  ]
  const [id, nonce, digest, pending, expiresAt, released, inserting] = JSON.parse(
    payload.slice(MARK.length, -1),
  ) as Fields
  return { id, nonce, digest, pending, expiresAt, released, inserting }
}

/**
 * Whether a payload is a record of the move and no session. A list of the new store should leave these out.
 *
 * @example
 * for await (const entry of store.scan()) if (!isReceipt(entry.payload)) console.log(entry.id)
 */
export function isReceipt(payload: string): boolean {
  return payload.startsWith(MARK)
}

export function digestOf(payload: string): string {
  return hex(payload, 32)
}

export function newNonce(): string {
  return randomBytes(12).toString('hex')
}

/**
 * The data of a placeholder: what the engine takes for the marker of a rotation. A request that meets it reads an empty session,
 * leaves the cookie alone, and cannot save.
 */
export function placeholderData(id: string, nonce: string): Record<string, unknown> {
  return { _session_superseded: hex(`placeholder ${id}`, 16) + nonce }
}

/** The nonce of a placeholder, or `undefined` if the payload is a session. */
export function placeholderNonce(id: string, payload: string): string | undefined {
  // A placeholder is short, and most payloads are not looked through.
  if (payload.length > 500) return undefined
  const at = payload.indexOf(hex(`placeholder ${id}`, 16))
  const nonce = payload.slice(at + 16, at + 40)
  return at >= 0 && /^[0-9a-f]{24}$/.test(nonce) ? nonce : undefined
}

function hex(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}
