import type { Resolve } from './changes.ts'
import { setCookie, splitToken } from './cookie.ts'
import {
  SessionConflictError,
  SessionDataError,
  type SessionError,
  SessionExistsError,
  SessionInterruptedError,
  SessionStoreError,
} from './errors.ts'
import { expiryAge } from './expiry.ts'
import { emit, type HookName, type StoreErrorEvent } from './hooks.ts'
import { newKey, type RecordId } from './key.ts'
import type { Settings } from './options.ts'
import {
  type CommitResult,
  CREATED,
  createdAt,
  EXPIRY,
  keepCreated,
  type State,
  type Stored,
  SUBJECT,
  SUPERSEDED,
} from './state.ts'
import type { MaybePromise, SessionRecord, Store, StoredRecord } from './store.ts'
import { Deadline, isPromise, run, type Task, wait } from './task.ts'

/** How long a rotated key still tells "rotated" from "unknown", in ms: the time that late requests need. */
const GRACE = 30_000

/** Of a status that leaves and a connection, all that a commit wants to know. */
export interface Answer {
  /** The HTTP status that really leaves. */
  status: number
  /** Whether the client's connection is TLS, for `secure: 'auto'`. Not told counts as secure. */
  secure?: boolean | undefined
}

/**
 * Decides what the end of a request means for its session, and does it. At once and without a promise where there is
 * nothing to do; a second call does nothing and answers the same, after a failure with an empty answer.
 */
export function commit(state: State, answer: Answer): MaybePromise<CommitResult> {
  if (state.outcome !== undefined) return state.outcome
  state.committed = true
  const { touchAfter, clock, timeout } = state.settings
  if (!state.changes && (touchAfter === undefined || state.key === null)) {
    return (state.outcome =
      state.isEmpty && state.sent.length > 0 ? expireCookie(state, answer) : nothing(state))
  }
  if (state.changes && !isDue(state, answer)) return (state.outcome = nothing(state))
  const failed = (error: unknown): never => {
    state.outcome = { setCookies: [], vary: false, private: false }
    throw error
  }
  try {
    const deadline = new Deadline(clock(), timeout)
    const outcome = run(carryOut(state, answer, deadline), deadline)
    state.outcome = isPromise(outcome) ? outcome.then(result => (state.outcome = result), failed) : outcome
    return state.outcome
  } catch (error) {
    return failed(error)
  }
}

/** Whether a looked-at session needs more than `Vary`. */
function isDue(state: State, { status }: Answer): boolean {
  if (state.doomed || (state.isEmpty && state.sent.length > 0)) return true
  if (status >= 500) return state.newlyStored
  return state.modified || state.newlyStored || state.settings.touchAfter !== undefined || isUnsaved(state)
}

function* carryOut(state: State, answer: Answer, deadline: Deadline): Task<CommitResult> {
  if (!state.changes) {
    yield* wait(state.load())
    // An extension alone: a store that is down changes nothing, and the storeError hook has heard of it.
    if (state.failed) return nothing(state)
  }
  state.open()
  if (state.doomed) yield* removeDoomed(state, deadline)
  if (state.isEmpty) {
    return state.sent.length > 0 && state.supersededBy === undefined
      ? expireCookie(state, answer)
      : nothing(state)
  }
  if (answer.status < 500) {
    if (isUnsaved(state)) yield* persist(state, deadline)
    else if (!state.modified && !state.newlyStored && !(yield* extend(state, deadline))) return nothing(state)
  } else if (!state.newlyStored) return nothing(state)
  return sendCookie(state, answer, deadline.now)
}

/** Whether a save has something to do. */
function isUnsaved(state: State): boolean {
  const { changes, settings } = state
  if (state.forced || state.rotatedFrom) return true
  // Set to false by hand: then nothing is saved, as in Django.
  if (changes!.recorded) return state.modified
  if (state.modified && !state.stored && !settings.cookieStore) return true
  // Once found, a mutation is an ordinary change of the log, which does not set `modified`.
  if (settings.trackMutations && changes!.recordMutations(false)) state.forced = true
  return state.forced
}

