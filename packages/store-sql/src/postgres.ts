import { ConfigError } from '@sess/core'
import { readOptions } from '@sess/core/store'
import { postgres } from './dialects.ts'
import { driverError } from './missing-driver.ts'
import { TABLE_OPTIONS, type TableOptions } from './options.ts'
import { pooledRunner } from './pooled.ts'
import { createStore, type SqlStore } from './store.ts'

/** What the store calls of a `Pool` of `pg`. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>
}

export interface PostgresClient {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  release(destroy?: boolean): void
  /** `'I'` idle, `'T'` in a transaction, `'E'` in one that failed. Older versions of `pg` do not have it. */
  getTransactionStatus?(): string | null
}

/** What `pg` reads as a URL; it takes any other text for one of its own, and fails at some port of this machine. */
const URL_OF_PG = /^(postgres(ql)?:\/\/|socket:)/i

/**
 * Sessions in PostgreSQL: through a `Pool` of `pg`, or a URL, for which the store makes one of 10 connections at the
 * first call (`pg` must be installed). Call `migrate()` once, from a deployment or at start-up.
 *
 * A pool that was handed in stays open. Use it for sessions only: requests that keep a connection of it until they end
 * leave none for their session. Listen to its `error` event, or a connection that breaks while idle ends the
 * process, and set its `connectionTimeoutMillis`.
 *
 * Without the package `pg`, calls with a URL reject with a SessionStoreError that says so.
 *
 * @throws ConfigError for a wrong option.
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
    // A client that breaks while it is ours rejects the query and emits this, too; the pool listens to idle ones only.
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
    // What could not be opened said so at each call, and needs no closing.
    const opened = await own?.catch(() => undefined)
    await opened?.end()
  }

  // A FATAL comes with the end of the connection.
  const answered = (error: unknown) => (error as { severity?: unknown }).severity === 'ERROR'
  return createStore(pooledRunner(connect, answered, close), postgres, layout)
}

/**
 * A connection without a transaction. One that somebody gave back in the middle of a transaction is closed: what the
 * store writes there would not be committed, and in a failed transaction every statement fails.
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
  // The query that was under way, or the next one, says so.
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
