import { ABSENT, type Data, fromAbsent, getOwn, merge, type Serializer, toAbsent } from './merge.ts'
import { requireSync } from './task.ts'

/** Returns a key's new value for its current one (`undefined` if there is none). Pure, because it may run again. */
export type Update = (value: unknown) => unknown

/** What one request did to one top-level key since the last save. */
export type Change = SetChange | Mutation | UpdateChange

/** A new value. ABSENT: the key was deleted. */
interface ValueChange {
  readonly value: unknown
  /** Text of `{ value }` as another request had saved it before this change. `undefined`: it was as in the base. */
  readonly textBefore?: string | undefined
}

/** `set` or `delete`. */
interface SetChange extends ValueChange {
  readonly kind: 'set'
}

/** The value was mutated, or made from one that this request had set. */
interface Mutation extends ValueChange {
  readonly kind: 'mutation'
}

/** `update`, or `setDefault`: then there are no functions. */
interface UpdateChange {
  readonly kind: 'update'
  /** They run on the value that the key has at the time. */
  readonly updates: Update[]
  /** The value that they begin with if the key does not exist. */
  readonly start: unknown
  /** Text of `{ value: start }`, made before a function could mutate it. */
  startText?: string
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

/** Runs the updates on another request's value. */
export function updated(
  { updates, start, startText }: UpdateChange,
  theirs: unknown,
  serializer: Serializer,
): unknown {
  let value = theirs
  if (theirs === ABSENT) value = startText ? fromAbsent(valueIn(startText, serializer)) : start
  for (const update of updates) value = update(value)
  return toAbsent(value)
}

/** Merges the value that this request has set with another request's. `base` is the value that this request loaded. */
export function merged(
  change: SetChange | Mutation,
  { base, theirs }: { base: unknown; theirs: unknown },
  serializer: Serializer,
  resolve: (clash: Clash, merged: unknown) => unknown,
): unknown {
  const { value: mine, textBefore } = change
  const before = textBefore ? valueIn(textBefore, serializer) : base
  const { value, clash } = merge(before, mine, theirs, one => textOf(one, serializer))
  if (!clash) return value
  const values = { base: fromAbsent(before), mine: fromAbsent(mine), theirs: fromAbsent(theirs) }
  return toAbsent(resolve(values, fromAbsent(value)))
}

/** A bare number is never the JSON of an object, so this text differs from every real one. */
let unequal = 0

/** A value the codec cannot encode counts as changed. The save then fails with an error that names its key. */
export function textOf(value: unknown, { stringify }: Serializer): string {
  try {
    return stringify(value)
  } catch {
    return `${++unequal}`
  }
}

/** The value in a text of `{ value }`. ABSENT if there is none, or if the codec could not encode it. */
function valueIn(text: string, { parse }: Serializer): unknown {
  try {
    return getOwn(Object(parse(text, false)) as Data, 'value')
  } catch {
    return ABSENT
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
