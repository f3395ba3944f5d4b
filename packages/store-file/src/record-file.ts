import { hash } from 'node:crypto'
import type { SessionRecord, StoredRecord } from '@sess/core'

/** The most bytes of a session file. A larger one is neither written nor read. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024

/** The most bytes of a payload, if the subject has 255 characters. */
export const MAX_PAYLOAD_BYTES = MAX_FILE_BYTES - 2048

// The checksum covers all that follows, so a cut or altered file is no record. The id is in it, so neither is a file
// under another session's name.
const HEADER = /^sess1 ([0-9a-f]{32}) ([a-z0-9]+) ([0-9a-f]{32}) (-?[\d.e+-]+) (\d+)\n/
const LONGEST_HEADER = 256

/** Throws if the record could not be read back as it is. */
export function checkRecord({ payload, expiresAt, subject = '' }: SessionRecord): void {
  if (!Number.isFinite(expiresAt)) throw new RangeError('expiresAt must be a finite number of milliseconds.')
  if (!payload.isWellFormed() || !subject.isWellFormed()) {
    throw new TypeError('The session contains half a surrogate pair, which UTF-8 cannot store.')
  }
  const bytes = LONGEST_HEADER + Buffer.byteLength(subject) + Buffer.byteLength(payload)
  if (bytes > MAX_FILE_BYTES) {
    throw new RangeError(`The session takes ${bytes} bytes. A file holds at most ${MAX_FILE_BYTES}.`)
  }
}

/**
 * The bytes of a session file: one line `sess1 <checksum> <id> <version> <expiresAt> <bytes of the subject>`, then the
 * subject, then the payload.
 */
export function serializeRecord(id: string, version: string, record: SessionRecord): Buffer {
  const { payload, expiresAt, subject = '' } = record
  const text = `${id} ${version} ${expiresAt} ${Buffer.byteLength(subject)}\n${subject}${payload}`
  return Buffer.from(`sess1 ${checksum(text)} ${text}`)
}

/** The inverse of `serializeRecord`. `null` for bytes that it did not write for this id. */
export function parseRecord(id: string, bytes: Buffer): StoredRecord | null {
  const header = HEADER.exec(bytes.toString('latin1', 0, LONGEST_HEADER))
  if (header === null || header[2] !== id) return null
  const covered = bytes.subarray('sess1 '.length + header[1]!.length + 1)
  if (checksum(covered) !== header[1]) return null
  const subjectEnd = header[0].length + Number(header[5])
  const subject = bytes.toString('utf8', header[0].length, subjectEnd)
  return {
    payload: bytes.toString('utf8', subjectEnd),
    expiresAt: Number(header[4]),
    version: header[3]!,
    ...(subject !== '' && { subject }),
  }
}

function checksum(data: string | Buffer): string {
  return hash('sha256', data).slice(0, 32)
}
