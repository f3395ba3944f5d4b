import { parse as devalueParse, stringify as devalueStringify } from 'devalue'
import { type Codec, type DataProblem, dataError, isPlainProto, MAX_DEPTH, pathStep } from './codec.ts'
import { SessionDataError } from './errors.ts'

/**
 * JSON and more: also holds Date, Map, Set, BigInt, `undefined`, NaN, the infinities, sparse arrays, ArrayBuffer and
 * typed arrays, cycles, and two references to one object. Needs `devalue`. Decoding makes data only: no class of yours, no
 * code.
 *
 * Functions, symbols, instances of other classes (subclasses too) and other values that would come back as something else
 * are a SessionDataError (`SESSION_DATA`) at the save. It names the path of the key.
 *
 * @example
 * const sessions = createSessions({ store, codec: rich() })
 */
export function rich(): Codec {
  return { sync: true, encode, decode, stringify, parse }
}

function encode(data: Record<string, unknown>): string {
  return stringify(data)
}

function decode(payload: string): Record<string, unknown> {
  const data = parse(payload)
  if (typeof data !== 'object' || data === null || !isPlainProto(Object.getPrototypeOf(data))) {
    throw new SessionDataError('The payload is not an object.')
  }
  return data as Record<string, unknown>
}

function stringify(value: unknown): string {
  const problem = check(value, new Set(), 0)
  if (problem !== undefined) throw dataError(problem)
  return devalueStringify(value, reducers)
}

// Any failure of devalue's stays here: its errors quote what they were given, and that is session data.
function parse(text: string): unknown {
  try {
    return devalueParse(text, revivers)
  } catch {
    throw new SessionDataError('The payload is not what rich() writes.')
  }
}

/**
 * An own `__proto__` key is plain data. devalue rejects it, so such an object is stored as its entries. An object without a
 * prototype stays without one.
 */
const reducers = {
  Entries: (value: unknown) => entriesOf(value, Object.prototype),
  NullEntries: (value: unknown) => entriesOf(value, null),
}
const revivers = {
  Entries: (entries: [string, unknown][]) => Object.fromEntries(entries),
  NullEntries: (entries: [string, unknown][]) => Object.setPrototypeOf(Object.fromEntries(entries), null),
}

function entriesOf(value: unknown, proto: object | null): unknown {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.hasOwn(value, '__proto__') &&
    Object.getPrototypeOf(value) === proto &&
    Object.entries(value)
  )
}

const TypedArray = Object.getPrototypeOf(Uint8Array) as typeof Uint8Array

// Before devalue, because that keeps a subclass of Map as a Map, drops named properties of arrays, and writes the whole
// buffer behind a view: a Node Buffer of 10 bytes is a window on memory that belongs to others.
function check(value: unknown, seen: Set<object>, depth: number): DataProblem | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') {
    return `: a ${typeof value} is not data.`
  }
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  if (depth > MAX_DEPTH) return `: it is over ${MAX_DEPTH} levels deep.`
  seen.add(value)
  const proto = Object.getPrototypeOf(value)
  if (proto === Array.prototype || isPlainProto(proto)) return checkItems(value, seen, depth)
  if (Object.getPrototypeOf(proto) === TypedArray.prototype) {
    const { byteLength, buffer } = value as Uint8Array
    if (byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) return
    return ': it shows part of a larger buffer. Store a copy of it, by `bytes.slice()`.'
  }
  if (Object.keys(value).length === 0) {
    if (proto === Date.prototype || proto === ArrayBuffer.prototype) return
    if (proto === Map.prototype) return checkMap(value as Map<unknown, unknown>, seen, depth)
    if (proto === Set.prototype) {
      for (const item of value as Set<unknown>) {
        const problem = check(item, seen, depth + 1)
        if (problem !== undefined) return `.values()${problem}`
      }
      return
    }
  }
  return ': an instance of a class would come back as something else. Store its data.'
}

function checkItems(value: object, seen: Set<object>, depth: number): DataProblem | undefined {
  if (Object.getOwnPropertySymbols(value).length > 0) return ': symbol keys are not stored.'
  const isArray = Array.isArray(value)
  for (const key of Object.keys(value)) {
    if (isArray && String(Number(key) >>> 0) !== key) {
      return ': the named properties of an array are not stored.'
    }
    const problem = check((value as Record<string, unknown>)[key], seen, depth + 1)
    if (problem !== undefined) return (isArray ? `[${key}]` : pathStep(key)) + problem
  }
  return
}

function checkMap(map: Map<unknown, unknown>, seen: Set<object>, depth: number): DataProblem | undefined {
  for (const [key, item] of map) {
    const problem = check(key, seen, depth + 1)
    if (problem !== undefined) return `.keys()${problem}`
    const inside = check(item, seen, depth + 1)
    if (inside !== undefined) return (typeof key === 'string' ? pathStep(key) : '.values()') + inside
  }
  return
}
