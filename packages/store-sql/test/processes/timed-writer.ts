/** Saves one session again and again until its standard input ends; then tells how long the saves took. */
import { setTimeout as sleep } from 'node:timers/promises'
import { postgresStore, sqliteStore } from '../../src/index.ts'

const [engine, location] = process.argv.slice(2) as [string, string]
const store = engine === 'sqlite' ? sqliteStore(location) : postgresStore(location)
const id = 'writer'.padEnd(40, '0')
const expiresAt = Date.now() + 3_600_000
const waits: number[] = []
let version = '0'
let stopped = false

process.stdin.on('end', () => {
  stopped = true
})
process.stdin.resume()

await store.insert(id, { payload: version, expiresAt })
console.log('ready')
for (let count = 1; !stopped || waits.length === 0; count++) {
  const started = performance.now()
  const outcome = await store.replace(id, { payload: String(count), expiresAt }, version)
  waits.push(performance.now() - started)
  if (outcome !== 'ok') throw new Error(`The writer's session is ${outcome}.`)
  version = String(count)
  await sleep(1)
}
waits.sort((a, b) => a - b)
const at = (share: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] as number
console.log(JSON.stringify({ writes: waits.length, longestMs: at(1), p99Ms: at(0.99) }))
await store.close()
