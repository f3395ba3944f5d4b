/** Every statement finds its rows by an index, on a table that is big enough for the planners to care (F25). */
import { DatabaseSync } from 'node:sqlite'
import { requireServer, startMariadb, startPostgres } from '@sess/test-fixtures/servers'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { type DialectName, dialects } from '../src/dialects.ts'
import { mysqlStore, postgresStore, sqliteStore } from '../src/index.ts'
import { bind, compileStatements, type Statement } from '../src/statements.ts'

const ROWS = 50_000
const IDS = ['1', '2', '3'].map(digit => digit.repeat(40))
/** One of ten rows has expired, one of a hundred is Ann's. */
const PARTS = { expired: '(i % 10 = 0)', subject: "case when i % 100 = 1 then 'ann' end" }

/** Every statement but `insert`, which looks nothing up, with the values of a usual call. */
function everyStatement(name: DialectName): [name: string, sql: string, parameters: unknown[]][] {
  const dialect = dialects[name]
  const statements = compileStatements(dialect, { table: 'sessions', schema: undefined, subject: true })
  const { insert: _, expired, removeExpired, countLive, countExpired, ...others } = statements
  const all: Record<string, Statement> = {
    ...others,
    expired: expired(100),
    countLive: countLive(128),
    countExpired: countExpired(128),
    removeExpired: removeExpired(IDS),
  }
  const values = {
    id: IDS[0]!,
    payload: 'new',
    version: 'old',
    subject: 'ann',
    after: IDS[1]!,
    now: dialect.expiry(Date.now()),
    expires: dialect.expiry(Date.now()),
  }
  return Object.entries(all).map(([key, statement]) => {
    const after = key === 'expired' ? dialect.expiry(Date.now() - 86_400_000) : values.after
    return [key, statement.sql, bind(statement, { ...values, after })]
  })
}

test('SQLite', () => {
  const db = new DatabaseSync(':memory:')
  sqliteStore(db)
  db.exec(`
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${ROWS})
    insert into sessions
    select lower(hex(randomblob(20))), 'payload', datetime('now', case when ${PARTS.expired} then '-1 day' else '+1 day' end),
      ${PARTS.subject} from n;
    analyze;`)
  for (const [name, sql, parameters] of everyStatement('sqlite')) {
    const steps = db.prepare(`explain query plan ${sql}`).all(...(parameters as string[]))
    // The rows that were counted, which are no table.
    const plan = steps.map(step => String(step['detail']).replace('SCAN some_rows', '')).join('; ')
    expect.soft(plan, name).toMatch(/USING (COVERING )?INDEX/)
    expect.soft(plan, name).not.toMatch(/TEMP B-TREE/)
    // The first page of a scan alone starts at an end of the index and not at a value.
    if (name !== 'firstPage') expect.soft(plan, name).not.toMatch(/SCAN/)
  }
  db.close()
})

describe.skipIf(!requireServer('postgres'))('PostgreSQL', () => {
  test('plans', async () => {
    await using server = await startPostgres()
    const pool = new pg.Pool({ connectionString: server.url })
    await postgresStore(pool).migrate()
    await pool.query(`
      insert into sessions
      select substr(encode(sha256(i::text::bytea), 'hex'), 1, 40), 'payload',
        now() + case when ${PARTS.expired} then -1 else 1 end * interval '1 day', ${PARTS.subject}
      from generate_series(1, ${ROWS}) i`)
    await pool.query('analyze sessions')
    for (const [name, sql, parameters] of everyStatement('postgres')) {
      const { rows } = await pool.query(`explain ${sql}`, parameters)
      const plan = rows.map(row => row['QUERY PLAN']).join('\n')
      // Most rows are live, so PostgreSQL reads the table until it has enough of them.
      if (name === 'countLive') continue
      expect.soft(plan, name).toMatch(/Index (Only )?Scan/)
      expect.soft(plan, name).not.toMatch(/Seq Scan/)
      if (!/OfSubject/.test(name)) expect.soft(plan, name).not.toMatch(/Sort/)
    }
    await pool.end()
  })
})

describe.skipIf(!requireServer('mariadb'))('MariaDB', () => {
  test('plans', async () => {
    await using server = await startMariadb()
    const pool = mysql.createPool(server.url)
    const store = mysqlStore(pool)
    await store.migrate()
    // A look-up of an unknown key is over before there is a plan.
    await store.insert(IDS[0]!, { payload: 'old', expiresAt: Date.now() + 3_600_000 })
    await pool.query(`
      insert into sessions
      select substr(sha2(seq, 256), 1, 40), 'payload',
        utc_timestamp(6) + interval case when ${PARTS.expired.replace('i', 'seq')} then -1 else 1 end day,
        ${PARTS.subject.replace('i ', 'seq ')}
      from seq_1_to_${ROWS}`)
    await pool.query('analyze table sessions')
    for (const [name, sql, parameters] of everyStatement('mysql')) {
      const [rows] = await pool.execute(`explain ${sql}`, parameters as string[])
      for (const { table, type, key, Extra } of rows as Record<string, unknown>[]) {
        // The rows that were counted, which are no table.
        if (String(table).startsWith('<derived')) continue
        expect.soft(key, name).not.toBe(null)
        expect.soft(['ALL', ...(name === 'firstPage' ? [] : ['index'])], name).not.toContain(type)
        expect.soft(String(Extra), name).not.toMatch(/filesort|temporary/)
      }
    }
    await pool.end()
  })
})
