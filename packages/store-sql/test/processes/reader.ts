/** Reads an unknown session, prints the answer, and leaves the store open. Arguments: engine, location. */
import { mysqlStore, postgresStore, sqliteStore } from '../../src/index.ts'

const [engine, location] = process.argv.slice(2) as [string, string]
const open = { sqlite: sqliteStore, postgres: postgresStore, mysql: mysqlStore }[engine]
if (open === undefined) throw new Error(`No engine ${engine}.`)
console.log(String(await open(location).read('0'.repeat(40))))
