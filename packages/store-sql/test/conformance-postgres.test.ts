import { describeStore } from '@sess/conformance/vitest'
import { describeOtherWay } from '@sess/test-fixtures/other-way.ts'
import { requireServer, type Server, startPostgres } from '@sess/test-fixtures/servers'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe } from 'vitest'
import { postgresStore, type SqlStore, sqlStore } from '../src/index.ts'

/** How an application hands over its PostgreSQL, twice. */
const ways: { name: string; open(url: string): { store: SqlStore; close(): Promise<void> } }[] = [
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

  for (const { name, open } of ways) {
    const describeThis = name === 'a URL' ? describeStore : describeOtherWay
    describeThis(
      `PostgreSQL through ${name}`,
      () => {
        const [one, two] = [open(server.url), open(server.url)]
        return {
          store: one.store,
          second: two.store,
          breakBackend: () => server.kill('SIGKILL'),
          healBackend: () => server.restart(),
          restartBackend: async () => {
            await server.kill('SIGKILL')
            await server.restart()
          },
          freezeBackend: () => server.kill('SIGSTOP'),
          thawBackend: () => server.kill('SIGCONT'),
          async cleanup() {
            await one.close()
            await two.close()
          },
        }
      },
      { callTimeout: 2_000 },
    )
  }
})
