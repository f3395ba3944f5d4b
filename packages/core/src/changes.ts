import { SessionDataError } from './errors.ts'
import { ABSENT, type Data, merge, put, type Stringify, take } from './merge.ts'

/** Makes a key's new value of its present one (`undefined` when it is not there). Pure; may run again. */
export type Update = (value: unknown) => unknown

/** What one request did to one top-level key since the last save. */
type Change =
  | { op: 'set'; value: unknown }
  | { op: 'delete' }
  | { op: 'default'; value: unknown }
  | { op: 'update'; start: unknown; updates: Update[] }

/** The three values of a key that two requests replaced; `undefined` where it is not there. */
export interface Clash {
  /** What this request had loaded. */
  base: unknown
  mine: unknown
  theirs: unknown
}

/** Decides a clash; `merged` is mine with what could be merged of theirs. `undefined` removes the key. */
export type Resolve = (key: string, clash: Clash, merged: unknown) => unknown

/** A number is JSON of no object, so these texts equal nothing, not even themselves. */
let unequal = 0

/** Bookkeeping: never merged, never asked about. */
const BOOKKEEPING = /^_session_/

/**
 * A session's data as this request sees it, and the log of what it changed by top-level key, so that the changes can
 * be applied again to data that another request saved meanwhile.
 */
export class Changes {
  data: Data
  /** The data as it was loaded or last saved: text, and how to read it. */
  #base: string | undefined
  #parse: (text: string) => Data
  #stringify: Stringify
  #log: Map<string, Change> | undefined
  #cleared = false
  /** The data have others' changes in them, so that comparing them with the base would take those for ours. */
  #rebased = false
  /**
   * Keys whose value the caller holds and can mutate, and what it was after the key's last recorded change
   * (`undefined`: what it is in the base).
   */
  #held: Map<string, string | undefined> | undefined

