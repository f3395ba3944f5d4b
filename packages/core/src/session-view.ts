import { utf8 } from '#crypto'
import {
  authenticatedAt,
  createdAt,
  DEVICE,
  FLASH,
  isHidden,
  plainSuccessor,
  SUBJECT,
  SUPERSEDED,
} from './bookkeeping.ts'
import { isRecord } from './codec.ts'
import { type Device, deviceIn } from './device.ts'
import { lastSeenAt } from './last-seen.ts'
import type { MaybePromise, StoredEntry } from './store.ts'

/** A decoded payload. */
export interface Decoded {
  data: Record<string, unknown>
  /** `false`: the text is signed, and the signature was not checked. */
  verified: boolean
}

/** A payload to its data. Throws or rejects for what is none. */
export type Decode = (payload: string) => MaybePromise<Decoded>

/** A session as the command `sess` and the inspector show it. Times in milliseconds since the epoch, `undefined` where unknown. */
export interface SessionView {
  id: string
  subject: string | undefined
  createdAt: number | undefined
  authenticatedAt: number | undefined
  lastSeenAt: number | undefined
  expiresAt: number
  /** Where it is used, if the application or the option `devices` says so. */
  device: Device | undefined
  /** Bytes of payload, as UTF-8. */
  bytes: number
  /** The application's data, without our bookkeeping. */
  data: Record<string, unknown>
  /** The id of the record that replaced this one (rotation): it is a marker, and no session. */
  supersededBy: string | undefined
  /** Why the payload cannot be read. */
  problem: string | undefined
  /** `false`: it was signed, and nobody gave the secret to check the signature. */
  verified: boolean
}

/** Django's own name for whose session it is (django.contrib.auth SESSION_KEY). */
const DJANGO_USER = '_auth_user_id'

/**
 * Decodes a record. A record that cannot be decoded is shown, too, with the reason.
 *
 * @param age the engine's `age` in seconds, if it is known: it tells when the session was last seen
 * @example
 * const view = await viewOf(entry, async payload => ({ data: await codec.decode(payload), verified: true }), 1_209_600)
 */
export async function viewOf(
  entry: StoredEntry,
  decode: Decode,
  age: number | undefined,
): Promise<SessionView> {
  const { id, payload, expiresAt, subject } = entry
  const bytes = utf8(payload).length
  const view: SessionView = {
    id,
    subject,
    createdAt: undefined,
    authenticatedAt: undefined,
    lastSeenAt: undefined,
    expiresAt,
    device: undefined,
    bytes,
    data: {},
    supersededBy: undefined,
    problem: undefined,
    verified: true,
  }
  let data: Record<string, unknown>
  try {
    const decoded = await decode(payload)
    if (!isRecord(decoded.data)) return { ...view, problem: 'It is not an object.' }
    data = { ...decoded.data }
    view.verified = decoded.verified
  } catch (error) {
    const supersededBy = plainSuccessor(payload)
    return supersededBy === undefined ? { ...view, problem: problemOf(error) } : { ...view, supersededBy }
  }
  view.subject ??= textOf(data[SUBJECT]) ?? textOf(data[DJANGO_USER])
  view.createdAt = numberOf(createdAt(data))
  view.authenticatedAt = numberOf(authenticatedAt(data))
  view.supersededBy = textOf(data[SUPERSEDED])
  view.device = deviceIn(data[DEVICE])
  view.lastSeenAt = lastSeenAt(expiresAt, data, age)
  if (typeof data[FLASH] === 'object') data['(flash)'] = data[FLASH]
  for (const name of Object.keys(data)) if (isHidden(name)) delete data[name]
  view.data = data
  return view
}

/** Only messages of ours hold no data: JSON.parse, for one, quotes the text that it cannot read. */
function problemOf(error: unknown): string {
  const { name, code, message } = Object(error) as { name?: unknown; code?: unknown; message?: unknown }
  if (/^(SESSION_|BAD_SIGNATURE$|SIGNATURE_EXPIRED$)/.test(String(code))) return String(message)
  const kind = typeof name === 'string' && /^\w{1,40}$/.test(name) ? `a ${name}` : 'an error'
  return `The codec threw ${kind}: it is not what this codec writes.`
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The value at a path such as `cart.items.0`. A key with dots in it is found whole first. */
function valueAt(data: Record<string, unknown>, path: string): unknown {
  if (Object.hasOwn(data, path)) return data[path]
  let value: unknown = data
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string, unknown>)[step]
  }
  return value
}

/**
 * Whether the value at a path is this one, written as text or as JSON.
 *
 * @example
 * hasValue({ cart: { currency: 'EUR', items: ['tea'] } }, 'cart.currency', 'EUR') // true
 */
export function hasValue(data: Record<string, unknown>, path: string, text: string): boolean {
  const found = valueAt(data, path)
  if (found === undefined) return false
  return typeof found === 'string' ? found === text : JSON.stringify(found) === text
}

/**
 * Sorts sessions by when they were created. Those that do not say so come last, the one that ends latest first.
 *
 * @example
 * views.sort(newestFirst)
 */
export function newestFirst(a: Created, b: Created): number {
  return newness(b) - newness(a)
}

type Created = Pick<SessionView, 'createdAt' | 'expiresAt'>

function newness({ createdAt, expiresAt }: Created): number {
  return createdAt ?? expiresAt - 1e14
}
