import { CREATED, ROTATION, SUBJECT } from './bookkeeping.ts'
import { endSession } from './end.ts'
import { endIfRemoved } from './ended-elsewhere.ts'
import { SessionCommittedError } from './errors.ts'
import { collectMutations, howToSaveNow, isOnMarker } from './facts.ts'
import { tellError } from './hooks.ts'
import { lacksCreationTime } from './lifetime.ts'
import { load, openLoaded } from './load.ts'
import { endSurplus, subjectToAdd } from './max-sessions.ts'
import type { Save } from './plan.ts'
import type { SessionState } from './session-state.ts'
import type { MaybePromise } from './store.ts'
import { interrupted } from './store-call.ts'
import { type Deadline, isPromise, runTask, type Task } from './task.ts'

/** `Session.save`: saves, changed or not, and carries out `flush` and `cycleKey`. */
export function saveNow(state: SessionState, mustCreate = false): Promise<void> {
  return inTurn(state, 'save', deadline => save(state, deadline, mustCreate))
}

/** `Session.save` for a façade of another API. Returns no promise if nothing has to wait. */
export function saveAtOnce(state: SessionState, mustCreate: boolean): MaybePromise<void> {
  if (state.committed || state.saving || !state.lookup.isLoaded) return saveNow(state, mustCreate)
  endIfRemoved(state)
  state.setAccessed(true)
  openLoaded(state)
  const result = runTask(state.settings, deadline => save(state, deadline, mustCreate))
  if (!isPromise(result)) return
  const saving = Promise.resolve(result).finally(() => state.savingEnded(saving))
  state.savingBegun(handled(saving))
  return saving
}

/** `Session.create`: stores the data under a new key. */
export function createNow(state: SessionState): Promise<void> {
  return inTurn(state, 'create', deadline => create(state, deadline))
}

/**
 * Loads the session and runs the task after the saves before it. Changes are rejected meanwhile, because it would be unclear
 * whether they were included.
 */
function inTurn(
  state: SessionState,
  method: string,
  task: (deadline: Deadline) => Task<void>,
): Promise<void> {
  if (state.committed) {
    const error = new SessionCommittedError()
    void tellError(state.settings.engine.hooks, error, method)
    return handled(Promise.reject(error))
  }
  endIfRemoved(state)
  const run = async (): Promise<void> => {
    await load(state)
    state.setAccessed(true)
    openLoaded(state)
    await runTask(state.settings, task)
  }
  const saving = (state.saving ? state.saving.then(run, run) : run()).finally(() => state.savingEnded(saving))
  // The commit tries again and reports.
  state.savingBegun(handled(saving))
  return saving
}

/** Avoids an unhandled rejection (it would end Node) when the caller does not await. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

function* save(state: SessionState, deadline: Deadline, mustCreate: boolean): Task<void> {
  if (state.toRemove) yield* endSession(state, deadline)
  if (state.flushed && state.isEmpty && !mustCreate) return
  collectMutations(state)
  // A rotation inserts by itself, and leaves a marker.
  const keepsKey = mustCreate && state.key !== null && !state.previous
  yield* persist(state, keepsKey ? 'insertWithKey' : howToSaveNow(state), deadline)
}

function* create(state: SessionState, deadline: Deadline): Task<void> {
  if (state.toRemove) yield* endSession(state, deadline)
  if (state.previous) yield* persist(state, howToSaveNow(state), deadline)
  if (isOnMarker(state)) yield* persist(state, 'reject', deadline)
  // The session that stays keeps its old keys.
  if (state.changes?.data[ROTATION]) state.changes.delete(ROTATION)
  if (state.detach()) yield* persist(state, 'insert', deadline)
  state.changed()
}

/** Stores the session as it is now. */
export function* persist(state: SessionState, how: Save | 'insertWithKey', deadline: Deadline): Task<void> {
  if (how === 'reject') throw interrupted(state.settings, state.current!.id)
  if (lacksCreationTime(state)) state.changes!.set(CREATED, deadline.now)
  const { maxSessions, backend } = state.settings
  // With `'refuse'` the insert of a login makes sure that there is room. Only a rotation has to look afterwards (`endSurplus`).
  const isAdmitted = maxSessions?.then === 'refuse' && subjectToAdd(state) !== undefined
  state.saved(yield* backend[how](state, deadline))
  const subject = state.changes!.data[SUBJECT]
  if (maxSessions && how !== 'replace' && !isAdmitted && typeof subject === 'string') {
    yield* endSurplus(state, subject, deadline)
  }
}
