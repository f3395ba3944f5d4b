const UNITS: [ms: number, name: string][] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1_000, 'second'],
]

/**
 * A length of time, given in milliseconds, in its largest unit.
 *
 * @example
 * duration(7_200_000) // '2 hours'
 */
export function duration(ms: number): string {
  const [unit, name] = UNITS.find(([unit]) => ms >= unit) ?? UNITS.at(-1)!
  const count = Math.floor(ms / unit)
  return `${number(count)} ${name}${count === 1 ? '' : 's'}`
}

/**
 * How long ago a moment was, or how far off it is, in milliseconds since the epoch; `-` where it is not known.
 *
 * @example
 * relative(view.createdAt, Date.now()) // '3 hours ago'
 */
export function relative(ms: number | undefined, now: number): string {
  if (ms === undefined) return '-'
  if (Math.abs(ms - now) < 1_000) return 'now'
  return ms < now ? `${duration(now - ms)} ago` : `in ${duration(ms - now)}`
}

/**
 * A moment, in milliseconds since the epoch, to the second in UTC; `-` where it is not known.
 *
 * @example
 * moment(view.expiresAt) // '2026-11-28 20:30:19Z'
 */
export function moment(ms: number | undefined): string {
  if (ms === undefined || Math.abs(ms) > 8.64e15) return '-'
  return new Date(ms).toISOString().replace('T', ' ').replace('.000Z', 'Z')
}

/**
 * The same in ISO 8601, or `null`.
 *
 * @example
 * isoMoment(view.expiresAt) // '2026-11-28T20:30:19.000Z'
 */
export function isoMoment(ms: number | undefined): string | null {
  return ms === undefined || Math.abs(ms) > 8.64e15 ? null : new Date(ms).toISOString()
}

/**
 * A number of bytes in its largest unit.
 *
 * @example
 * bytes(1434) // '1.4 KiB'
 */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  const names = ['KiB', 'MiB', 'GiB', 'TiB']
  let size = count / 1024
  let at = 0
  for (; size >= 1024 && at < names.length - 1; at++) size /= 1024
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${names[at]}`
}

/**
 * A number with its thousands separated.
 *
 * @example
 * number(100000) // '100,000'
 */
export function number(count: number): string {
  return count.toLocaleString('en-US')
}

/**
 * A number and what it counts.
 *
 * @example
 * counted(2, 'session') // '2 sessions'
 */
export function counted(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`
}
