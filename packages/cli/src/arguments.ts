import { InvalidArgumentError } from 'commander'

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** A timer of JavaScript holds no more (2^31 - 1 ms). */
const LONGEST = 2_147_483_647

/** `30s`, `15m`, `1h`, `7d` in milliseconds. */
export function parseDuration(text: string): number {
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN)
  if (!(ms >= 1_000)) throw new InvalidArgumentError('Give a time such as 30s, 15m, 1h or 1d.')
  if (ms > LONGEST) throw new InvalidArgumentError('Give 24d at the most.')
  return ms
}

/** A whole number, at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Give a whole number, ${least} or more.`)
    }
    return value
  }
}
