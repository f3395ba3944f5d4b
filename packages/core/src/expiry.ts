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

/** Values for `getExpiryAge` and `getExpiryDate` to use instead of now and the session's own expiry. */
export interface ExpiryQuery {
  /** When the session was last modified. Default: now. */
  modification?: Date
  /** Seconds, a moment (a Date or its ISO text), or `null` for the engine's `age`. Default: the session's own. */
  expiry?: number | Date | string | null
}

/** In milliseconds. Months and years have no fixed length, so they are rejected. */
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

const DAY = 86_400
/** RFC 6265bis section 5.5: browsers keep no cookie longer. In seconds. */
const LONGEST = 400 * DAY

/** Whether seconds are probably milliseconds: 3,600,000 or more, and not a whole number of days, at most 400. */
export function looksLikeMilliseconds(seconds: number): boolean {
  return seconds >= 3_600_000 && !(seconds % DAY === 0 && seconds <= LONGEST)
}

/** 9999-12-31T23:59:59.999Z: the last moment that every backend, and ISO text of four digits, can write down. */
export const LAST_MOMENT = 253_402_300_799_999

/** Returns what is stored as `_session_expiry`: seconds, or the moment as Django 5.2 writes it. `now` is in ms since the epoch. */
export function storedExpiry(expiry: number | Date | Duration, now: number): number | string {
  // Any finite number is allowed: the record's end is cut off at LAST_MOMENT.
  if (Number.isFinite(expiry)) return expiry as number
  const moment = expiry instanceof Date ? expiry.getTime() : now + spanOf(expiry)
  // Python's dates begin with the year 1.
  if (moment >= -62_135_596_800_000 && moment <= LAST_MOMENT) return formatMoment(moment)
  throw new TypeError('setExpiry takes seconds, a valid Date, a duration such as { days: 30 }, or null.')
}

/** Milliseconds. NaN for anything that is not a duration, because a misspelt unit must not count as zero. */
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

/** `2023-11-14T22:13:20+00:00`, or with six fraction digits when there is a fraction (Python `isoformat`). */
export function formatMoment(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000+00:00').replace('.000000', '')
}

const MOMENT =
  /^(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6})\d{0,3})?)?)?(?:Z|([+-])(\d\d):?(\d\d)(?::?(\d\d))?)$/

/**
 * Milliseconds since the epoch (with a fraction: Python counts microseconds) of ISO text with an offset or `Z`.
 * Without an offset nobody knows which moment it means: a SessionDataError, as for any other text.
 */
export function parseMoment(text: string): number {
  const part = MOMENT.exec(text)
  if (part) {
    // These are strings; `*` converts them.
    const [, year, month, day, hour, minute = '00', second = '00', fraction = 0, sign, ...offset]: any[] =
      part
    const [hours = 0, minutes = 0, seconds = 0] = offset
    const whole = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
    const ahead = hours * 3600 + minutes * 60 + seconds * 1
    // Date.parse takes 31 February for 3 March.
    if (new Date(whole).getUTCDate() === day * 1) {
      return whole + (Number(`0.${fraction}`) - (sign === '-' ? -ahead : ahead)) * 1000
    }
  }
  throw notAnExpiry()
}

function notAnExpiry(): SessionDataError {
  return new SessionDataError('_session_expiry must be seconds or a moment with its offset.')
}

/** Seconds until a session expires (Django `get_expiry_age`): whole ones, rounded down, where a moment is given. */
export function expiryAge(expiry: unknown, modification: number, age: number): number {
  if (!expiry) return age
  const moment = momentOf(expiry)
  if (moment !== undefined) return Math.floor((moment - modification) / 1000)
  // Python's True is 1.
  if (typeof expiry === 'number' || expiry === true) return Number(expiry)
  throw notAnExpiry()
}

/**
 * Returns the moment at which a session expires, in ms since the epoch (Django `get_expiry_date`).
 *
 * @param expiry what `_session_expiry` holds: seconds, a Date or its text, or nothing
 * @param modification ms since the epoch
 * @param age seconds, used without an expiry
 * @example
 * const moment = expiryMoment(data._session_expiry, Date.now(), 1_209_600)
 */
export function expiryMoment(expiry: unknown, modification: number, age: number): number {
  return momentOf(expiry) ?? modification + expiryAge(expiry, modification, age) * 1000
}

/** The moment that a Date or its text means. `undefined` for anything else, such as seconds. */
function momentOf(expiry: unknown): number | undefined {
  if (expiry instanceof Date) return expiry.getTime()
  return typeof expiry === 'string' ? parseMoment(expiry) : undefined
}

/** Whether the cookie ends with the browser (Django `get_expire_at_browser_close`); `byDefault`: without an expiry. */
export function endsWithBrowser(expiry: unknown, byDefault: boolean): boolean {
  if (expiry === undefined || expiry === null) return byDefault
  // Python: False == 0.
  return expiry === 0 || expiry === false
}
