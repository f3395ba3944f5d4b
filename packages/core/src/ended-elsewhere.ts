import type { Removal } from './engine-state.ts'
import { openLoaded } from './load.ts'
import type { SessionState } from './session-state.ts'

/**
 * `removeBySubject`, `delete` or `end` has just returned: `EngineState.removals` has it for 30 microtasks. The first request
 * that uses a session which it ended counts as its caller, and that session ends as by `flush`. Any other request fails with
 * 400 when it saves, because what it sets could bring a login back (decision 0032). To tell, this opens the data of every
 * request that comes by in these microtasks.
 */
export function endIfRemoved(state: SessionState): void {
  const { engine } = state.settings
  if (!engine.removals) return
  const { isLoaded, failed } = state.lookup
  if (state.committed || state.saving || failed || !isLoaded) return
  openLoaded(state)
  const removal = engine.removals.find(each => hasEnded(state, each))
  if (!removal) return
  engine.removalTaken(removal)
  state.flush()
}

/** Whether a removal has ended the session, which was read or written before. */
function hasEnded(state: SessionState, { number, subject, except, ids }: Removal): boolean {
  const own = state.previous ?? state.current
  if (!own || own.successor || state.removalsBegunWhenStored >= number) return false
  return ids ? ids.has(own.id) : subject === state.storedSubject && except !== own.id
}
