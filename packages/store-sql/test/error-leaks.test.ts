/** Whatever a server complains of: no data, key or subject is in the error that a store or the engine hands on [H2]. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { inspect } from 'node:util'
import { createSessions } from '@sess/core'
import { requireServer, type Server, startMariadb, startPostgres } from '@sess/test-fixtures/servers'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { mysqlStore, postgresStore, type SqlStore, sqliteStore } from '../src/index.ts'

const CANARY = 'kanari4711'
const KEY = 'k4n4r1e'.repeat(4).padEnd(32, 'x')
const LONG = CANARY.repeat(30)

/** The store fails to insert; nothing that a log could show of its errors has the data, and they tell the reason. */
async function expectNoLeak(
  store: SqlStore,
  reason: RegExp,
  subject = `${CANARY}-subject`,
  timeout = 5_000,
): Promise<void> {
  const heard: unknown[] = []
  const sessions = createSessions({
    store,
    hashKeys: false,
    timeout,
    hooks: { storeError: ({ error }) => heard.push(error) },
  })
  const session = sessions.open()
  session.set('note', `${CANARY} it's "quoted" 😀`)
  // Longer than the engine lets pass, so the direct call has to do for that.
  if (subject.length < 255) session.subject = subject
  const failure = (call: () => unknown) =>
    Promise.resolve()
      .then(call)
      .then(
        value => expect.unreachable(`resolved to ${JSON.stringify(value)}`),
        error => error,
      )
  const record = { payload: `{"note":"${CANARY} it's 😀"}`, subject, expiresAt: Date.now() + 3_600_000 }
  const errors = [await failure(() => store.insert(KEY, record, { signal: AbortSignal.timeout(timeout) }))]
  if (subject.length < 255) {
    errors.push(await failure(() => sessions.commit(session, { status: 200 })))
    expect(errors[1]).toMatchObject({ code: 'SESSION_STORE' })
    expect(heard).toHaveLength(1)
  }
  const shown = [...errors, ...heard].flatMap(error => [
    inspect(error),
    inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }),
    JSON.stringify(error),
    `${error} ${(error as Error).stack}`,
  ])
  for (const text of shown) {
    expect(text).not.toContain(CANARY)
    expect(text).not.toContain(KEY)
    expect(text).not.toMatch(/xF0|\\u/)
    if (session.sessionKey) expect(text).not.toContain(session.sessionKey)
  }
  expect(`${errors[0].message} ${errors[0].cause?.message}`).toMatch(reason)
}

describe('SQLite', () => {
  function open() {
    const folder = mkdtempSync(join(tmpdir(), 'sess-leaks-'))
    const db = new DatabaseSync(join(folder, 'sessions.db'))
    onTestFinished(() => {
      db.close()
      rmSync(folder, { recursive: true })
    })
    return { db, store: sqliteStore(db), file: join(folder, 'sessions.db') }
  }

  test.each<[name: string, sql: string, reason: RegExp, subject?: string]>([
    ['a full disk', 'pragma max_page_count = 1', /full/, LONG.slice(0, 250)],
    ['a connection that only reads', 'pragma query_only = 1', /readonly/],
    [
      'a constraint',
      "create trigger refuse before insert on sessions begin select raise(abort, 'it is rejected'); end",
      /it is rejected/,
    ],
    [
      'a unique index',
      `create unique index once on sessions (subject); insert into sessions values ('1', '', '2999-01-01', '${CANARY}-subject')`,
      /UNIQUE/,
    ],
    ['a column that is missing', 'alter table sessions drop column expire_date', /column/i],
    ['a table that is missing', 'drop table sessions', /migrate/],
  ])('%s', async (name, sql, reason, subject) => {
    const { db, store } = open()
    if (name === 'a column that is missing') db.exec('drop index sessions_expire_date')
    db.exec(sql)
    if (name === 'a full disk') for (let n = 0; n < 50; n++) trySave(store, n)
    await expectNoLeak(store, reason, subject)
  })

  /** Fills the pages that there are. */
  function trySave(store: SqlStore, n: number): void {
    try {
      store.insert(`${n}`, { payload: LONG, expiresAt: Date.now() + 1_000 })
    } catch (error) {
      expect((error as Error).message).toMatch(/full/)
    }
  }

  test('a file that another process keeps locked', async () => {
    const { store, file } = open()
    const other = new DatabaseSync(file)
    onTestFinished(() => other.close())
    other.exec('begin exclusive')
    await expectNoLeak(store, /locked/, undefined, 100)
  })
})

