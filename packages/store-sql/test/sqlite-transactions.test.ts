/** A connection on which somebody else has a transaction open: their rollback must not undo a logout [M4]. */
import { DatabaseSync } from 'node:sqlite'
import Database from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { type SqliteDatabase, type SqlStore, sqliteStore, sqlStore } from '../src/index.ts'

const ID = 'a'.repeat(40)
const later = () => Date.now() + 3_600_000

const libraries: [name: string, open: () => SqliteDatabase][] = [
  ['node:sqlite', () => new DatabaseSync(':memory:')],
  ['better-sqlite3', () => new Database(':memory:')],
  [
    // As in Node before 22.16.
    'a library that does not say whether it is in a transaction',
    () => {
      const db = new DatabaseSync(':memory:')
      return { exec: sql => db.exec(sql), prepare: sql => db.prepare(sql), close: () => db.close() }
    },
  ],
]

function opened(open: () => SqliteDatabase): { db: SqliteDatabase; store: SqlStore } {
  const db = open()
  onTestFinished(() => void db.close())
  const store = sqliteStore(db)
  store.insert(ID, { payload: 'old', expiresAt: later() })
  return { db, store }
}

test.each(libraries)('%s: a logout waits for the end of a foreign transaction', async (_, open) => {
  const { db, store } = opened(open)
  db.exec('begin')
  const logout = store.remove(ID)
  // A read could see what is not committed, or an old state.
  const read = store.read(ID)
  expect(logout).toBeInstanceOf(Promise)
  expect(read).toBeInstanceOf(Promise)
  db.exec('rollback')
  expect(await logout).toBe('ok')
  await read
  expect(store.read(ID)).toBe(null)
})

test.each(libraries)(
  '%s: a foreign transaction that stays open is an error that says so',
  async (_, open) => {
    const { db, store } = opened(open)
    db.exec('begin')
    const context = { signal: AbortSignal.timeout(100) }
    await expect(store.remove(ID, undefined, context)).rejects.toMatchObject({
      cause: { code: 'SESSION_STORE', message: expect.stringContaining('connection of its own') },
    })
    db.exec('rollback')
    expect(store.read(ID)).toMatchObject({ payload: 'old' })
  },
)

test.each(libraries)('%s: a connection with an open transaction is rejected at start-up', (_, open) => {
  const db = open()
  onTestFinished(() => void db.close())
  db.exec('begin')
  expect(() => sqliteStore(db)).toThrow(expect.objectContaining({ code: 'CONFIG', option: 'database' }))
  db.exec('rollback')
  expect(sqliteStore(db).read(ID)).toBe(null)
})

test('Kysely: a logout waits for the end of a transaction, and its rollback does not undo the logout', async () => {
  const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database: new Database(':memory:') }) })
  onTestFinished(() => kysely.destroy())
  const store = sqlStore(kysely, { dialect: 'sqlite' })
  await store.migrate()
  await store.insert(ID, { payload: 'old', expiresAt: later() })
  const transaction = await kysely.startTransaction().execute()
  const logout = Promise.resolve(store.remove(ID))
  await transaction.rollback().execute()
  expect(await logout).toBe('ok')
  expect(await store.read(ID)).toBe(null)
})

test('Kysely: a transaction is rejected as the instance', async () => {
  const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database: new Database(':memory:') }) })
  onTestFinished(() => kysely.destroy())
  await kysely.transaction().execute(async transaction => {
    expect(() => sqlStore(transaction, { dialect: 'sqlite' })).toThrow(
      expect.objectContaining({ code: 'CONFIG', option: 'kysely' }),
    )
  })
})
