import type { DatabaseSync } from 'node:sqlite'
import { describeStore } from '@sess/conformance/vitest'
import Database from 'better-sqlite3'
import { CamelCasePlugin, CompiledQuery, Kysely, SqliteDialect } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { sqliteStore, sqlStore } from '../src/index.ts'

function openKysely() {
  const database = new Database(':memory:')
  return new Kysely<{ users: { id: number } }>({
    dialect: new SqliteDialect({ database }),
    plugins: [new CamelCasePlugin()],
  })
}

const run = (kysely: ReturnType<typeof openKysely>, text: string) =>
  kysely.executeQuery(CompiledQuery.raw(text))

describeStore('SQLite through Kysely, whose plugins would rename columns', async () => {
  const kysely = openKysely()
  const store = sqlStore(kysely, { dialect: 'sqlite' })
  await store.migrate()
  return {
    store,
    second: sqlStore(kysely, { dialect: 'sqlite' }),
    breakBackend: async () => void (await run(kysely, 'alter table sessions rename to away')),
    healBackend: async () => void (await run(kysely, 'alter table away rename to sessions')),
    cleanup: () => kysely.destroy(),
  }
})

test('a missing table is an error that says what to do [F10]', async () => {
  const kysely = openKysely()
  onTestFinished(() => kysely.destroy())
  await expect(sqlStore(kysely, { dialect: 'sqlite' }).read('a'.repeat(40))).rejects.toMatchObject({
    code: 'SESSION_STORE',
    message: expect.stringContaining('Run `await store.migrate()` once'),
  })
})

test('a migration that fails leaves the table as it was, and the connection usable', async () => {
  const kysely = openKysely()
  onTestFinished(() => kysely.destroy())
  await run(kysely, 'create table sessions (session_key varchar(40) primary key, session_data text)')
  const store = sqlStore(kysely, { dialect: 'sqlite' })
  await expect(store.migrate()).rejects.toThrow('expire_date')
  const { rows } = await run(kysely, "select name from pragma_table_info('sessions')")
  expect(rows).toEqual([{ name: 'session_key' }, { name: 'session_data' }])
  await run(kysely, 'drop table sessions')
  await store.migrate()
  expect(await store.read('a'.repeat(40))).toBe(null)
})

test.each([
  ['dialect', () => sqlStore(openKysely(), { dialect: 'mssql' as 'mysql' })],
  ['dialect', () => sqlStore(openKysely(), { dialect: 'constructor' as 'mysql' })],
  ['kysely', () => sqlStore(undefined as never, { dialect: 'mysql' })],
  ['schema', () => sqlStore(openKysely(), { dialect: 'sqlite', schema: 'main' })],
  ['database', () => sqliteStore(undefined as never)],
  ['database', () => sqliteStore('')],
  ['database', () => sqliteStore({ prepare: 1 } as unknown as DatabaseSync)],
])('a wrong option %s is refused at start-up', (option, open) => {
  expect(open).toThrow(expect.objectContaining({ code: 'CONFIG', option }))
})
