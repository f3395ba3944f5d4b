import { utf8 } from '#crypto'
import { CREATED, createdAt, EXPIRY, SUBJECT, SUPERSEDED } from './bookkeeping.ts'
import type { Resolve } from './changes.ts'
import { setCookie, splitToken } from './cookie.ts'
import { clearElsewhere, type RequestTarget } from './cookie-scopes.ts'
import {
  SessionConflictError,
  SessionDataError,
  type SessionError,
  SessionExistsError,
  SessionInterruptedError,
  SessionStoreError,
} from './errors.ts'
import { endsWithBrowser, expiryAge } from './expiry.ts'
import { warnOfForgottenProxy } from './forgotten-proxy.ts'
import { newKey, type RecordId } from './key.ts'
import { assertFits, toStore } from './schema.ts'
import { type CommitResult, type State, type Stored, sealContext } from './state.ts'
import type { MaybePromise, SessionRecord, StoredRecord } from './store.ts'
import { atOnce, type Call, type Deadline, isPromise, type Task, wait } from './task.ts'

/** How long a rotated key still tells "rotated" from "unknown", in ms: the time that late requests need. */
const GRACE = 30_000

/** Of a status that leaves and a connection, all that a commit wants to know. */
export interface Answer {
  /** The HTTP status that really leaves. */
  status: number
  /**
   * Whether the client's connection is TLS, for `secure: 'auto'`. Not told counts as secure. A function is asked when a
   * cookie may be set, which few responses do.
   */
  secure?: boolean | (() => boolean) | undefined
  /**
   * How the browser asked. Called when the request has two different session cookies: with it the response can delete
   * those of other domains and paths. Also when a cookie is set without `Secure`, to notice a proxy that is not trusted.
   */
  target?: (() => RequestTarget) | undefined
  /**
   * The response cannot wait for the store, as that of a WebSocket's upgrade. Then the `save()` before it is enough for the
   * cookie of a new key, which is otherwise sent only for what the store confirms in this commit.
   */
  cannotWait?: boolean | undefined
}

/**
 * Decides what the end of a request means for its session, and does it. At once and without a promise where there is
 * nothing to do; a second call does nothing and answers the same, after a failure that there is nothing to send.
 */
export function commit(state: State, answer: Answer): MaybePromise<CommitResult> {
  if (state.committed) return state.outcome ?? nothing(state)
  state.endIfRemoved()
  state.committed = true
  if (!answer.cannotWait) state.confirmed = false
  if (!state.saving && !isDue(state, answer.status)) return (state.outcome = nothing(state))
  const outcome = state.run(deadline => carryOut(state, answer, deadline))
  if (isPromise(outcome)) {
    outcome.then(
      result => (state.outcome = result),
      () => (state.outcome = undefined),
    )
  }
  return (state.outcome = outcome)
}

/** Whether there is more to do than to say `Vary`. */
function isDue(state: State, status: number): unknown {
  // `modified` may have been set by hand, and nothing looked at.
  const extends_ = ((state.extends && state.settings.touchAfter >= 0) || state.forced) && state.key
  if (state.doomed || (state.isEmpty && state.received[0]) || state.strays[0]) return true
  if (!state.changes) return extends_
  if (status >= 500) return state.newlyStored
  return state.modified || state.newlyStored || extends_ || isUnsaved(state)
}

/**
 * What would be lost if no commit followed: changes that are not saved, or the cookie of a key that is new. For adapters
 * whose response cannot wait for a commit.
 */
export function pending(state: State): 'changes' | 'cookie' | undefined {
  if (state.committed) return
  const isUnknown = state.isEmpty && !state.stored
  if (state.saving || state.doomed) return 'changes'
  if (state.changes && !isUnknown && isUnsaved(state)) return 'changes'
  return state.newlyStored ? 'cookie' : undefined
}

function* carryOut(state: State, answer: Answer, deadline: Deadline): Task<CommitResult> {
  const result = yield* settleRequest(state, answer, deadline)
  const { contested, strays } = state
  return contested[0] || strays[0] ? clearOthers(state, answer, result) : result
}

