import { whenTimeIsUp } from './task.ts'

/** Counts what is waited for, so that an engine can be closed after it. */
export class UnderWay {
  #count = 0
  #idle: (() => void) | undefined

  /** Counts a promise until it is settled. */
  add(promise: PromiseLike<unknown>): void {
    this.#count++
    promise.then(this.#done, this.#done)
  }

  readonly #done = (): void => {
    if (--this.#count === 0) this.#idle?.()
  }

  /** Resolves once nothing is under way, after `ms` milliseconds at the latest. */
  async idle(ms: number): Promise<void> {
    let isLate = false
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = whenTimeIsUp(ms, () => {
      isLate = true
      resolve()
    })
    while (this.#count > 0 && !isLate) {
      await Promise.race([late, new Promise<void>(idle => (this.#idle = idle))])
      // A handler that has waited for its load continues now, and may commit.
      await new Promise(next => setTimeout(next))
    }
    cancel()
  }
}
