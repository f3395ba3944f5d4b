import { type SessionError, SessionExistsError, SessionStoreError } from './errors.ts'
import { report } from './hooks.ts'
import { expiresAt, keepsEnd, lacksCreationTime } from './lifetime.ts'
import { insertWithinLimit } from './max-sessions.ts'
import { encodeRecord } from './record.ts'
import { type RecordRef, takeVersion } from './record-ref.ts'
import { refresh, retryInTurn } from './retry.ts'
import { persist } from './save.ts'
import type { SessionState } from './session-state.ts'
import type { SessionRecord } from './store.ts'
import { callStore, wonOrThrow } from './store-call.ts'
import { type Deadline, isPromise, type Task, wait } from './task.ts'

// How the server backend inserts, replaces and extends a record.

/** Inserts under the session's key. `undefined`: the id is taken. */
function* tryInsert(
  state: SessionState,
  isTaken: boolean,
  deadline: Deadline,
): Task<SessionRecord | undefined> {
  const { settings } = state
  const key = state.ensureKey(isTaken)
  const record = yield* encodeRecord(state, deadline.now)
  const maybe = settings.backend.idOf(settings, key)
  const id = isPromise(maybe) ? yield* wait(maybe) : maybe
  if (!(yield* callStore(settings, 'insert', id, record, deadline))) return
  state.inserted(id)
  return record
}

export function* insert(state: SessionState, deadline: Deadline): Task<SessionRecord> {
  const record = yield* insertUnreported(state, deadline)
  reportCreated(state, deadline)
  return record
}

/** For a rotation: the session is no new one. */
export function insertUnreported(state: SessionState, deadline: Deadline): Task<SessionRecord> {
  return insertWithinLimit(state, tryKeys, deadline)
}

/** Not before the limit of sessions has let it in. */
function reportCreated({ settings, current }: SessionState, deadline: Deadline): void {
  report(settings, 'created', current!.id, {}, deadline)
}

function* tryKeys(state: SessionState, deadline: Deadline): Task<SessionRecord> {
  // Two keys of 165 random bits are never equal by chance. Those of a broken generator may be.
  for (let tries = 0; tries < 8; tries++) {
    const record = yield* tryInsert(state, tries > 0, deadline)
    if (record) {
      // A session that an explicit `save()` made counts as modified, as in Django.
      state.changed()
      return record
    }
    if (state.key === state.lookup.chosenKey) throw new SessionExistsError()
  }
  throw new SessionStoreError('The session store takes no new id.')
}

export function* insertWithKey(state: SessionState, deadline: Deadline): Task<SessionRecord> {
  const record = yield* insertWithinLimit(state, insertOnce, deadline)
  reportCreated(state, deadline)
  return record
}

function* insertOnce(state: SessionState, deadline: Deadline): Task<SessionRecord> {
  const record = yield* tryInsert(state, false, deadline)
  if (record) return record
  throw new SessionExistsError()
}

export function* replace(state: SessionState, deadline: Deadline): Task<SessionRecord> {
  const { settings } = state
  const ref = state.current!
  return (
    (yield* tryReplace(state, ref, deadline)) ??
    (yield* retryInTurn(settings, ref.id, deadline, () => tryReplace(state, ref, deadline)))
  )
}

/** `undefined`: another request was faster. Its changes and ours are merged in the next try. */
function* tryReplace(
  state: SessionState,
  ref: RecordRef,
  deadline: Deadline,
): Task<SessionRecord | undefined> {
  const { settings } = state
  // An extension by another request leaves the version as it is. A save that keeps the end would take it back.
  if (ref.version === undefined || keepsEnd(state)) yield* refresh(state, ref, deadline)
  const record = yield* encodeRecord(state, deadline.now)
  const result = yield* callStore(settings, 'replace', ref.id, record, takeVersion(ref)!, deadline)
  if (!wonOrThrow(settings, ref.id, result)) return
  report(settings, 'saved', ref.id, {}, deadline)
  return record
}

export function* extend(state: SessionState, deadline: Deadline): Task<boolean> {
  const { settings, endBefore } = state
  // `absoluteAge` was set later than the session began: the whole record is written, with the time from which it counts.
  if (lacksCreationTime(state)) return yield* replaceIfThere(state, deadline)
  const { id, version } = state.current!
  // An explicit `save()` has failed before. Nobody knows what is stored, so nothing is extended.
  if (version === undefined) return false
  const end = expiresAt(state, deadline.now)
  // Called also if the end stays the same, because only the store knows whether the key still leads to this session.
  if (!(yield* callStore(settings, 'touch', id, end, version, deadline))) return false
  state.extended()
  if (end !== endBefore) report(settings, 'touched', id, {}, deadline)
  return true
}

function* replaceIfThere(state: SessionState, deadline: Deadline): Task<boolean> {
  try {
    yield* persist(state, 'replace', deadline)
    return true
  } catch (error) {
    if ((error as SessionError).code === 'SESSION_INTERRUPTED') return false
    throw error
  }
}