/** `Session.save`. */
export function save(state: State, mustCreate: boolean): MaybePromise<void> {
  return explicitly(state, function* (deadline) {
    state.open()
    if (state.doomed) yield* removeDoomed(state, deadline)
    if (state.flushed && state.isEmpty && !mustCreate) return
    const chosen = mustCreate && state.key !== null && !state.settings.cookieStore
    if (!chosen) return yield* persist(state, deadline)
    const record = yield* insert(state, deadline)
    if (!record) throw new SessionExistsError()
    settled(state, record.payload)
  })
}

/** `Session.create`. */
export function create(state: State): MaybePromise<void> {
  return explicitly(state, function* (deadline) {
    state.open()
    if (state.doomed) yield* removeDoomed(state, deadline)
    if (state.rotatedFrom) yield* persist(state, deadline)
    if (state.settings.cookieStore) {
      state.forced = true
      return
    }
    state.stored = undefined
    state.key = null
    yield* persist(state, deadline)
  })
}

function explicitly(state: State, task: (deadline: Deadline) => Task<void>): MaybePromise<void> {
  const deadline = new Deadline(state.settings.clock(), state.settings.timeout)
  return run(task(deadline), deadline)
}

/** Stores the session as it is now, one way or another. */
function* persist(state: State, deadline: Deadline): Task<void> {
  const { changes, settings } = state
  if (state.doomed) yield* removeDoomed(state, deadline)
  // A new session's cookie would overwrite that of the session which took the place of this one.
  if (state.supersededBy !== undefined) throw interrupted(state, state.stored?.id)
  if (settings.absoluteAge !== undefined && createdAt(changes!.data) === undefined)
    changes!.set(CREATED, deadline.now)
  if (settings.cookieStore) {
    const record = yield* makeRecord(state, deadline.now)
    state.key = yield* wait(settings.cookieStore.seal(record, state.sealContext(deadline.now)))
    state.newlyStored = true
    settled(state, record.payload)
  } else if (state.rotatedFrom) yield* rotate(state, state.rotatedFrom, deadline)
  else if (state.stored) yield* replace(state, state.stored, deadline)
  else settled(state, (yield* insertNew(state, deadline)).payload)
}

/** The session is in the store now. */
function settled(state: State, payload: string): void {
  state.changes!.saved(state.baseOf(payload))
  state.forced = false
  state.flushed = false
}

function* makeRecord(state: State, now: number): Task<SessionRecord> {
  const { codec, maxBytes } = state.settings
  const { data } = state.changes!
  const payload = yield* wait(codec.encode(data))
  // A UTF-16 unit takes at most three bytes: most payloads need no counting.
  if (payload.length * 3 > maxBytes) {
    const bytes = new TextEncoder().encode(payload).length
    if (bytes > maxBytes) {
      throw new SessionDataError(
        `The session takes ${bytes} bytes, more than \`maxBytes\` (${maxBytes}) allows. Keep less in it.`,
      )
    }
  }
  const record: SessionRecord = { payload, expiresAt: state.expiresAt(now) }
  if (typeof data[SUBJECT] === 'string') record.subject = data[SUBJECT]
  return record
}

/** Inserts under the session's key; `null` when the id is taken. */
function* insert(state: State, deadline: Deadline): Task<SessionRecord | null> {
  const record = yield* makeRecord(state, deadline.now)
  const id = yield* state.idOf(state.key!)
  if (!(yield* ask(state, 'save', deadline, store => store.insert(id, record, deadline)))) return null
  state.stored = { id, version: undefined }
  state.newlyStored = true
  tell(state, 'created', id, deadline)
  return record
}

