import type { MaybePromise } from '@sess/core'
import { settle } from '@sess/core/adapter'
import type { Store } from './store.ts'

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

const turns = new WeakMap<Store, Turns>()

/**
 * Lets the saves, the extensions and the end of one session run one after another in this process. A save reads before it
 * writes, and so does `touch` of some stores.
 */
export function takeTurn<T>(store: Store, id: string, work: () => MaybePromise<T>): MaybePromise<T> {
  let known = turns.get(store)
  if (!known) {
    known = new Turns()
    turns.set(store, known)
  }
  return known.take(id, work)
}
