import { isObject, isPlain } from './codec.ts'
import { SessionDataError } from './errors.ts'

/** Where a session is used. Everything is optional, and at most 512 characters are kept of each. */
export interface Device {
  /** The `User-Agent` header. */
  userAgent?: string | undefined
  /** The address of the client. */
  ip?: string | undefined
  /** A name for people, such as `Ada's phone`. */
  label?: string | undefined
}

const NAMES = ['userAgent', 'ip', 'label'] as const
const LONGEST = 512

/**
 * A device as it is stored. A user agent may be as long as the client likes, so text is cut off, and not an error.
 *
 * @throws SessionDataError for an unknown name, or a value that is not text
 */
export function storedDevice(device: unknown): Device {
  if (!isPlain(device)) throw new SessionDataError(WRONG)
  const stored: Device = {}
  for (const [name, value] of Object.entries(device)) {
    if (!NAMES.includes(name as keyof Device)) throw new SessionDataError(WRONG)
    if (value === undefined) continue
    if (typeof value !== 'string') throw new SessionDataError(WRONG)
    // Half of a character beyond the Basic Multilingual Plane would be no text.
    stored[name as keyof Device] = value.slice(0, LONGEST).replace(/[\uD800-\uDBFF]$/, '')
  }
  return stored
}

const WRONG = 'session.device must be { userAgent, ip, label }, each a string or absent, or null.'

/** The device in a session's data, as a new object. */
export function deviceIn(stored: unknown): Device | undefined {
  if (!isObject(stored)) return undefined
  const device: Device = {}
  for (const name of NAMES) {
    const value = (stored as Device)[name]
    if (typeof value === 'string') device[name] = value
  }
  return device
}
