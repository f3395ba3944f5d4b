import { BOOKKEEPING, keepCreated } from './bookkeeping.ts'
import { isObject, isPlain } from './codec.ts'
import { SessionDataError } from './errors.ts'
import { ABSENT, type Data, kept, merge, put, seen, type Texts, take } from './merge.ts'
import { atOnce } from './task.ts'

/** Makes a key's new value of its present one (`undefined` when it is not there). Pure; may run again. */
export type Update = (value: unknown) => unknown

/** What one request did to one top-level key since the last save: set it, deleted it, or updated it. */
interface Change {
  /** What it is now; ABSENT when deleted. Of updates: what they begin with where the key is not there. */
  value: unknown
  /** Run on whatever the key is by then; none of them is a default. */
  updates?: Update[]
  /** It was set, not mutated. */
  whole?: true
  /** Text of `{ value }`: what updates begin with, or what a mutation began with where that is not what was loaded. */
  text?: string | undefined
}

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

/**
 * A session's data as this request sees it, and the log of what it changed by top-level key, so that the changes can
 * be applied again to data that another request saved meanwhile.
 */
export class Changes {
  declare data: Data
  /** The data as it was loaded or last saved. */
  #base: string | undefined
  readonly #texts: Texts
  #log: Map<string, Change> | undefined
  #cleared = false
  /** The data have others' changes in them, so that comparing them with the base would take those for ours. */
  #rebased = false
  /**
   * Keys whose value the caller holds and can mutate: the value, and what it was after the key's last recorded change
   * (`undefined`: what it is in the base).
   */
  #held: Map<string, { value: object; text: string | undefined }> | undefined

  constructor(data: Data, base: string | undefined, texts: Texts) {
    this.data = data
    this.#base = base
    this.#texts = texts
  }

