import { SessionDataError } from './errors.ts'
import type { MaybePromise } from './store.ts'

/** Session data to the text a store keeps, and back. */
export interface Codec {
  /**
   * The payload. A value it cannot hold exactly is a `SessionDataError` naming the key path (`cart[0].price`), never
   * the value, and never a silent change. A codec that compresses counts `limits.maxBytes` (the engine's) before that.
   */
  encode(data: Record<string, unknown>, limits?: EncodeLimits): MaybePromise<string>
  /** What `encode` was given. Throws or rejects for any other text; that session is then empty. */
  decode(payload: string): MaybePromise<Record<string, unknown>>
  /** Text by which two values of one key are compared. Default: `JSON.stringify`. */
  stringify?(value: unknown): string
  /** The inverse of `stringify`, for a copy that shares nothing. Default: `JSON.parse`. */
  parse?(text: string): unknown
  /** `encode` and `decode` return no promise, so decoding can wait for the first use. */
  readonly sync?: true
}

/** What the engine allows a payload. */
export interface EncodeLimits {
  /** The engine's `maxBytes`. The engine counts the payload itself, so only a codec that compresses needs it. */
  maxBytes: number
}

/**
 * JSON. Holds what JSON holds: null, booleans, finite numbers (`-0` too), strings, arrays and plain objects of those,
 * 1000 levels deep at most. Anything else (`undefined` inside, NaN, Date, Map, a class, a cycle) is a
 * `SessionDataError`. `rich()` of `@sess/core/rich` holds some of them.
 *
 * @example
 * const sessions = createSessions({ store, codec: json() }) // the default
 */
export function json(): Codec {
  return { sync: true, encode: encodeJson, decode: decodeJson }
}

/** The text of `json()`, with the same errors. */
export function encodeJson(data: Record<string, unknown>): string {
  negativeZero = false
  const problem = check(data, 0)
  if (problem) throw dataError(problem)
  return negativeZero ? JSON.stringify(data, keepNegativeZero) : JSON.stringify(data)
}

/** Parses what must be a JSON object. The error does not quote the text, as `JSON.parse` would: it is session data. */
export function decodeJson(payload: string): Record<string, unknown> {
  let data: unknown
  try {
    data = JSON.parse(payload)
  } catch {
    // Told below.
  }
  if (isRecord(data)) return data
  throw new SessionDataError('The payload is not a JSON object.')
}

/** Where in the data something cannot be stored, and why: `.cart[0].price: a function is not data.` */
export type DataProblem = string

/** The error for it. */
export function dataError(problem: DataProblem): SessionDataError {
  const [, path, reason] = /^\.?(.*?)(: [^:"]*)$/s.exec(problem)!
  return new SessionDataError(`Cannot store ${path!.slice(0, 200) || 'the data'}${reason}`)
}

/** One step of a path: `.price`, `["a b"]`; control characters escaped. */
export function pathStep(key: string): string {
  return /^[\w$]{1,64}$/.test(key) ? `.${key}` : `[${JSON.stringify(key.slice(0, 64))}]`
}

/** Deeper data, or data that contains itself, would overflow the stack of JSON.stringify. */
export const MAX_DEPTH = 1000

/** JSON has -0, but `JSON.stringify` writes 0; set by `check` on meeting one. */
let negativeZero = false

function keepNegativeZero(_: string, value: unknown): unknown {
  return Object.is(value, -0) ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON('-0') : value
}

/** What `JSON.stringify` would drop or change without a word. `undefined`: nothing. */
function check(value: unknown, depth: number): DataProblem | undefined {
  if (typeof value !== 'object') {
    if (value === 0) negativeZero ||= 1 / value < 0
    else if (typeof value !== 'string' && typeof value !== 'boolean' && !Number.isFinite(value)) {
      return jsonHasNo(typeof value === 'number' ? value : typeof value)
    }
    return
  }
  if (!value) return
  if (depth > MAX_DEPTH) return `: it refers to itself, or is over ${MAX_DEPTH} levels deep.`
  const proto = Object.getPrototypeOf(value)
  const isArray = Array.isArray(value)
  // Array.prototype is an array itself, in every realm; a subclass's prototype is not.
  if (!(isArray ? Array.isArray(proto) : isPlainProto(proto))) {
    return jsonHasNo('Date, Map, Set or class')
  }
  if (isArray) {
    for (let index = 0; index < value.length; index++) {
      const problem = check(value[index], depth + 1)
      if (problem) return `[${index}]${problem}`
    }
    // There are no holes, so one key more is a name that JSON.stringify drops.
    return Object.keys(value).length > value.length ? jsonHasNo('named properties in arrays') : undefined
  }
  // `for … in` takes half the time of `Object.keys`, but looks at what Object.prototype has been given, too.
  for (const key in value) {
    const problem = check((value as Record<string, unknown>)[key], depth + 1)
    if (problem && Object.hasOwn(value, key)) return pathStep(key) + problem
  }
  return Object.getOwnPropertySymbols(value)[0] ? jsonHasNo('symbol keys') : undefined
}

function jsonHasNo(what: unknown): DataProblem {
  return `: JSON has no ${what}. Change it, or use the codec rich().`
}

/** Whether it is the prototype of `{}` or of a null-prototype object, also from another realm (a vm context, as some test runners use). */
export function isPlainProto(proto: object | null): boolean {
  return (
    !proto ||
    proto === Object.prototype ||
    (!Object.getPrototypeOf(proto) && Object.hasOwn(proto, 'isPrototypeOf'))
  )
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  return isObject(value) && isPlainProto(Object.getPrototypeOf(value))
}

/** What a codec must decode a payload to. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return isObject(value) && !Array.isArray(value)
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
