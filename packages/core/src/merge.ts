import { isPlain } from './codec.ts'

/** A session's data, or an object inside it. */
export type Data = Record<string, unknown>

/** Text by which two values are compared (a codec's `stringify`), and the way back. */
export interface Serializer {
  stringify: Stringify
  /** `isBase`: of a whole session's data, whose text may be the payload. */
  parse: (text: string, isBase: boolean) => unknown
  trackMutations: boolean
}

export type Stringify = (value: unknown) => string

/** No value. Not `undefined`, because some codecs can store that. */
export const ABSENT: unique symbol = Symbol('absent')

/** ABSENT as callers see it: `undefined`. */
export function fromAbsent(value: unknown): unknown {
  return value === ABSENT ? undefined : value
}

/** `undefined` as callers give it: ABSENT. */
export function toAbsent(value: unknown): unknown {
  return value === undefined ? ABSENT : value
}

/** Sets a key, or removes it. `__proto__` is plain data like any other key (CVE-2018-16487 and its kind). */
export function setOwn(data: Data, key: string, value: unknown): void {
  if (value === ABSENT) delete data[key]
  else if (key === '__proto__') {
    Object.defineProperty(data, key, { value, writable: true, enumerable: true, configurable: true })
  } else data[key] = value
}

export function getOwn(data: Data, key: string): unknown {
  return Object.hasOwn(data, key) ? data[key] : ABSENT
}

/** What `merge` returns. */
export interface Merged {
  /** The value, or ABSENT. If both sides replaced the same thing, it is mine. */
  value: unknown
  /** Both sides replaced the same thing, so something of theirs is lost in `value`. */
  clash: boolean
}

/**
 * Three-way merge of one value. A change of one side is kept. Objects merge key by key. Arrays that both sides only
 * appended to get theirs, then mine. An object or array that is new counts as empty before.
 *
 * @example
 * const { value } = merge(loaded, changed, storedMeanwhile, JSON.stringify)
 */
export function merge(base: unknown, mine: unknown, theirs: unknown, stringify: Stringify): Merged {
  const same = (a: unknown, b: unknown): boolean =>
    a === b || (typeof a === 'object' && typeof b === 'object' && stringify(a) === stringify(b))

  if (isPlain(mine) && isPlain(theirs) && (isPlain(base) || base === ABSENT)) {
    const value: Data = {}
    let clash = false
    for (const key of Object.keys({ ...theirs, ...mine })) {
      // ABSENT is a symbol, without keys: every value in it is ABSENT too.
      const inside = merge(getOwn(base as Data, key), getOwn(mine, key), getOwn(theirs, key), stringify)
      clash ||= inside.clash
      setOwn(value, key, inside.value)
    }
    return { value, clash }
  }
  if (same(theirs, base)) return { value: mine, clash: false }
  if (same(mine, base)) return { value: theirs, clash: false }
  // Two equal new arrays are one thing that was set twice. Two equal additions to an array are two: with ['x'] before, and
  // ['x', 'a'] in both, the value is ['x', 'a', 'a'].
  const start = base === ABSENT && !same(mine, theirs) ? [] : base
  const grown = (list: unknown): list is unknown[] =>
    Array.isArray(start) && Array.isArray(list) && same(start, list.slice(0, start.length))
  return grown(mine) && grown(theirs)
    ? { value: [...theirs, ...mine.slice((start as unknown[]).length)], clash: false }
    : { value: mine, clash: !same(mine, theirs) }
}

/** Makes one array or plain object like another. Returns `false` if that is not possible. */
export function become(held: Data, value: Data): boolean {
  if (Array.isArray(held) && Array.isArray(value)) held.splice(0, held.length, ...value)
  else if (isPlain(held) && isPlain(value)) {
    for (const key of Object.keys(held)) delete held[key]
    for (const key of Object.keys(value)) setOwn(held, key, value[key])
  } else return false
  return true
}
