import { endOldSessions } from './adopt.ts'
import { destroy } from './remove.ts'
import type { SessionState } from './session-state.ts'
import type { Deadline, Task } from './task.ts'

/** Carries out `flush`. */
export function* endSession(state: SessionState, deadline: Deadline): Task<void> {
  const { settings, lookup, toRemove } = state
  if (toRemove) {
    yield* destroy(settings, toRemove, deadline)
    state.recordRemoved()
  }
  if (lookup.header) yield* endOldSessions(settings, lookup, deadline)
}
