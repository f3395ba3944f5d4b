import {
  asDate,
  authenticatedAt,
  BOOKKEEPING,
  createdAt,
  DEVICE,
  EXPIRY,
  rotationIn,
  SUPERSEDED,
} from './bookkeeping.ts'
import { type Device, deviceIn } from './device.ts'
import { ConfigError } from './errors.ts'
import type { RecordId } from './key.ts'
import { lastSeenAt } from './last-seen.ts'
import { absoluteLimit } from './lifetime.ts'
import { isBeforeLimit, notBeforeLimit } from './load.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import { decodePayload } from './record.ts'
import type { Store, StoredEntry } from './store.ts'
import { storeFailure } from './store-call.ts'
import { type Deadline, type Task, wait } from './task.ts'

/** A session as a list shows it. */
export interface SessionInfo<D extends object> {
  /** The store's id: it tells sessions apart and opens none of them. With `hashKeys: false` it is the key: keep it secret. */
  id: string
  subject: string | undefined
  data: D
  createdAt: Date | undefined
  /** When the subject was last set, or `reauthenticated()` called. */
  authenticatedAt: Date | undefined
  /** The user was active then: the last change or extension of the session. */
  lastSeenAt: Date | undefined
  /**
   * How exact `lastSeenAt` is: the user may have been active up to this many seconds later. `undefined` if any later
   * moment is possible, because requests that only read do not extend the session (`saveEveryRequest`), or because
   * another limit than inactivity ends it.
   */
  lastSeenWithin: number | undefined
  expiresAt: Date
  device: Device | undefined
}

/** A live session of a subject, and its data with the bookkeeping. */
export interface SubjectSession {
  readonly entry: StoredEntry
  readonly data: Data
  /** Records of rotations that overlap: only one of them wins, and the rest is being removed. Usually empty. */
  readonly rivals: readonly StoredEntry[]
}

/** The store's own method, or a ConfigError. */
export function indexed<M extends 'scanBySubject' | 'removeBySubject'>(
  store: Store,
  method: M,
): NonNullable<Store[M]> {
  if (store[method]) return store[method].bind(store) as NonNullable<Store[M]>
  throw new ConfigError('store', `has no ${method}(): use \`notBefore\`.`)
}

/**
 * The live sessions of a subject. A session that is being rotated has several records for a moment, and is there once: as
 * the old record, until that is a marker. `own` is there under its own id.
 */
export function* sessionsOf(
  settings: Settings,
  subject: string,
  deadline: Deadline,
  own?: RecordId,
): Task<SubjectSession[]> {
  const scan = indexed(settings.store, 'scanBySubject')
  const limit = yield* notBeforeLimit(settings, subject)
  const { now, signal } = deadline
  let entries: StoredEntry[]
  try {
    entries = yield* collect(scan(subject, { now, signal }))
  } catch (error) {
    throw storeFailure(settings, 'scanBySubject', error, undefined, deadline, subject)
  }
  const live = new Map<string, { entry: StoredEntry; data: Data }>()
  for (const entry of entries) {
    const data = yield* decodePayload(settings, undefined, entry.payload)
    if (isOver(settings, entry, data, limit, now)) continue
    live.set(entry.id, { entry, data })
  }
  return [...rotationsOf(live).values()].map(records => {
    const [first, ...others] = records.sort(
      (one, other) => Number(other.entry.id === own) - Number(one.entry.id === own),
    )
    return { ...first!, rivals: others.map(({ entry }) => entry) }
  })
}

/** The records of each session: those that take the place of one record are one session. */
function rotationsOf<R extends { data: Data }>(live: Map<string, R>): Map<string, R[]> {
  const sessions = new Map<string, R[]>()
  for (const [id, record] of live) {
    const { previous } = rotationIn(record.data)
    // The rotation is not done: the old record is still the session.
    if (previous !== undefined && live.has(previous)) continue
    const name = previous ?? id
    sessions.set(name, [...(sessions.get(name) ?? []), record])
  }
  return sessions
}

/** Whether a record opens no session: a marker, or one that a limit has ended. */
export function isOver(
  settings: Settings,
  { expiresAt }: StoredEntry,
  data: Data,
  limit: number,
  now: number,
): boolean {
  return (
    Boolean(data[SUPERSEDED]) ||
    expiresAt <= now ||
    absoluteLimit(settings, data) <= now ||
    isBeforeLimit(data, limit)
  )
}

/** Everything that an iterable gives. It is closed if time is up. */
function* collect<T>(iterable: AsyncIterable<T>): Task<T[]> {
  const iterator = iterable[Symbol.asyncIterator]()
  const all: T[] = []
  let isDone = false
  try {
    for (;;) {
      const { done, value } = yield* wait(iterator.next())
      isDone = done === true
      if (done) return all
      all.push(value)
    }
  } finally {
    // Nobody waits for it, and its failure would say no more than the first one.
    if (!isDone) iterator.return?.().then(undefined, () => undefined)
  }
}

/** What a list shows of a session. Takes the bookkeeping out of `data`. */
export function infoOf<D extends object>(
  settings: Settings,
  { entry: { id, subject, expiresAt }, data }: Pick<SubjectSession, 'entry' | 'data'>,
  now: number,
): SessionInfo<D> {
  const info = {
    id,
    subject,
    data: data as D,
    createdAt: asDate(createdAt(data)),
    authenticatedAt: asDate(authenticatedAt(data)),
    lastSeenAt: asDate(lastSeenAt(expiresAt, data, settings.age, now)),
    lastSeenWithin: lastSeenWithin(settings, expiresAt, data),
    expiresAt: new Date(expiresAt),
    device: deviceIn(data[DEVICE]),
  }
  for (const key of BOOKKEEPING) delete data[key]
  return info
}

/** Seconds. `undefined` where the end does not tell when the last activity was. */
function lastSeenWithin(settings: Settings, expiresAt: number, data: Data): number | undefined {
  const isFixed = typeof data[EXPIRY] === 'string' || expiresAt >= Math.floor(absoluteLimit(settings, data))
  return isFixed ? undefined : settings.touchAfter
}
