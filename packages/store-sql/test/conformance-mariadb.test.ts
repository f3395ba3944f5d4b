import ddl from '@sess/test-fixtures/django/ddl.json' with { type: 'json' }
import { requireServer, type Server, startMariadb } from '@sess/test-fixtures/servers'
import { Kysely, MysqlDialect } from 'kysely'
import mysql from 'mysql2'
import mysqlPromise from 'mysql2/promise'
import { afterAll, beforeAll, describe } from 'vitest'
import { mysqlStore, sqlStore } from '../src/index.ts'
import { mariadbTrouble, USER } from './mariadb-trouble.ts'
import { describeServer, type Way } from './server-contract.ts'

const options = { connectTimeout: 1_000 }

/** How an application hands over its MariaDB, twice. */
const ways: readonly Way[] = [
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

  describeServer(
    {
      name: 'MariaDB',
      engine: 'mysql',
      ways,
      trouble: mariadbTrouble,
      openAt: port => mysqlStore(`mysql://${USER}@127.0.0.1:${port}/sess`),
    },
    () => server,
  )
})
