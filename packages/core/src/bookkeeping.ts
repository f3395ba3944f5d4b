import { isObject } from './codec.ts'
import { SessionDataError } from './errors.ts'
import { type Data, getOwn, setOwn } from './merge.ts'

/** The names of a session's bookkeeping. All but the expiry are hidden and cannot be set by the user. */
export const EXPIRY = '_session_expiry'
export const CREATED = '_session_created'
export const AUTHENTICATED = '_session_authenticated'
export const SUBJECT = '_session_subject'
export const FLASH = '_session_flash'
export const DEVICE = '_session_device'
export const ROTATION = '_session_rotation'
export const SUPERSEDED = '_session_superseded'
/** In a marker: the old session that the option `adopt` has taken over leads to this session, with this salt. */
export const ADOPTED = '_session_adopted'

const HIDDEN: readonly string[] = [
  CREATED,
  AUTHENTICATED,
  SUBJECT,
  FLASH,
  DEVICE,
  ROTATION,
  SUPERSEDED,
  ADOPTED,
]
export const BOOKKEEPING: readonly string[] = [EXPIRY, ...HIDDEN]

export function isHidden(key: string): boolean {
  return HIDDEN.includes(key)
}

/** Session keys are text. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new SessionDataError('A session key must be a string.')
}

/** What `clear` leaves: a session does not get younger by it, and its old keys stay known. */
export function keepCreated(data: Data): Data {
  return pick(data, [CREATED, ROTATION])
}

/** A copy of those keys that are there. */
export function pick(data: Data, keys: readonly string[]): Data {
  const picked: Data = {}
  for (const key of keys) setOwn(picked, key, getOwn(data, key))
  return picked
}

/** Milliseconds since the epoch at which the session was created, where it is recorded. */
export function createdAt(data: Data): number | undefined {
  return numberIn(data[CREATED])
}

// `_session_authenticated` is the moment the subject was set, or [last time, first time] when one subject was set again.
/** Milliseconds since the epoch at which the subject was last set. */
export function authenticatedAt(data: Data): number | undefined {
  return numberIn([data[AUTHENTICATED]].flat()[0])
}

/** Milliseconds since the epoch at which this subject was first set. */
export function subjectSince(data: Data): number | undefined {
  return numberIn([data[AUTHENTICATED]].flat().at(-1))
}

/** What is known of a session's rotations, where an option needs it. Times are milliseconds since the epoch. */
export interface Rotation {
  /** The id of the record that this one took the place of. */
  readonly previous?: string
  /** When the last of the old keys would have expired. */
  readonly until?: number
  /** Which place the login has among those of its subject: milliseconds, but later than what was there (`maxSessions`). */
  readonly order?: number
  /** In a marker: until when late requests may still come with the old key. */
  readonly grace?: number
}

export function rotationIn(data: Data): Rotation {
  return isObject(data[ROTATION]) ? (data[ROTATION] as Rotation) : {}
}

/** Whether the data are the marker of a rotation whose time of grace is over: the old key was used again. */
export function isPastGrace(data: Data, now: number): boolean {
  return Boolean(data[SUPERSEDED]) && (rotationIn(data).grace ?? Infinity) <= now
}

const PLAIN_MARKER = new RegExp(`^\\{"${SUPERSEDED}":"([^"\\\\]+)"`)

/**
 * The successor in a marker that is plain JSON, where the codec of the site could not read it. A tool that moves sessions
 * writes such a marker where a codec that signs or encrypts would hide what it must find again.
 */
export function plainSuccessor(payload: string): string | undefined {
  return PLAIN_MARKER.exec(payload)?.[1]
}

function numberIn(stamp: unknown): number | undefined {
  return typeof stamp === 'number' ? stamp : undefined
}

export function asDate(ms: number | undefined): Date | undefined {
  return ms === undefined ? ms : new Date(ms)
}

/** A subject as it is stored: 1 to 255 characters, a number as its decimal text. */
export function subjectText(value: unknown): string {
  const subject = Number.isFinite(value) ? String(value) : value
  if (typeof subject === 'string' && subject && subject.length <= 255) return subject
  throw new SessionDataError('subject must be 1 to 255 characters or a number.')
}
