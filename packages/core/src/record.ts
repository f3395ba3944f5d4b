import { utf8 } from '#crypto'
import type { OldRecord } from './adopt.ts'
import {
  AUTHENTICATED,
  BOOKKEEPING,
  EXPIRY,
  plainSuccessor,
  ROTATION,
  rotationIn,
  SUBJECT,
  SUPERSEDED,
  subjectText,
} from './bookkeeping.ts'
import { isRecord } from './codec.ts'
import { schemaThrew, unfit, unreadable } from './corrupt-event.ts'
import { SessionDataError } from './errors.ts'
import { expiryMoment, LAST_MOMENT } from './expiry.ts'
import { type CorruptEvent, report } from './hooks.ts'
import type { RecordId } from './key.ts'
import { expiresAt } from './lifetime.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import { assertFits, toStore, type Validated, validated } from './schema.ts'
import type { SessionState } from './session-state.ts'
import type { SessionRecord } from './store.ts'
import { isPromise, type Task, wait } from './task.ts'

// From a session's data to the record that a store keeps, and back.

/** How long a rotated key is still known as rotated, in ms: the time that late requests need. */
const GRACE = 30_000

/** The record of the session as it is now. Throws a SessionDataError for data that cannot be stored. */
export function* encodeRecord(state: SessionState, now: number): Task<SessionRecord> {
  const { settings, payload: stored } = state
  const { codec, maxBytes, schema, stringify } = settings
  const changes = state.changes!
  let { data } = changes
  if (schema && stored !== undefined) {
    // The handler saw what the schema made of the payload. Keys that it did not change are written back as they were stored.
    data = toStore(yield* validate(settings, state.lookup.recordId, stored), changes, stringify)
  }
  const encoded = codec.encode(data, { maxBytes })
  const payload = isPromise(encoded) ? yield* wait(encoded) : encoded
  // Checks what a later request will read. Decoding again makes new objects, because a validator may change them.
  if (schema && payload !== stored) yield* assertFits(schema, yield* wait(codec.decode(payload)))
  assertSize(payload, maxBytes)
  const record: SessionRecord = { payload, expiresAt: expiresAt(state, now) }
  const subject = data[SUBJECT]
  if (typeof subject === 'string') record.subject = subject
  return record
}

/** The record that takes the place of a session whose key was rotated, until late requests have ended. */
export function* encodeRotated(
  settings: Settings,
  successor: RecordId,
  data: Data,
  now: number,
): Task<SessionRecord> {
  const grace = now + GRACE
  if (!settings.reuse) return yield* encodeMarker(settings, { [SUPERSEDED]: successor }, grace)
  // The subject is for the hook `reused`. It is not in the record, because the marker is no session of the subject.
  const subject = data[SUBJECT] === undefined ? {} : { [SUBJECT]: data[SUBJECT] }
  const marker = { [SUPERSEDED]: successor, [ROTATION]: { grace }, ...subject }
  return yield* encodeMarker(settings, marker, Math.max(grace, rotationIn(data).until ?? 0))
}

/** A record that is no session, and leads to one. */
export function* encodeMarker({ codec }: Settings, marker: Data, expiresAt: number): Task<SessionRecord> {
  return { payload: yield* wait(codec.encode(marker)), expiresAt: Math.min(expiresAt, LAST_MOMENT) }
}

/**
 * The record of a session that another library had. `undefined` if it cannot be ours: it is too big, cannot be encoded, or
 * does not fit the schema. The `corrupt` hook gets the reason.
 */
export function* encodeOldSession(
  settings: Settings,
  old: OldRecord,
  now: number,
): Task<SessionRecord | undefined> {
  const { age, codec, maxBytes, schema, migrate } = settings
  const { subject, authenticatedAt } = old
  try {
    const data = { ...old.data }
    for (const key of BOOKKEEPING) {
      if (key !== EXPIRY) delete data[key]
    }
    if (subject !== undefined) data[SUBJECT] = subjectText(subject)
    if (authenticatedAt !== undefined) data[AUTHENTICATED] = authenticatedAt
    const payload = yield* wait(codec.encode(data, { maxBytes }))
    assertSize(payload, maxBytes)
    if (schema) {
      const result = yield* validated(schema, migrate, () => codec.decode(payload))
      if ('issues' in result) {
        report(settings, 'corrupt', undefined, { reason: 'adopted', ...unfit(result.issues) })
        return
      }
    }
    const end = Math.min(old.expiresAt ?? LAST_MOMENT, expiryMoment(data[EXPIRY], now, age), LAST_MOMENT)
    const record: SessionRecord = { payload, expiresAt: Math.floor(end) }
    if (subject !== undefined) record.subject = subjectText(subject)
    return record
  } catch (error) {
    report(settings, 'corrupt', undefined, { reason: 'adopted', ...unreadable(error) })
    return
  }
}

/** The data in a payload. A payload that cannot be read is an empty session and a `corrupt` event, as in Django. */
export function* decodePayload(settings: Settings, id: RecordId | undefined, payload: string): Task<Data> {
  const { codec, schema } = settings
  let data: Data
  try {
    const decoded = codec.decode(payload)
    data = isPromise(decoded) ? yield* wait(decoded) : decoded
    if (!isRecord(data)) throw new TypeError('not an object')
  } catch (error) {
    const successor = plainSuccessor(payload)
    if (successor !== undefined) return { [SUPERSEDED]: successor }
    report(settings, 'corrupt', id, { reason: 'payload', ...unreadable(error) })
    return {}
  }
  return schema && !data[SUPERSEDED] ? (yield* validate(settings, id, payload)).shown : data
}

/** Returns the data in a payload and what the schema makes of it, as new objects. Both are empty if it does not fit. */
function* validate(settings: Settings, id: RecordId | undefined, payload: string): Task<Validated> {
  const { codec, schema, migrate } = settings
  let details: Partial<CorruptEvent>
  try {
    const result = yield* validated(schema!, migrate, () => codec.decode(payload))
    if (!('issues' in result)) return result
    details = unfit(result.issues)
  } catch (error) {
    details = schemaThrew(error)
  }
  report(settings, 'corrupt', id, { reason: 'schema', ...details })
  return { stored: {}, shown: {} }
}

function assertSize(payload: string, maxBytes: number): void {
  // A UTF-16 unit takes at most three bytes: most payloads need no counting.
  const bytes = payload.length * 3 > maxBytes ? utf8(payload).length : 0
  if (bytes <= maxBytes) return
  throw new SessionDataError(
    `The session has ${bytes} bytes, more than \`maxBytes\` (${maxBytes}). Keep less in it.`,
  )
}
