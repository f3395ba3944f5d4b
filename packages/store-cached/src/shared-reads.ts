import type { StoredRecord } from '@sess/core'
import { whenTimeIsUp } from '@sess/core/store'
import { inTurns } from './turns.ts'

/** Reads behind the cache. `waited`: another read of the session was under way when this one was asked for. */
type Read = (waited: boolean) => Promise<StoredRecord | null>

/** Why a read that several callers share failed, if it failed because the caller that does it gave up. */
class Abandoned {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}

/**
 * Lets callers that ask for one session at the same time share a read of the durable store. Measured with 10,000 requests
 * at once that send the cookie of a session long gone, on PostgreSQL with 10 connections: 3 reads and everybody answered.
 * Without sharing, the pool had no connection left, and reads of other sessions failed after its time-out. (F24)
 *
 * A caller that gives up does not take others along.
 */
export function sharedReads() {
  const turn = inTurns<StoredRecord | null>()

  return async (id: string, signal: AbortSignal | undefined, read: Read): Promise<StoredRecord | null> => {
    for (;;) {
      let mine = false
      const shared = turn(id, async waited => {
        mine = true
        try {
          return await read(waited)
        } catch (error) {
          throw signal?.aborted ? new Abandoned(error) : error
        }
      })
      try {
        const record = await unlessAborted(signal, shared)
        return record && { ...record }
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error
        if (mine || signal?.aborted) throw error.reason
      }
    }
  }
}

/** Ends the caller's waiting, not what others wait for too. */
function unlessAborted<T>(signal: AbortSignal | undefined, shared: Promise<T>): Promise<T> {
  if (signal === undefined) return shared
  return new Promise((resolve, reject) => {
    let cancel: (() => void) | undefined
    const abort = () => {
      // An answer that came while this process stood still is delivered first.
      cancel = whenTimeIsUp(1, () => reject(signal.reason))
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    shared.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', abort)
      cancel?.()
    })
  })
}
