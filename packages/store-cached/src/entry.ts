import type { SessionRecord, StoredRecord } from '@sess/core'

/**
 * The payload that the fast store keeps under an id: a line of JSON, then the payload of the session.
 *
 *     ["<mark>",<read at>,<expires at>,<version, 0 where it is the payload>,<subject, if any>]\n<payload>    an entry
 *     ["<mark>"]\n                                                                                         a tombstone
 *
 * Every entry and tombstone has a mark of its own. So two tombstones have different versions even in a store whose
 * versions are the payloads. The expiry that the fast store sees only limits how long it keeps the entry.
 */
type Header = [
  mark: string,
  readAt?: number,
  expiresAt?: number,
  version?: string | 0,
  subject?: string | null,
]

/** Random alone: a counter or a prefix would repeat in processes that start from one V8 snapshot. */
function newMark(): string {
  const parts = globalThis.crypto.getRandomValues(new Uint32Array(3))
  return Array.from(parts, part => part.toString(36)).join('')
}

/** A copy of a record that was read at `readAt`, to be kept until `keepUntil` (both in ms since the epoch). */
export function entryOf(record: StoredRecord, readAt: number, keepUntil: number): SessionRecord {
  const { payload, expiresAt, version, subject } = record
  const header: Header = [newMark(), readAt, expiresAt, version === payload ? 0 : version, subject ?? null]
  return { payload: `${JSON.stringify(header)}\n${payload}`, expiresAt: keepUntil }
}

export function tombstone(keepUntil: number): SessionRecord {
  return { payload: `${JSON.stringify([newMark()] satisfies Header)}\n`, expiresAt: keepUntil }
}

/**
 * The record of an entry, if it may be used: it was read less than `maxStaleMs` ago and has not expired at `now`. A read in
 * the future counts like one in the past, because clocks differ. `undefined` for a tombstone, nothing, or foreign data.
 */
export function usableRecord(
  found: StoredRecord | null,
  now: number,
  maxStaleMs: number,
): StoredRecord | undefined {
  if (found === null) return undefined
  const end = found.payload.indexOf('\n')
  const header = headerOf(found.payload.slice(0, Math.max(end, 0)))
  if (header === undefined) return undefined
  const [, readAt, expiresAt, version, subject] = header
  if (typeof readAt !== 'number' || typeof expiresAt !== 'number' || version === undefined) return undefined
  if (!(Math.abs(now - readAt) < maxStaleMs) || !(expiresAt > now)) return undefined
  const payload = found.payload.slice(end + 1)
  const record: StoredRecord = { payload, expiresAt, version: version === 0 ? payload : version }
  if (typeof subject === 'string') record.subject = subject
  return record
}

function headerOf(line: string): Header | undefined {
  if (!line.startsWith('["')) return undefined
  try {
    return JSON.parse(line) as Header
  } catch {
    // Not written by this package.
    return undefined
  }
}
