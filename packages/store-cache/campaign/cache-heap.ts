// Heap of a stored session, compared with a bare `Map<id, string>`: `pnpm campaign cache-heap [sessions]`.
// Also tells how good the store's own estimate is, which `maxBytes` goes by.
import { randomBytes } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { cacheStore } from '@sess/store-cache'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const count = Number(process.argv[2] ?? 100_000)
const EXPIRES = Date.now() + 1_209_600_000

function payload(n: number): string {
  const base = { user: n, name: `user-${n}`, cart: [{ sku: 'A-1', count: 2 }] }
  const bare = JSON.stringify({ ...base, note: '' }).length
  return JSON.stringify({ ...base, note: 'x'.repeat(191 - bare) })
}

/** Bytes a session, of what `fill` returns and keeps. */
function measure(fill: () => unknown): number {
  collect()
  const before = process.memoryUsage().heapUsed
  const kept = fill()
  collect()
  const bytes = (process.memoryUsage().heapUsed - before) / count
  if (kept === undefined) throw new Error('Nothing was kept.')
  return bytes
}

const id = () => randomBytes(20).toString('hex')

const floor = measure(() => {
  const map = new Map<string, string>()
  for (let n = 0; n < count; n++) map.set(id(), payload(n))
  return map
})
const anonymous = measure(() => {
  const store = cacheStore({ maxEntries: count, maxBytes: count * 4_096 })
  for (let n = 0; n < count; n++) store.insert(id(), { payload: payload(n), expiresAt: EXPIRES + n })
  return store
})
const known = measure(() => {
  const store = cacheStore({ maxEntries: count, maxBytes: count * 4_096 })
  for (let n = 0; n < count; n++) {
    store.insert(id(), { payload: payload(n), expiresAt: EXPIRES + n, subject: `user-${n}` })
  }
  return store
})
console.log(`bytes a session of 191 B of JSON, ${count} sessions, Node ${process.version}`)
console.log(`Map<id, string>        ${floor.toFixed(0)}`)
console.log(`store                  ${anonymous.toFixed(0)}  (${(anonymous / floor).toFixed(2)} x)`)
console.log(`store, with a subject  ${known.toFixed(0)}  (${(known / floor).toFixed(2)} x)`)
