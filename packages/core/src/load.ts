import { adopt } from './adopt.ts'
import { authenticatedAt, createdAt, isPastGrace, SUBJECT, SUPERSEDED } from './bookkeeping.ts'
import type { Changes } from './changes.ts'
import { asStoreError, ConfigError, SessionNotLoadedError } from './errors.ts'
import { report } from './hooks.ts'
import { absoluteLimit } from './lifetime.ts'
import type { Found } from './lookup.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import { decodePayload } from './record.ts'
import { reactToReuse } from './reuse.ts'
import type { SessionState } from './session-state.ts'
import type { MaybePromise, StoredRecord } from './store.ts'
import { type Deadline, runTask, type Task, wait } from './task.ts'

/** Fetches the session, once. Never rejects because of the store: the first access to the data throws what went wrong. */
export function load(state: SessionState): MaybePromise<void> {
  const { lookup, settings } = state
  if (lookup.isLoaded || lookup.loading) return lookup.loading
  lookup.loadBegun(settings.engine.removalsBegun)
  return lookup.keepPending(runTask(settings, deadline => find(state, deadline)))
}

function* find(state: SessionState, deadline: Deadline): Task<void> {
  const { lookup } = state
  try {
    let found = lookup.key === null ? undefined : yield* findByKey(state, deadline)
    if (!found && lookup.adoptableHeader) found = yield* findByOldCookie(state, deadline)
    state.loaded(found)
  } catch (error) {
    lookup.loadFailed(asStoreError(error))
  }
}

/** The option `adopt`. */
function* findByOldCookie(state: SessionState, deadline: Deadline): Task<Found | undefined> {
  const { lookup, settings } = state
  const ownKey = lookup.key
  const key = yield* adopt(settings, lookup, deadline)
  if (!key) return
  lookup.keyReplaced(key)
  // A cookie that stays for a way back leads to the first key for good.
  if (lookup.old.at(-1)!.keep) lookup.rotatedKeyExpected()
  const found = yield* findByKey(state, deadline)
  if (found) lookup.adopted()
  // The session that took the place of the old one has ended.
  else lookup.keyReplaced(ownKey)
  return found
}

function* findByKey(state: SessionState, deadline: Deadline): Task<Found | undefined> {
  const { lookup, settings } = state
  const record = yield* settings.backend.find(state, deadline)
  let found: Found | undefined
  // An expiry that is NaN is not later than now either.
  if (record && record.expiresAt > deadline.now) {
    const data = settings.decodesEarly
      ? yield* decodePayload(settings, lookup.recordId, record.payload)
      : undefined
    if (settings.reuse && data && isPastGrace(data, deadline.now)) {
      if (!lookup.mayHaveOldKey) yield* reactToReuse(state, data, deadline)
    } else {
      const isVoid = data && (yield* isBeforeNotBefore(settings, data))
      if (!isVoid) found = { record, data }
    }
  }
  report(settings, 'loaded', lookup.recordId, { found: found !== undefined }, deadline)
  return found
}

/** Whether the session authenticated before what the option `notBefore` says of its subject. */
function* isBeforeNotBefore(settings: Settings, data: Data): Task<boolean> {
  const subject = data[SUBJECT]
  if (!settings.notBefore || typeof subject !== 'string') return false
  return isBeforeLimit(data, yield* notBeforeLimit(settings, subject))
}

/** What the option `notBefore` says of a subject, in milliseconds since the epoch. 0: all its sessions are valid. */
export function* notBeforeLimit({ notBefore }: Settings, subject: string): Task<number> {
  const limit = (notBefore && (yield* wait(notBefore(subject)))) ?? 0
  if (!Number.isFinite(limit)) throw new TypeError('notBefore must return milliseconds or undefined.')
  return limit
}

/** Whether a session authenticated before that moment. */
export function isBeforeLimit(data: Data, limit: number): boolean {
  return (authenticatedAt(data) ?? createdAt(data) ?? 0) < limit
}

/** The first access to the data: decodes what loading found, or throws its error. */
export function openLoaded(state: SessionState): Changes {
  if (state.changes) return state.changes
  const { settings, lookup } = state
  const { found, failed } = lookup
  if (!lookup.isLoaded) throw new SessionNotLoadedError()
  if (failed) throw failed
  if (!found) return state.begin()
  const { record } = found
  const data = found.data ?? decodeNow(state, record.payload)
  // A session past its absolute limit is not found. Its record expires by itself.
  const now = settings.clock()
  // Nor is one under a key that was rotated long ago: another engine, with the option `reuse`, has left its marker.
  if (absoluteLimit(settings, data) <= now || isPastGrace(data, now)) return state.begin()
  const id = lookup.recordId
  const successor = data[SUPERSEDED]
  const ref = id && { id, version: (record as StoredRecord).version, successor }
  return successor ? state.openedMarker(ref) : state.opened(record, data, ref)
}

function decodeNow({ settings, lookup }: SessionState, payload: string): Data {
  // With a codec that says `sync` this is a task of one step.
  const { done, value } = decodePayload(settings, lookup.recordId, payload).next()
  if (!done) throw new ConfigError('codec', 'says `sync` and returns a promise.')
  return value
}
