const UNITS: [ms: number, name: string][] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1_000, 'second'],
]

/** A length of time in its largest unit: `3 hours`. Milliseconds. */
export function duration(ms: number): string {
  const [unit, name] = UNITS.find(([unit]) => ms >= unit) ?? UNITS.at(-1)!
  const count = Math.floor(ms / unit)
  return `${number(count)} ${name}${count === 1 ? '' : 's'}`
}

/** `3 hours ago`, `in 2 days`; `-` where it is not known. */
export function relative(ms: number | undefined, now: number): string {
  if (ms === undefined) return '-'
  if (Math.abs(ms - now) < 1_000) return 'now'
  return ms < now ? `${duration(now - ms)} ago` : `in ${duration(ms - now)}`
}

/** `2026-11-28 20:30:19Z`, or `-`. */
export function moment(ms: number | undefined): string {
  if (ms === undefined || Math.abs(ms) > 8.64e15) return '-'
  return new Date(ms).toISOString().replace('T', ' ').replace('.000Z', 'Z')
}

export function isoMoment(ms: number | undefined): string | null {
  return ms === undefined || Math.abs(ms) > 8.64e15 ? null : new Date(ms).toISOString()
}

/** `312 B`, `1.4 KiB`. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  const names = ['KiB', 'MiB', 'GiB', 'TiB']
  let size = count / 1024
  let at = 0
  for (; size >= 1024 && at < names.length - 1; at++) size /= 1024
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${names[at]}`
}

export function number(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 session`, `2 sessions`. */
export function counted(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** Rows under a heading, in columns that fit what is in them. Two spaces between. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [heading, ...rows]
  const widths = heading.map((_, at) => Math.max(...lines.map(row => width(row[at] ?? ''))))
  return lines.map(row =>
    row
      .map((cell, at) => cell + ' '.repeat(widths[at]! - width(cell)))
      .join('  ')
      .trimEnd(),
  )
}

const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u

/** Columns of a terminal that a text takes. */
function width(text: string): number {
  let columns = 0
  for (const char of text) if (!/\p{Mn}/u.test(char)) columns += WIDE.test(char) ? 2 : 1
  return columns
}