function* insertNew(state: State, deadline: Deadline): Task<SessionRecord> {
  for (let tries = 0; tries < 8; tries++) {
    state.key ??= newKey(state.settings.random)
    const record = yield* insert(state, deadline)
    if (record) return record
    // 165 random bits do not meet by chance; a tried random generator may.
    state.key = null
  }
  throw new SessionStoreError('The session store says of every new id that it is taken.')
}

/**
 * Replaces the record if it is still what this request read; otherwise applies this request's changes to what it is
 * now, and tries again until time is up.
 */
function* replace(state: State, stored: Stored, deadline: Deadline): Task<void> {
  const contest = new Contest(state, stored.id, deadline)
  try {
    for (;;) {
      if (stored.version === undefined) yield* refresh(state, stored, deadline)
      const record = yield* makeRecord(state, deadline.now)
      const { version } = stored
      const result = yield* ask(state, 'save', deadline, store =>
        store.replace(stored.id, record, version!, deadline),
      )
      stored.version = undefined
      if (result === 'ok') {
        settled(state, record.payload)
        tell(state, 'saved', stored.id, deadline)
        return
      }
      if (result === 'gone') throw interrupted(state, stored.id)
      yield* contest.lost()
    }
  } catch (error) {
    throw contest.explain(error)
  } finally {
    contest.end()
  }
}

/** Inserts under the new key, then leaves a marker in the old record's place (a live Django gets none: it is removed). */
function* rotate(state: State, old: Stored, deadline: Deadline): Task<void> {
  const { settings } = state
  if (old.version === undefined) yield* refresh(state, old, deadline)
  state.stored = undefined
  let record = yield* insertNew(state, deadline)
  const fresh: Stored = state.stored!
  const contest = new Contest(state, old.id, deadline)
  try {
    for (;;) {
      const version = old.version!
      const marker: SessionRecord = {
        payload: yield* wait(settings.codec.encode({ [SUPERSEDED]: fresh.id })),
        expiresAt: deadline.now + GRACE,
      }
      const result = yield* ask(state, 'save', deadline, store =>
        settings.hashKeys
          ? store.replace(old.id, marker, version, deadline)
          : store.remove(old.id, version, deadline),
      )
      if (result === 'ok') break
      if (result === 'gone') throw interrupted(state, old.id)
      yield* contest.lost()
      yield* refresh(state, old, deadline)
      // Nobody else knows the new key, so only a removal of all of the subject's sessions can come between.
      const current = yield* ask(state, 'save', deadline, store => store.read(fresh.id, deadline))
      if (!current) throw interrupted(state, fresh.id)
      record = yield* makeRecord(state, deadline.now)
      const updated = yield* ask(state, 'save', deadline, store =>
        store.replace(fresh.id, record, current.version, deadline),
      )
      if (updated !== 'ok') throw interrupted(state, fresh.id)
    }
  } catch (error) {
    const reason = contest.explain(error)
    // The new record was never handed out: without it, nothing has happened.
    if ((reason as SessionError).code !== 'SESSION_STORE') yield* abandon(state, fresh.id, deadline)
    throw reason
  } finally {
    contest.end()
  }
  state.rotatedFrom = undefined
  settled(state, record.payload)
  tell(state, 'rotated', fresh.id, deadline)
}

/** Reads what another request saved and applies this request's changes to it. */
function* refresh(state: State, stored: Stored, deadline: Deadline): Task<void> {
  const { settings, changes } = state
  const record = yield* readLive(state, 'save', stored.id, deadline)
  if (record === null) throw interrupted(state, stored.id)
  const data = yield* state.decode(record.payload)
  if (Object.hasOwn(data, SUPERSEDED)) throw interrupted(state, stored.id)
  changes!.recordMutations(state.forced || !settings.trackMutations)
  changes!.rebase(data, keepCreated, resolver(state, stored.id))
  stored.version = record.version
}

