import { type CuttableProxy, cuttable } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import ddl from '@sess/test-fixtures/django/ddl.json' with { type: 'json' }
import { describeOtherWay, moduleOfToday } from '@sess/test-fixtures/other-way.ts'
import { requireServer, type Server, startMariadb } from '@sess/test-fixtures/servers'
import type { Trouble } from '@sess/test-fixtures/servers/trouble.ts'
import { Kysely, MysqlDialect } from 'kysely'
import mysql from 'mysql2'
import mysqlPromise from 'mysql2/promise'
import { afterAll, beforeAll, describe } from 'vitest'
import { mysqlStore, type SqlStore, sqlStore } from '../src/index.ts'
import { mariadbTrouble, USER } from './mariadb-trouble.ts'

const module = new URL('./processes/store.ts', import.meta.url).href

const options = { connectTimeout: 1_000 }

/** How an application hands over its MariaDB, twice. */
const ways: { name: string; open(url: string): { store: SqlStore; close(): unknown } }[] = [
  {
    name: 'a URL',
    open(url) {
      const store = mysqlStore(url)
      return { store, close: () => store.close() }
    },
  },
  {
    name: 'a pool of mysql2/promise',
    open(uri) {
      const pool = mysqlPromise.createPool({ uri, ...options })
      return { store: mysqlStore(pool), close: () => pool.end() }
    },
  },
  {
    // Django's tables have the server's default collation, and not every client asks for found rows.
    name: "a pool of mysql2 without FOUND_ROWS, on Django's table, upgraded",
    open(uri) {
      const pool = mysql.createPool({ uri, flags: ['-FOUND_ROWS'], ...options })
      return {
        store: mysqlStore(pool, { table: 'django_session' }),
        close: () => pool.promise().end(),
      }
    },
  },
  {
    name: 'Kysely',
    open(uri) {
      const pool = mysql.createPool({ uri, ...options })
      const kysely = new Kysely<unknown>({ dialect: new MysqlDialect({ pool }) })
      return { store: sqlStore(kysely, { dialect: 'mysql' }), close: () => kysely.destroy() }
    },
  },
]

describe.skipIf(!requireServer('mariadb'))('store contract', () => {
  let server: Server
  beforeAll(async () => {
    server = await startMariadb()
    const pool = mysqlPromise.createPool(server.url)
    await pool.query(ddl.mysql.show_create.join('\n'))
    await mysqlStore(pool, { table: 'django_session' }).migrate()
    await mysqlStore(pool).migrate()
    await pool.end()
  })
  afterAll(() => server.stop())

  for (const { name, open } of ways) {
    const isFirst = name === 'a URL'
    const describeThis = isFirst ? describeStore : describeOtherWay
    describeThis(
      `MariaDB through ${name}`,
      () => {
        const [one, two] = [open(server.url), open(server.url)]
        const argument = { engine: 'mysql', location: server.url }
        return {
          store: one.store,
          second: two.store,
          module: isFirst ? moduleOfToday('MariaDB', { path: module, argument }) : undefined,
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
      trouble = await mariadbTrouble(server, proxy)
    })
    afterAll(async () => {
      await trouble.close()
      await proxy.close()
    })

    describeStore(
      'MariaDB, replies lost and errors',
      () => {
        const [store, second] = [proxy.port, server.port].map(port =>
          mysqlStore(`mysql://${USER}@127.0.0.1:${port}/sess`),
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
