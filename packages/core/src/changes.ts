import { SessionDataError } from './errors.ts'
import { ABSENT, type Data, merge, put, type Stringify, take } from './merge.ts'
import { isPromise } from './task.ts'

/** Makes a key's new value of its present one (`undefined` when it is not there). Pure; may run again. */
export type Update = (value: unknown) => unknown

/** What one request did to one top-level key since the last save. */
type Change =
  /** `base`: text of `{ value }` that a mutation began with, where that is not what was loaded. */
  | { op: 'set'; value: unknown; base?: string | undefined }
  | { op: 'delete' }
  | { op: 'default'; value: unknown }
  /** `start`: text of `{ value }` to begin with where the key is not there. */
  | { op: 'update'; start: string | undefined; updates: Update[] }

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
   * Keys whose value the caller holds and can mutate: the value, and what it was after the key's last recorded change
   * (`undefined`: what it is in the base).
   */
  #held: Map<string, { value: object; text: string | undefined }> | undefined

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
    if (this.#held.get(key)?.value === value) return
    const change = this.#log?.get(key)
    const isBase = !this.#rebased && (change === undefined || change.op === 'set')
    this.#held.set(key, { value, text: isBase ? undefined : this.#stringify({ value }) })
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
    const change = this.#log?.get(key)
    // The function may mutate its argument, and must not meet its own traces when it runs again.
    const start = change?.op === 'default' ? this.#stringify({ value: change.value }) : ''
    const value = update(before === ABSENT ? undefined : before)
    if (change === undefined) this.#record(key, { op: 'update', start: undefined, updates: [update] })
    else if (change.op === 'update') change.updates.push(update)
    else if (change.op === 'default') this.#record(key, { op: 'update', start, updates: [update] })
    // After a set or a delete the result no longer depends on what others save.
    else this.#record(key, { op: 'set', value })
    if (value === undefined) {
      delete this.data[key]
      this.#held?.delete(key)
    } else {
      put(this.data, key, value)
      if (this.#held?.delete(key)) this.hold(key, value)
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
    if (keys === undefined) return this.recorded
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
    const text = this.#held?.get(key)?.text
    if (text === undefined) {
      // Unheld keys with a recorded change have their value from it, and rebased ones from others.
      if (change !== undefined || this.#rebased) return
      const before = this.#cleared ? ABSENT : take(base, key)
      if (before !== ABSENT && this.#stringify(before) === this.#stringify(value)) return
    } else if (this.#stringify({ value }) === text) return
    this.#record(key, { op: 'set', value, base: this.#rebased ? text : undefined })
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
        value = theirs
        if (theirs === ABSENT)
          value = change.start === undefined ? undefined : this.#parse(change.start)['value']
        for (const update of change.updates) value = update(value)
        if (value === undefined) value = ABSENT
      } else if (change.op === 'default') {
        value = theirs === ABSENT ? change.value : theirs
      } else {
        const mine = change.op === 'set' ? change.value : ABSENT
        const changed =
          change.op === 'set' && change.base !== undefined ? this.#parse(change.base) : undefined
        const before = changed ? take(changed, 'value') : take(base, key)
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
    for (const [key, held] of this.#held ?? []) held.text = this.#stringify({ value: data[key] })
  }

  /** The data is in the store now, as this text. */
  saved(base: string): void {
    this.#base = base
    this.#log = undefined
    this.#cleared = false
    this.#rebased = false
    for (const [key, held] of this.#held ?? []) {
      const value = take(this.data, key)
      if (typeof value !== 'object' || value === null) this.#held!.delete(key)
      else {
        // What others made of the value shows in the object that the caller has in hand.
        if (value !== held.value && become(held.value as Data, value as Data)) put(this.data, key, held.value)
        else held.value = value
        held.text = undefined
      }
    }
  }

  #record(key: string, change: Change): void {
    this.#log ??= new Map()
    this.#log.set(key, change)
  }
}

/** Makes one array or plain object like another; `false` where that cannot be done. */
function become(held: Data, value: Data): boolean {
  if (Object.getPrototypeOf(held) !== Object.getPrototypeOf(value)) return false
  if (Array.isArray(held)) held.splice(0, held.length, ...(value as unknown as unknown[]))
  else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const key of Object.keys(held)) delete held[key]
    for (const key of Object.keys(value)) put(held, key, value[key])
  } else return false
  return true
}

/** An update function must answer with a value: a promise cannot be run again, `undefined` is a forgotten return. */
export function checkedUpdate(update: Update): Update {
  return value => {
    const result = update(value)
    if (result === undefined) {
      throw new TypeError('update: the function returned undefined; it must return the new value.')
    }
    if (isPromise(result)) {
      // The TypeError tells; what becomes of the promise is nobody's any more.
      result.then(undefined, () => undefined)
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