function resolver(state: State, id: RecordId): Resolve {
  const { onConflict, hooks } = state.settings
  return (key, clash, merged) => {
    emit(hooks, 'conflict', { key, id: state.tell(id) })
    if (onConflict === 'last') return merged
    if (onConflict !== 'error') return onConflict(key, clash)
    throw new SessionConflictError(
      "Two requests changed the same value of the session (`onConflict: 'error'`).",
    )
  }
}

function* removeDoomed(state: State, deadline: Deadline): Task<void> {
  const { id, version } = state.doomed!
  // A logout wins over a rotation: the session that took the place of this one ends too.
  if (state.supersededBy !== undefined) yield* destroy(state, state.supersededBy, undefined, deadline)
  yield* destroy(state, id, version, deadline)
  state.supersededBy = undefined
  state.doomed = undefined
}

/** Removes a record, and the one that took its place if it is the marker of a rotation, or becomes it meanwhile. */
function* destroy(state: State, id: RecordId, known: string | undefined, deadline: Deadline): Task<boolean> {
  const { hashKeys } = state.settings
  let version = known
  const contest = new Contest(state, id, deadline)
  try {
    for (;;) {
      if (version === undefined && hashKeys) {
        const record = yield* readLive(state, 'destroy', id, deadline)
        if (record === null) return false
        const successor = (yield* state.decode(record.payload))[SUPERSEDED]
        if (typeof successor === 'string') yield* destroy(state, successor, undefined, deadline)
        version = record.version
      }
      const at = hashKeys ? version : undefined
      const result = yield* ask(state, 'destroy', deadline, store => store.remove(id, at, deadline))
      if (result !== 'stale') {
        if (result === 'ok') tell(state, 'destroyed', id, deadline)
        return result === 'ok'
      }
      version = undefined
      yield* contest.lost()
    }
  } catch (error) {
    throw contest.explain(error)
  } finally {
    contest.end()
  }
}

/** Extends the session's life, if it is due. Refused (it is gone, or changed meanwhile) is no error. */
function* extend(state: State, deadline: Deadline): Task<boolean> {
  const { touchAfter, absoluteAge, cookieStore } = state.settings
  const { stored, changes } = state
  if (touchAfter === undefined || state.supersededBy !== undefined) return false
  const expiresAt = state.expiresAt(deadline.now)
  if (expiresAt - state.expiresAtRead < touchAfter * 1000) return false
  if (cookieStore || (absoluteAge !== undefined && createdAt(changes!.data) === undefined)) {
    yield* persist(state, deadline)
    return true
  }
  if (!stored || stored.version === undefined) return true
  const { version } = stored
  if (expiresAt !== state.expiresAtRead) {
    if (
      !(yield* ask(state, 'touch', deadline, store => store.touch(stored.id, expiresAt, version, deadline)))
    )
      return false
    tell(state, 'touched', stored.id, deadline)
  }
  return true
}

/** For `sessions.delete`: removes the session of that id, wherever a rotation has taken it. */
export function remove(state: State, id: RecordId, deadline: Deadline): Task<boolean> {
  return destroy(state, id, undefined, deadline)
}

/** Takes back a new record; when time is up the attempt is all there is. */
function* abandon(state: State, id: RecordId, deadline: Deadline): Task<void> {
  try {
    yield* ask(state, 'destroy', deadline, store => store.remove(id, undefined, deadline))
  } catch (error) {
    if (!deadline.expired) throw error
  }
}

function* readLive(
  state: State,
  operation: StoreErrorEvent['operation'],
  id: RecordId,
  deadline: Deadline,
): Task<StoredRecord | null> {
  const record = yield* ask(state, operation, deadline, store => store.read(id, deadline))
  return record && record.expiresAt > deadline.now ? record : null
}

/** One store call; whatever it throws is a SessionStoreError, and the hook hears of it. */
function* ask<T>(
  state: State,
  operation: StoreErrorEvent['operation'],
  deadline: Deadline,
  call: (store: Store) => MaybePromise<T>,
): Task<T> {
  try {
    return yield* wait(call(state.settings.store!))
  } catch (error) {
    throw state.storeError(operation, error, deadline)
  }
}

