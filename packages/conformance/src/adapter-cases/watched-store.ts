import type { MaybePromise, Store } from '@sess/core'
import { memoryStore } from '../memory-store.ts'

export type Call = 'read' | 'insert' | 'replace' | 'touch' | 'remove' | 'removeBySubject'

/** The reference store with somebody at the door. */
export interface WatchedStore extends Store {
  /** The calls so far, in order. */
  calls: Call[]
  /** Runs before each call of the store. The call throws what this throws, and waits for what this waits for. */
  before: ((call: Call) => MaybePromise<void>) | undefined
}

export function watchedStore(): WatchedStore {
  const store = memoryStore()
  const watched: WatchedStore = { ...store, calls: [], before: undefined }
  for (const name of ['read', 'insert', 'replace', 'touch', 'remove', 'removeBySubject'] as const) {
    const method = store[name] as (...args: unknown[]) => unknown
    Object.assign(watched, {
      async [name](...args: unknown[]) {
        watched.calls.push(name)
        await watched.before?.(name)
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
