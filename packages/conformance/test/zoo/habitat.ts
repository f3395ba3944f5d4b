import type { SessionRecord, Store, StoreContext, StoredRecord } from '@sess/core'
import { memoryStore } from '../../src/memory-store.ts'
import type { StoreSetup } from '../../src/store-fixture.ts'

export type FullStore = Required<Omit<Store, 'maxBytes'>>

/** `down` may be why; `losing`: the next write is done and its answer lost. */
export interface Backend {
  down: boolean | string
  losing?: boolean
  /** While it is there, the backend does not answer. Resolves when it does again. */
  frozen?: PromiseWithResolvers<void> | undefined
}

/** The reference store on a backend that can go down, and what a mistake needs to be made there. */
export interface Habitat {
  /** The reference store, which throws while the backend is down. */
  right: FullStore
  records: Map<string, StoredRecord>
  backend: Backend
  live(id: string, context?: StoreContext): StoredRecord | undefined
  /** Lets others run: as long as an answer over the network takes, in ticks. */
  pause(): Promise<void>
}

export function openHabitat(
  records = new Map<string, StoredRecord>(),
  backend: Backend = { down: false },
): Habitat {
  return {
    right: guarded(records, backend),
    records,
    backend,
    live(id, { now = Date.now() } = {}) {
      const record = records.get(id)
      return record && record.expiresAt > now ? record : undefined
    },
    pause: ticks,
  }
}

/** A right store, or a wrong one, as a factory for the suite. A mistake is made in both store objects. */
export function inhabited(mistake: (habitat: Habitat) => Partial<Store> = () => ({})): StoreSetup {
  const habitat = openHabitat()
  const store = (): Store => {
    const own = openHabitat(habitat.records, habitat.backend)
    return { ...own.right, ...mistake(own) }
  }
  return {
    store: store(),
    second: store,
    breakBackend() {
      habitat.backend.down = true
    },
    healBackend() {
      habitat.backend.down = false
    },
    freezeBackend() {
      habitat.backend.frozen = Promise.withResolvers()
    },
    thawBackend() {
      habitat.backend.frozen?.resolve()
      habitat.backend.frozen = undefined
    },
    expiryOfSubject: () => undefined,
    fail(kind) {
      habitat.backend.down = kind
    },
    loseAnswer() {
      habitat.backend.losing = true
    },
    // It has no connections, and keeps its records.
    restartBackend: () => undefined,
    pageSize: 500,
  }
}

/** The same store whose every call is asynchronous: it waits before and after, some ticks unless `wait` says otherwise. */
export function slowed(store: Store, wait: () => Promise<unknown> = ticks): Store {
  const slow = { ...store } as Record<string, unknown>
  for (const name of CALLS) {
    const method = store[name] as ((...args: unknown[]) => unknown) | undefined
    if (!method) continue
    slow[name] = async (...args: unknown[]) => {
      await wait()
      const answer = await method(...args)
      await wait()
      return answer
    }
  }
  for (const name of ['clearExpired', 'scan', 'scanBySubject'] as const) {
    const method = store[name] as ((...args: unknown[]) => AsyncIterable<unknown>) | undefined
    if (!method) continue
    slow[name] = async function* (...args: unknown[]) {
      await wait()
      let given = 0
      for await (const each of method(...args)) {
        // A page of a hundred.
        if (wait === ticks || given++ % 100 === 0) await wait()
        yield each
      }
    }
  }
  return slow as unknown as Store
}

/** A right store whose calls take so many milliseconds, in both of its objects. */
export function takingTime(ms: number): StoreSetup {
  const { store, second, ...rest } = inhabited()
  const wait = () => new Promise(resolve => setTimeout(resolve, ms / 2))
  const other = second as () => Store
  return { ...rest, store: slowed(store, wait), second: () => slowed(other(), wait) }
}

const CALLS = ['read', 'insert', 'replace', 'touch', 'remove', 'removeBySubject', 'count', 'close'] as const

let seed = 1

async function ticks(): Promise<void> {
  seed = (seed * 16_807) % 2_147_483_647
  for (let n = seed % 7; n >= 0; n--) await null
}

function guarded(records: Map<string, StoredRecord>, backend: Backend): FullStore {
  const store = memoryStore(records)
  let closed = false
  const reach = () => {
    if (backend.down) throw new Error(backend.down === true ? 'connect ECONNREFUSED' : String(backend.down))
    if (closed) throw new Error('this store is closed')
  }
  async function* reached<T>(open: () => AsyncIterable<T>): AsyncGenerator<T> {
    reach()
    for await (const each of open()) {
      reach()
      yield each
    }
  }
  const guard = <A extends unknown[], R>(method: (...args: A) => R) => {
    return (...args: A): R => {
      reach()
      const { frozen } = backend
      if (!frozen) return method(...args)
      // Nothing was sent, so a call that is given up is forgotten.
      const { signal } = args.at(-1) as StoreContext
      signal?.throwIfAborted()
      const givenUp = new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason))
      })
      return Promise.race([frozen.promise, givenUp]).then(() => method(...args)) as R
    }
  }
  const write = <A extends unknown[], R>(method: (...args: A) => R) =>
    guard((...args: A): R => {
      const answer = method(...args)
      if (!backend.losing) return answer
      backend.losing = false
      throw new Error('socket hang up')
    })
  // As where texts are encoded as UTF-8.
  const encodable = ({ payload, subject = '' }: SessionRecord) => {
    if (!payload.isWellFormed() || !subject.isWellFormed()) throw new Error('half a surrogate pair')
  }
  return {
    read: guard(store.read),
    insert: write((id, record, context) => {
      encodable(record)
      return store.insert(id, record, context)
    }),
    replace: write((id, record, version, context) => {
      encodable(record)
      return store.replace(id, record, version, context)
    }),
    touch: write(store.touch),
    remove: write(store.remove),
    removeBySubject: write(store.removeBySubject),
    count: guard(store.count),
    clearExpired: options => reached(() => store.clearExpired(options)),
    scan: options => reached(() => store.scan(options)),
    scanBySubject: (subject, options) => reached(() => store.scanBySubject(subject, options)),
    close() {
      closed = true
    },
  }
}
