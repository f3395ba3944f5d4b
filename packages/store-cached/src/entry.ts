import type { SessionRecord, StoredRecord } from '@sess/core'

/**
 * What the fast store keeps under an id: a line of JSON, then the payload as it is.
 *
 *     ["<mark>",<read at>,<expires at>,<version, 0 where it is the payload>,<subject, if any>]\n<payload>    an entry
 *     ["<mark>"]\n                                                                                         a tombstone
 *
 * No two ever written have the same mark, so that even a store whose versions are the payloads themselves can tell one
 * tombstone from the next. The record's own expiry only says when the fast store may forget it.
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

/** A copy of what the durable store said at `readAt` (ms since the epoch), to be kept until `keepUntil`. */
export function entryOf(record: StoredRecord, readAt: number, keepUntil: number): SessionRecord {
  const { payload, expiresAt, version, subject } = record
  const header: Header = [newMark(), readAt, expiresAt, version === payload ? 0 : version, subject ?? null]
  return { payload: `${JSON.stringify(header)}\n${payload}`, expiresAt: keepUntil }
}

export function tombstone(keepUntil: number): SessionRecord {
  return { payload: `${JSON.stringify([newMark()] satisfies Header)}\n`, expiresAt: keepUntil }
}

/**
 * The record that an entry is a copy of, if it is to be believed: it was read less than `maxStaleMs` ago (or ahead: by a
 * machine whose clock is fast) and lives at `now`. A tombstone, nothing, and what is none of ours give `undefined`.
 */
export function believed(
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
    // Not written by us: as good as nothing.
    return undefined
  }
}
