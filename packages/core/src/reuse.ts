import { SUBJECT } from './bookkeeping.ts'
import { report } from './hooks.ts'
import type { Data } from './merge.ts'
import { removeRecord } from './remove.ts'
import type { SessionState } from './session-state.ts'
import type { Deadline, Task } from './task.ts'

/**
 * A request came with a key that was rotated, after the time of grace: it was stolen, or a response was lost. Calls the
 * hook. With `reuse: 'end-all'` it ends the session that took the place of the key, before the handler runs. If another
 * subject has logged in since, the session is theirs, and is spared: the key was never theirs.
 */
export function* reactToReuse(
  { settings, lookup }: SessionState,
  marker: Data,
  deadline: Deadline,
): Task<void> {
  const id = lookup.recordId!
  const subject = typeof marker[SUBJECT] === 'string' ? marker[SUBJECT] : undefined
  let ended = false
  try {
    if (settings.reuse === 'end-all')
      ended = yield* removeRecord(settings, { id, followsOldMarkers: true, subject }, deadline)
  } finally {
    report(settings, 'reused', id, { subject, ended }, deadline)
  }
}
