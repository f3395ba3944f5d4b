// The conformance cases open this store in a second process.
import { mysqlStore, postgresStore, sqliteStore } from '../../src/index.ts'

const OPEN = { sqlite: sqliteStore, postgres: postgresStore, mysql: mysqlStore }

export default ({ engine, location }: { engine: keyof typeof OPEN; location: string }) =>
  OPEN[engine](location)
