import { FLASH } from './bookkeeping.ts'
import type { Changes } from './changes.ts'
import { ABSENT, type Data, getOwn, type Stringify, setOwn } from './merge.ts'

// Flash values are lists by name, all under one key of the session's data. They are changed by updates, which run again on
// what another request has saved.

/** The list of one name, a copy. */
export function flashOf({ data }: Changes, name: string): unknown[] {
  return listIn(data[FLASH], name)
}

/** Adds values to the list of that name. */
export function addFlash(changes: Changes, name: string, values: unknown[]): void {
  changes.update(FLASH, all => withList(all, name, [...listIn(all, name), ...values]))
}

/** Removes those values from the list of that name. A value that another request has added stays. */
export function removeFlash(changes: Changes, name: string, values: unknown[], stringify: Stringify): void {
  changes.update(FLASH, all => withList(all, name, without(listIn(all, name), values, stringify)))
}

function listIn(all: unknown, name: string): unknown[] {
  const list = getOwn((all ?? {}) as Data, name)
  return Array.isArray(list) ? [...list] : []
}

/** All lists, with this one. `undefined` without any. */
function withList(all: unknown, name: string, list: unknown[]): Data | undefined {
  const flashes: Data = {}
  for (const [key, value] of Object.entries((all ?? {}) as Data)) setOwn(flashes, key, value)
  setOwn(flashes, name, list.length > 0 ? list : ABSENT)
  return Object.keys(flashes).length > 0 ? flashes : undefined
}

/** A list without those values, each removed once. */
function without(list: unknown[], values: unknown[], stringify: Stringify): unknown[] {
  const rest = [...list]
  for (const value of values) {
    const at = rest.findIndex(other => other === value || stringify(other) === stringify(value))
    if (at >= 0) rest.splice(at, 1)
  }
  return rest
}