  /** What the codec cannot hold counts as changed, so that it is encoded, whose error names the key. */
  #text(value: unknown): string {
    try {
      return this.#texts.stringify(value)
    } catch {
      return `${++unequal}`
    }
  }

  /**
   * The `{ value }` that a text is of; without, a copy of what was loaded. Of a payload that is corrupt, which was told
   * then, or of a value that has no text it is nothing.
   */
  #read(text?: string): Data {
    const from = text ?? this.#base
    try {
      return from === undefined ? {} : (this.#texts.parse(from, !text) as Data)
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

  /** Whether this request replaced the key's value whole, by a `set`. */
  isSet(key: string): boolean {
    return !!this.#log?.get(key)?.whole
  }

  /** Everything was removed since the last save. */
  get cleared(): boolean {
    return this.#cleared
  }

  /** Remembers that the caller has this value in hand, where mutations are tracked. */
  hold(key: string, value: unknown): void {
    if (!isObject(value) || !this.#texts.trackMutations) return
    const held = (this.#held ??= new Map())
    if (held.get(key)?.value === value) return
    const isBase = !this.#rebased && !this.#log?.get(key)?.updates
    held.set(key, { value, text: isBase ? undefined : this.#text({ value }) })
  }

  set(key: string, value: unknown): void {
    this.#record(key, { value, whole: true })
    put(this.data, key, value)
  }

  delete(key: string): void {
    this.set(key, ABSENT)
    this.#held?.delete(key)
  }

  default(key: string, value: unknown): void {
    this.#record(key, this.#log?.has(key) ? { value } : { value, updates: [] })
    put(this.data, key, value)
  }

  /** Runs `update` now and records it. A result of `undefined` removes the key. */
  update(key: string, update: Update): void {
    if (this.#held?.has(key)) this.#recordMutation(key, this.#read())
    const change = this.#log?.get(key)
    // The function may mutate its argument, and must not meet its own traces when it runs again.
    if (change?.updates) change.text ??= this.#text({ value: change.value })
    const value = update(seen(take(this.data, key)))
    if (!change) this.#record(key, { value: undefined, updates: [update] })
    else if (change.updates) change.updates.push(update)
    // After a set or a delete the result no longer depends on what others save.
    else this.#record(key, { value })
    put(this.data, key, kept(value))
    if (this.#held?.delete(key)) this.hold(key, value)
  }

  clear(): void {
    this.#cleared = true
    this.#log = this.#held = undefined
    this.data = keepCreated(this.data)
  }

  /**
   * Records mutations of values that the caller holds as a set of their keys; with `all`, of any value (for who sets
   * `modified` by hand). Answers whether anything is recorded.
   */
  recordMutations(all: boolean): boolean {
    const keys = all ? Object.keys(this.data) : this.#held?.keys()
    if (keys === undefined) return this.recorded
    // Most often nothing was mutated, and then the whole text is what it was.
    if (this.#base !== undefined && !this.recorded && this.#text(this.data) === this.#base) return false
    const base = this.#read()
    for (const key of keys) this.#recordMutation(key, base)
    return this.recorded
  }

  #recordMutation(key: string, base: Data): void {
    const value = take(this.data, key)
    const change = this.#log?.get(key)
    if (value === ABSENT || (change && !change.updates)) return
    const text = this.#held?.get(key)?.text
    if (!text) {
      // Unheld keys with a recorded change have their value from it, and rebased ones from others.
      if (change || this.#rebased) return
      const before = this.#cleared ? ABSENT : take(base, key)
      if (before !== ABSENT && this.#text(before) === this.#text(value)) return
    } else if (this.#text({ value }) === text) return
    this.#record(key, { value, text: this.#rebased ? text : undefined })
  }

  /**
   * Applies the log to data that another request saved; `fresh` becomes this session's data. Can be called again with
   * fresher data: the log and what it was recorded against stay until `saved`.
   */
  rebase(fresh: Data, resolve: Resolve): void {
    const base = this.#read()
    const data = this.#cleared ? keepCreated(fresh) : fresh
    for (const [key, { value: mine, updates, text }] of this.#log ?? []) {
      const theirs = take(data, key)
      let value = mine
      if (updates) {
        if (theirs !== ABSENT) value = theirs
        else if (text) value = this.#read(text)['value']
        for (const update of updates) value = update(value)
        value = kept(value)
      } else if (!this.#cleared && !BOOKKEEPING.includes(key)) {
        const before = text ? this.#read(text)['value'] : take(base, key)
        const merged = merge(before, mine, theirs, one => this.#text(one))
        value = merged.value
        if (merged.clash) {
          const clash = { base: seen(before), mine: seen(mine), theirs: seen(theirs) }
          value = kept(resolve(key, clash, seen(value)))
        }
      }
      put(data, key, value)
    }
    this.data = data
    this.#rebased = true
    for (const [key, held] of this.#held ?? []) held.text = this.#text({ value: data[key] })
  }

  /** The data is in the store now, as this text. */
  saved(base: string): void {
    this.#base = base
    this.#log = undefined
    this.#cleared = this.#rebased = false
    for (const [key, held] of this.#held ?? []) {
      const value = take(this.data, key)
      if (!isObject(value)) this.#held!.delete(key)
      else {
        // What others made of the value shows in the object that the caller has in hand.
        if (value !== held.value && become(held.value as Data, value as Data)) put(this.data, key, held.value)
        else held.value = value
        held.text = undefined
      }
    }
  }

  #record(key: string, change: Change): void {
    ;(this.#log ??= new Map()).set(key, change)
  }
}

/** Makes one array or plain object like another; `false` where that cannot be done. */
function become(held: Data, value: Data): boolean {
  if (Array.isArray(held) && Array.isArray(value)) held.splice(0, held.length, ...value)
  else if (isPlain(held) && isPlain(value)) {
    for (const key of Object.keys(held)) delete held[key]
    for (const key of Object.keys(value)) put(held, key, value[key])
  } else return false
  return true
}

/** An update function must answer with a value: a promise cannot be run again, `undefined` is a forgotten return. */
export function checkedUpdate(update: Update): Update {
  return value => {
    const result = atOnce(update(value), 'update')
    if (result !== undefined) return result
    throw new TypeError('update must answer with the new value, not undefined.')
  }
}

/** Session keys are text. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new SessionDataError('A session key must be a string.')
}
