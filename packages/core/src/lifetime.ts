import { createdAt, EXPIRY, subjectSince } from './bookkeeping.ts'
import { expiryMoment, LAST_MOMENT } from './expiry.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import type { SessionState } from './session-state.ts'

// How long a session that has been opened lives. All moments are milliseconds since the epoch.

/** When the session ends if it is saved or touched now: the earliest of all limits. */
export function expiresAt(state: SessionState, now: number): number {
  const { settings, expiresAtRead, isActivity } = state
  const changes = state.changes!
  const idle = expiryMoment(changes.data[EXPIRY], now, settings.age)
  // A request that is no activity keeps the end that is stored, unless it has set another.
  const kept = isActivity || !expiresAtRead || changes.has(EXPIRY) ? Infinity : expiresAtRead
  return Math.floor(Math.min(idle, kept, absoluteLimit(settings, changes.data), LAST_MOMENT))
}

/** When the session ends if nothing more happens after this request. */
export function endsAt(state: SessionState, now: number): number {
  if (!state.settings.backend.isStored(state) || state.modified || isExtensionDue(state, now))
    return expiresAt(state, now)
  return Math.min(state.expiresAtRead, absoluteLimit(state.settings, state.changes!.data))
}

/** Whether this request extends the session's life although it changed nothing (`saveEveryRequest`). */
export function isExtensionDue(state: SessionState, now: number): boolean {
  const { touchAfter } = state.settings
  if (!state.isActivity || touchAfter === undefined) return false
  const end = expiresAt(state, now)
  // If the life is shorter than twice `touchAfter`, extend it at half its length.
  return end - state.expiresAtRead >= Math.min(touchAfter * 1000, (end - now) / 2)
}

/** When a session with these data ends, however active it is (`absoluteAge`). */
export function absoluteLimit({ absoluteAge }: Settings, data: Data): number {
  if (absoluteAge === undefined) return Infinity
  return (subjectSince(data) ?? createdAt(data) ?? Infinity) + absoluteAge * 1000
}

/** Whether the next save has to record when the session was created. `absoluteAge` counts from then on. */
export function lacksCreationTime({ settings, changes }: SessionState): boolean {
  return settings.absoluteAge !== undefined && createdAt(changes!.data) === undefined
}
