import { SessionStoreError } from '@sess/core'
import { type AbortableOptions, abortable } from '@sess/core/store'

/** The most given-up calls that may wait in a pool. It keeps each of them until a connection comes free. */
const MOST_GIVEN_UP = 1_000

/** The cause of a call that waited for a connection until its time was up. */
export function noConnection(): Error {
  return new SessionStoreError(
    'No connection of the pool came free: all are in use, or the server accepts no new one. Give the session store a ' +
      'pool of its own, because requests that keep a connection until they end leave none for their session.',
  )
}

/**
 * Waits for the calls to a pool, and counts those that nobody waits for any more. Pools cannot take back what waits in their
 * queue. While a server is frozen, each request would add one, until the memory is full.
 */
export class GivenUpCalls {
  #count = 0

  /**
   * Makes a call and waits until the signal is aborted.
   *
   * @throws SessionStoreError if too many given-up calls wait already
   */
  async waitFor<T>(
    call: () => PromiseLike<T>,
    signal: AbortSignal | undefined,
    options?: AbortableOptions<T>,
  ): Promise<T> {
    if (this.#count >= MOST_GIVEN_UP) throw noConnection()
    const work = call()
    let isSettled = false
    let isGivenUp = false
    const settle = () => {
      isSettled = true
      if (isGivenUp) this.#count--
    }
    work.then(settle, settle)
    try {
      return await abortable(work, signal, options)
    } catch (error) {
      if (!isSettled) {
        isGivenUp = true
        this.#count++
      }
      throw error
    }
  }
}
