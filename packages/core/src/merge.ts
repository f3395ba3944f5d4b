import { isPlain } from './codec.ts'

/** A session's data, or an object inside it. */
export type Data = Record<string, unknown>

/** Text by which two values are compared (a codec's `stringify`), and the way back. */
export interface Texts {
  stringify: Stringify
  /** `isBase`: of a whole session's data, whose text may be the payload. */
  parse: (text: string, isBase: boolean) => unknown
  trackMutations: boolean
}

export type Stringify = (value: unknown) => string

/** Stands for a value that is not there, which `undefined` cannot: some codecs hold it. */
export const ABSENT: unique symbol = Symbol('absent')

/** What is not there, as callers see it. */
export function seen(value: unknown): unknown {
  return value === ABSENT ? undefined : value
}

/** What callers say is not there. */
export function kept(value: unknown): unknown {
  return value === undefined ? ABSENT : value
}

/** Sets a key, or removes it; what `__proto__` names is plain data like any other (CVE-2018-16487 and its kind). */
export function put(data: Data, key: string, value: unknown): void {
  if (value === ABSENT) delete data[key]
  else if (key === '__proto__') {
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

  if (isPlain(mine) && isPlain(theirs) && (isPlain(base) || base === ABSENT)) {
    const value: Data = {}
    let clash = false
    for (const key of Object.keys({ ...theirs, ...mine })) {
      // Of ABSENT, a symbol, every key is absent too.
      const inside = merge(take(base as Data, key), take(mine, key), take(theirs, key), stringify)
      clash ||= inside.clash
      put(value, key, inside.value)
    }
    return { value, clash }
  }
  if (same(theirs, base)) return { value: mine, clash: false }
  if (same(mine, base)) return { value: theirs, clash: false }
  // Two equal new arrays are one thing set twice, two equal additions to one array are two.
  const start = base === ABSENT && !same(mine, theirs) ? [] : base
  const grown = (list: unknown): list is unknown[] =>
    Array.isArray(start) && Array.isArray(list) && same(start, list.slice(0, start.length))
  return grown(mine) && grown(theirs)
    ? { value: [...theirs, ...mine.slice((start as unknown[]).length)], clash: false }
    : { value: mine, clash: !same(mine, theirs) }
}
