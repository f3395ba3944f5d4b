import { ConfigError, SessionStoreError } from '@sess/core'
import { readOptions } from '@sess/core/store'
import { mysql } from './dialects.ts'
import { driverError } from './missing-driver.ts'
import { TABLE_OPTIONS, type TableOptions } from './options.ts'
import { pooledRunner } from './pooled.ts'
import { createStore, type SqlStore } from './store.ts'

/** The method of a pool of `mysql2/promise` that the store calls. */
export interface MysqlPool {
  getConnection(): Promise<MysqlConnection>
}

/** The methods of a connection of `mysql2/promise` that the store calls. */
export interface MysqlConnection {
  execute(options: { sql: string; rowsAsArray: boolean }, values: never): Promise<[unknown, unknown]>
  release(): void
  destroy(): void
}

/** A pool of `mysql2`, which has a promise-based pool in it. */
export interface MysqlCallbackPool {
  promise(): MysqlPool
}

/** A flag in the server's reply to a write (MySQL Client/Server Protocol, "Status Flags"). */
const SERVER_STATUS_IN_TRANS = 1

const NOT_COMMITTED =
  'The write was not committed: another part of the application began a transaction on the connection and gave it ' +
  'back to the pool, or switched autocommit off. Give the session store a pool of its own.'

/**
 * Keeps sessions in MySQL or MariaDB. Pass a pool of `mysql2` or `mysql2/promise`, or a URL. For a URL the store creates a
 * pool of 10 connections at the first call; the package `mysql2` must be installed, otherwise calls reject with a
 * SessionStoreError. Call `migrate()` once, in a deployment or at start-up.
 *
 * A pool that you pass stays open at `close()`. Use it for sessions only, because requests that keep a connection until they
 * end leave none for their session. Its connections must use autocommit and `utf8mb4` (mysql2's default). Values are
 * parameters of prepared statements, so `sql_mode` and escaping do not change them.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const store = mysqlStore('mysql://user:password@host/database')
 * await store.migrate()
 */
export function mysqlStore(
  pool: MysqlPool | MysqlCallbackPool | string,
  options: TableOptions = {},
): SqlStore {
  const layout = readOptions<TableOptions, 'schema'>(options, TABLE_OPTIONS)
  const given = typeof pool === 'string' && isUrl(pool) ? undefined : promiseBased(pool)
  let own: ReturnType<typeof openPool> | undefined
  let closed = false

  async function connect() {
    if (closed) throw new Error('The store is closed.')
    if (typeof pool === 'string') own ??= openPool(pool)
    const connection = await ((await own) ?? given!).getConnection()
    return {
      async execute(sql: string, parameters: readonly unknown[]) {
        const [result] = await connection.execute({ sql, rowsAsArray: false }, parameters as never)
        if (Array.isArray(result)) return { rows: result, changes: 0 }
        const { affectedRows, serverStatus = 0 } = result as { affectedRows: number; serverStatus?: number }
        // Not an error of the server, so the connection is closed and its transaction rolled back.
        if (serverStatus & SERVER_STATUS_IN_TRANS) throw new SessionStoreError(NOT_COMMITTED)
        return { rows: [], changes: affectedRows }
      },
      release(usable: boolean) {
        if (usable) connection.release()
        else connection.destroy()
      },
    }
  }

  async function close() {
    if (closed) return
    closed = true
    // A pool that could not be opened has been reported by each call.
    const opened = await own?.catch(() => undefined)
    await opened?.end()
  }

  // Only errors of the server have an SQL state. After those that count as 'lost' it closes the connection.
  const isReply = (error: unknown) =>
    (error as { sqlState?: unknown }).sqlState !== undefined && mysql.trouble(error) !== 'lost'
  return createStore(pooledRunner(connect, isReply, close), mysql, layout)
}

/** mysql2 itself does not check the scheme, and its error for a malformed URL contains the password. */
function isUrl(text: string): boolean {
  return /^(mysql|mariadb):\/\//i.test(text) && URL.canParse(text)
}

function promiseBased(pool: MysqlPool | MysqlCallbackPool | string): MysqlPool {
  if (typeof (pool as MysqlCallbackPool)?.promise === 'function') return (pool as MysqlCallbackPool).promise()
  if (typeof (pool as MysqlPool)?.getConnection === 'function') return pool as MysqlPool
  throw new ConfigError(
    'pool',
    "must be a pool of `mysql2`, or a URL like 'mysql://user@host/database' with percent-encoded parts.",
  )
}

async function importDriver() {
  try {
    return (await import('mysql2/promise')).default
  } catch (error) {
    throw driverError('mysql2', error)
  }
}

async function openPool(url: string) {
  const { createPool } = await importDriver()
  const pool = createPool({ uri: url, charset: 'utf8mb4', connectTimeout: 5_000, maxIdle: 10 })
  pool.pool.on('connection', connection => {
    // Strict mode: a value that does not fit the column is an error (CVE-2015-8562).
    const settings = "sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES'), session autocommit = 1"
    connection.query(`set session ${settings}`, error => {
      if (error) connection.destroy()
    })
  })
  // An idle connection must not keep the process alive.
  pool.pool.on('acquire', connection => streamOf(connection).ref())
  pool.pool.on('release', connection => streamOf(connection).unref())
  return pool
}

function streamOf(connection: unknown): { ref(): void; unref(): void } {
  return (connection as { stream: { ref(): void; unref(): void } }).stream
}
