// `heap.ts <keeper>`: bytes of heap that each stored session takes, all of them kept by one of the keepers below.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const SESSIONS = 100_000
const EXPIRES = Date.now() + 1_209_600_000

export const FLOOR = 'Map<id, string>'

/** Each fills a store, and returns it. */
const keepers: Record<string, () => Promise<unknown>> = {
  async [FLOOR]() {
    const map = new Map<string, string>()
    for (let n = 0; n < SESSIONS; n++) map.set(id(), payload(n))
    return map
  },
  async 'Sess, memory (lru-cache, TTL, bounds)'() {
    const { cacheStore } = await import('@sess/store-cache')
    const store = cacheStore({ maxEntries: SESSIONS, maxBytes: SESSIONS * 4096 })
    for (let n = 0; n < SESSIONS; n++) store.insert(id(), { payload: payload(n), expiresAt: EXPIRES + n })
    return store
  },
  async 'express-session, MemoryStore'() {
    const { default: session } = await import('express-session')
    const store = new session.MemoryStore()
    for (let n = 0; n < SESSIONS; n++) {
      const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }
      store.set(id(), { cookie, ...JSON.parse(payload(n)) })
    }
    return store
  },
}

export interface HeapUse {
  name: string
  bytes: number
}

/** Each keeper in a process of its own. */
export async function measureHeap(): Promise<HeapUse[]> {
  const found: HeapUse[] = []
  for (const name of Object.keys(keepers)) {
    const { stdout } = await promisify(execFile)(process.execPath, [import.meta.filename, name])
    found.push({ name, bytes: Number(stdout) })
  }
  return found
}

function id(): string {
  return randomBytes(20).toString('hex')
}

/** 191 bytes of JSON. */
function payload(n: number): string {
  const base = { user: n, name: `user-${n}`, cart: [{ sku: 'A-1', count: 2 }] }
  const bare = JSON.stringify({ ...base, note: '' }).length
  return JSON.stringify({ ...base, note: 'x'.repeat(191 - bare) })
}

if (import.meta.main) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const fill = keepers[process.argv[2]!]!
  // What the library itself takes is not the sessions'.
  await import('@sess/store-cache')
  await import('express-session')
  collect()
  const before = process.memoryUsage().heapUsed
  const kept = await fill()
  collect()
  const bytes = (process.memoryUsage().heapUsed - before) / SESSIONS
  if (kept === undefined) throw new Error('Nothing was kept.')
  console.log(bytes.toFixed(0))
}
