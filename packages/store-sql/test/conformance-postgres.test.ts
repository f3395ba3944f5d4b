import { type CuttableProxy, cuttable } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import { describeOtherWay, moduleOfToday } from '@sess/test-fixtures/other-way.ts'
import { requireServer, type Server, startPostgres } from '@sess/test-fixtures/servers'
import type { Trouble } from '@sess/test-fixtures/servers/trouble.ts'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe } from 'vitest'
import { postgresStore, type SqlStore, sqlStore } from '../src/index.ts'
import { postgresTrouble, USER } from './postgres-trouble.ts'

const module = new URL('./processes/store.ts', import.meta.url).href

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
    const isFirst = name === 'a URL'
    const describeThis = isFirst ? describeStore : describeOtherWay
    describeThis(
      `PostgreSQL through ${name}`,
      () => {
        const [one, two] = [open(server.url), open(server.url)]
        const argument = { engine: 'postgres', location: server.url }
        return {
          store: one.store,
          second: two.store,
          module: isFirst ? moduleOfToday('PostgreSQL', { path: module, argument }) : undefined,
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

  describe('behind a proxy', () => {
    let proxy: CuttableProxy
    let trouble: Trouble
    beforeAll(async () => {
      proxy = await cuttable(server.port)
      trouble = await postgresTrouble(server, proxy)
    })
    afterAll(async () => {
      await trouble.close()
      await proxy.close()
    })

    describeStore(
      'PostgreSQL, replies lost and errors',
      () => {
        const [store, second] = [proxy.port, server.port].map(port =>
          postgresStore(`postgres://${USER}@127.0.0.1:${port}/postgres`),
        ) as [SqlStore, SqlStore]
        return {
          store,
          second,
          loseAnswer: proxy.loseAnswer,
          fail: trouble.fail,
          healBackend: trouble.heal,
          async cleanup() {
            await store.close()
            await second.close()
          },
        }
      },
      { callTimeout: 2_000, filter: /^store\/(lost|fails)-/ },
    )
  })
})
