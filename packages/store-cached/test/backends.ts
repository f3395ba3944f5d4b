import type { Store } from '@sess/core'
import { redisStore } from '@sess/store-redis'
import { postgresStore, type SqlStore } from '@sess/store-sql'
// @ts-expect-error: `@types/pg` is the business of those who have it.
import pg from 'pg'
import { createClient } from 'redis'

/** Connections as one process has them. `errors`: what the client said while a server was down. */
export interface Opened<S extends Store> {
  /** A store object of its own, on these connections. */
  store(): S
  errors: unknown[]
  close(): Promise<void>
}

export async function openRedis(url: string): Promise<Opened<Store>> {
  const errors: unknown[] = []
  const client = createClient({ url, socket: { reconnectStrategy: 30 } })
  client.on('error', error => errors.push(error))
  await client.connect()
  return { store: () => redisStore(client), errors, close: async () => client.destroy() }
}

export async function openPostgres(url: string): Promise<Opened<SqlStore>> {
  const errors: unknown[] = []
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: 1_000 })
  const hear = (error: unknown) => errors.push(error)
  pool.on('error', hear)
  pool.on('connect', (client: { on(event: 'error', listener: typeof hear): void }) =>
    client.on('error', hear),
  )
  return { store: () => postgresStore(pool), errors, close: () => pool.end() }
}
