import { SessionDataError } from './errors.ts'

/** A span of time. All parts add up; a `Temporal.Duration` fits. */
export interface Duration {
  readonly weeks?: number
  readonly days?: number
  readonly hours?: number
  readonly minutes?: number
  readonly seconds?: number
  readonly milliseconds?: number
}

/**
 * What `setExpiry` takes: seconds of inactivity (0: until the browser closes), the moment it ends (a Date, or a
 * Duration from now), or `null` for the engine's `age` again (Django `set_expiry`).
 */
export type Expiry = number | Date | Duration | null

/** What `getExpiryAge` and `getExpiryDate` may be asked instead of now and the session's own expiry. */
export interface ExpiryQuery {
  /** When the session was last modified. Default: now. */
  modification?: Date
  /** Seconds, a moment (a Date or its ISO text), or `null` for the engine's `age`. Default: the session's own. */
  expiry?: number | Date | string | null
}

/** In milliseconds. Nobody knows how long a month is. */
const UNITS: Record<string, number> = {
  years: Number.NaN,
  months: Number.NaN,
  weeks: 604_800_000,
  days: 86_400_000,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1000,
  milliseconds: 1,
  microseconds: 0.001,
  nanoseconds: 0.000_001,
}

/** 9999-12-31T23:59:59.999Z: the last moment that every backend, and ISO text of four digits, can write down. */
export const LAST_MOMENT = 253_402_300_799_999

/** What is kept as `_session_expiry`: seconds, or the moment as Django 5.2 writes it. `now` in ms since the epoch. */
export function storedExpiry(expiry: number | Date | Duration, now: number): number | string {
  // A number may be any: the record's end is cut off at LAST_MOMENT.
  if (typeof expiry === 'number' && Number.isFinite(expiry)) return expiry
  const moment = expiry instanceof Date ? expiry.getTime() : now + spanOf(expiry)
  if (isMoment(moment)) return formatMoment(moment)
  throw new TypeError('setExpiry takes seconds, a valid Date, a duration such as { days: 30 }, or null.')
}

/** Milliseconds; NaN where it is no duration, or none that we know: a misspelt unit would be no time at all. */
function spanOf(duration: unknown): number {
  const counts = Object(duration) as Record<string, unknown>
  let span: number | undefined
  // A Temporal.Duration has its units as getters, so that they are no keys of it.
  for (const unit in { ...UNITS, ...counts }) {
    const count = counts[unit]
    if (count === undefined) continue
    const ms = unit in UNITS && typeof count === 'number' ? count && count * UNITS[unit]! : Number.NaN
    span = (span ?? 0) + ms
  }
  return span ?? Number.NaN
}

/** From the year 1, where Python's dates begin. */
function isMoment(ms: number): boolean {
  return ms >= -62_135_596_800_000 && ms <= LAST_MOMENT
}

/** `2023-11-14T22:13:20+00:00`, or with six fraction digits when there is a fraction (Python `isoformat`). */
export function formatMoment(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000+00:00').replace('.000000', '')
}

const MOMENT =
  /^(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?(?:Z|([+-])(\d\d):?(\d\d)(?::?(\d\d))?)$/

/**
 * Milliseconds since the epoch (with a fraction: Python counts microseconds) of ISO text with an offset or `Z`.
 * Without an offset nobody knows which moment it means: a SessionDataError, as for any other text.
 */
export function parseMoment(text: string): number {
  const part = MOMENT.exec(text)
  if (part) {
    const [
      ,
      year,
      month,
      day,
      hour,
      minute = '00',
      second = '00',
      fraction = '',
      sign,
      oh = '0',
      om = '0',
      os = '0',
    ] = part
    const whole = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
    const offset = (Number(oh) * 60 + Number(om)) * 60 + Number(os)
    const ms = whole + Number(`0.${fraction.slice(0, 6)}0`) * 1000 - (sign === '-' ? -offset : offset) * 1000
    // Date.parse takes 31 February for 3 March.
    if (!Number.isNaN(ms) && new Date(whole).getUTCDate() === Number(day)) return ms
  }
  throw notAnExpiry()
}

function notAnExpiry(): SessionDataError {
  return new SessionDataError('_session_expiry: is neither seconds nor a date and time with its offset.')
}

/** Seconds until a session expires (Django `get_expiry_age`): whole ones, rounded down, where a moment is given. */
export function expiryAge(expiry: unknown, modification: number, age: number): number {
  if (expiry instanceof Date) return Math.floor((expiry.getTime() - modification) / 1000)
  if (!expiry) return age
  if (typeof expiry === 'string') return Math.floor((parseMoment(expiry) - modification) / 1000)
  // Python's True is 1.
  if (typeof expiry === 'number' || expiry === true) return Number(expiry)
  throw notAnExpiry()
}

/** The moment a session expires, ms since the epoch (Django `get_expiry_date`). */
export function expiryMoment(expiry: unknown, modification: number, age: number): number {
  if (expiry instanceof Date) return expiry.getTime()
  if (typeof expiry === 'string') return parseMoment(expiry)
  return modification + expiryAge(expiry, modification, age) * 1000
}
