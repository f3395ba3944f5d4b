import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describeStore } from '@sess/conformance/vitest'
import { describeOtherWay, isToday, moduleOfToday } from '@sess/test-fixtures/other-way.ts'
import { type ProcessLimits, processLimits } from '@sess/test-fixtures/process-limits.ts'
import { sqliteTrouble } from '@sess/test-fixtures/sqlite-trouble.ts'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe } from 'vitest'
import { type SqliteDatabase, sqliteStore } from '../src/index.ts'

const module = new URL('./processes/store.ts', import.meta.url).href

/** A file, and the outage that a file can have without root: its table is gone. */
function backend(open: (file: string) => SqliteDatabase) {
  const dir = mkdtempSync(join(tmpdir(), 'sess-sql-'))
  const file = join(dir, 'sessions.db')
  // Through the same library: the locks of two SQLites in one process do not see each other.
  const alter = (sql: string) => {
    const db = open(file)
    db.exec(sql)
    db.close()
  }
  return {
    file,
    breakBackend: () => alter('alter table sessions rename to away'),
    healBackend: () => alter('alter table away rename to sessions'),
    remove: () => rmSync(dir, { recursive: true }),
  }
}

describeStore('SQLite through node:sqlite', () => {
  const { file, remove, ...outage } = backend(name => new DatabaseSync(name))
  const [store, second] = [sqliteStore(file), sqliteStore(file)]
  return {
    store,
    second,
    module: moduleOfToday('SQLite', { path: module, argument: { engine: 'sqlite', location: file } }),
    ...outage,
    cleanup() {
      store.close()
      second.close()
      remove()
    },
  }
})

describeOtherWay('SQLite through better-sqlite3', () => {
  const { file, remove, ...outage } = backend(name => new Database(name))
  const open = () => {
    const db = new Database(file, { timeout: 5 })
    db.pragma('journal_mode = WAL')
    return db
  }
  const [one, two] = [open(), open()]
  return {
    store: sqliteStore(one),
    second: sqliteStore(two),
    ...outage,
    cleanup() {
      one.close()
      two.close()
      remove()
    },
  }
})

// The test has the connections in hand, so that it can make them read-only.
describe('a database in trouble', () => {
  let limits: ProcessLimits | undefined
  beforeAll(() => {
    limits = processLimits()
  })
  afterAll(() => limits?.close())

  const drivers = [
    { name: 'node:sqlite', open: (file: string) => new DatabaseSync(file) },
    { name: 'better-sqlite3', open: (file: string) => new Database(file) },
  ] as const
  for (const { name, open } of drivers.filter(({ name }) => isToday('drivers in trouble', name))) {
    describeStore(
      `SQLite through ${name}, errors`,
      () => {
        const { file, remove } = backend(open)
        const databases = [open(file), open(file)] as const
        for (const db of databases) db.exec('pragma journal_mode = wal; pragma synchronous = off')
        return {
          store: sqliteStore(databases[0]),
          second: sqliteStore(databases[1]),
          ...sqliteTrouble(databases, limits),
          cleanup() {
            for (const db of databases) db.close()
            remove()
          },
        }
      },
      { filter: /^store\/fails-/ },
    )
  }
})
