import { BOOKKEEPING, keepCreated, pick } from './bookkeeping.ts'
import type { Changes } from './changes.ts'
import { isPlain, isRecord } from './codec.ts'
import { SessionDataError } from './errors.ts'
import { ABSENT, type Data, getOwn, type Stringify, setOwn } from './merge.ts'
import type { MaybePromise } from './store.ts'
import { isPromise, type Task, wait } from './task.ts'

/** The part of a Standard Schema (standardschema.dev, version 1) that sessions use. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly unknown[] }

/** Makes stored data that no longer fit the schema fit again; `undefined` gives them up. */
export type Migrate = (
  data: Record<string, unknown>,
  issues: readonly unknown[],
) => MaybePromise<Record<string, unknown> | undefined>

/** What is stored, and what the handler sees of it. They may share objects. */
export interface Validated {
  stored: Data
  shown: Data
}

/**
 * Validates stored data, migrated if necessary. `read` gives them anew each time: a validator may change what it is
 * given. Returns the issues when they do not fit. A schema does not see bookkeeping.
 */
export function* validated(
  schema: StandardSchema,
  migrate: Migrate | undefined,
  read: () => MaybePromise<Data>,
): Task<Validated | { issues: readonly unknown[] }> {
  const first = yield* attempt(schema, yield* wait(read()), yield* wait(read()))
  if (!('issues' in first) || !migrate) return first
  const data = yield* wait(read())
  const bookkeeping = takeBookkeeping(data)
  const migrated = yield* wait(migrate(data, first.issues))
  if (migrated === undefined) return first
  if (!isRecord(migrated)) throw new TypeError('migrate must return an object, or undefined.')
  return yield* attempt(schema, { ...migrated, ...bookkeeping }, { ...migrated, ...bookkeeping })
}

function* attempt(
  schema: StandardSchema,
  stored: Data,
  copy: Data,
): Task<Validated | { issues: readonly unknown[] }> {
  const bookkeeping = takeBookkeeping(copy)
  const result = yield* wait(schema['~standard'].validate(copy))
  if (result.issues) return { issues: result.issues }
  return { stored, shown: { ...(ownCopy(result.value) as Data), ...bookkeeping } }
}

function takeBookkeeping(data: Data): Data {
  const bookkeeping = pick(data, BOOKKEEPING)
  for (const key of BOOKKEEPING) delete data[key]
  return bookkeeping
}

/**
 * What a new session begins with: the schema's defaults. Nothing if the schema requires more, or validates
 * asynchronously.
 */
export function defaultsOf(schema: StandardSchema): Data {
  const result = schema['~standard'].validate({})
  if (!isPromise(result)) return result.issues ? {} : (ownCopy(result.value) as Data)
  result.then(undefined, () => undefined)
  return {}
}

/**
 * A copy of what a validator returned. Its defaults may be one array or date for everybody, and what one visitor's request
 * writes into it would reach the next visitor.
 */
function ownCopy(value: unknown, copies = new Map<unknown, unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (copies.has(value)) return copies.get(value)
  const keep = <T>(copy: T): T => {
    copies.set(value, copy)
    return copy
  }
  if (value instanceof Date) return keep(new Date(value))
  if (Array.isArray(value)) {
    const list = keep<unknown[]>([])
    for (const item of value) list.push(ownCopy(item, copies))
    return list
  }
  if (value instanceof Map) {
    const map = keep(new Map())
    for (const [key, item] of value) map.set(ownCopy(key, copies), ownCopy(item, copies))
    return map
  }
  if (value instanceof Set) {
    const set = keep(new Set())
    for (const item of value) set.add(ownCopy(item, copies))
    return set
  }
  if (!isPlain(value)) return value
  const object = keep<Data>({})
  for (const key of Object.keys(value)) setOwn(object, key, ownCopy(value[key], copies))
  return object
}

/**
 * Returns the data to store. Values that the request did not change stay as they were stored, whatever validation made of
 * them: keys that the schema strips, dates that it makes of text. That holds inside objects that were mutated or updated, too. A
 * `set` replaces the whole value.
 */
export function toStore({ stored, shown }: Validated, changes: Changes, stringify: Stringify): Data {
  const { data } = changes
  const before = changes.cleared ? keepCreated(stored) : stored
  const result: Data = {}
  for (const key of Object.keys({ ...before, ...data })) {
    const mine = getOwn(data, key)
    const [seen, was] = [getOwn(shown, key), getOwn(before, key)]
    const isWhole = changes.has(key) && (was === ABSENT || changes.isSet(key))
    const value = isWhole && !same(mine, seen, stringify) ? mine : restored(seen, mine, was, stringify)
    setOwn(result, key, value === ABSENT && changes.has(key) ? mine : value)
  }
  return result
}

function restored(shown: unknown, mine: unknown, stored: unknown, stringify: Stringify): unknown {
  if (same(mine, shown, stringify)) return stored
  if (isPlain(shown) && isPlain(mine) && isPlain(stored)) {
    const value: Data = {}
    for (const key of Object.keys({ ...stored, ...mine })) {
      setOwn(value, key, restored(getOwn(shown, key), getOwn(mine, key), getOwn(stored, key), stringify))
    }
    return value
  }
  if (!(Array.isArray(shown) && Array.isArray(mine) && Array.isArray(stored))) return mine
  // An element that is as it was shown, wherever it is now.
  const left = [...shown.keys()]
  return mine.map(element => {
    const at = left.findIndex(index => same(element, shown[index], stringify))
    return at < 0 ? element : stored[left.splice(at, 1)[0]!]
  })
}

function same(a: unknown, b: unknown, stringify: Stringify): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object') return Object.is(a, b)
  try {
    return stringify(a) === stringify(b)
  } catch {
    // A value the codec cannot encode counts as changed. The save then fails with an error that names its key.
    return false
  }
}

/** Throws a SessionDataError that names the first key that does not fit, never its value. */
export function* assertFits(schema: StandardSchema, data: Data): Task<void> {
  takeBookkeeping(data)
  const { issues } = yield* wait(schema['~standard'].validate(data))
  if (!issues) return
  const [step] = ((issues[0] as { path?: readonly unknown[] } | undefined)?.path ?? []) as unknown[]
  const key = isRecord(step) ? step['key'] : step
  const what = key === undefined ? 'The session' : `"${String(key).slice(0, 64)}" in the session`
  throw new SessionDataError(`${what} does not fit the option \`schema\`; nothing was saved.`)
}