  constructor(data: Data, base: string | undefined, parse: (text: string) => Data, stringify: Stringify) {
    this.data = data
    this.#base = base
    this.#parse = parse
    // What the codec cannot hold counts as changed, so that it is encoded, whose error names the key.
    this.#stringify = value => {
      try {
        return stringify(value)
      } catch {
        return `${++unequal}`
      }
    }
  }

  /** Whether anything was recorded since the last save. */
  get recorded(): boolean {
    return this.#cleared || (this.#log !== undefined && this.#log.size > 0)
  }

  /** Remembers that the caller has this value in hand. */
  hold(key: string, value: unknown): void {
    if (typeof value !== 'object' || value === null) return
    this.#held ??= new Map()
    if (this.#held.has(key)) return
    const change = this.#log?.get(key)
    this.#held.set(key, change === undefined || change.op === 'set' ? undefined : this.#stringify(value))
  }

  set(key: string, value: unknown): void {
    this.#record(key, { op: 'set', value })
    put(this.data, key, value)
  }

  delete(key: string): void {
    this.#record(key, { op: 'delete' })
    this.#held?.delete(key)
    delete this.data[key]
  }

  default(key: string, value: unknown): void {
    this.#record(key, this.#log?.has(key) ? { op: 'set', value } : { op: 'default', value })
    put(this.data, key, value)
  }

  /** Runs `update` now and records it. A result of `undefined` removes the key. */
  update(key: string, update: Update): void {
    if (this.#held?.has(key))
      this.#recordMutation(key, this.#base === undefined ? {} : this.#parse(this.#base))
    const before = take(this.data, key)
    const value = update(before === ABSENT ? undefined : before)
    const change = this.#log?.get(key)
    if (change === undefined) this.#record(key, { op: 'update', start: ABSENT, updates: [update] })
    else if (change.op === 'update') change.updates.push(update)
    else if (change.op === 'default')
      this.#record(key, { op: 'update', start: change.value, updates: [update] })
    // After a set or a delete the result no longer depends on what others save.
    else this.#record(key, { op: 'set', value })
    if (value === undefined) {
      delete this.data[key]
      this.#held?.delete(key)
    } else {
      put(this.data, key, value)
      if (this.#held?.has(key)) this.#held.set(key, this.#stringify(value))
    }
  }

  clear(kept: Data): void {
    this.#cleared = true
    this.#log = undefined
    this.#held = undefined
    this.data = kept
  }

  /** Starts over with this data, of which nothing is stored. */
  reset(data: Data): void {
    this.clear(data)
    this.#cleared = false
    this.#rebased = false
    this.#base = undefined
  }

  /**
   * Records mutations of values that the caller holds as a set of their keys; with `all`, of any value (for who sets
   * `modified` by hand). Answers whether anything is recorded.
   */
  recordMutations(all: boolean): boolean {
    const keys = all ? Object.keys(this.data) : this.#held?.keys()
    if (keys === undefined || this.#rebased) return this.recorded
    // Most often nothing was mutated, and then the whole text is what it was.
    if (this.#base !== undefined && !this.recorded && this.#stringify(this.data) === this.#base) return false
    const base = this.#base === undefined ? {} : this.#parse(this.#base)
    for (const key of keys) this.#recordMutation(key, base)
    return this.recorded
  }

  #recordMutation(key: string, base: Data): void {
    const value = take(this.data, key)
    const change = this.#log?.get(key)
    if (value === ABSENT || change?.op === 'set') return
    const text = this.#held?.get(key)
    if (text === undefined) {
      // Unheld keys with a recorded change have their value from it.
      if (change !== undefined) return
      const before = this.#cleared ? ABSENT : take(base, key)
      if (before !== ABSENT && this.#stringify(before) === this.#stringify(value)) return
    } else if (this.#stringify(value) === text) return
    this.#record(key, { op: 'set', value })
  }

  /**
   * Applies the log to data that another request saved; `fresh` becomes this session's data. Can be called again with
   * fresher data: the log and what it was recorded against stay until `saved`.
   */
  rebase(fresh: Data, kept: (data: Data) => Data, resolve: Resolve): void {
    const base = this.#base === undefined ? {} : this.#parse(this.#base)
    const data = this.#cleared ? kept(fresh) : fresh
    for (const [key, change] of this.#log ?? []) {
      const theirs = take(data, key)
      let value: unknown
      if (change.op === 'update') {
        value = theirs === ABSENT ? change.start : theirs
        if (value === ABSENT) value = undefined
        for (const update of change.updates) value = update(value)
        if (value === undefined) value = ABSENT
      } else if (change.op === 'default') {
        value = theirs === ABSENT ? change.value : theirs
      } else {
        const mine = change.op === 'set' ? change.value : ABSENT
        const before = take(base, key)
        if (this.#cleared || BOOKKEEPING.test(key)) value = mine
        else {
          const merged = merge(before, mine, theirs, this.#stringify)
          value = merged.value
          if (merged.clash) {
            const plain = (side: unknown): unknown => (side === ABSENT ? undefined : side)
            value = resolve(
              key,
              { base: plain(before), mine: plain(mine), theirs: plain(theirs) },
              plain(value),
            )
            if (value === undefined) value = ABSENT
          }
        }
      }
      if (value === ABSENT) delete data[key]
      else put(data, key, value)
    }
    this.data = data
    this.#rebased = true
  }

  /** The data is in the store now, as this text. */
  saved(base: string): void {
    this.#base = base
    this.#log = undefined
    this.#cleared = false
    this.#rebased = false
    if (this.#held) for (const key of this.#held.keys()) this.#held.set(key, undefined)
  }

  #record(key: string, change: Change): void {
    this.#log ??= new Map()
    this.#log.set(key, change)
  }
}

/** An update function must answer with a value: a promise cannot be run again, `undefined` is a forgotten return. */
export function checkedUpdate(update: Update): Update {
  return value => {
    const result = update(value)
    if (result === undefined) {
      throw new TypeError('update: the function returned undefined; it must return the new value.')
    }
    if (typeof (result as { then?: unknown } | null)?.then === 'function') {
      throw new TypeError(
        'update: the function returned a promise; do the waiting before, and pass what came of it.',
      )
    }
    return result
  }
}

/** Session keys are text. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new SessionDataError(`A session key is a string, not ${typeof key}.`)
}