describe.skipIf(!requireServer('postgres'))('PostgreSQL', () => {
  let server: Server
  let admin: pg.Pool
  beforeAll(async () => {
    server = await startPostgres()
    admin = new pg.Pool({ connectionString: server.url })
    admin.on('error', () => undefined)
    await admin.query('create role ann login')
  })
  afterAll(async () => {
    await admin.end()
    await server.stop()
  })

  test.each<
    [
      name: string,
      sql: string,
      reason: RegExp,
      options?: { subject?: string; settings?: string; user?: string },
    ]
  >([
    [
      'a constraint',
      "alter table TABLE add constraint small check (session_data = '')",
      /^new row for relation/,
    ],
    [
      'a unique index',
      `create unique index on TABLE (subject); insert into TABLE values ('1', '', 'infinity', '${CANARY}-subject')`,
      /duplicate key/,
    ],
    ['a text that is too long', '', /too long/, { subject: LONG }],
    ['a wrong type', 'alter table TABLE alter session_key type integer using 1', /integer/],
    [
      'a trigger',
      `create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused "%"', new; end $$; create trigger refuse before insert on TABLE for each row execute function refuse()`,
      /refused/,
    ],
    ['a server that only reads', '', /read-only/, { settings: '-c default_transaction_read_only=on' }],
    ['a lock', '', /lock timeout/, { settings: '-c lock_timeout=50' }],
    ['a statement that takes too long', '', /statement timeout/, { settings: '-c statement_timeout=50' }],
    ['a missing right', '', /permission denied/, { user: 'ann' }],
    ['a user who may not log in', '', /does not exist/, { user: 'nobody' }],
  ])('%s', async (name, sql, reason, { subject, settings = '', user = 'postgres' } = {}) => {
    const table = name.replaceAll(' ', '_')
    await postgresStore(admin, { table }).migrate()
    await admin.query(sql.replaceAll('TABLE', table))
    const pool = new pg.Pool({
      connectionString: server.url.replace('postgres@', `${user}@`),
      options: settings,
    })
    onTestFinished(() => pool.end())
    const blocked = /lock|takes too long/.test(name)
    const client = await admin.connect()
    onTestFinished(() => client.release(true))
    if (blocked) await client.query(`begin; lock table ${table} in access exclusive mode`)
    await expectNoLeak(postgresStore(pool, { table }), reason, subject)
  })
})

describe.skipIf(!requireServer('mariadb'))('MariaDB', () => {
  let server: Server
  let admin: mysql.Pool
  beforeAll(async () => {
    server = await startMariadb({ config: { 'innodb-lock-wait-timeout': '1', 'max-allowed-packet': '1M' } })
    admin = mysql.createPool({ uri: server.url, multipleStatements: true })
  })
  afterAll(async () => {
    await admin.end()
    await server.stop()
  })

  test.each<[name: string, sql: string, reason: RegExp, options?: { subject?: string; user?: string }]>([
    ['a constraint', "alter table TABLE add constraint small check (session_data = '')", /CONSTRAINT/],
    [
      'a unique index',
      `create unique index u on TABLE (subject); insert into TABLE values ('1', '', '9999-01-01', '${CANARY}-subject')`,
      /Duplicate entry/,
    ],
    ['a text that is too long', '', /too long/, { subject: LONG }],
    [
      'a character that does not fit',
      'alter table TABLE modify session_data longtext character set utf8mb3',
      /Incorrect string/,
    ],
    [
      'a wrong type',
      'alter table TABLE modify session_key integer',
      /Incorrect integer|Truncated|Data truncated/,
    ],
    [
      'a trigger',
      "create trigger refuse before insert on TABLE for each row begin declare said text default concat('refused \\'', new.session_data, '\\''); signal sqlstate '45000' set message_text = said; end",
      /refused|Incorrect string/,
    ],
    ['a lock', '', /Lock wait timeout|lock/],
    ['a missing right', '', /denied/, { user: 'bob' }],
  ])('%s', async (name, sql, reason, { subject, user = 'root' } = {}) => {
    const table = name.replaceAll(' ', '_')
    await mysqlStore(admin, { table }).migrate()
    if (sql) await admin.query(sql.replaceAll('TABLE', table))
    if (user === 'bob')
      await admin.query(
        "create user bob@'127.0.0.1'; grant usage on sess.* to bob@'127.0.0.1'; grant create on sess.* to bob@'127.0.0.1'",
      )
    const pool = mysql.createPool({ uri: server.url.replace('root@', `${user}@`) })
    onTestFinished(() => pool.end())
    const lock = await admin.getConnection()
    onTestFinished(() => lock.destroy())
    if (name === 'a lock') {
      await lock.query(`begin; select * from ${table} where session_key >= '' for update`)
    }
    await expectNoLeak(mysqlStore(pool, { table }), reason, subject)
  })

  test('a server that only reads', async () => {
    await mysqlStore(admin, { table: 'reading' }).migrate()
    await admin.query(
      "create user carl@'127.0.0.1'; grant select, insert, update, delete on sess.* to carl@'127.0.0.1'; set global read_only = 1",
    )
    onTestFinished(() => admin.query('set global read_only = 0').then(() => undefined))
    const pool = mysql.createPool({ uri: server.url.replace('root@', 'carl@') })
    onTestFinished(() => pool.end())
    await expectNoLeak(mysqlStore(pool, { table: 'reading' }), /read-only/)
  })
})
