import { ROTATION, rotationIn, SUBJECT, subjectSince } from './bookkeeping.ts'
import { SessionLimitError } from './errors.ts'
import type { RecordId } from './key.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import { removeRecord } from './remove.ts'
import { retryInTurn } from './retry.ts'
import type { SessionState } from './session-state.ts'
import type { SessionRecord } from './store.ts'
import { callStore, interrupted } from './store-call.ts'
import { type SubjectSession, sessionsOf } from './subject-sessions.ts'
import { type Deadline, type Task, wait } from './task.ts'

// The option `maxSessions`. docs/design.md says why two logins at once cannot leave one session too many.

/** At most so many sessions of one subject. */
export interface MaxSessions {
  /** 1 or more. */
  count: number
  /**
   * What a login does that would be one too many. `'end-oldest'` ends the sessions that logged in first. `'refuse'` is
   * a SessionLimitError (409), and nothing is saved.
   */
  then: 'end-oldest' | 'refuse'
}

/** How often a rotation looks again before it ends a login: after 10, 20, 40 and 80 ms. */
const SECOND_LOOKS = 4

/** Whose session a save adds, if it adds one. A rotation adds one only if the subject is new to the session. */
export function subjectToAdd({ changes, previous, storedSubject }: SessionState): string | undefined {
  const subject = changes!.data[SUBJECT]
  if (typeof subject !== 'string' || (previous && storedSubject === subject)) return
  return subject
}

/**
 * Inserts a session. A login first looks at the sessions of its subject: it takes its place after them, and with
 * `'refuse'` it is inserted only if there is room. Two logins at once may both go back, and then try again.
 */
export function* insertWithinLimit(
  state: SessionState,
  insert: (state: SessionState, deadline: Deadline) => Task<SessionRecord>,
  deadline: Deadline,
): Task<SessionRecord> {
  const { settings } = state
  const subject = settings.maxSessions && subjectToAdd(state)
  if (subject === undefined) return yield* insert(state, deadline)
  return yield* retryInTurn(settings, `subject ${subject}`, deadline, () =>
    tryLogin(state, subject, insert, deadline),
  )
}

/** `undefined`: another login was as fast, and the record is removed again. */
function* tryLogin(
  state: SessionState,
  subject: string,
  insert: (state: SessionState, deadline: Deadline) => Task<SessionRecord>,
  deadline: Deadline,
): Task<SessionRecord | undefined> {
  const { settings, keyToSend } = state
  const { count, then } = settings.maxSessions!
  const before = yield* sessionsOf(settings, subject, deadline)
  if (then === 'refuse' && before.length >= count) throw new SessionLimitError(count)
  takePlaceAfter(state, before, deadline.now)
  const record = yield* insert(state, deadline)
  if (then === 'end-oldest') return record
  const { id } = state.current!
  let fits = false
  try {
    const after = yield* sessionsOf(settings, subject, deadline, id)
    // A rotation that listed the sessions at the same time may have ended this one.
    fits = after.length <= count && after.some(({ entry }) => entry.id === id)
  } finally {
    // Also if the store has failed: what was inserted would count until it expires, and nobody has its key.
    if (!fits) {
      state.insertUndone(keyToSend)
      yield* callStore(settings, 'remove', id, undefined, deadline)
    }
  }
  return fits ? record : undefined
}

/** Later than those sessions, whatever the clocks of other processes say. So only logins that overlap compare clocks. */
function takePlaceAfter({ changes }: SessionState, before: SubjectSession[], now: number): void {
  const order = before.reduce((latest, { data }) => Math.max(latest, orderOf(data) + 1), now)
  changes!.set(ROTATION, { ...rotationIn(changes!.data), order })
}

/**
 * Ends what is too many after a save that moved or added a record. With `'refuse'` only a rotation comes here: a login
 * that listed the sessions during the rotation may have missed one.
 */
export function* endSurplus(state: SessionState, subject: string, deadline: Deadline): Task<void> {
  const { settings } = state
  const { then } = settings.maxSessions!
  const own = state.current!.id
  let surplus = yield* surplusOf(settings, subject, own, deadline)
  // A login that is one too many goes back by itself in a moment. Only one that stays is ended.
  for (let tries = 0; then === 'refuse' && surplus.length > 0 && tries < SECOND_LOOKS; tries++) {
    yield* wait(new Promise<void>(resolve => setTimeout(resolve, 10 * 2 ** tries)))
    surplus = yield* surplusOf(settings, subject, own, deadline)
  }
  for (const { entry, rivals } of surplus) {
    for (const { id, version } of [entry, ...rivals])
      if (id !== own) yield* removeRecord(settings, { id, version }, deadline)
  }
  // Its own last: if the work is cut short, the next login continues it.
  if (!surplus.some(({ entry }) => entry.id === own)) return
  yield* removeRecord(settings, { id: own }, deadline)
  throw interrupted(settings, own)
}

/** The sessions that are too many. With `'end-oldest'` those that logged in first, otherwise those that came last. */
function* surplusOf(
  settings: Settings,
  subject: string,
  own: RecordId,
  deadline: Deadline,
): Task<SubjectSession[]> {
  const { count, then } = settings.maxSessions!
  const all = yield* sessionsOf(settings, subject, deadline, own)
  return all.sort(then === 'refuse' ? byLogin : (one, other) => byLogin(other, one)).slice(count)
}

/** Earlier logins first. The id decides between equals, so that all requests have the same order. */
function byLogin(one: SubjectSession, other: SubjectSession): number {
  return orderOf(one.data) - orderOf(other.data) || (one.entry.id < other.entry.id ? -1 : 1)
}

/** A session from before the option was set has no place, and logged in when its subject was set. */
function orderOf(data: Data): number {
  return rotationIn(data).order ?? subjectSince(data) ?? 0
}
