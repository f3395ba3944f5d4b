import type { MaybePromise, StoreContext } from '@sess/core'
import { abortable, isPromise, whenTimeIsUp } from '@sess/core/store'

/**
 * The time limit of several calls to the fast store together, passed to each call as its context. A store that returns
 * plain values costs neither a timer nor a signal.
 */
export class Limit implements StoreContext {
  readonly now: number
  #ends: number
  #ms: number
  #caller: AbortSignal | undefined
  #controller: AbortController | undefined

  /** `now` in ms since the epoch, `ms` the limit. The signal of the caller ends the wait as well. */
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

  /** Waits for a result, or until time is up or the caller gives up. A result that has arrived wins. */
  wait<T>(result: MaybePromise<T>): Promise<T> {
    if (!isPromise(result)) return Promise.resolve(result)
    const { signal } = this
    const giveUp = () => this.#abort(this.#caller?.reason)
    const cancel = whenTimeIsUp(Math.max(1, this.#ends - performance.now()), () =>
      this.#abort(new Error(`The fast store did not answer within ${this.#ms} ms.`)),
    )
    if (this.#caller?.aborted) giveUp()
    else this.#caller?.addEventListener('abort', giveUp, { once: true })
    return abortable(result, signal).finally(() => {
      cancel()
      this.#caller?.removeEventListener('abort', giveUp)
    })
  }

  #abort(reason: unknown): void {
    this.#controller?.abort(reason)
  }
}
