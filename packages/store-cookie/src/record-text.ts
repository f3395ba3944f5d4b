import type { SessionRecord } from '@sess/core'

/**
 * A record as one text: `<expiresAt> <subject as JSON>\n<payload>`. Without a subject, its part and the space are left out.
 * UTF-8 cannot hold half a surrogate pair. A payload with one is written as JSON, after `\r` in place of `\n`.
 */
export function textOf({ expiresAt, subject, payload }: SessionRecord): string {
  const head = subject === undefined ? String(expiresAt) : `${expiresAt} ${JSON.stringify(subject)}`
  return payload.isWellFormed() ? `${head}\n${payload}` : `${head}\r${JSON.stringify(payload)}`
}

/** The record of a text whose signature is right. `null` for `null` and for an expired record. */
export function recordOf(text: string | null, now: number): SessionRecord | null {
  if (text === null) return null
  const end = text.search(/[\n\r]/)
  const head = text.slice(0, end)
  const space = head.indexOf(' ')
  const expiresAt = Number(space < 0 ? head : head.slice(0, space))
  // Not `<=`: a record whose expiry is no number must not live for ever.
  if (!(expiresAt > now)) return null
  const rest = text.slice(end + 1)
  const payload = text[end] === '\r' ? (JSON.parse(rest) as string) : rest
  return space < 0
    ? { payload, expiresAt }
    : { payload, expiresAt, subject: JSON.parse(head.slice(space + 1)) as string }
}
