import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from '../../../store-sql/src/index.ts'
import { describeStore } from '../../src/vitest.ts'

describeStore('sqliteStore', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sess-mutants-'))
  const file = join(folder, 'sessions.db')
  const alter = (sql: string) => {
    const db = new DatabaseSync(file)
    db.exec(sql)
    db.close()
  }
  const stores = [sqliteStore(file), sqliteStore(file)] as const
  return {
    store: stores[0],
    second: stores[1],
    // An outage that a file can have without root: its table is gone.
    breakBackend: () => alter('alter table sessions rename to away'),
    healBackend: () => alter('alter table away rename to sessions'),
    cleanup() {
      for (const store of stores) store.close()
      rmSync(folder, { recursive: true })
    },
  }
})
