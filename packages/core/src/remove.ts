import { isPastGrace, SUBJECT, SUPERSEDED } from './bookkeeping.ts'
import { report } from './hooks.ts'
import type { RecordId } from './key.ts'
import type { Settings } from './options.ts'
import { decodePayload } from './record.ts'
import { type RecordRef, takeVersion } from './record-ref.ts'
import { retryInTurn } from './retry.ts'
import { callStore, readLive } from './store-call.ts'
import type { Deadline, Task } from './task.ts'

/**
 * Removes a record. If it is the marker of a rotation, or becomes one meanwhile, the session that took its place is
 * removed first. Returns whether there was a live session. `ids` gets the ids of all these records.
 *
 * A loop, because a key that is rotated often has a chain of thousands of markers.
 */
export function* removeRecord(
  settings: Settings,
  target: RecordRef,
  deadline: Deadline,
  ids = new Set<RecordId>(),
): Task<boolean> {
  const chain = [target]
  ids.add(target.id)
  let hasEnded = false
  for (;;) {
    const last = chain.at(-1)!
    const result =
      (yield* tryRemove(settings, last, deadline, ids)) ??
      (yield* retryInTurn(settings, last.id, deadline, () => tryRemove(settings, last, deadline, ids)))
    if (result.kind === 'marker') {
      chain.push(result.successor)
      continue
    }
    // A session of somebody else leaves the markers before it alone.
    if (result.kind === 'spared' && target.subject !== undefined) return false
    if (result.wasLive && !last.successor) hasEnded = true
    if (chain.length === 1) return hasEnded
    // What took its place is gone, so the marker before it is tried again: now it is removed, because `ids` has its successor.
    chain.pop()
  }
}

type Attempt =
  /** There is no such record any more. */
  | { kind: 'gone'; wasLive: boolean }
  /** The record stays: it is another subject's, or the marker of a rotation long ago. */
  | { kind: 'spared'; wasLive: false }
  /** The record is a marker: what took its place has to be removed first. */
  | { kind: 'marker'; successor: RecordRef }

/** `undefined`: another request has changed the record meanwhile. */
function* tryRemove(
  settings: Settings,
  target: RecordRef,
  deadline: Deadline,
  ids: Set<RecordId>,
): Task<Attempt | undefined> {
  const { id, ignoreExpiry, followsOldMarkers, subject } = target
  const call = ignoreExpiry ? deadline.ignoringExpiry() : deadline
  let isLive = true
  // Without hashing there are no markers, so no version matters. A rotation that overlaps this removal may therefore win. (With
  // `ignoreExpiry` the record is read all the same, to tell whether there was a live session.)
  if (!settings.hashKeys && !ignoreExpiry) target.version = undefined
  else if (target.version === undefined) {
    const record = yield* readLive(settings, id, call)
    if (!record) return { kind: 'gone', wasLive: false }
    isLive = record.expiresAt > deadline.now
    target.version = record.version
    // The old key of a rotation ends the session until the time of grace is over, and no longer.
    const data = isLive ? yield* decodePayload(settings, id, record.payload) : {}
    if (isPastGrace(data, deadline.now) && !followsOldMarkers) return { kind: 'spared', wasLive: false }
    target.successor = data[SUPERSEDED]
    const isAnothers = subject !== undefined && !target.successor && data[SUBJECT] !== subject
    if (isAnothers) return { kind: 'spared', wasLive: false }
  }
  // A logout wins over a rotation: the session that took the place of this one ends too.
  const successor = target.successor as RecordId | undefined
  if (typeof successor === 'string' && !ids.has(successor)) {
    ids.add(successor)
    return { kind: 'marker', successor: { id: successor, followsOldMarkers, subject } }
  }
  const result = yield* callStore(settings, 'remove', id, takeVersion(target), call)
  if (result === 'stale') return
  const wasLive = result === 'ok' && isLive
  if (wasLive) {
    report(
      settings,
      'destroyed',
      id,
      typeof successor === 'string' ? { supersededBy: successor } : {},
      deadline,
    )
  }
  return { kind: 'gone', wasLive }
}
