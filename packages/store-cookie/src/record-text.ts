import type { SessionRecord } from '@sess/core'

/**
 * A record as one text: `expiresAt`, the subject as JSON if there is one, a line break, the payload as it is. A payload
 * that UTF-8 cannot hold (a surrogate without its pair) stands as JSON behind a carriage return instead.
 */
export function textOf({ expiresAt, subject, payload }: SessionRecord): string {
  const head = subject === undefined ? String(expiresAt) : `${expiresAt} ${JSON.stringify(subject)}`
  return payload.isWellFormed() ? `${head}\n${payload}` : `${head}\r${JSON.stringify(payload)}`
}

/** The inverse for a text that was verified; `null` once it has expired. */
export function recordOf(text: string | null, now: number): SessionRecord | null {
  if (text === null) return null
  const end = text.search(/[\n\r]/)
  const head = text.slice(0, end)
  const space = head.indexOf(' ')
  const expiresAt = Number(space < 0 ? head : head.slice(0, space))
  // Not `<=`: what is not a number must not live for ever.
  if (!(expiresAt > now)) return null
  const rest = text.slice(end + 1)
  const payload = text[end] === '\r' ? (JSON.parse(rest) as string) : rest
  return space < 0
    ? { payload, expiresAt }
    : { payload, expiresAt, subject: JSON.parse(head.slice(space + 1)) as string }
}
