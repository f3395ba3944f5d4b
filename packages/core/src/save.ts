import { CREATED } from './bookkeeping.ts'
import { howToSaveNow, isOnMarker } from './facts.ts'
import { lacksCreationTime } from './lifetime.ts'
import type { Save } from './plan.ts'
import { removeEnded } from './remove.ts'
import type { SessionState } from './session-state.ts'
import { interrupted } from './store-call.ts'
import type { Deadline, Task } from './task.ts'

/** `Session.save`. */
export function* save(state: SessionState, deadline: Deadline, mustCreate: boolean): Task<void> {
  if (state.toRemove) yield* removeEnded(state, deadline)
  if (state.flushed && state.isEmpty && !mustCreate) return
  // A rotation inserts by itself, and ends the old session.
  const isChosen = mustCreate && state.key !== null && !state.previous
  yield* persist(state, isChosen ? 'insertAsChosen' : howToSaveNow(state), deadline)
}

/** `Session.create`. */
export function* create(state: SessionState, deadline: Deadline): Task<void> {
  if (state.toRemove) yield* removeEnded(state, deadline)
  if (state.previous) yield* persist(state, howToSaveNow(state), deadline)
  if (isOnMarker(state)) yield* persist(state, 'reject', deadline)
  if (state.detach()) yield* persist(state, 'insert', deadline)
  state.changed()
}

/** Stores the session as it is now. */
export function* persist(state: SessionState, how: Save | 'insertAsChosen', deadline: Deadline): Task<void> {
  if (how === 'reject') throw interrupted(state.settings, state.current!.id)
  if (lacksCreationTime(state)) state.changes!.set(CREATED, deadline.now)
  state.saved(yield* state.settings.backend[how](state, deadline))
}
