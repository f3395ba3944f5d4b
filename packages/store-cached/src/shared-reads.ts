import type { StoredRecord } from '@sess/core'
import { abortable } from '@sess/core/store'
import { inTurns } from './turns.ts'

/** Reads from the durable store. `afterWaiting` is true if another read of the session was under way before. */
type Read = (afterWaiting: boolean) => Promise<StoredRecord | null>

/** The error of a shared read that failed because the caller that made it gave up. */
class Abandoned {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}

/**
 * Shares a read of the durable store between callers that need the same session at the same time. If one caller gives up,
 * the others do not fail.
 *
 * Measured on PostgreSQL with 10 connections and 10,000 requests at once, each with the cookie of a removed session: 2 reads, or
 * 3 if one takes over a second, and all requests succeeded. Without sharing the pool had no free connection, and reads of other
 * sessions failed [F24].
 */
export function sharedReads() {
  const turn = inTurns<StoredRecord | null>()

  return async (id: string, signal: AbortSignal | undefined, read: Read): Promise<StoredRecord | null> => {
    for (;;) {
      let isOurRead = false
      const shared = turn(id, async afterWaiting => {
        isOurRead = true
        try {
          return await read(afterWaiting)
        } catch (error) {
          throw signal?.aborted ? new Abandoned(error) : error
        }
      })
      try {
        const record = await abortable(shared, signal)
        return record && { ...record }
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error
        if (isOurRead || signal?.aborted) throw error.reason
      }
    }
  }
}