function* settleRequest(state: State, answer: Answer, deadline: Deadline): Task<CommitResult> {
  const { status } = answer
  if (state.saving) {
    // Whoever called `save()` hears of its error.
    yield* wait(Promise.allSettled([state.saving]))
    if (!isDue(state, status)) return nothing(state)
  }
  if (!state.changes) {
    yield* wait(state.load())
    // An extension alone: a store that is down changes nothing, and the storeError hook has heard of it.
    if (state.failed && !state.forced) return nothing(state)
  }
  state.open()
  // It may throw: before anything is stored whose cookie would not be sent then.
  const tls = isSecure(answer)
  if (state.doomed) yield* removeDoomed(state, deadline)
  if (state.isEmpty) {
    if (state.stored?.successor || !state.received[0]) return nothing(state)
    // One of the two may be this visitor's own, unless they ask to be logged out.
    if (state.contested[0] && !state.flushed) return nothing(state)
  } else {
    if (status < 500 && isUnsaved(state)) yield* persist(state, deadline)
    else if (!state.newlyStored) {
      if (status >= 500) return nothing(state)
      if (!state.modified && !(yield* extend(state, deadline))) return nothing(state)
    }
    // Not the key of a `cycleKey` or `create` that was not carried out.
    state.key = state.newlyStored ?? state.key
    if (!(yield* isConfirmed(state, deadline))) return nothing(state)
  }
  warnOfForgottenProxy(state, tls, answer.target)
  return sendCookies(state, tls, deadline.now)
}

/**
 * Whether the key still leads to the session. What an explicit `save()` stored may have been rotated or removed since by
 * another request, and then the cookie would replace the browser's new one by a dead one.
 */
function* isConfirmed(state: State, deadline: Deadline): Task<boolean> {
  if (state.confirmed || state.settings.cookieStore) return true
  return yield* isLive(state, yield* wait(state.idOf(state.key!)), deadline)
}

/** Whether a save has something to do. */
function isUnsaved(state: State): boolean {
  const changes = state.changes!
  if (state.forced || state.rotatedFrom) return true
  // Set to false by hand: then nothing is saved, as in Django.
  if (changes.recorded) return state.modified
  // Flushed, and `save({ mustCreate: true })` failed.
  if (state.modified && !state.stored && !state.settings.cookieStore) return true
  // Once found, a mutation is an ordinary change of the log, which does not set `modified`.
  return (state.forced = changes.recordMutations(false))
}

/** `Session.save`. */
export function* save(state: State, deadline: Deadline, mustCreate: boolean): Task<void> {
  state.open()
  if (state.doomed) yield* removeDoomed(state, deadline)
  if (state.flushed && state.isEmpty && !mustCreate) return
  // A rotation inserts by itself, and ends the old session.
  const chosen = mustCreate && state.key && !state.rotatedFrom && !state.settings.cookieStore
  if (!chosen) return yield* persist(state, deadline)
  const record = yield* insert(state, deadline)
  if (!record) throw new SessionExistsError()
  settled(state, record)
}

/** `Session.create`. */
export function* create(state: State, deadline: Deadline): Task<void> {
  state.open()
  if (state.doomed) yield* removeDoomed(state, deadline)
  if (state.rotatedFrom) yield* persist(state, deadline)
  refuseSuperseded(state)
  state.forced = true
  if (!state.settings.cookieStore) {
    state.stored = undefined
    state.key = null
    yield* persist(state, deadline)
  }
  state.modified = true
}

/** Stores the session as it is now, one way or another. */
function* persist(state: State, deadline: Deadline): Task<void> {
  const { changes, settings, stored, rotatedFrom } = state
  refuseSuperseded(state)
  if (lacksCreated(state)) changes!.set(CREATED, deadline.now)
  let record: SessionRecord
  if (settings.cookieStore) {
    record = yield* makeRecord(state, deadline)
    state.key = yield* wait(settings.cookieStore.seal(record, sealContext(settings, deadline.now)))
    state.newlyStored = state.key
    state.modified = true
  } else if (rotatedFrom && !rotatedFrom.successor) record = yield* rotate(state, rotatedFrom, deadline)
  else if (stored) {
    // What others saved meanwhile, this request's changes are applied to.
    record =
      (yield* tryReplace(state, stored, deadline)) ?? (yield* contend(state, stored, deadline, tryReplace))
  } else record = yield* insertNew(state, deadline)
  settled(state, record)
}

/** A new session's cookie would overwrite that of the session which took the place of this one. */
function refuseSuperseded(state: State): void {
  if (state.stored?.successor) throw interrupted(state, state.stored)
}

/** The session is in the store now. */
function settled(state: State, { payload, expiresAt, subject }: SessionRecord): void {
  const changes = state.changes!
  if (!state.extends) state.expiresAtRead = expiresAt
  state.payload = payload
  changes.saved(state.baseOf(changes.data, payload))
  state.confirmed = true
  state.storedSubject = subject
  state.storedAfter = state.settings.removals
  state.forced = state.flushed = false
  state.rotatedFrom = undefined
}

