import { DatabaseSync } from 'node:sqlite'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Store } from '@sess/core'
import { postgresStore, sqliteStore } from '@sess/store-sql'
import { startPostgres } from '@sess/test-fixtures/servers'
import pg from 'pg'
import { makeSite } from './site.ts'

export interface LargeStore {
  store: Store
  close(): Promise<unknown>
}

/** Sessions with a cart and a few other values, for 20,000 users. One in eleven has expired. */
export function largeSqlite(sessions: number): LargeStore {
  const db = new DatabaseSync(':memory:')
  const store = sqliteStore(db)
  db.exec(`
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${sessions})
    insert into sessions (session_key, session_data, expire_date, subject)
    select lower(hex(randomblob(20))),
      json_object('cart', json_object('currency', 'EUR', 'items', json_array(i, 'tea', 'honey')), 'locale', 'en-GB',
        'csrfToken', hex(randomblob(16)), '_session_created', ${Date.now()} - i * 7000),
      datetime('now', case when i % 11 = 0 then '-1 hour' else '+1 day' end), 'user-' || (i % 20000)
    from n;
    analyze;`)
  return { store, close: async () => db.close() }
}

/** The same in a server of its own. */
export async function largePostgres(sessions: number): Promise<LargeStore> {
  const server = await startPostgres()
  const pool = new pg.Pool({ connectionString: server.url })
  // The server is stopped while the pool has idle connections.
  pool.on('error', () => undefined)
  const store = postgresStore(pool)
  await store.migrate()
  await pool.query(`
    insert into sessions (session_key, session_data, expire_date, subject)
    select substr(encode(sha256(i::text::bytea), 'hex'), 1, 40),
      json_build_object('cart', json_build_object('currency', 'EUR', 'items', json_build_array(i, 'tea', 'honey')),
        'locale', 'en-GB', 'csrfToken', md5(i::text), '_session_created', ${Date.now()} - i::bigint * 7000)::text,
      now() + case when i % 11 = 0 then -1 else 24 end * interval '1 hour', 'user-' || (i % 20000)
    from generate_series(1, ${sessions}) i`)
  await pool.query('analyze sessions')
  return {
    store,
    async close() {
      await pool.end()
      await server.stop()
    },
  }
}

export interface Measured {
  path: string
  /** Milliseconds until the page was there, and of this process's work for it. */
  ms: number
  cpuMs: number
  /** Bytes of the page. */
  bytes: number
  /** Bytes of heap that were in use after it, more than before the first page. */
  heap: number
  page: string
}

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Asks for pages one after another, and measures each. */
export async function measurePages(store: Store, paths: readonly string[]): Promise<Measured[]> {
  const site = makeSite({}, { store })
  const measured: Measured[] = []
  await (await site.get('/sessions/list?q=nobody&by=subject')).text()
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  for (const path of paths) {
    const started = performance.now()
    const cpu = process.cpuUsage()
    const page = await (await site.get(path)).text()
    const ms = Math.round(performance.now() - started)
    const { user, system } = process.cpuUsage(cpu)
    collectGarbage()
    const heap = process.memoryUsage().heapUsed - before
    measured.push({ path, ms, cpuMs: Math.round((user + system) / 1_000), bytes: page.length, heap, page })
  }
  return measured
}

export const PATHS = [
  '/sessions/',
  '/sessions/list',
  '/sessions/list?after=60000',
  '/sessions/list?q=user-42',
  '/sessions/list?q=nothing-has-this&by=value',
]
