import { isExtensionDue } from './lifetime.ts'
import { type Facts, howToSave, type Save } from './plan.ts'
import type { SessionState } from './session-state.ts'

/** What the end of a request depends on. `now` is `undefined` if an extension does not matter. */
export function collectFacts(state: SessionState, status: number, now: number | undefined): Facts {
  const { settings, lookup, changes } = state
  return {
    status,
    hasCookie: lookup.cookies.names.length > 0,
    isContested: lookup.cookies.contested.length > 0,
    isModified: state.modified,
    isUnsaved: changes !== undefined && isUnsaved(state),
    isEmpty: state.isEmpty,
    isStored: settings.backend.isStored(state),
    isRotating: isRotating(state),
    isOnMarker: isOnMarker(state),
    wasFlushed: state.flushed,
    hasRecordToRemove: state.toRemove !== undefined,
    isExtensionDue: changes !== undefined && now !== undefined && isExtensionDue(state, now),
    isWritten: state.endWritten !== undefined,
    hasKeyToSend: state.keyToSend !== undefined,
  }
}

/** How an explicit `save()` stores the session. */
export function howToSaveNow(state: SessionState): Save {
  return howToSave({
    isOnMarker: isOnMarker(state),
    isRotating: isRotating(state),
    isStored: state.settings.backend.isStored(state),
  })
}

/** Opened on the marker that a rotation left. */
export function isOnMarker({ current }: SessionState): boolean {
  return Boolean(current?.successor)
}

/** A `cycleKey` on the marker of a rotation (a login that is tried again) has nothing to rotate. */
export function isRotating({ previous }: SessionState): boolean {
  return previous !== undefined && !previous.successor
}

// What follows from the flags of a stored session. `log` is `changes.recorded`.
// | what the handler did                        | modified | mustSave | log   | is a save due? | is a cookie due? |
// | nothing, or a `save()` that changed nothing | false    | false    | empty | no             | no               |
// | set, delete, pop, update(key, fn)           | true     | false    | full  | yes            | yes              |
// | update(object)                              | true     | true     | full  | yes            | yes              |
// | cycleKey, or `modified = true`              | true     | true     | empty | yes            | yes              |
// | a nested mutation, once collected           | false    | true     | full  | yes            | yes              |
// | one of these four, then `save()`            | true     | false    | empty | no             | yes              |
// | set, then `modified = false`                | false    | false    | full  | no             | no               |
// A cycleKey that is not carried out is due whatever the flags say. With `saveEveryRequest` a cookie is also due after a
// `save()` that changed nothing, because it has extended the session.

/** Whether a save has something to do, once mutations are collected. */
function isUnsaved(state: SessionState): boolean {
  const { settings, changes, mustSave, previous, modified } = state
  if (mustSave || previous) return true
  // `modified` was set to false by hand: then nothing is saved, as in Django.
  if (changes?.recorded) return modified
  // A modified session without a record is saved: after `flush()`, if `save({ mustCreate: true })` has failed.
  return modified && !settings.backend.isStored(state)
}

/** Looks for mutations of values that the handler holds, if nothing else says that a save is needed. */
export function collectMutations(state: SessionState): void {
  const { changes } = state
  if (!changes || changes.recorded || isUnsaved(state)) return
  if (changes.recordMutations(false)) state.mutationsFound()
}