function* makeRecord(state: State, { now }: Deadline): Task<SessionRecord> {
  const { codec, maxBytes, schema, stringify } = state.settings
  const changes = state.changes!
  let { data } = changes
  if (schema && state.payload !== undefined) {
    data = toStore(yield* state.validate(state.payload), changes, stringify)
  }
  const encoded = codec.encode(data, { maxBytes })
  const payload = isPromise(encoded) ? yield* wait(encoded) : encoded
  // As it will be read, and with objects of its own: a validator may change what it is given.
  if (schema && payload !== state.payload) yield* assertFits(schema, yield* wait(codec.decode(payload)))
  // A UTF-16 unit takes at most three bytes: most payloads need no counting.
  const bytes = payload.length * 3 > maxBytes ? utf8(payload).length : 0
  if (bytes > maxBytes) {
    throw new SessionDataError(
      `The session has ${bytes} bytes, more than \`maxBytes\` (${maxBytes}). Keep less in it.`,
    )
  }
  const record: SessionRecord = { payload, expiresAt: state.expiresAt(now) }
  const subject = data[SUBJECT]
  if (typeof subject === 'string') record.subject = subject
  return record
}

/** Inserts under the session's key; `undefined` when the id is taken. */
function* insert(state: State, deadline: Deadline): Task<SessionRecord | undefined> {
  const record = yield* makeRecord(state, deadline)
  const id = yield* wait(state.idOf(state.key!))
  if (!(yield* state.ask('insert', id, record, deadline))) return
  state.stored = { id }
  state.newlyStored = state.key!
  state.tell('created', id, deadline)
  return record
}

function* insertNew(state: State, deadline: Deadline): Task<SessionRecord> {
  for (let tries = 0; tries < 8; tries++) {
    state.key ??= newKey(state.settings.random)
    const record = yield* insert(state, deadline)
    if (record) {
      // A session made by an explicit `save()` counts as modified, as in Django.
      state.modified = true
      return record
    }
    // 165 random bits do not meet by chance; a tried random generator may.
    state.key = null
  }
  throw new SessionStoreError('The session store takes no new id.')
}

/** Replaces the record by the session as it is now. `undefined`: another request was faster. */
function* tryReplace(state: State, stored: Stored, deadline: Deadline): Task<SessionRecord | undefined> {
  if (stored.version === undefined) yield* refresh(state, stored, deadline)
  const record = yield* makeRecord(state, deadline)
  const { id } = stored
  if (!won(state, stored, yield* state.ask('replace', id, record, spend(stored)!, deadline))) return
  state.tell('saved', id, deadline)
  return record
}

/** The version that was read, for one use: whatever comes of it, the record then has another. */
function spend(stored: Stored): string | undefined {
  const { version } = stored
  stored.version = undefined
  return version
}

/** Whether this request was the fastest. A record that is gone stays so. */
function won(state: State, stored: Stored, result: 'ok' | 'stale' | 'gone'): boolean {
  if (result === 'gone') throw interrupted(state, stored)
  return result === 'ok'
}

/** Inserts under the new key, then leaves a marker in the old record's place. */
function* rotate(state: State, old: Stored, deadline: Deadline): Task<SessionRecord> {
  if (old.version === undefined) yield* refresh(state, old, deadline)
  const { newlyStored } = state
  state.stored = undefined
  let record = yield* insertNew(state, deadline)
  const { id } = state.stored!
  try {
    record =
      (yield* trySupersede(state, old, deadline, record)) ??
      (yield* contend(state, old, deadline, trySupersede, record))
  } catch (error) {
    // The new key is never handed out; should the handler go on, the next try takes another.
    state.newlyStored = newlyStored
    state.stored = undefined
    state.key = newKey(state.settings.random)
    // Without the new record nothing has happened. When time is up, nobody waits for that.
    if ((error as SessionError).code !== 'SESSION_STORE') {
      try {
        yield* state.ask('remove', id, undefined, deadline)
      } catch (failure) {
        if (!deadline.expired) throw failure
      }
    }
    throw error
  }
  state.tell('rotated', id, deadline)
  return record
}

