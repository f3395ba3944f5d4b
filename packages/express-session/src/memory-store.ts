import { Store, type StoredSession } from './store.ts'

/** Keeps sessions in this process, as JSON. For development: nothing is removed before somebody looks at it. */
export interface MemoryStore extends Store {
  sessions: Record<string, string>
}

/** A function as `Store` is, because stores call it without `new`. */
export const MemoryStore = function MemoryStore(this: MemoryStore): void {
  Store.call(this)
  this.sessions = Object.create(null)
} as unknown as { new (): MemoryStore; (this: unknown): void; prototype: MemoryStore }

const methods: Partial<Store> & ThisType<MemoryStore> = {
  get(id, callback) {
    const session = read(this.sessions, id)
    setImmediate(() => callback(null, session))
  },
  set(id, session, callback) {
    this.sessions[id] = JSON.stringify(session)
    if (callback) setImmediate(() => callback())
  },
  destroy(id, callback) {
    delete this.sessions[id]
    if (callback) setImmediate(() => callback())
  },
  touch(id, session, callback) {
    const current = read(this.sessions, id)
    if (current) this.sessions[id] = JSON.stringify({ ...current, cookie: session['cookie'] })
    if (callback) setImmediate(() => callback())
  },
  all(callback) {
    const found: Record<string, StoredSession> = Object.create(null)
    for (const id of Object.keys(this.sessions)) {
      const session = read(this.sessions, id)
      if (session) found[id] = session
    }
    if (callback) setImmediate(() => callback(null, found))
  },
  clear(callback) {
    this.sessions = Object.create(null)
    if (callback) setImmediate(() => callback())
  },
  length(callback) {
    this.all!((error, sessions) => callback(error, error ? undefined : Object.keys(sessions).length))
  },
}

MemoryStore.prototype = Object.create(Store.prototype, {
  constructor: { value: MemoryStore, writable: true, configurable: true },
})
Object.assign(MemoryStore.prototype, methods)

/** The live session of an id. An expired one is removed. */
function read(sessions: Record<string, string>, id: string): StoredSession | undefined {
  const text = sessions[id]
  if (!text) return
  const session = JSON.parse(text) as StoredSession
  const expires = session['cookie']?.expires
  // A time that cannot be read ends nothing.
  if (!expires || !(+new Date(expires) <= Date.now())) return session
  delete sessions[id]
  return
}
