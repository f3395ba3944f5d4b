import { ConfigError } from '@sess/core'
import { readOptions } from '@sess/core/store'
import { postgres } from './dialects.ts'
import { driverError } from './missing-driver.ts'
import { TABLE_OPTIONS, type TableOptions } from './options.ts'
import { pooledRunner } from './pooled.ts'
import { createStore, type SqlStore } from './store.ts'

/** The method of a `Pool` of `pg` that the store calls. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>
}

/** The methods of a client of `pg` that the store calls. */
export interface PostgresClient {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  release(destroy?: boolean): void
  /** `'I'` idle, `'T'` in a transaction, `'E'` in a failed one. From `pg` 8.23 on. */
  getTransactionStatus?(): string | null
}

/** URLs that `pg` understands. It would connect to this machine for any other text. */
const URL_OF_PG = /^(postgres(ql)?:\/\/|socket:)/i

/**
 * Keeps sessions in PostgreSQL. Pass a `Pool` of `pg`, or a URL. For a URL the store creates a pool of 10 connections at the
 * first call; the package `pg` must be installed, otherwise calls reject with a SessionStoreError. Call `migrate()` once,
 * in a deployment or at start-up.
 *
 * A pool that you pass stays open at `close()`. Use it for sessions only, because requests that keep a connection until they
 * end leave none for their session. Listen to its `error` event, otherwise a connection that breaks while idle ends the
 * process. Set its `connectionTimeoutMillis`.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const store = postgresStore('postgres://user:password@host/database')
 * await store.migrate()
 */
export function postgresStore(pool: PostgresPool | string, options: TableOptions = {}): SqlStore {
  const layout = readOptions<TableOptions, 'schema'>(options, TABLE_OPTIONS)
  if (typeof pool === 'string' ? !URL_OF_PG.test(pool) : typeof pool?.connect !== 'function') {
    throw new ConfigError('pool', "must be a Pool of `pg` or a URL like 'postgres://user@host/database'.")
  }
  let own: ReturnType<typeof openPool> | undefined
  let closed = false

  async function connect() {
    if (closed) throw new Error('The store is closed.')
    if (typeof pool === 'string') own ??= openPool(pool)
    const client = await connectIdle((await own) ?? (pool as PostgresPool))
    // A client that breaks while in use rejects the query and emits `error`. The pool listens to idle clients only.
    client.on('error', ignore)
    return {
      async execute(sql: string, parameters: readonly unknown[]) {
        const { rows, rowCount } = await client.query(sql, parameters as unknown[])
        return { rows, changes: rowCount ?? 0 }
      },
      release(usable: boolean) {
        client.release(!usable)
        client.removeListener('error', ignore)
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

  // After `FATAL` the server closes the connection.
  const isReply = (error: unknown) => (error as { severity?: unknown }).severity === 'ERROR'
  return createStore(pooledRunner(connect, isReply, close), postgres, layout)
}

/**
 * A connection without a transaction. One that was given back to the pool inside a transaction is closed: the store's
 * writes would not be committed there, and in a failed transaction every statement fails.
 */
async function connectIdle(pool: PostgresPool): Promise<PostgresClient> {
  for (;;) {
    const client = await pool.connect()
    const status = client.getTransactionStatus?.()
    if (status !== 'T' && status !== 'E') return client
    client.release(true)
  }
}

function ignore(): void {
  // The running query, or the next one, reports the error.
}

async function importDriver() {
  try {
    return (await import('pg')).default
  } catch (error) {
    throw driverError('pg', error)
  }
}

async function openPool(url: string) {
  const { Pool } = await importDriver()
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    allowExitOnIdle: true,
  })
  pool.on('error', ignore)
  return pool
}
