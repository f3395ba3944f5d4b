import { checkKey, isHidden } from './bookkeeping.ts'
import type { Changes } from './changes.ts'
import { endIfRemoved } from './ended-elsewhere.ts'
import { SessionCommittedError, SessionDataError } from './errors.ts'
import { openLoaded } from './load.ts'
import { ABSENT, getOwn } from './merge.ts'
import type { SessionState } from './session-state.ts'

// How the methods of Session begin: for a read, or for a change.

/** Returns the state for reading `sessionKey` or `isEmpty`. From then on the response depends on the session. */
export function stateForMetadata(state: SessionState): SessionState {
  state.setMetadataRead()
  state.readLate?.()
  endIfRemoved(state)
  return state
}

/** Returns the data and the log for a read. */
export function readChanges(state: SessionState): Changes {
  state.setAccessed(true)
  state.readLate?.()
  endIfRemoved(state)
  return state.changes ?? openLoaded(state)
}

/** The value of a key that the user may see, or ABSENT. */
export function visible({ data }: Changes, key: string): unknown {
  return isHidden(key) ? ABSENT : getOwn(data, key)
}

export function visibleKeys({ data }: Changes): string[] {
  return Object.keys(data).filter(key => !isHidden(key))
}

export function assertChangeable(state: SessionState): void {
  if (state.committed) throw new SessionCommittedError()
  if (state.saving) {
    throw new SessionCommittedError('The session is being saved. Await `save()` before you change it.')
  }
}

export function assertSettable(state: SessionState, key: unknown): void {
  assertChangeable(state)
  checkKey(key)
  if (isHidden(key)) throw new SessionDataError(`${key} is kept by the session itself.`)
}

/** Returns the log for a change. `unlogged`: save even if the log stays empty. */
export function beginChange(state: SessionState, unlogged?: boolean): Changes {
  assertChangeable(state)
  const changes = readChanges(state)
  state.changed(unlogged)
  return changes
}

/** Returns the log for a change of a key that the user may set. */
export function beginChangeOf(state: SessionState, key: string): Changes {
  assertSettable(state, key)
  return beginChange(state)
}