/** Answers what the new record is then. */
function* trySupersede(
  state: State,
  old: Stored,
  deadline: Deadline,
  record: SessionRecord,
): Task<SessionRecord | undefined> {
  const { codec, hashKeys } = state.settings
  const { id } = state.stored!
  if (old.version === undefined) {
    yield* refresh(state, old, deadline)
    // Nobody else knows the new key, so only a removal of all of the subject's sessions can come between.
    record = yield* makeRecord(state, deadline)
    const fresh = yield* readLive(state, id, deadline)
    if (!fresh || (yield* state.ask('replace', id, record, fresh.version, deadline)) !== 'ok') {
      throw interrupted(state, old)
    }
  }
  // A live Django would not know what a marker is.
  const marker = hashKeys && {
    payload: yield* wait(codec.encode({ [SUPERSEDED]: id })),
    expiresAt: deadline.now + GRACE,
  }
  const result = marker
    ? yield* state.ask('replace', old.id, marker, spend(old)!, deadline)
    : yield* state.ask('remove', old.id, spend(old), deadline)
  return won(state, old, result) ? record : undefined
}

/** Reads what another request saved and applies this request's changes to it. */
function* refresh(state: State, stored: Stored, deadline: Deadline): Task<void> {
  const { settings, changes } = state
  const record = yield* readLive(state, stored.id, deadline)
  const data = record && (yield* state.decode(record.payload))
  if (!data || data[SUPERSEDED]) throw interrupted(state, stored)
  changes!.recordMutations(state.forced || !settings.trackMutations)
  const { onConflict } = settings
  const resolve: Resolve = (key, clash, merged) => {
    state.tell('conflict', stored.id, undefined, { key })
    if (onConflict === 'last') return merged
    if (onConflict !== 'error') return atOnce(onConflict(key, clash), 'onConflict')
    throw new SessionConflictError(
      "Another request changed the same value (`onConflict: 'error'`). Try again.",
    )
  }
  changes!.rebase(data, resolve)
  state.payload = record.payload
  stored.version = record.version
  // What another request has extended stays so, if this one is no activity.
  if (!state.extends) state.expiresAtRead = record.expiresAt
}

export function* readLive(state: State, id: RecordId, call: Call): Task<StoredRecord | null> {
  const record = yield* state.ask('read', id, call)
  return record && record.expiresAt > call.now ? record : null
}

/** Whether there is a live session under an id, and not the marker of a rotation. */
export function* isLive(state: State, id: RecordId, deadline: Deadline): Task<boolean> {
  const record = yield* readLive(state, id, deadline)
  return record !== null && !(yield* state.decode(record.payload))[SUPERSEDED]
}

function* removeDoomed(state: State, deadline: Deadline): Task<void> {
  yield* destroy(state, state.doomed!, deadline)
  state.doomed = undefined
}

/**
 * Removes a record. If it is the marker of a rotation, or becomes one meanwhile, the session that took its place is
 * removed first. Returns whether there was a live record.
 *
 * A loop, because a key that is rotated often has a chain of thousands of markers.
 */
export function* destroy(state: State, target: Stored, deadline: Deadline): Task<boolean> {
  const chain = [target]
  const seen = new Set<unknown>([target.id])
  for (;;) {
    const last = chain.at(-1)!
    const result =
      (yield* tryDestroy(state, last, deadline, seen)) ??
      (yield* contend(state, last, deadline, tryDestroy, seen))
    if (typeof result !== 'boolean') chain.push(result)
    else if (chain.length === 1) return result
    else chain.pop()
  }
}

/** Returns whether there was a live record, or what has to be removed before it. */
function* tryDestroy(
  state: State,
  target: Stored,
  deadline: Deadline,
  seen: Set<unknown>,
): Task<boolean | Stored | undefined> {
  const { id, ageless } = target
  const call = ageless ? deadline.ageless() : deadline
  let isLive = true
  if (!state.settings.hashKeys && !ageless) target.version = undefined
  else if (target.version === undefined) {
    const record = yield* readLive(state, id, call)
    if (!record) return false
    isLive = record.expiresAt > deadline.now
    target.version = record.version
    // The old key of a rotation ends the session as long as its marker lives, and no longer.
    target.successor = isLive ? (yield* state.decode(record.payload))[SUPERSEDED] : undefined
  }
  // A logout wins over a rotation: the session that took the place of this one ends too.
  const { successor } = target
  if (typeof successor === 'string' && !seen.has(successor)) {
    seen.add(successor)
    return { id: successor as RecordId }
  }
  const result = yield* state.ask('remove', id, spend(target), call)
  if (result === 'stale') return
  const ended = result === 'ok' && isLive
  if (ended) state.tell('destroyed', id, deadline)
  return ended
}

