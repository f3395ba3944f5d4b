import { ROTATION, rotationIn } from './bookkeeping.ts'
import type { SessionError } from './errors.ts'
import { report } from './hooks.ts'
import type { RecordId } from './key.ts'
import { expiresAt, keepsEnd } from './lifetime.ts'
import { encodeRecord, encodeRotated } from './record.ts'
import { type RecordRef, takeVersion } from './record-ref.ts'
import { refresh, retryInTurn } from './retry.ts'
import { insertUnreported } from './server-save.ts'
import type { SessionState } from './session-state.ts'
import type { SessionRecord } from './store.ts'
import { callStore, interrupted, readLive, wonOrThrow } from './store-call.ts'
import type { Deadline, Task } from './task.ts'

/**
 * Inserts the session under its new key, then leaves a marker in the place of the old record. A crash in between is
 * harmless: the old key still leads to the old record, and the new key was never sent. After a crash between the marker and
 * the response the visitor has to log in again, because the browser has only the old key.
 */
export function* rotate(state: SessionState, deadline: Deadline): Task<SessionRecord> {
  const { settings, keyToSend } = state
  const old = state.previous!
  if (old.version === undefined || keepsEnd(state)) yield* refresh(state, old, deadline)
  if (settings.maxSessions || settings.reuse) noteRotation(state, old.id, deadline.now)
  const inserted = yield* insertUnreported(state, deadline)
  const { id } = state.current!
  let record: SessionRecord
  try {
    record = (yield* leaveMarker(state, old, deadline))
      ? inserted
      : yield* retryInTurn(settings, old.id, deadline, () => updateAndLeaveMarker(state, old, deadline))
  } catch (error) {
    state.insertUndone(keyToSend)
    // After a store failure the removal would probably fail too. The key was never sent, and the record expires.
    if ((error as SessionError).code !== 'SESSION_STORE') yield* removeInserted(state, id, deadline)
    throw error
  }
  report(settings, 'rotated', id, {}, deadline)
  return record
}

/**
 * What others have to know of the rotation: which record the new one takes the place of, so that nobody counts both, and
 * how long the old keys would have lived. All markers of a session stay that long, so that each leads to the next.
 */
function noteRotation(state: SessionState, previous: RecordId, now: number): void {
  const { changes, endBefore } = state
  const before = rotationIn(changes!.data)
  const until = Math.max(endBefore, expiresAt(state, now), before.until ?? 0)
  changes!.set(ROTATION, { ...before, previous, until })
}

/** `false`: another request has changed the old record. */
function* leaveMarker(
  { settings, current, changes }: SessionState,
  old: RecordRef,
  deadline: Deadline,
): Task<boolean> {
  const version = takeVersion(old)!
  // A Django server that shares the table does not know markers, so the record is removed.
  const result = settings.hashKeys
    ? yield* callStore(
        settings,
        'replace',
        old.id,
        yield* encodeRotated(settings, current!.id, changes!.data, deadline.now),
        version,
        deadline,
      )
    : yield* callStore(settings, 'remove', old.id, version, deadline)
  return wonOrThrow(settings, old.id, result)
}

/** Brings the new record up to date with what another request saved in the old one. */
function* updateAndLeaveMarker(
  state: SessionState,
  old: RecordRef,
  deadline: Deadline,
): Task<SessionRecord | undefined> {
  const { settings } = state
  const { id } = state.current!
  yield* refresh(state, old, deadline)
  const record = yield* encodeRecord(state, deadline.now)
  // Nobody else knows the new key, so only a removal by the subject or from a list can come between.
  const fresh = yield* readLive(settings, id, deadline)
  const result = fresh && (yield* callStore(settings, 'replace', id, record, fresh.version, deadline))
  if (result !== 'ok') throw interrupted(settings, old.id)
  return (yield* leaveMarker(state, old, deadline)) ? record : undefined
}

/** Undoes the insert of the new record. */
function* removeInserted({ settings }: SessionState, id: RecordId, deadline: Deadline): Task<void> {
  try {
    yield* callStore(settings, 'remove', id, undefined, deadline)
  } catch (error) {
    if (!deadline.expired) throw error
  }
}
