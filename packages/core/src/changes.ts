import { BOOKKEEPING, keepCreated } from './bookkeeping.ts'
import { isObject } from './codec.ts'
import {
  ABSENT,
  become,
  type Data,
  fromAbsent,
  getOwn,
  merge,
  type Serializer,
  setOwn,
  toAbsent,
} from './merge.ts'
import { requireSync } from './task.ts'

/** Returns a key's new value for its current one (`undefined` if there is none). Pure, because it may run again. */
export type Update = (value: unknown) => unknown

/** What one request did to one top-level key since the last save: set it, deleted it, or updated it. */
interface Change {
  /** Current value, or ABSENT if deleted. For updates: the start value when the key does not exist. */
  value: unknown
  /** They run on the key's value at the time. An empty list is a default. */
  updates?: Update[]
  /** The key was set, not mutated. */
  whole?: true
  /** Text of `{ value }`: the start value of updates, or of a mutation if it did not start with what was loaded. */
  text?: string | undefined
}

/** The three values of a key that two requests replaced. `undefined` if there is none. */
export interface Clash {
  /** The value that this request loaded. */
  base: unknown
  mine: unknown
  theirs: unknown
}

/** Decides a clash. `merged` is mine with the parts of theirs that could be merged. `undefined` removes the key. */
export type Resolve = (key: string, clash: Clash, merged: unknown) => unknown

/** A bare number is never the JSON of an object, so this text differs from every real one. */
let unequal = 0

/**
 * A session's data as this request sees it, and the log of what it changed by top-level key, so that the changes can
 * be applied again to data that another request saved meanwhile.
 */
export class Changes {
  declare data: Data
  /** The data as it was loaded or last saved. */
  #base: string | undefined
  readonly #serializer: Serializer
  #log: Map<string, Change> | undefined
  #cleared = false
  /** The data contains changes of others. A comparison with the base would take them for ours. */
  #rebased = false
  /**
   * Keys whose value the caller holds and can mutate: the value, and its text after the key's last recorded change
   * (`undefined`: as in the base).
   */
  #held: Map<string, { value: object; text: string | undefined }> | undefined

  constructor(data: Data, base: string | undefined, serializer: Serializer) {
    this.data = data
    this.#base = base
    this.#serializer = serializer
  }