/** Extends the session's life, if it is due. Refused (it is gone, or changed meanwhile) is no error. */
function* extend(state: State, deadline: Deadline): Task<boolean> {
  if (!state.isExtended(deadline.now)) return false
  const { stored, settings, expiresAtRead } = state
  const expiresAt = state.expiresAt(deadline.now)
  if (settings.cookieStore) yield* persist(state, deadline)
  // A new key, and told not to be saved.
  else if (!stored) return false
  else if (lacksCreated(state)) {
    try {
      yield* persist(state, deadline)
    } catch (error) {
      if ((error as SessionError).code === 'SESSION_INTERRUPTED') return false
      throw error
    }
  } else if (stored.version !== undefined) {
    // Also where the expiry stays as it is: only the store knows whether the key still leads to this session.
    if (!(yield* state.ask('touch', stored.id, expiresAt, stored.version, deadline))) return false
    state.confirmed = true
    if (expiresAt !== expiresAtRead) state.tell('touched', stored.id, deadline)
  }
  // Without a version it is a write of our own, which has extended it.
  return true
}

/** The absolute limit begins to count when the session is next stored. */
function lacksCreated({ settings, changes }: State): boolean {
  return settings.absoluteAge !== undefined && createdAt(changes!.data) === undefined
}

function interrupted(state: State, { id }: Stored): SessionInterruptedError {
  state.tell('interrupted', id)
  return new SessionInterruptedError()
}

/**
 * Repeats an attempt that has lost the race for a record, until it answers. It waits for its turn among the losers of this
 * process, and after that pauses at random, for other processes write too. Simulated with 200 writers: 2 or 3 tries
 * each, instead of up to 36 with pauses alone.
 */
function* contend<T, More extends unknown[]>(
  state: State,
  target: Stored,
  deadline: Deadline,
  attempt: (state: State, target: Stored, deadline: Deadline, ...more: More) => Task<T | undefined>,
  ...more: More
): Task<T> {
  const { queue, random } = state.settings
  const { id } = target
  const before = queue.get(id)
  const { promise: mine, resolve: leave } = Promise.withResolvers<void>()
  queue.set(id, mine)
  try {
    yield* wait(before)
    for (let losses = 2; ; losses++) {
      const result = yield* attempt(state, target, deadline, ...more)
      if (result !== undefined) return result
      const ms = (random(1)[0]! / 256) * Math.min(2 ** losses, 50)
      yield* wait(new Promise<void>(resolve => setTimeout(resolve, ms)))
    }
  } catch (error) {
    if (!deadline.expired) throw error
    throw new SessionConflictError('Other requests kept changing the session until `timeout`. Try again.')
  } finally {
    if (queue.get(id) === mine) queue.delete(id)
    leave()
  }
}

function nothing(state: State): CommitResult {
  return { setCookies: [], vary: state.accessed || state.told, private: false }
}

/** The session's cookies, and the deletion of those that came and are not set again. */
function sendCookies(state: State, tls: boolean | undefined, now: number): CommitResult {
  const { cookie, age, absoluteAge, expireAtBrowserClose } = state.settings
  const expiry = state.changes!.data[EXPIRY]
  let maxAge: number | undefined
  if (!endsWithBrowser(expiry, expireAtBrowserClose)) {
    maxAge = expiryAge(expiry, now, age)
    if (absoluteAge || !state.extends) maxAge = Math.min(maxAge, (state.expiresAt(now) - now) / 1000)
  }
  const parts = state.key === null ? [] : splitToken(cookie, state.key)
  const setCookies = parts.map(({ name, value }) => setCookie(cookie, name, value, tls, maxAge, now))
  for (const received of state.received) {
    if (!parts.some(({ name }) => name === received))
      setCookies.push(setCookie(cookie, received, '', tls, 0, 0))
  }
  return { setCookies, vary: true, private: true }
}

/**
 * Adds the deletion of cookies that are not the session's, or may be another's. They come first, because a proxy or a
 * test that knows cookies by their name alone keeps the last.
 */
function clearOthers(state: State, answer: Answer, result: CommitResult): CommitResult {
  const { setCookies } = result
  const { contested, strays } = state
  const { cookie } = state.settings
  const tls = isSecure(answer)
  const left = strays.filter(name => !setCookies.some(line => line.startsWith(`${name}=`)))
  const own = [...left.map(name => setCookie(cookie, name, '', tls, 0, 0)), ...setCookies]
  const room = cookie.maxBytes - own.join('').length
  const others = clearElsewhere(cookie, [...contested, ...strays], answer.target?.() ?? {}, tls, room)
  const all = [...others, ...own]
  return all[0] ? { setCookies: all, vary: true, private: true } : result
}

function isSecure({ secure }: Answer): boolean | undefined {
  return typeof secure === 'function' ? secure() : secure
}
