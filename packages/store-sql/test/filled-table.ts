import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { startPostgres } from '@sess/test-fixtures/servers'
import pg from 'pg'
import { postgresStore, type SqlStore, sqliteStore } from '../src/index.ts'

export type Engine = 'sqlite' | 'postgres'

/** A table of that many rows, five of six expired, in a database of its own. */
export function openFilledTable(engine: Engine, rows: number): Promise<FilledTable> {
  return engine === 'sqlite' ? openSqlite(rows) : openPostgres(rows)
}

/** A table, its store, and somebody to look at it. */
export interface FilledTable {
  /** For the writer, which opens a store of its own. */
  location: string
  store: SqlStore
  /** Live rows, as `key payload expiry`, in the order of their keys. */
  live(): Promise<string[]>
  close(): Promise<void>
}

const PAYLOAD = 'x'.repeat(200)

async function openSqlite(rows: number): Promise<FilledTable> {
  const dir = mkdtempSync(join(tmpdir(), 'sess-clear-'))
  const location = join(dir, 'sessions.db')
  const store = sqliteStore(location)
  const db = new DatabaseSync(location, { timeout: 5_000 })
  db.exec(`
    pragma synchronous = off;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
    insert into sessions (session_key, session_data, expire_date, subject)
    select lower(hex(randomblob(20))), '${PAYLOAD}' || i,
      datetime('now', (case when i % 6 = 0 then '+' else '-' end) || (abs(random()) % 1000000 + 3600) || ' seconds'),
      case when i % 6 = 0 then 'live' end
    from n;
    pragma wal_checkpoint(truncate);`)
  return {
    location,
    store,
    live: async () => lines(db.prepare(LIVE).all()),
    async close() {
      db.close()
      await store.close()
      rmSync(dir, { recursive: true })
    },
  }
}

async function openPostgres(rows: number): Promise<FilledTable> {
  const server = await startPostgres({ config: { shared_buffers: '256MB', max_wal_size: '4GB' } })
  const store = postgresStore(server.url)
  await store.migrate()
  const pool = new pg.Pool({ connectionString: server.url })
  await pool.query(`
    insert into sessions (session_key, session_data, expire_date, subject)
    select substr(encode(sha256(i::text::bytea), 'hex'), 1, 40), '${PAYLOAD}' || i,
      now() + (case when i % 6 = 0 then 1 else -1 end) * (random() * 1000000 + 3600) * interval '1 second',
      case when i % 6 = 0 then 'live' end
    from generate_series(1, ${rows}) i`)
  await pool.query('vacuum analyze sessions')
  await pool.query('checkpoint')
  return {
    location: server.url,
    store,
    live: async () => lines((await pool.query(LIVE)).rows),
    async close() {
      await store.close()
      await pool.end()
      await server.stop()
    },
  }
}

const LIVE = `select session_key || ' ' || session_data || ' ' || expire_date as line
  from sessions where subject = 'live' order by session_key`

function lines(rows: unknown[]): string[] {
  return rows.map(row => (row as { line: string }).line)
}