function interrupted(state: State, id: RecordId | undefined): SessionInterruptedError {
  emit(state.settings.hooks, 'interrupted', { id: state.tell(id) })
  return new SessionInterruptedError()
}

function tell(
  state: State,
  hook: Exclude<HookName, 'loaded' | 'conflict' | 'corrupt' | 'storeError'>,
  id: RecordId,
  deadline: Deadline,
): void {
  const { hooks, clock } = state.settings
  if (hooks[hook]) emit(hooks, hook, { id: state.tell(id), durationMs: clock() - deadline.now })
}

/** Who is writing which record, engine by engine, after having lost a race for it. */
const turns = new WeakMap<Settings, Map<RecordId, Promise<void>>>()

/**
 * Writers of one record that meet. The loser of a race waits for its turn among the losers of this process, and after
 * that pauses at random, for other processes write too. Simulated with 200 writers: 2 or 3 tries each, instead of up
 * to 36 with pauses alone.
 */
class Contest {
  #state: State
  #id: RecordId
  #deadline: Deadline
  #tries = 0
  #release: (() => void) | undefined

  constructor(state: State, id: RecordId, deadline: Deadline) {
    this.#state = state
    this.#id = id
    this.#deadline = deadline
  }

  *lost(): Task<void> {
    if (this.#tries++ === 0) yield* this.#takeTurn()
    else {
      const { random } = this.#state.settings
      const ms = (random(1)[0]! / 256) * Math.min(2 ** this.#tries, 50)
      yield* wait(new Promise<void>(resolve => setTimeout(resolve, ms)))
    }
    if (this.#deadline.expired) throw this.#outOfTime()
  }

  *#takeTurn(): Task<void> {
    const { settings } = this.#state
    let queue = turns.get(settings)
    if (!queue) turns.set(settings, (queue = new Map()))
    const before = queue.get(this.#id)
    const mine = new Promise<void>(resolve => {
      this.#release = () => {
        if (queue.get(this.#id) === mine) queue.delete(this.#id)
        resolve()
      }
    })
    queue.set(this.#id, mine)
    if (before) yield* wait(before)
  }

  /** The error to tell: after a lost race the deadline means that the others never let us through. */
  explain(error: unknown): unknown {
    const late =
      this.#tries > 0 && this.#deadline.expired && (error as SessionError | null)?.code === 'SESSION_STORE'
    return late ? this.#outOfTime() : error
  }

  #outOfTime(): SessionConflictError {
    return new SessionConflictError(
      'Other requests kept changing the session until time was up (`timeout`). Try again.',
    )
  }

  end(): void {
    this.#release?.()
  }
}

function nothing(state: State): CommitResult {
  return { setCookies: [], vary: state.accessed, private: false }
}

function sendCookie(state: State, { secure }: Answer, now: number): CommitResult {
  const { settings } = state
  const { data } = state.changes!
  let maxAge: number | undefined
  if (!state.endsWithBrowser()) {
    maxAge = expiryAge(data[EXPIRY], now, settings.age)
    if (settings.absoluteAge !== undefined) maxAge = Math.min(maxAge, (state.expiresAt(now) - now) / 1000)
  }
  const { name } = settings.cookie
  const parts = settings.cookieStore ? splitToken(settings.cookie, state.key!) : [{ name, value: state.key! }]
  const set = parts.map(part => setCookie(settings.cookie, part.name, part.value, secure, maxAge, now))
  const stale = state.sent.filter(sent => !parts.some(part => part.name === sent))
  return {
    setCookies: [...set, ...stale.map(sent => setCookie(settings.cookie, sent, '', secure, 0, 0))],
    vary: true,
    private: true,
  }
}

function expireCookie(state: State, { secure }: Answer): CommitResult {
  const setCookies = state.sent.map(name => setCookie(state.settings.cookie, name, '', secure, 0, 0))
  return { setCookies, vary: true, private: true }
}
