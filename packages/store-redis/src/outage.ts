import { SessionStoreError } from '@sess/core'
import { abortable } from '@sess/core/store'

/** When a call is given up, its server counts as frozen if it has owed a reply to any given-up call for so long. */
const SILENCE_MS = 200
/** While the server is frozen, one call in so many milliseconds is sent, to see whether it is back. */
const PROBE_MS = 500
/** The most given-up calls without a reply. The client keeps each of them with its arguments. */
const MAX_GIVEN_UP = 1_000

/**
 * Watches the calls to one server. While it does not reply, calls are rejected at once instead of sent. Otherwise each
 * request would wait until its time limit, and the client would keep each call, because it cannot take back what it sent.
 *
 * Any reply ends this, even one to a call that was given up: a server that continues replies to those first.
 */
export class OutageGuard {
  #calls = 0
  /** The calls that were given up and have no reply, each with the time when it was sent. */
  readonly #givenUp = new Map<number, number>()
  #isFrozen = false
  #answeredAt = Number.NEGATIVE_INFINITY
  #probeAt = 0

  /** Sends a call and waits until the signal is aborted. The server may carry the call out later. */
  async send<T>(signal: AbortSignal | undefined, send: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const startedAt = performance.now()
    this.#mayBeSent(startedAt)
    const call = ++this.#calls
    let isOpen = true
    const settle = (error?: unknown) => {
      isOpen = false
      this.#givenUp.delete(call)
      if (error === undefined || isReply(error)) this.#answered(call)
    }
    const sent = send()
    sent.then(() => settle(), settle)
    try {
      return await abortable(sent, signal)
    } catch (error) {
      if (isOpen) this.#giveUp(call, startedAt)
      throw error
    }
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
    this.#givenUp.set(call, startedAt)
    if (this.#isFrozen) return
    // Not the first in the map: a call with a longer time limit is older, but is given up later.
    let oldest = startedAt
    for (const sentAt of this.#givenUp.values()) oldest = Math.min(oldest, sentAt)
    const now = performance.now()
    if (now - Math.max(oldest, this.#answeredAt) < SILENCE_MS) return
    this.#probeAt = now + PROBE_MS
    this.#isFrozen = true
  }

  #answered(call: number): void {
    this.#isFrozen = false
    this.#answeredAt = performance.now()
    // A server replies in order, so earlier calls without a reply were lost with a connection.
    for (const earlier of this.#givenUp.keys()) if (earlier < call) this.#givenUp.delete(earlier)
  }
}

/** Whether the error is a reply of the server, such as `OOM …` or `READONLY …`. The client's own errors are sentences. */
function isReply(error: unknown): boolean {
  return error instanceof Error && /^[A-Z]{2,} /.test(error.message)
}
