import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import ddl from '@sess/test-fixtures/django/ddl.json' with { type: 'json' }
import Database from 'better-sqlite3'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type SqliteOptions, sqliteStore } from '../src/index.ts'
import { start } from './processes/run.ts'

const ID = 'a'.repeat(40)
const HOUR = 3_600_000
const later = () => Date.now() + HOUR

function tempFile(): string {
  const dir = mkdtempSync(join(tmpdir(), 'sess-sql-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'sessions.db')
}

function memory(options?: SqliteOptions) {
  const db = new DatabaseSync(':memory:')
  onTestFinished(() => db.close())
  return { db, store: sqliteStore(db, options) }
}

/** A database as Django's migration and Django's rows leave it. */
function djangoDatabase() {
  const db = new DatabaseSync(':memory:')
  onTestFinished(() => db.close())
  for (const statement of ddl.sqlite.sqlmigrate) db.exec(statement)
  const insert = db.prepare('insert into django_session values (?, ?, ?)')
  for (const row of ddl.sqlite.rows) insert.run(row.session_key, row.session_data, row.expire_date_text)
  return db
}

test('returns plain values, no promises', () => {
  const { store } = memory()
  expect(store.insert(ID, { payload: 'one', expiresAt: later() })).toBe(true)
  expect(store.read(ID)).toMatchObject({ payload: 'one' })
  expect(store.replace(ID, { payload: 'two', expiresAt: later() }, 'one')).toBe('ok')
  expect(store.touch(ID, later(), 'two')).toBe(true)
  expect(store.remove(ID, 'one')).toBe('stale')
  expect(store.remove(ID, 'two')).toBe('ok')
  expect(store.read(ID)).toBe(null)
})

test("makes Django's table, column for column", () => {
  const { db } = memory({ table: 'django_session', subject: false })
  const made = db.prepare("select type, sql from sqlite_schema where name = 'django_session'").get()
  const [, , django] = ddl.sqlite.catalog[0] as string[]
  expect(String(made?.['sql']).toLowerCase()).toBe(django?.toLowerCase())
  const indexes = db.prepare("select sql from sqlite_schema where type = 'index' and sql is not null").all()
  expect(indexes).toEqual([
    { sql: 'CREATE INDEX "django_session_expire_date" on "django_session" ("expire_date")' },
  ])
})

test("uses Django's table as it is, and reads Django's rows", () => {
  const db = djangoDatabase()
  const catalog = () => db.prepare('select * from sqlite_schema').all()
  const before = catalog()
  const store = sqliteStore(db, { table: 'django_session', subject: false })
  expect(catalog()).toEqual(before)
  expect(store.scanBySubject).toBe(undefined)
  expect(store.removeBySubject).toBe(undefined)

  const context = { now: ddl.now * 1000 }
  expect(ddl.sqlite.rows.map(row => store.read(row.session_key, context))).toEqual([
    record(0, Date.UTC(2023, 10, 28, 22, 13, 20)),
    // Rounded up, so that "live until" means the same number of milliseconds to the engine as to the database.
    record(1, Date.UTC(2023, 10, 28, 22, 13, 20, 124)),
    record(2, Date.UTC(2023, 10, 14, 22, 14, 20, 500)),
  ])
  function record(index: number, expiresAt: number) {
    const payload = ddl.sqlite.rows[index]?.session_data
    return { payload, version: payload, expiresAt }
  }
})

test("upgrades Django's table: a column and an index, and Django's rows stay", () => {
  const db = djangoDatabase()
  const store = sqliteStore(db, { table: 'django_session' })
  const columns = db.prepare("select name, type, [notnull] from pragma_table_info('django_session')").all()
  expect(columns.at(-1)).toEqual({ name: 'subject', type: 'varchar(255)', notnull: 0 })
  expect(db.prepare("select count(*) as n from pragma_index_list('django_session')").get()).toEqual({ n: 3 })
  expect(store.read(ddl.sqlite.rows[0]!.session_key, { now: ddl.now * 1000 })).not.toBe(null)
})

test('writes expire_date as Django does: UTC, no fraction when it is 0', () => {
  const { db, store } = memory()
  store.insert(ID, { payload: '', expiresAt: Date.UTC(2099, 0, 2, 3, 4, 5) })
  const text = () => db.prepare('select expire_date from sessions').get()?.['expire_date']
  expect(text()).toBe('2099-01-02 03:04:05')
  store.touch(ID, Date.UTC(2099, 0, 2, 3, 4, 5, 67), '')
  expect(text()).toBe('2099-01-02 03:04:05.067000')
})

test('far expiries are kept within the years that the column can hold, and NaN is an error [F23]', () => {
  const { store } = memory()
  const end = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
  store.insert(ID, { payload: '', expiresAt: Number.POSITIVE_INFINITY })
  expect(store.read(ID)).toMatchObject({ expiresAt: end })
  expect(store.touch(ID, 1e17, '')).toBe(true)
  expect(store.read(ID, { now: end })).toBe(null)
  expect(() => store.insert('b', { payload: '', expiresAt: Number.NaN })).toThrow(RangeError)
  expect(store.touch(ID, -1e17, '')).toBe(true)
  expect(store.read(ID)).toBe(null)
})

test('a payload that UTF-8 cannot express is rejected, and the record stays [C22]', () => {
  const { store } = memory()
  store.insert(ID, { payload: 'old', expiresAt: later() })
  const refusal = expect.objectContaining({ code: 'SESSION_DATA' })
  expect(() => store.replace(ID, { payload: 'a\ud800b', expiresAt: later() }, 'old')).toThrow(refusal)
  expect(() => store.insert('b', { payload: '\udc00', expiresAt: later() })).toThrow(refusal)
  expect(store.read(ID)).toMatchObject({ payload: 'old' })
})

test('subjects that UTF-8 would make one are rejected, and never take one another along [A24]', async () => {
  const { store } = memory()
  store.insert(ID, { payload: '', expiresAt: later(), subject: 'ann\ufffd' })
  const refusal = expect.objectContaining({ code: 'SESSION_DATA' })
  expect(() => store.insert('b', { payload: '', expiresAt: later(), subject: 'ann\ud800' })).toThrow(refusal)
  expect(await store.removeBySubject?.('ann\ud800')).toBe(0)
  for await (const _ of store.scanBySubject!('ann\ud800')) expect.unreachable()
  expect(store.read(ID)).not.toBe(null)
  expect(await store.removeBySubject?.('ann\ufffd')).toBe(1)
})

test.each([
  ['table', { table: 'a"; drop table sessions; --' }],
  ['table', { table: '' }],
  ['table', { table: 'x'.repeat(51) }],
  ['table', { table: 'main.sessions' }],
  ['table', { table: 7 as unknown as string }],
  ['subject', { subject: 'yes' as unknown as boolean }],
  ['synchronous', { synchronous: 'off' as 'full' }],
  ['tabel', { tabel: 'sessions' } as SqliteOptions],
  ['schema', { schema: 'main' } as SqliteOptions],
])('refuses a wrong option %s at start-up: %j [C25, F35]', (option, options) => {
  expect(() => sqliteStore(':memory:', options)).toThrow(expect.objectContaining({ code: 'CONFIG', option }))
})

test('a file that cannot be opened is an error that names it and the remedy', () => {
  const folder = dirname(tempFile())
  const refusal = (file: string): unknown => {
    try {
      return sqliteStore(file)
    } catch (error) {
      return error
    }
  }
  expect(refusal(folder)).toMatchObject({
    code: 'CONFIG',
    option: 'database',
    message: `database: ${folder} is a folder. Name a file in it.`,
  })
  const missing = join(folder, 'no', 's.db')
  expect(refusal(missing)).toMatchObject({
    code: 'CONFIG',
    message: `database: cannot open ${missing}. Make the folder first, and let this process write in it.`,
    cause: { code: 'ENOENT' },
  })
  expect(refusal(relative('.', missing))).toMatchObject({ message: expect.stringContaining(missing) })
  writeFileSync(join(folder, 'no'), '')
  expect(refusal(missing)).toMatchObject({ code: 'CONFIG', cause: { code: 'ENOTDIR' } })
  expect(refusal(`file:${folder}/none/s.db?mode=rw`)).toMatchObject({
    code: 'CONFIG',
    message: 'database: cannot open the file. Make the folder first, and let this process write in it.',
  })
})

test('a URL is not taken for a file name, and is not in the message [A8]', () => {
  for (const url of ['postgres://ann:hunter2@host/db', 'MySQL://ann:hunter2@host/db', 'sqlite://s.db']) {
    expect(() => sqliteStore(url)).toThrow(
      expect.objectContaining({
        code: 'CONFIG',
        message: 'database: must be a file name, or a database of node:sqlite or better-sqlite3.',
      }),
    )
  }
})

test('a table may have the name of an SQL word [F35]', () => {
  const { store } = memory({ table: 'Order' })
  store.insert(ID, { payload: '', expiresAt: later() })
  expect(store.read(ID)).not.toBe(null)
})

test('a table that is gone is an error that says what to do, never "no session" [F10]', async () => {
  const { db, store } = memory()
  db.exec('drop table sessions')
  const told = expect.objectContaining({
    code: 'SESSION_STORE',
    message: 'Table "sessions" is missing. Run `await store.migrate()` once.',
  })
  expect(() => store.read(ID)).toThrow(told)
  await store.migrate()
  await store.migrate()
  expect(store.read(ID)).toBe(null)
})

test('the files are readable by their owner alone [C24]', () => {
  const file = tempFile()
  const store = sqliteStore(file)
  store.insert(ID, { payload: '', expiresAt: later() })
  for (const name of [file, `${file}-wal`, `${file}-shm`]) expect(statSync(name).mode & 0o777).toBe(0o600)
  store.close()
})

test.each([
  [{}, 2],
  [{ synchronous: 'full' }, 2],
  [{ synchronous: 'normal' }, 1],
] as const)('in a file opened with %j, `synchronous` is %i and the journal a WAL [F12]', (options, level) => {
  const exec = vi.spyOn(DatabaseSync.prototype, 'exec')
  onTestFinished(() => exec.mockRestore())
  const store = sqliteStore(tempFile(), options)
  const db = exec.mock.contexts.at(-1) as DatabaseSync
  expect(db.prepare('pragma synchronous').get()).toEqual({ synchronous: level })
  expect(db.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' })
  store.close()
})

test('a database that was handed in keeps its pragmas', () => {
  const db = new DatabaseSync(tempFile())
  sqliteStore(db)
  expect(db.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'delete' })
  expect(() => sqliteStore(db, { synchronous: 'normal' })).toThrow(
    expect.objectContaining({ code: 'CONFIG', option: 'synchronous' }),
  )
  db.close()
})

test('close closes what the store opened, twice is once, and a database that was handed in stays open', () => {
  const file = tempFile()
  const store = sqliteStore(file)
  store.close()
  store.close()
  expect(() => store.read(ID)).toThrow()
  expect(existsSync(`${file}-wal`)).toBe(false)

  const { db, store: other } = memory()
  other.close()
  expect(db.prepare('select 1 as one').get()).toEqual({ one: 1 })
})

test('a file that another connection is writing costs time and not the event loop [F7]', async () => {
  const file = tempFile()
  const store = sqliteStore(file)
  store.insert(ID, { payload: 'old', expiresAt: later() })
  const other = new DatabaseSync(file)
  other.exec('begin immediate')

  const started = performance.now()
  const waiting = store.replace(ID, { payload: 'new', expiresAt: later() }, 'old')
  expect(performance.now() - started).toBeLessThan(500)
  expect(waiting).toBeInstanceOf(Promise)
  // Readers do not wait for a writer.
  expect(store.read(ID)).toMatchObject({ payload: 'old' })
  other.exec('commit')
  expect(await waiting).toBe('ok')

  other.exec('begin immediate')
  const reason = new Error('nobody waits any more')
  const controller = new AbortController()
  const aborted = store.remove(ID, undefined, { signal: controller.signal })
  controller.abort(reason)
  await expect(aborted).rejects.toBe(reason)
  other.exec('commit')
  expect(store.read(ID)).toMatchObject({ payload: 'new' })
  other.close()
  store.close()
})

test('clearExpired never removes a record that was renewed after it was found [C3]', async () => {
  const { db } = memory()
  const now = Date.now()
  let renew = (): unknown => undefined
  // The same statements on the same database, with a renewal right after the expired ones were looked up.
  const store = sqliteStore({
    exec: sql => db.exec(sql),
    close: () => db.close(),
    prepare(sql) {
      const statement = db.prepare(sql)
      return {
        run: (...parameters) => statement.run(...parameters),
        all(...parameters) {
          const rows = statement.all(...parameters)
          if (/order by "expire_date"/.test(sql)) renew()
          return rows
        },
      }
    },
  })
  const ids = ['1', '2', '3'].map(digit => digit.repeat(40)) as [string, string, string]
  for (const id of ids) store.insert(id, { payload: '', expiresAt: now })
  renew = () => {
    db.prepare('update sessions set expire_date = ? where session_key = ?').run('2999-01-01 00:00:00', ids[1])
  }
  const removed = []
  for await (const batch of store.clearExpired({ now })) removed.push(batch.removed)
  expect(removed).toEqual([2])
  expect(store.read(ids[1], { now })).not.toBe(null)
})

test('clearExpired stops at the signal, keeps what is done, and goes on at the next call', async () => {
  const { store } = memory()
  const now = Date.now()
  for (let n = 0; n < 10; n++) store.insert(String(n).repeat(40), { payload: '', expiresAt: now - n })
  const controller = new AbortController()
  const reason = new Error('enough')
  const first = async () => {
    for await (const _ of store.clearExpired({ now, batchSize: 4, signal: controller.signal })) {
      controller.abort(reason)
    }
  }
  await expect(first()).rejects.toBe(reason)
  const rest = []
  for await (const { removed } of store.clearExpired({ now, batchSize: 4 })) rest.push(removed)
  expect(rest).toEqual([4, 2])
})

test('clearExpired also removes rows whose date nobody can read, batch after batch', async () => {
  const { db, store } = memory()
  const insert = db.prepare("insert into sessions (session_key, session_data, expire_date) values (?, '', ?)")
  for (const n of [1, 2, 3, 4, 5]) insert.run(String(n), '1999-12-31')
  let removed = 0
  for await (const batch of store.clearExpired({ batchSize: 2 })) removed += batch.removed
  expect(removed).toBe(5)
})

test.each([0, -1, 1.5, Number.NaN, '5; drop table sessions' as unknown as number])(
  'clearExpired refuses the batch size %j',
  async batchSize => {
    const { store } = memory()
    await expect(store.clearExpired({ batchSize }).next()).rejects.toMatchObject({
      code: 'CONFIG',
      option: 'batchSize',
    })
  },
)

test('better-sqlite3 databases that return big integers work, too', () => {
  const db = new Database(':memory:')
  onTestFinished(() => void db.close())
  db.defaultSafeIntegers()
  const store = sqliteStore(db)
  expect(store.insert(ID, { payload: '', expiresAt: later() })).toBe(true)
  expect(store.insert(ID, { payload: '', expiresAt: later() })).toBe(false)
  expect(store.remove(ID)).toBe('ok')
})

test('several processes that open a new file at once all find the table', async () => {
  const file = tempFile()
  const processes = Array.from({ length: 4 }, (_, n) => start('opener.ts', file, String(n).repeat(40)))
  expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual([0, 0, 0, 0])
  const store = sqliteStore(file)
  const ids = []
  for await (const { id } of store.scan()) ids.push(id[0])
  expect(ids).toEqual(['0', '1', '2', '3'])
  store.close()
})

test('four processes append to one session, and nothing is lost [F16]', async () => {
  const file = tempFile()
  const store = sqliteStore(file)
  store.insert(ID, { payload: '[]', expiresAt: later() })
  const processes = ['a', 'b', 'c', 'd'].map(name => start('appender.ts', 'sqlite', file, ID, name, '50'))
  expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual([0, 0, 0, 0])
  const stored = JSON.parse((await store.read(ID))!.payload) as string[]
  expect(stored.toSorted()).toEqual(processes.flatMap(({ lines }) => lines).toSorted())
  expect(stored).toHaveLength(200)
  store.close()
})

const kills = Number(process.env['SESS_KILLS'] ?? 3)
test(`${kills} times kill -9 of a writer: the file opens, and no answered write is lost [F11]`, {
  timeout: 10_000 + kills * 10_000,
}, async () => {
  const file = tempFile()
  let store = sqliteStore(file)
  store.insert(ID, { payload: '[]', expiresAt: later() })
  store.close()
  for (let round = 0; round < kills; round++) {
    const writer = start('appender.ts', 'sqlite', file, ID, `r${round}`, '1000000')
    // Killed at a random moment after its first write. A writer that ends by itself fails the test at once.
    while (writer.lines.length === 0) {
      const written = new Promise(resolve => writer.stdout!.once('data', resolve))
      expect(await Promise.race([written, writer.ended])).not.toBe(1)
    }
    await new Promise(resolve => setTimeout(resolve, Math.random() * 30))
    writer.kill('SIGKILL')
    expect(await writer.ended).toBe(null)

    store = sqliteStore(file)
    const stored = JSON.parse((await store.read(ID))!.payload) as string[]
    for (const answered of writer.lines) expect(stored).toContain(answered)
    // A fresh array, so that the payload stays small.
    expect(store.replace(ID, { payload: '[]', expiresAt: later() }, (await store.read(ID))!.version)).toBe(
      'ok',
    )
    store.close()
  }
  const db = new DatabaseSync(file)
  expect(db.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' })
  db.close()
})

test('an open store keeps no process alive [F29]', async () => {
  const child = start('reader.ts', 'sqlite', tempFile())
  expect(await child.ended).toBe(0)
  expect(child.lines).toEqual(['null'])
})

test('a database that was opened with `returnArrays: true` has its sessions', () => {
  const db = new DatabaseSync(':memory:', { returnArrays: true })
  onTestFinished(() => db.close())
  for (let run = 0; run < 2; run++) {
    const store = sqliteStore(db)
    store.insert(ID, { payload: 'one', expiresAt: later() })
    expect(store.read(ID)).toMatchObject({ payload: 'one' })
  }
})
