import { authenticatedAt, createdAt, EXPIRY } from './bookkeeping.ts'
import type { Data } from './merge.ts'

/**
 * When a user was last active for certain, in ms since the epoch. Every extension sets the end to so many seconds of inactivity
 * later, so the end tells when the last one was. It was no earlier than the login, and no later than `now`.
 *
 * @param age the engine's `age` in seconds. `undefined`: not known, so that only a session with an age of its own tells
 */
export function lastSeenAt(
  expiresAt: number,
  data: Data,
  age: number | undefined,
  now: number = Infinity,
): number | undefined {
  const atLeast = authenticatedAt(data) ?? createdAt(data)
  const expiry = data[EXPIRY]
  // A moment that `setExpiry` has fixed does not move with the user.
  if (typeof expiry === 'string') return atLeast
  const life = typeof expiry === 'number' && expiry !== 0 ? expiry : age
  return life === undefined ? undefined : Math.max(Math.min(expiresAt - life * 1000, now), atLeast ?? 0)
}
