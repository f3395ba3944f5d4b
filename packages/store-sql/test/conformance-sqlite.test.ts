import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describeStore } from '@sess/conformance/vitest'
import { describeOtherWay } from '@sess/test-fixtures/other-way.ts'
import Database from 'better-sqlite3'
import { type SqliteDatabase, sqliteStore } from '../src/index.ts'

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
