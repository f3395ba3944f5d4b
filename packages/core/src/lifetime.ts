import { createdAt, EXPIRY, subjectSince } from './bookkeeping.ts'
import { expiryMoment, LAST_MOMENT } from './expiry.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import type { SessionState } from './session-state.ts'

// How long a session that has been opened lives. All moments are milliseconds since the epoch.

/** When the session ends if it is saved or touched now: the earliest of all limits. */
export function expiresAt(state: SessionState, now: number): number {
  const { settings, endBefore } = state
  const { data } = state.changes!
  const idle = expiryMoment(data[EXPIRY], now, settings.age)
  const kept = keepsEnd(state) ? endBefore : Infinity
  return Math.floor(Math.min(idle, kept, absoluteLimit(settings, data), LAST_MOMENT))
}

/** Whether a save keeps the end that the session had before: the request is no activity, and has not set another end. */
export function keepsEnd({ isActivity, endBefore, changes }: SessionState): boolean {
  return !isActivity && endBefore > 0 && !changes!.has(EXPIRY)
}

/** Whether this request extends the session's life although it changed nothing (`saveEveryRequest`). */
export function isExtensionDue(state: SessionState, now: number): boolean {
  const { touchAfter } = state.settings
  if (!state.isActivity || touchAfter === undefined) return false
  const end = expiresAt(state, now)
  // `end - endBefore` is the time since the last extension. If the life is shorter than twice `touchAfter`, extend it at half
  // its length.
  return end - state.endBefore >= Math.min(touchAfter * 1000, (end - now) / 2)
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
