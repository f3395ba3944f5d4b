import { SUPERSEDED } from './bookkeeping.ts'
import { SessionConflictError } from './errors.ts'
import { report } from './hooks.ts'
import type { RecordId } from './key.ts'
import type { Resolve } from './key-change.ts'
import type { Settings } from './options.ts'
import { decodePayload } from './record.ts'
import type { RecordRef } from './record-ref.ts'
import type { SessionState } from './session-state.ts'
import { interrupted, readLive } from './store-call.ts'
import { type Deadline, requireSync, type Task, wait } from './task.ts'

/**
 * Repeats an attempt that lost the race for a record, until it returns something (`undefined`: lost again). It waits for
 * its turn among the losers of this process. After that it pauses at random, because other processes write too.
 * Simulated with 200 writers: 2 or 3 tries each, instead of up to 36 with pauses alone.
 */
export function* retryInTurn<T>(
  { engine: { queue }, random }: Settings,
  id: string,
  deadline: Deadline,
  attempt: () => Task<T | undefined>,
): Task<T> {
  const before = queue.get(id)
  const { promise: mine, resolve: leave } = Promise.withResolvers<void>()
  queue.set(id, mine)
  try {
    yield* wait(before)
    // The caller has lost once before the call, so the next loss is the second. (`insertWithinLimit` has not.)
    for (let losses = 2; ; losses++) {
      const result = yield* attempt()
      if (result !== undefined) return result
      const ms = (random(1)[0]! / 256) * Math.min(2 ** losses, 50)
      yield* wait(new Promise<void>(resolve => setTimeout(resolve, ms)))
    }
  } catch (error) {
    if (!deadline.expired) throw error
    // Time is up. It counts as lost against others, although a slow store may be the reason: time alone cannot tell.
    throw new SessionConflictError(
      'Another request changed the session, and it could not be saved after that within `timeout`. Try again.',
    )
  } finally {
    if (queue.get(id) === mine) queue.delete(id)
    leave()
  }
}

/**
 * Reads the record again. If another request has saved it meanwhile, applies this request's changes to the new data. Any value
 * may have been mutated if `mustSave` is set (by `modified = true` or `cycleKey`, for example), or if mutations are not tracked:
 * then all are compared.
 */
export function* refresh(state: SessionState, ref: RecordRef, deadline: Deadline): Task<void> {
  const { settings, mustSave } = state
  const changes = state.changes!
  const record = yield* readLive(settings, ref.id, deadline)
  // Nothing was saved meanwhile. The end may be another.
  if (record && record.version === ref.version) return state.refreshed(ref, record)
  const data = record && (yield* decodePayload(settings, ref.id, record.payload))
  if (!data || data[SUPERSEDED]) throw interrupted(settings, ref.id)
  changes.recordMutations(mustSave || !settings.trackMutations)
  changes.rebase(data, resolverOf(settings, ref.id))
  state.refreshed(ref, record)
}

/** The option `onConflict`, for values that both requests replaced. */
function resolverOf(settings: Settings, id: RecordId): Resolve {
  const { onConflict } = settings
  return (key, clash, merged) => {
    report(settings, 'conflict', id, { key })
    if (onConflict === 'last') return merged
    if (onConflict !== 'error') return requireSync(onConflict(key, clash), 'onConflict')
    throw new SessionConflictError(
      "Another request changed the same value (`onConflict: 'error'`). Try again.",
    )
  }
}
