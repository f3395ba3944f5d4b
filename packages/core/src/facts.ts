import { isExtensionDue } from './lifetime.ts'
import { type Facts, howToSave, type Save } from './plan.ts'
import type { SessionState } from './session-state.ts'

/** What the end of a request depends on. `now` is `undefined` if an extension does not matter. */
export function collectFacts(state: SessionState, status: number, now: number | undefined): Facts {
  const { settings, lookup, changes, current } = state
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
    isWritten: current?.isWritten === true,
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
function isRotating({ previous }: SessionState): boolean {
  return previous !== undefined && !previous.successor
}

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
