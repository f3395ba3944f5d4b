import type { MaybePromise, Store } from '@sess/core'
import { memoryStore } from '../memory-store.ts'

export type Call = 'read' | 'insert' | 'replace' | 'touch' | 'remove' | 'removeBySubject'

/** The reference store with somebody at the door. */
export interface WatchedStore extends Store {
  /** The calls so far, in order. */
  calls: Call[]
  /** Runs before each call of the store. The call throws what this throws, and waits for what this waits for. */
  before: ((call: Call) => MaybePromise<void>) | undefined
  /** While it is there every call is synchronous, as of a store in memory, and calls of these kinds throw `error` at once. */
  atOnce: { failing: readonly Call[]; error: Error } | undefined
}

export function watchedStore(): WatchedStore {
  const store = memoryStore()
  const watched: WatchedStore = { ...store, calls: [], before: undefined, atOnce: undefined }
  const later = async (name: Call, call: () => unknown) => {
    await watched.before?.(name)
    return call()
  }
  for (const name of ['read', 'insert', 'replace', 'touch', 'remove', 'removeBySubject'] as const) {
    const method = store[name] as (...args: unknown[]) => unknown
    Object.assign(watched, {
      [name](...args: unknown[]) {
        watched.calls.push(name)
        const { atOnce } = watched
        if (!atOnce) return later(name, () => method(...args))
        if (atOnce.failing.includes(name)) throw atOnce.error
        return method(...args)
      },
    })
  }
  return watched
}

/** For `WatchedStore.before`: the store cannot be reached. */
export function down(): never {
  throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
}
