import { isPlain } from './codec.ts'

/** A session's data, or an object inside it. */
export type Data = Record<string, unknown>

/** Text by which two values are compared (a codec's `stringify`), and the way back. */
export interface Texts {
  stringify: Stringify
  /** `isBase`: of a whole session's data, whose text may be the payload. */
  parse: (text: string, isBase: boolean) => unknown
}

export type Stringify = (value: unknown) => string

/** Stands for a value that is not there, which `undefined` cannot: some codecs hold it. */
export const ABSENT: unique symbol = Symbol('absent')

/** What `__proto__` names is plain data like any other (CVE-2018-16487 and its kind). */
export function put(data: Data, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(data, key, { value, writable: true, enumerable: true, configurable: true })
  } else data[key] = value
}

export function take(data: Data, key: string): unknown {
  return Object.hasOwn(data, key) ? data[key] : ABSENT
}

export interface Merged {
  /** The value, or ABSENT. Where both sides replaced the same thing it is mine. */
  value: unknown
  /** Both sides replaced the same thing, so something of theirs is lost in `value`. */
  clash: boolean
}

/**
 * Three-way merge of one value: what only one side changed is kept, objects merge key by key, and arrays that both
 * only appended to get theirs, then mine. An object or array that was not there before counts as empty.
 */
export function merge(base: unknown, mine: unknown, theirs: unknown, stringify: Stringify): Merged {
  const same = (a: unknown, b: unknown): boolean =>
    a === b || (typeof a === 'object' && typeof b === 'object' && stringify(a) === stringify(b))

  if (mine === theirs) return { value: mine, clash: false }
  if (isPlain(mine) && isPlain(theirs) && (isPlain(base) || base === ABSENT)) {
    const value: Data = {}
    let clash = false
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
      // Of ABSENT, a symbol, every key is absent too.
      const inside = merge(take(base as Data, key), take(mine, key), take(theirs, key), stringify)
      clash ||= inside.clash
      if (inside.value !== ABSENT) put(value, key, inside.value)
    }
    return { value, clash }
  }
  if (same(theirs, base)) return { value: mine, clash: false }
  if (same(mine, base)) return { value: theirs, clash: false }
  // Two equal new arrays are one thing set twice, two equal additions to one array are two.
  const isNew = base === ABSENT
  if (
    Array.isArray(mine) &&
    Array.isArray(theirs) &&
    (Array.isArray(base) || (isNew && !same(mine, theirs)))
  ) {
    const start = isNew ? [] : (base as unknown[])
    const extendsBase = (list: unknown[]): boolean =>
      start.every((item, index) => index < list.length && same(item, list[index]))
    if (extendsBase(mine) && extendsBase(theirs)) {
      return { value: [...theirs, ...mine.slice(start.length)], clash: false }
    }
  }
  return { value: mine, clash: !same(mine, theirs) }
}
