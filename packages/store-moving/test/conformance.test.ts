import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { breakable, memoryStore } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import type { Store } from '@sess/core'
import { sqliteStore } from '@sess/store-sql'
import { movingStore } from '../src/index.ts'

describeStore('moving(SQLite to memory)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sess-moving-'))
  const file = join(folder, 'sessions.db')
  const { client: to, fail, heal } = breakable(memoryStore())
  // A machine that crashes would lose sessions. These are of nobody.
  const open = () => {
    const db = new DatabaseSync(file, { timeout: 5_000 })
    db.exec('pragma journal_mode = wal; pragma synchronous = off')
    return db
  }
  const databases = [open(), open(), open()] as const
  const [store, second] = [databases[0], databases[1]].map(db =>
    movingStore({ from: sqliteStore(db), to }),
  ) as [Store, Store]
  const alter = (sql: string) => databases[2].exec(sql)
  return {
    store,
    second,
    breakBackend() {
      fail()
      alter('alter table sessions rename to away')
    },
    healBackend() {
      heal()
      alter('alter table away rename to sessions')
    },
    async cleanup() {
      for (const db of databases) db.close()
      rmSync(folder, { recursive: true })
    },
  }
})
