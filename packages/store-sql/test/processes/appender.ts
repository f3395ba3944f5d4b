/**
 * Appends to the JSON array of one session, as the engine does: read, replace at that version, and again when another
 * was faster. Arguments: engine, location, id, name, how many times. Prints each addition once it is stored.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { mysqlStore, postgresStore, sqliteStore } from '../../src/index.ts'

const [engine, location, id, name, times] = process.argv.slice(2) as [string, string, string, string, string]
const open = { sqlite: sqliteStore, postgres: postgresStore, mysql: mysqlStore }[engine]
if (open === undefined) throw new Error(`No engine ${engine}.`)
const store = open(location)

for (let n = 0; n < Number(times); n++) {
  for (;;) {
    const found = await store.read(id)
    if (found === null) throw new Error('The session is gone.')
    const payload = JSON.stringify([...(JSON.parse(found.payload) as string[]), `${name}-${n}`])
    const outcome = await store.replace(id, { payload, expiresAt: found.expiresAt }, found.version)
    if (outcome === 'ok') break
    if (outcome === 'gone') throw new Error('The session is gone.')
    await sleep(Math.random() * 5)
  }
  console.log(`${name}-${n}`)
}
await store.close()
