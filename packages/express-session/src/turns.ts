import type { MaybePromise } from '@sess/core'
import { settle } from '@sess/core/adapter'

/** Lets the work on one key run one after another. The first one runs at once. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  take<T>(key: string, work: () => MaybePromise<T>): MaybePromise<T> {
    const before = this.#last.get(key)
    const { promise: mine, resolve } = Promise.withResolvers<void>()
    this.#last.set(key, mine)
    const leave = (): void => {
      if (this.#last.get(key) === mine) this.#last.delete(key)
      resolve()
    }
    return settle(
      () => (before ? before.then(work) : work()),
      result => {
        leave()
        return result
      },
      error => {
        leave()
        throw error
      },
    )
  }
}
