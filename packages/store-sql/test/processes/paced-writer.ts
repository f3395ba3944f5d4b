/**
 * Replaces sessions of its own at a steady rate, whether or not the earlier writes are answered. Arguments: file, name,
 * writes a second, seconds, synchronous. Prints as JSON: the ms of each write from the call to its answer, how long its
 * calls held the event loop (longest, and 99th percentile), and the failures.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sqliteStore } from '../../src/index.ts'

const [file, name, rate, seconds, synchronous] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  'full',
]
const store = sqliteStore(file, { synchronous })
const later = () => Date.now() + 3_600_000
const total = Number(rate) * Number(seconds)
const times: number[] = []
const held: number[] = []
let failures = 0

async function write(n: number): Promise<void> {
  const started = performance.now()
  try {
    // An insert is a write transaction of one page or two, as a save is.
    const answer = store.insert(`${name}-${n}`, { payload: 'x'.repeat(200), expiresAt: later() })
    held.push(performance.now() - started)
    if (!(await answer)) throw new Error('The id is taken.')
    times.push(performance.now() - started)
  } catch {
    failures++
  }
}

const begun = performance.now()
const writes: Promise<void>[] = []
for (let n = 0; n < total; n++) {
  const due = begun + (n * 1_000) / Number(rate)
  if (due > performance.now()) await sleep(Math.max(0, due - performance.now()))
  writes.push(write(n))
}
await Promise.all(writes)
await store.close()
console.log(JSON.stringify({ times, held, failures }))
