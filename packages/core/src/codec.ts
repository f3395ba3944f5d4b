import { SessionDataError } from './errors.ts'
import type { MaybePromise } from './store.ts'

/** Session data to the text a store keeps, and back. */
export interface Codec {
  /**
   * The payload. A value it cannot hold exactly is a `SessionDataError` naming the key path (`cart[0].price`), never
   * the value, and never a silent change.
   */
  encode(data: Record<string, unknown>): MaybePromise<string>
  /** What `encode` was given. Throws or rejects for any other text; that session is then empty. */
  decode(payload: string): MaybePromise<Record<string, unknown>>
  /** Text by which two values of one key are compared. Default: `JSON.stringify`. */
  stringify?(value: unknown): string
  /** The inverse of `stringify`, for a copy that shares nothing. Default: `JSON.parse`. */
  parse?(text: string): unknown
  /** `encode` and `decode` answer at once, so decoding can wait for the first use. */
  readonly sync?: true
}

/**
 * JSON. Holds what JSON holds: null, booleans, finite numbers (`-0` too), strings, arrays and plain objects of those,
 * 1000 levels deep at most. Anything else (`undefined` inside, NaN, Date, Map, a class, a cycle) is a
 * `SessionDataError`; `rich()` of `@sess/core/rich` holds some of them.
 */
export function json(): Codec {
  return { sync: true, encode: encodeJson, decode: decodeJson }
}

/** The text of `json()`, with the same errors. */
export function encodeJson(data: Record<string, unknown>): string {
  return toJson(data, { '-0': '-0' })
}

/**
 * How numbers are written that `JSON.stringify` changes: it makes 0 of -0, null of the others. One that is not
 * listed is an error.
 */
export type NumberTexts = { readonly [text in '-0' | 'NaN' | 'Infinity' | '-Infinity']?: string }

/** JSON text of a value that it holds exactly; else a `SessionDataError` naming the path from the value on. */
export function toJson(value: unknown, numbers: NumberTexts): string {
  const walk: Walk = { numbers, exact: true }
  const problem = check(value, walk, 0)
  if (problem !== undefined) throw dataError(problem)
  return walk.exact ? JSON.stringify(value) : write(value, numbers)
}

/** Parses what must be a JSON object. The error does not quote the text, as `JSON.parse` would: it is session data. */
export function decodeJson(payload: string): Record<string, unknown> {
  let data: unknown
  try {
    data = JSON.parse(payload)
  } catch {
    throw new SessionDataError('The payload is not JSON.')
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new SessionDataError('The payload is not a JSON object.')
  }
  return data as Record<string, unknown>
}

/** Where in the data something cannot be stored, and why. */
export interface DataProblem {
  /** From the session key on: `cart[0].price`. */
  path: string
  reason: string
}

/** The error for it, its path without control characters and cut to a readable length. */
export function dataError({ path, reason }: DataProblem): SessionDataError {
  const where = path.replace(/^\./, '').slice(0, 200)
  return new SessionDataError(`Cannot store ${where || 'the data'}: ${reason}`)
}

/** One step of a path: `.price`, `["a b"]`. */
export function pathStep(key: string): string {
  return /^[\w$]{1,64}$/.test(key)
    ? `.${key}`
    : `[${JSON.stringify(key.length > 64 ? `${key.slice(0, 64)}…` : key)}]`
}

export const MAX_DEPTH = 1000

interface Walk {
  numbers: NumberTexts
  /** Cleared on meeting a number that `JSON.stringify` would change. */
  exact: boolean
}

// One walk before JSON.stringify, which would drop or change such values without a word. The path is put together
// only on the way back from a problem, so plain data pays for type checks alone (together twice JSON.stringify).
function check(value: unknown, walk: Walk, depth: number): DataProblem | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (Number.isFinite(value) && (value !== 0 || 1 / value > 0)) return
      walk.exact = false
      return numberText(value, walk.numbers) ? undefined : { path: '', reason: `JSON has no ${value}.` }
    case 'object':
      break
    default:
      return { path: '', reason: reasons[typeof value as keyof typeof reasons] }
  }
  if (value === null) return
  if (depth > MAX_DEPTH)
    return { path: '', reason: `it refers to itself, or is over ${MAX_DEPTH} levels deep.` }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const problem = check(value[index], walk, depth + 1)
      if (problem !== undefined) return within(`[${index}]`, problem)
    }
    // The walk has shown that there are no holes, so one key more is a name that JSON.stringify drops.
    if (Object.keys(value).length !== value.length) {
      return { path: '', reason: 'JSON drops the named properties of an array.' }
    }
    // Array.prototype is an array itself, in every realm; a subclass's prototype is not.
    if (!Array.isArray(Object.getPrototypeOf(value))) return { path: '', reason: classReason(value) }
    return
  }
  const proto = Object.getPrototypeOf(value)
  if (!isPlainProto(proto)) return { path: '', reason: classReason(value) }
  for (const key of Object.keys(value)) {
    const problem = check((value as Record<string, unknown>)[key], walk, depth + 1)
    if (problem !== undefined) return within(pathStep(key), problem)
  }
  if (Object.getOwnPropertySymbols(value).length > 0) return { path: '', reason: 'JSON drops symbol keys.' }
  return
}

/** The problem, seen from one level above. */
export function within(step: string, problem: DataProblem): DataProblem {
  problem.path = step + problem.path
  return problem
}

/** Of `{}` and of null-prototype objects, also from another realm (a vm context, as some test runners use). */
export function isPlainProto(proto: object | null): boolean {
  return (
    proto === Object.prototype ||
    proto === null ||
    (Object.getPrototypeOf(proto) === null && Object.hasOwn(proto, 'isPrototypeOf'))
  )
}

const reasons = {
  undefined: 'JSON has no undefined. Leave it out, say null, or use the codec rich().',
  bigint: 'JSON has no BigInt. Store a string, or use the codec rich().',
  function: 'a function is not data.',
  symbol: 'a symbol is not data.',
}

function classReason(value: object): string {
  return value instanceof Date || value instanceof Map || value instanceof Set
    ? 'JSON has no Date, Map or Set. Use the codec rich(), or store a string or an array.'
    : 'an instance of a class would come back as a plain object. Store its data.'
}

function numberText(value: number, numbers: NumberTexts): string | undefined {
  return numbers[(value === 0 ? '-0' : String(value)) as keyof NumberTexts]
}

/** `JSON.stringify` for checked data, with the texts for numbers. */
function write(value: unknown, numbers: NumberTexts): string {
  if (Array.isArray(value)) return `[${value.map(item => write(item, numbers)).join()}]`
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}:${write(item, numbers)}`)
      .join()}}`
  }
  const special = typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value))
  return special ? (numberText(value, numbers) as string) : JSON.stringify(value)
}
