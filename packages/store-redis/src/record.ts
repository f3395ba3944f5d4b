import { randomBytes } from 'node:crypto'
import type { SessionRecord, StoredRecord } from '@sess/core'

/**
 * How a record is kept: one string, so that one GET reads it.
 *
 *     <expiresAt, 16 digits> <version>[<earlier write>…] [<subject as JSON>]\n<payload>
 *
 * A version is made by the call that writes it: 7 digits of seconds (base 36), then 48 random bits (base64url). When
 * the next write replaces it, its random part stays for some seconds, followed by 2 digits for the time of that (seconds
 * modulo 1,296, base 36). So a write that a client sends twice is recognised although others wrote since.
 */
const BEGINNING = /^(\d{16}) ([0-9a-z]{7}[\w-]{8})/

export const VERSION_LENGTH = 15
const TIME_LENGTH = 7
export const RANDOM_LENGTH = VERSION_LENGTH - TIME_LENGTH
const STAMP_LENGTH = 2
export const STAMP_RANGE = 36 ** STAMP_LENGTH

/** What an earlier write takes in the record. */
export const EARLIER_LENGTH = RANDOM_LENGTH + STAMP_LENGTH

/** Earlier writes kept at the most, however many there are in a second. */
export const MAX_EARLIER = 200

/**
 * Seconds that an earlier write is kept: the engine waits 5 by default, then nobody wants the answer of a write that was
 * sent again. The rest is for clocks that differ.
 */
export const KEEP_EARLIER_SECONDS = 7

/** More than expiry, version, earlier writes and a subject of 255 characters can take. */
export const HEADER_BYTES = 4096

/** No write is under way for longer. The index of subjects relies on it. */
export const IN_FLIGHT_MS = 60_000

/** A version, or a write, that no other call has. */
export function newVersion(now: number): string {
  // Not `randomUUID`: its pool repeats in processes that start from one V8 snapshot.
  return versionTime(now) + randomBytes(6).toString('base64url')
}

/** When an earlier write was replaced. */
export function stampOf(now: number): string {
  const seconds = Math.max(0, Math.floor(now / 1000))
  return (seconds % STAMP_RANGE).toString(36).padStart(STAMP_LENGTH, '0')
}

/** Sorts before the versions made since and after those made before, to the second. */
export function versionTime(now: number): string {
  const seconds = Math.max(0, Math.floor(now / 1000))
  return seconds.toString(36).padStart(TIME_LENGTH, '0').slice(-TIME_LENGTH)
}

export function serializeExpiry(expiresAt: number): string {
  return String(Math.min(Math.floor(expiresAt), Number.MAX_SAFE_INTEGER)).padStart(16, '0')
}

/** What stands in the header after the versions. */
export function serializeSubject(subject: string | undefined): string {
  return `${subject === undefined ? '' : JSON.stringify(subject)}\n`
}

/** What follows the versions and a blank. */
export function serializeRest(record: SessionRecord): string {
  return serializeSubject(record.subject) + record.payload
}

/**
 * The record, or null for what is absent, malformed or expired. The version that the engine sees has the subject behind
 * it, so that a later call knows whose index it has to touch.
 */
export function parseRecord(value: unknown, now: number): StoredRecord | null {
  const match = typeof value === 'string' ? BEGINNING.exec(value) : null
  if (match === null) return null
  const [beginning, digits, version = ''] = match
  const expiresAt = Number(digits)
  // The earlier writes, of which there may be 2 KB, are no business of a reader.
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
    // Told below.
  }
  // Not written by us.
  return null
}

/** The version as the record holds it, and the subject of the record that had it. */
export function splitVersion(version: string): { written: string; subject: string | undefined } {
  return { written: version.slice(0, VERSION_LENGTH), subject: version.slice(VERSION_LENGTH) || undefined }
}
