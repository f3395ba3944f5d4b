import { requireServer, type Server, startPostgres } from '@sess/test-fixtures/servers'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe } from 'vitest'
import { postgresStore, sqlStore } from '../src/index.ts'
import { postgresTrouble, USER } from './postgres-trouble.ts'
import { describeServer, type Way } from './server-contract.ts'

/** How an application hands over its PostgreSQL, twice. */
const ways: readonly Way[] = [
  {
    name: 'a URL',
    open(url) {
      const store = postgresStore(url)
      return { store, close: async () => store.close() }
    },
  },
  {
    name: 'a pool of pg',
    open(url) {
      const pool = openPool(url)
      return { store: postgresStore(pool), close: () => pool.end() }
    },
  },
  {
    name: 'Kysely',
    open(url) {
      const kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: openPool(url) }) })
      return { store: sqlStore(kysely, { dialect: 'postgres' }), close: () => kysely.destroy() }
    },
  },
]

function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: 1_000 })
  // As an application must: the server is killed here.
  pool.on('error', () => undefined)
  pool.on('connect', client => client.on('error', () => undefined))
  return pool
}

describe.skipIf(!requireServer('postgres'))('store contract', () => {
  let server: Server
  beforeAll(async () => {
    server = await startPostgres()
    const store = postgresStore(server.url)
    await store.migrate()
    await store.close()
  })
  afterAll(() => server.stop())

  describeServer(
    {
      name: 'PostgreSQL',
      engine: 'postgres',
      ways,
      trouble: postgresTrouble,
      openAt: port => postgresStore(`postgres://${USER}@127.0.0.1:${port}/postgres`),
    },
    () => server,
  )
})
