import type { MaybePromise, Store } from '@sess/core'

export type StoreMethod = 'read' | 'insert' | 'replace' | 'touch' | 'remove'

const METHODS: readonly StoreMethod[] = ['read', 'insert', 'replace', 'touch', 'remove']

/** A real store with somebody at its door, for faults that cannot be produced at will and for counting. */
export interface InterceptedStore extends Store {
  /** The methods called so far, in order. */
  calls: StoreMethod[]
  /** Runs before each call; what it throws or rejects with is the store's answer, what it waits for delays the call. */
  before: ((method: StoreMethod) => MaybePromise<void>) | undefined
}

export function intercept(store: Store): InterceptedStore {
  const intercepted: InterceptedStore = { ...bound(store), calls: [], before: undefined }
  for (const method of METHODS) {
    const call = store[method].bind(store) as (...args: unknown[]) => unknown
    Object.assign(intercepted, {
      [method](...args: unknown[]): unknown {
        intercepted.calls.push(method)
        const waiting = intercepted.before?.(method)
        return waiting ? waiting.then(() => call(...args)) : call(...args)
      },
    })
  }
  return intercepted
}

/** The error of a store that is down. */
export function down(): never {
  throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
}

function bound(store: Store): Store {
  const optional = ['clearExpired', 'scan', 'removeBySubject', 'scanBySubject', 'close'] as const
  const methods = optional.filter(name => store[name]).map(name => [name, store[name]!.bind(store)])
  return { ...store, ...Object.fromEntries(methods) }
}
