import { randomBytes } from 'node:crypto'
import type { SessionRecord, StoredRecord } from '@sess/core'

/**
 * A record is one string, so that one GET reads it:
 *
 *     <expiresAt, 16 digits> <version>[<earlier write>…] [<subject as JSON>]\n<payload>
 *
 * The call that writes a record makes its version: 7 digits of seconds (base 36), then 48 random bits (base64url).
 *
 * An earlier write is the random part of a version that was replaced, followed by 2 digits for the time when it was replaced
 * (seconds modulo 1,296, base 36). It stays for some seconds. So if a client sends a write twice, the second one is
 * recognised, even if others have written in between.
 */
const BEGINNING = /^(\d{16}) ([0-9a-z]{7}[\w-]{8})/

export const VERSION_LENGTH = 15
const TIME_LENGTH = 7
export const RANDOM_LENGTH = VERSION_LENGTH - TIME_LENGTH
const STAMP_LENGTH = 2
export const STAMP_RANGE = 36 ** STAMP_LENGTH

/** Characters of an earlier write. */
export const EARLIER_LENGTH = RANDOM_LENGTH + STAMP_LENGTH

/** The most earlier writes that are kept. */
export const MAX_EARLIER = 200

/**
 * Seconds that an earlier write is kept. The engine waits 5 by default; after that nobody needs the reply to a repeated
 * write. The rest is for clocks that differ.
 */
export const KEEP_EARLIER_SECONDS = 7
/** A version seems to come from the future by so much at the most. A stamp that is further off is no time at all. */
export const MAX_CLOCK_DIFFERENCE_SECONDS = 60

/** More than expiry, version, earlier writes and a subject of 255 characters need. */
export const HEADER_BYTES = 4096

/** The longest time that a write may be under way. The subject index relies on it. */
export const IN_FLIGHT_MS = 60_000

/** A version that no other call has. */
export function newVersion(now: number): string {
  // Not `randomUUID`: its pool repeats in processes that start from one V8 snapshot.
  return versionTime(now) + randomBytes(6).toString('base64url')
}

/** The 2 digits for the time when a write was replaced. */
export function stampOf(now: number): string {
  const seconds = Math.max(0, Math.floor(now / 1000))
  return (seconds % STAMP_RANGE).toString(36).padStart(STAMP_LENGTH, '0')
}

/** The time digits of a version. They sort by time, to the second. */
export function versionTime(now: number): string {
  const seconds = Math.max(0, Math.floor(now / 1000))
  return seconds.toString(36).padStart(TIME_LENGTH, '0').slice(-TIME_LENGTH)
}

export function serializeExpiry(expiresAt: number): string {
  return String(Math.min(Math.floor(expiresAt), Number.MAX_SAFE_INTEGER)).padStart(16, '0')
}

/** The part of the header after the versions. */
export function serializeSubject(subject: string | undefined): string {
  return `${subject === undefined ? '' : JSON.stringify(subject)}\n`
}

/** The part of the record after the versions and a space. */
export function serializeRest(record: SessionRecord): string {
  return serializeSubject(record.subject) + record.payload
}

/**
 * The record. `null` if it is absent, malformed or expired. The version that the engine gets ends with the subject, so that
 * a later call knows which index to change.
 */
export function parseRecord(value: unknown, now: number): StoredRecord | null {
  const match = typeof value === 'string' ? BEGINNING.exec(value) : null
  if (match === null) return null
  const [beginning, digits, version = ''] = match
  const expiresAt = Number(digits)
  // Earlier writes may be 2 KB long, so they are skipped without a regular expression.
  const text = value as string
  const endOfVersions = text.indexOf(' ', beginning.length)
  const endOfHeader = text.indexOf('\n')
  if (expiresAt <= now || endOfVersions === -1 || endOfHeader < endOfVersions) return null
  const payload = text.slice(endOfHeader + 1)
  const quoted = text.slice(endOfVersions + 1, endOfHeader)
  if (quoted === '') return { payload, expiresAt, version }
  try {
    const subject: unknown = JSON.parse(quoted)
    if (typeof subject === 'string') return { payload, expiresAt, subject, version: version + subject }
  } catch {
    // Not written by this package, see below.
  }
  // Not written by this package.
  return null
}

/** The version as it stands in the record, and the subject of that record. */
export function splitVersion(version: string): { written: string; subject: string | undefined } {
  return { written: version.slice(0, VERSION_LENGTH), subject: version.slice(VERSION_LENGTH) || undefined }
}
