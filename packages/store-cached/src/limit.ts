import type { MaybePromise, StoreContext } from '@sess/core'
import { whenTimeIsUp } from '@sess/core/store'

/**
 * The time that some calls to the fast store have together, and what they are told of it. A store that answers at once
 * costs neither a timer nor a signal.
 */
export class Limit implements StoreContext {
  readonly now: number
  #ends: number
  #ms: number
  #caller: AbortSignal | undefined
  #controller: AbortController | undefined

  /** `now` in ms since the epoch; `caller`: ends the waiting as well. */
  constructor(now: number, ms: number, caller?: AbortSignal) {
    this.now = now
    this.#ms = ms
    this.#ends = performance.now() + ms
    this.#caller = caller
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  /** The answer, or an error when time is up. One that came while this process stood still is delivered first. */
  wait<T>(answer: MaybePromise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const giveUp = (reason: unknown) => {
        this.#controller?.abort(reason)
        reject(reason)
      }
      let cancel = whenTimeIsUp(Math.max(1, this.#ends - performance.now()), () =>
        giveUp(new Error(`The fast store did not answer within ${this.#ms} ms.`)),
      )
      const abort = () => {
        cancel()
        cancel = whenTimeIsUp(1, () => giveUp(this.#caller?.reason))
      }
      const done = () => {
        cancel()
        this.#caller?.removeEventListener('abort', abort)
      }
      Promise.resolve(answer).finally(done).then(resolve, reject)
      if (this.#caller?.aborted) abort()
      else this.#caller?.addEventListener('abort', abort, { once: true })
    })
  }
}
