import { callOld, recognize } from './adopt.ts'
import { claim, claimIdOf, keyOf, readClaim, recordIdOf } from './claim.ts'
import { newKey } from './key.ts'
import type { Lookup } from './lookup.ts'
import type { Settings } from './options.ts'
import { removeRecord } from './remove.ts'
import type { SessionState } from './session-state.ts'
import type { Deadline, Task } from './task.ts'

/** Carries out `flush`. */
export function* endSession(state: SessionState, deadline: Deadline): Task<void> {
  const { settings, lookup, toRemove } = state
  if (toRemove) {
    yield* removeRecord(settings, toRemove, deadline)
    state.recordRemoved()
  }
  if (lookup.adoptableHeader) yield* endOldSessions(settings, lookup, deadline)
}

/**
 * A logout: ends the old sessions that came with the request as well. Otherwise the old cookie, or a copy of it, could
 * still be adopted.
 */
function* endOldSessions(settings: Settings, lookup: Lookup, deadline: Deadline): Task<void> {
  for (const adopter of settings.adopt!) {
    const old = yield* recognize(settings, adopter, lookup, deadline)
    if (!old) continue
    const claimId = yield* claimIdOf(settings, old)
    let salt = yield* readClaim(settings, claimId, deadline)
    if (salt === undefined) {
      yield* claim(settings, old, claimId, newKey(settings.random), undefined, deadline)
      salt = yield* readClaim(settings, claimId, deadline)
    }
    const id = yield* recordIdOf(settings, yield* keyOf(salt ?? '', old))
    yield* removeRecord(settings, { id, ignoreExpiry: true }, deadline)
    if (old.done) yield* callOld(settings, () => old.done!(), deadline)
    lookup.oldFound({ ...old, keep: false })
  }
}
