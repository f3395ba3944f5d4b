import { sha256Hex } from '#crypto'
import type { Codec } from './codec.ts'
import type { EngineState } from './engine-state.ts'
import { type HookEvent, type HookName, tellError } from './hooks.ts'
import type { SessionKey } from './key.ts'
import type { Settings } from './options.ts'
import type { MaybePromise, Store } from './store.ts'
import { after } from './task.ts'

/** Registered, because an app may have two copies of core: one as ES modules, one as CommonJS. */
export const INSPECT = Symbol.for('sess.inspect')

/** The hooks whose events a watcher gets. */
export type WatchedHook = Exclude<HookName, 'loaded' | 'adopted' | 'warning'>

/** Gets an event of an engine, and the name of its hook. */
export type Watcher = (hook: WatchedHook, event: HookEvent) => void

/** What a tool that looks into the sessions of an engine may see of it. */
export interface Inspectable {
  /** `undefined` for cookie sessions, which only the browsers have. */
  readonly store: Store | undefined
  readonly codec: Codec
  /** Seconds of inactivity after which a session ends. */
  readonly age: number
  /** `false`: ids are session keys, which open the sessions. They are secret. */
  readonly hashKeys: boolean
  /** Milliseconds that a call of the store may take. */
  readonly timeout: number
  /** Milliseconds since the epoch, by the engine's clock. */
  now(): number
  /** The id under which the store keeps the session of that key. */
  idOf(key: string): MaybePromise<string>
  /** What a page may call the session of that id: the id, or a digest of it where ids are keys. */
  handleOf(id: string): MaybePromise<string>
  /** Calls the `error` hook. */
  tellError(error: unknown, source: string): void
  /**
   * Calls `watcher` with the events that the hooks get, from now on, but for `loaded`, `adopted` and `warning`. Returns a function
   * that ends it.
   */
  watch(watcher: Watcher): () => void
}

export function inspectableOf(settings: Settings): Inspectable {
  const { engine, backend, store, codec, age, hashKeys, timeout, clock } = settings
  return {
    store: backend.hasRecords ? store : undefined,
    codec,
    age,
    hashKeys,
    timeout,
    now: clock,
    idOf: key => backend.idOf(settings, key as SessionKey),
    handleOf: id => (hashKeys ? id : after(sha256Hex(`handle=${id}`), digest => digest.slice(0, 40))),
    tellError: (error, source) => void tellError(engine.hooks, error, source),
    watch: watcher => watch(engine, watcher),
  }
}

const WATCHED: Readonly<Record<WatchedHook, true>> = {
  created: true,
  saved: true,
  touched: true,
  rotated: true,
  reused: true,
  destroyed: true,
  conflict: true,
  interrupted: true,
  corrupt: true,
  storeError: true,
}

/** Puts a watcher behind the application's hooks. So an engine that nobody watches pays nothing. */
function watch(engine: EngineState, watcher: Watcher): () => void {
  const own = engine.hooks
  let isWatching = true
  const watching = new Proxy(own, {
    get(_, name) {
      // A hook may be a method that needs its object.
      const hook = own[name as HookName]?.bind(own) as ((event: HookEvent) => unknown) | undefined
      if (!isWatching || !Object.hasOwn(WATCHED, name)) return hook
      return (event: HookEvent) => {
        try {
          return hook?.(event)
        } finally {
          watcher(name as WatchedHook, event)
        }
      }
    },
  })
  engine.hooksReplaced(watching)
  return () => {
    isWatching = false
    // Another watcher may have been put behind this one meanwhile.
    if (engine.hooks === watching) engine.hooksReplaced(own)
  }
}
