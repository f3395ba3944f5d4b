import { BOOKKEEPING, keepCreated } from './bookkeeping.ts'
import { isObject } from './codec.ts'
import { type Change, merged, type Resolve, textOf, type Update, updated } from './key-change.ts'
import { ABSENT, become, type Data, fromAbsent, getOwn, type Serializer, setOwn, toAbsent } from './merge.ts'
import { defaultsOf, type StandardSchema } from './schema.ts'

/**
 * A session's data as this request sees it, and the log of what it changed by top-level key, so that the changes can
 * be applied again to data that another request saved meanwhile.
 */
export class Changes {
  declare data: Data
  /** The text of the data as it was loaded or last saved. A new session begins with defaults, or `undefined`. */
  #base: string | undefined
  readonly #serializer: Serializer
  #log: Map<string, Change> | undefined
  #cleared = false
  /** Text of the data that another request saved. Since `rebase` this request's data contains it, so later changes begin there. */
  #theirs: string | undefined
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

  #text(value: unknown): string {
    return textOf(value, this.#serializer)
  }

  /** A copy of what was loaded. It is empty for a corrupt payload, which was reported when it was loaded. */
  #copyOfBase(): Data {
    try {
      return this.#base === undefined ? {} : (this.#serializer.parse(this.#base, true) as Data)
    } catch {
      return {}
    }
  }

  /** Of a new session: whether there is no data but the defaults that it began with. */
  get isEmpty(): boolean {
    if (Object.keys(this.data).length === 0) return true
    return !this.recorded && this.#base !== undefined && this.#text(this.data) === this.#base
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
    return this.#log?.get(key)?.kind === 'set'
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
    const isAsInBase = this.#theirs === undefined && this.#log?.get(key)?.kind !== 'update'
    held.set(key, { value, text: isAsInBase ? undefined : this.#text({ value }) })
  }

  set(key: string, value: unknown): void {
    this.#record(key, { kind: 'set', value, textBefore: this.#textBefore(key) })
    setOwn(this.data, key, value)
  }

  delete(key: string): void {
    this.set(key, ABSENT)
    this.#held?.delete(key)
  }

  default(key: string, value: unknown): void {
    // A key that this request deleted gets the value in any case.
    const isDeleted = this.#log?.has(key)
    const change: Change = isDeleted
      ? { kind: 'mutation', value, textBefore: this.#textBefore(key) }
      : { kind: 'update', start: value, updates: [] }
    this.#record(key, change)
    setOwn(this.data, key, value)
  }

  /** Runs `update` now and records it. A result of `undefined` removes the key. */
  update(key: string, update: Update): void {
    if (this.#held?.has(key)) this.#recordMutation(key, this.#copyOfBase())
    const change = this.#log?.get(key)
    // The function may mutate its argument. When it runs again, it must not find its own changes.
    if (change?.kind === 'update') change.startText ??= this.#text({ value: change.start })
    const value = toAbsent(update(fromAbsent(getOwn(this.data, key))))
    if (!change) this.#record(key, { kind: 'update', start: undefined, updates: [update] })
    else if (change.kind === 'update') change.updates.push(update)
    // After a set or a delete the result no longer depends on what others save.
    else this.#record(key, { kind: 'mutation', value, textBefore: this.#textBefore(key) })
    setOwn(this.data, key, value)
    if (this.#held?.delete(key)) this.trackReference(key, value)
  }

  clear(): void {
    this.#cleared = true
    this.#log = this.#held = undefined
    this.data = keepCreated(this.data)
  }

  /**
   * Records mutations of values that the caller holds. With `all`, of any value, because `modified` may be set by hand.
   * Returns whether anything is recorded.
   */
  recordMutations(all: boolean): boolean {
    const keys = all ? Object.keys(this.data) : this.#held?.keys()
    if (keys === undefined) return this.recorded
    // Usually nothing was mutated, and the whole text is the same.
    if (this.#base !== undefined && !this.recorded && this.#text(this.data) === this.#base) return false
    const base = this.#copyOfBase()
    for (const key of keys) this.#recordMutation(key, base)
    return this.recorded
  }

  #recordMutation(key: string, base: Data): void {
    const value = getOwn(this.data, key)
    if (value === ABSENT) return
    const change = this.#log?.get(key)
    // A set and a mutation already hold the caller's object, unless others' changes were merged into another one.
    const isMerged = this.#theirs !== undefined && change?.kind !== 'update' && change?.value !== value
    if (change && change.kind !== 'update' && !isMerged) return
    if (!this.#isMutated(key, value, change !== undefined, base)) return
    this.#record(key, { kind: 'mutation', value, textBefore: this.#textBefore(key) })
  }

  /** Whether a value is another than when the caller got it. If they did not get it: another than in the base. */
  #isMutated(key: string, value: unknown, isRecorded: boolean, base: Data): boolean {
    const textWhenHeld = this.#held?.get(key)?.text
    if (textWhenHeld) return this.#text({ value }) !== textWhenHeld
    // A recorded change holds the value, and after a rebase it came from others.
    if (isRecorded || this.#theirs !== undefined) return false
    const before = this.#cleared ? ABSENT : getOwn(base, key)
    return before === ABSENT || this.#text(before) !== this.#text(value)
  }

  /** The text of `{ value }` as another request saved it, once its data was merged into this request's. */
  #textBefore(key: string): string | undefined {
    if (this.#theirs === undefined) return undefined
    const value = getOwn(this.#serializer.parse(this.#theirs, false) as Data, key)
    return this.#text(value === ABSENT ? {} : { value })
  }

  /**
   * Applies the log to data that another request saved. `fresh` becomes this session's data. It can be called again with
   * fresher data, because the log and its base stay until `saved`.
   */
  rebase(fresh: Data, resolve: Resolve): void {
    const serializer = this.#serializer
    const base = this.#copyOfBase()
    this.#theirs = this.#text(fresh)
    const data = this.#cleared ? keepCreated(fresh) : fresh
    for (const [key, change] of this.#log ?? []) {
      const theirs = getOwn(data, key)
      let value: unknown
      // Flash messages are updates, too, so none is lost. The rest of the bookkeeping is this request's.
      if (change.kind === 'update') value = updated(change, theirs, serializer)
      else if (this.#cleared || BOOKKEEPING.includes(key)) value = change.value
      else {
        value = merged(change, { base: getOwn(base, key), theirs }, serializer, (clash, mine) =>
          resolve(key, clash, mine),
        )
      }
      setOwn(data, key, value)
    }
    this.data = data
    for (const [key, held] of this.#held ?? []) held.text = this.#text({ value: data[key] })
  }

  /** The store has the data now, as this text. */
  saved(base: string): void {
    this.#base = base
    this.#log = undefined
    this.#cleared = false
    this.#theirs = undefined
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

/** The data of a new session: empty, but for the defaults of a schema. */
export function changesOfNew(serializer: Serializer & { schema: StandardSchema | undefined }): Changes {
  const defaults = serializer.schema ? defaultsOf(serializer.schema) : {}
  const base = Object.keys(defaults).length > 0 ? textOf(defaults, serializer) : undefined
  return new Changes(defaults, base, serializer)
}
