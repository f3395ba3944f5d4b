import { SessionStoreError } from '@sess/core'

/** A server that was silent for so long counts as frozen, once a call has given up waiting for it. */
const SILENCE_MS = 200
/** While it is frozen, one call in so many milliseconds is sent, to see whether it is back. */
const PROBE_MS = 500
/** Calls that were given up and are still without an answer, at the most. The client keeps each with its arguments. */
const MAX_GIVEN_UP = 1_000

/**
 * Watches the calls to one server and, while it does not answer, rejects them at once instead of sending them. Otherwise
 * each request would wait until its time-out, and the client, which cannot take back what it has sent, would keep the
 * call of each.
 *
 * Any answer ends that, also one to a call that was given up: a frozen server that goes on answers those first.
 */
export class OutageGuard {
  #calls = 0
  readonly #givenUp = new Set<number>()
  #isFrozen = false
  #answeredAt = Number.NEGATIVE_INFINITY
  #probeAt = 0

  /** Sends, and waits until the signal at the longest. The call may be carried out later than that. */
  send<T>(signal: AbortSignal | undefined, send: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const startedAt = performance.now()
      this.#mayBeSent(startedAt)
      const call = ++this.#calls
      // Node runs timers before it reads sockets. An answer that came while this process stood still counts.
      const abort = () => setImmediate(giveUp)
      const giveUp = () => {
        if (!isWaiting) return
        this.#giveUp(call, startedAt)
        reject(signal?.reason)
      }
      let isWaiting = true
      const settle = (error?: unknown) => {
        isWaiting = false
        signal?.removeEventListener('abort', abort)
        this.#givenUp.delete(call)
        if (error === undefined || isReply(error)) this.#answered(call)
      }
      signal?.addEventListener('abort', abort, { once: true })
      send().then(
        answer => {
          settle()
          resolve(answer)
        },
        error => {
          settle(error)
          reject(error)
        },
      )
    })
  }

  #mayBeSent(now: number): void {
    if (!this.#isFrozen && this.#givenUp.size < MAX_GIVEN_UP) return
    if (now < this.#probeAt) {
      throw new SessionStoreError(
        'Redis has stopped answering, so this call was not sent. Calls are sent again as soon as it answers.',
      )
    }
    this.#probeAt = now + PROBE_MS
  }

  #giveUp(call: number, startedAt: number): void {
    this.#givenUp.add(call)
    const now = performance.now()
    if (now - Math.max(startedAt, this.#answeredAt) < SILENCE_MS) return
    if (!this.#isFrozen) this.#probeAt = now + PROBE_MS
    this.#isFrozen = true
  }

  #answered(call: number): void {
    this.#isFrozen = false
    this.#answeredAt = performance.now()
    // A server answers in order: earlier calls that have no answer by now were lost with a connection.
    for (const earlier of this.#givenUp) if (earlier < call) this.#givenUp.delete(earlier)
  }
}

/** Whether the server said so: `OOM …`, `READONLY …`. Errors of the client are sentences. */
function isReply(error: unknown): boolean {
  return error instanceof Error && /^[A-Z]{2,} /.test(error.message)
}