  /** A value the codec cannot encode counts as changed. The save then fails with an error that names its key. */
  #text(value: unknown): string {
    try {
      return this.#serializer.stringify(value)
    } catch {
      return `${++unequal}`
    }
  }

  /**
   * Parses a text of `{ value }`. Without a text: returns a copy of what was loaded. Returns an empty object for a corrupt
   * payload (reported when it was loaded) and for a value without a text.
   */
  #read(text?: string): Data {
    const from = text ?? this.#base
    try {
      return from === undefined ? {} : (this.#serializer.parse(from, !text) as Data)
    } catch {
      return {}
    }
  }

  /** Whether anything was recorded since the last save. */
  get recorded(): boolean {
    return this.#cleared || !!this.#log?.size
  }

  /** Whether this request changed the key since the last save. */
  has(key: string): boolean {
    return !!this.#log?.has(key)
  }

  /** Whether this request replaced the whole value, by a `set`. */
  isSet(key: string): boolean {
    return !!this.#log?.get(key)?.whole
  }

  /** Everything was removed since the last save. */
  get cleared(): boolean {
    return this.#cleared
  }

  /** Remembers that the caller holds this value, if mutations are tracked. */
  trackReference(key: string, value: unknown): void {
    if (!isObject(value) || !this.#serializer.trackMutations) return
    const held = (this.#held ??= new Map())
    if (held.get(key)?.value === value) return
    const isBase = !this.#rebased && !this.#log?.get(key)?.updates
    held.set(key, { value, text: isBase ? undefined : this.#text({ value }) })
  }

  set(key: string, value: unknown): void {
    this.#record(key, { value, whole: true })
    setOwn(this.data, key, value)
  }

  delete(key: string): void {
    this.set(key, ABSENT)
    this.#held?.delete(key)
  }

  default(key: string, value: unknown): void {
    this.#record(key, this.#log?.has(key) ? { value } : { value, updates: [] })
    setOwn(this.data, key, value)
  }

  /** Runs `update` now and records it. A result of `undefined` removes the key. */
  update(key: string, update: Update): void {
    if (this.#held?.has(key)) this.#recordMutation(key, this.#read())
    const change = this.#log?.get(key)
    // The function may mutate its argument. When it runs again, it must not find its own changes.
    if (change?.updates) change.text ??= this.#text({ value: change.value })
    const value = update(fromAbsent(getOwn(this.data, key)))
    if (!change) this.#record(key, { value: undefined, updates: [update] })
    else if (change.updates) change.updates.push(update)
    // After a set or a delete the result no longer depends on what others save.
    else this.#record(key, { value })
    setOwn(this.data, key, toAbsent(value))
    if (this.#held?.delete(key)) this.trackReference(key, value)
  }

  clear(): void {
    this.#cleared = true
    this.#log = this.#held = undefined
    this.data = keepCreated(this.data)
  }

  /**
   * Records mutations of values that the caller holds, as sets of their keys. With `all`, of any value, because `modified`
   * may be set by hand. Returns whether anything is recorded.
   */
  recordMutations(all: boolean): boolean {
    const keys = all ? Object.keys(this.data) : this.#held?.keys()
    if (keys === undefined) return this.recorded
    // Usually nothing was mutated, and the whole text is the same.
    if (this.#base !== undefined && !this.recorded && this.#text(this.data) === this.#base) return false
    const base = this.#read()
    for (const key of keys) this.#recordMutation(key, base)
    return this.recorded
  }

  #recordMutation(key: string, base: Data): void {
    const value = getOwn(this.data, key)
    const change = this.#log?.get(key)
    if (value === ABSENT || (change && !change.updates)) return
    const text = this.#held?.get(key)?.text
    if (!text) {
      // Without a reference, a recorded change holds the value, and a rebased value came from others.
      if (change || this.#rebased) return
      const before = this.#cleared ? ABSENT : getOwn(base, key)
      if (before !== ABSENT && this.#text(before) === this.#text(value)) return
    } else if (this.#text({ value }) === text) return
    this.#record(key, { value, text: this.#rebased ? text : undefined })
  }

  /**
   * Applies the log to data that another request saved. `fresh` becomes this session's data. It can be called again with
   * fresher data, because the log and its base stay until `saved`.
   */
  rebase(fresh: Data, resolve: Resolve): void {
    const base = this.#read()
    const data = this.#cleared ? keepCreated(fresh) : fresh
    for (const [key, { value: mine, updates, text }] of this.#log ?? []) {
      const theirs = getOwn(data, key)
      let value = mine
      if (updates) {
        if (theirs !== ABSENT) value = theirs
        else if (text) value = this.#read(text)['value']
        for (const update of updates) value = update(value)
        value = toAbsent(value)
      } else if (!this.#cleared && !BOOKKEEPING.includes(key)) {
        const before = text ? this.#read(text)['value'] : getOwn(base, key)
        const merged = merge(before, mine, theirs, one => this.#text(one))
        value = merged.value
        if (merged.clash) {
          const clash = { base: fromAbsent(before), mine: fromAbsent(mine), theirs: fromAbsent(theirs) }
          value = toAbsent(resolve(key, clash, fromAbsent(value)))
        }
      }
      setOwn(data, key, value)
    }
    this.data = data
    this.#rebased = true
    for (const [key, held] of this.#held ?? []) held.text = this.#text({ value: data[key] })
  }

  /** The store has the data now, as this text. */
  saved(base: string): void {
    this.#base = base
    this.#log = undefined
    this.#cleared = this.#rebased = false
    for (const [key, held] of this.#held ?? []) {
      const value = getOwn(this.data, key)
      if (!isObject(value)) this.#held!.delete(key)
      else {
        // Changes of others appear in the object that the caller holds.
        if (value !== held.value && become(held.value as Data, value as Data))
          setOwn(this.data, key, held.value)
        else held.value = value
        held.text = undefined
      }
    }
  }

  #record(key: string, change: Change): void {
    ;(this.#log ??= new Map()).set(key, change)
  }
}

/** Checks that an update returns a value: a promise cannot be run again, and `undefined` is a forgotten return. */
export function checkedUpdate(update: Update): Update {
  return value => {
    const result = requireSync(update(value), 'update')
    if (result !== undefined) return result
    throw new TypeError('update must return the new value, not undefined.')
  }
}
