import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from '@sess/core'
import { oneOf, pause, readOptions } from '@sess/core/store'
import { preparePrivateFile } from './database-file.ts'
import { sqlite } from './dialects.ts'
import { ForeignTransactionError } from './foreign-transaction.ts'
import { migrateSync } from './migrate.ts'
import { TABLE_OPTIONS, type TableOptions } from './options.ts'
import { BUSY_LIMIT_MS, type Result, type Runner } from './runner.ts'
import type { Statement } from './statements.ts'
import { createStore, type SqlStore } from './store.ts'
import { WriteQueue } from './write-queue.ts'

export interface SqliteOptions extends Omit<TableOptions, 'schema'> {
  /**
   * What an answered write survives; only for a file that the store opens. `'full'` (default): the machine losing
   * power, at the price of one fsync a write. `'normal'`: the process being killed; power loss may take back the last
   * writes, but never half of one.
   */
  synchronous?: 'full' | 'normal' | undefined
}

/** What the store calls of `node:sqlite`'s DatabaseSync, and of better-sqlite3's Database. */
export interface SqliteDatabase {
  /** Whether a transaction is open: the name in node:sqlite, from Node 22.16 on. */
  readonly isTransaction?: boolean
  /** The same in better-sqlite3. */
  readonly inTransaction?: boolean
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
}

export interface SqliteStatement {
  all(...parameters: never[]): unknown[]
  run(...parameters: never[]): { changes: number | bigint }
  /** `node:sqlite`, from Node 24 on. */
  setReturnArrays?(enabled: boolean): void
}

/**
 * Sessions in SQLite: in a file, which is opened (and made, readable by its owner alone) with `node:sqlite`, or in a
 * database that the caller opened with `node:sqlite` or `better-sqlite3`. The table is made right here. Any number of
 * processes may share the file; none of them ever sleeps for a lock: an answer is a plain value, or a promise while
 * another process is writing.
 *
 * A database that was handed in keeps its own pragmas and stays open: give it `journal_mode = WAL` and a short
 * `busy_timeout`, for that is how long it blocks the event loop before the store takes over the waiting.
 *
 * @throws ConfigError for a wrong option, a file name where there is no `node:sqlite`, a path where no file can be opened
 *   (`cause` has the reason), or a file that others can read or write; SQLite's own error when the file is no database.
 */
export function sqliteStore(database: string | SqliteDatabase, options: SqliteOptions = {}): SqlStore {
  const { synchronous, ...table } = readOptions<SqliteOptions>(options, {
    table: TABLE_OPTIONS.table,
    subject: TABLE_OPTIONS.subject,
    synchronous: ['full', oneOf('full', 'normal')],
  })
  const layout = { ...table, schema: undefined }
  const own = typeof database === 'string'
  if (own ? !isFileName(database) : typeof database?.prepare !== 'function') {
    throw new ConfigError('database', 'must be a file name, or a database of node:sqlite or better-sqlite3.')
  }
  if (!own && options.synchronous !== undefined) {
    throw new ConfigError('synchronous', 'is for a file name. Set the pragma on the database you opened.')
  }
  const db = own ? open(database, synchronous) : database
  const prepared = new Map<string, SqliteStatement>()

  /** A connection that was handed in may be in the middle of somebody else's transaction. */
  function assertNoTransaction(): void {
    if (!own && inTransaction(db)) throw new ForeignTransactionError()
  }

  function read(statement: Statement, parameters: readonly unknown[]): Result {
    assertNoTransaction()
    return executeAnyway(statement, parameters)
  }

  function executeAnyway(statement: Statement, parameters: readonly unknown[]): Result {
    let ready = prepared.get(statement.sql)
    if (ready === undefined) {
      ready = db.prepare(statement.sql)
      // The application may have opened its database with `returnArrays: true`.
      ready.setReturnArrays?.(false)
      prepared.set(statement.sql, ready)
    }
    if (statement.reader) return { rows: ready.all(...(parameters as never[])), changes: 0 }
    return { rows: [], changes: Number(ready.run(...(parameters as never[])).changes) }
  }

  let ownTransaction = false
  const writes = new WriteQueue({
    execute(statement, parameters) {
      if (!ownTransaction) assertNoTransaction()
      return executeAnyway(statement, parameters)
    },
    begin() {
      assertNoTransaction()
      db.exec('begin immediate')
      ownTransaction = true
    },
    commit() {
      db.exec('commit')
      ownTransaction = false
    },
    rollback() {
      ownTransaction = false
      if (inTransaction(db)) db.exec('rollback')
    },
    inTransaction: () => inTransaction(db),
    isBusy: error => sqlite.trouble(error) === 'busy',
  })

  const migrate = () => {
    assertNoTransaction()
    migrateSync(executeAnyway, sqlite, layout)
  }
  if (!own && inTransaction(db)) {
    throw new ConfigError(
      'database',
      'has a transaction open. Give the session store a connection of its own.',
    )
  }
  try {
    untilFree(migrate)
  } catch (error) {
    if (own) db.close()
    throw error
  }

  let closed = false
  const runner: Runner = {
    execute: (statement, parameters, signal) =>
      statement.reader ? read(statement, parameters) : writes.run(statement, parameters, signal),
    async migrate() {
      for (const started = Date.now(); ; ) {
        try {
          return migrate()
        } catch (error) {
          if (!isBusy(error, started)) throw error
          await pause(1 + Math.random() * 10)
        }
      }
    },
    close() {
      if (own && !closed) db.close()
      closed = true
    },
  }
  return createStore(runner, sqlite, layout)
}

function open(file: string, synchronous: 'full' | 'normal'): SqliteDatabase {
  // Not imported: until Node 24 the mere import prints a warning, and a PostgreSQL user has no use for either.
  // Absent before Node 20.16 is `getBuiltinModule`; without a flag before 22.13, the module.
  const sqlite: typeof import('node:sqlite') | undefined = process.getBuiltinModule?.('node:sqlite')
  if (sqlite === undefined) {
    throw new ConfigError(
      'database',
      `a file name needs node:sqlite, which this Node (${process.version}) does not have. Run Node 22.13 or newer, ` +
        "or `npm install better-sqlite3` and pass a database of it: sqliteStore(new Database('sessions.db')).",
    )
  }
  const { DatabaseSync } = sqlite
  let db: SqliteDatabase
  try {
    preparePrivateFile(file)
    db = new DatabaseSync(file, { timeout: 0 })
  } catch (error) {
    throw cannotOpen(file, error)
  }
  try {
    untilFree(() => db.exec('pragma journal_mode = wal'))
    db.exec(`pragma synchronous = ${synchronous}`)
    // A long clean-up must not leave a write-ahead log of gigabytes behind.
    db.exec('pragma journal_size_limit = 67108864')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function inTransaction(db: SqliteDatabase): boolean {
  const known = db.inTransaction ?? db.isTransaction
  if (known !== undefined) return known
  try {
    db.exec('begin')
  } catch (error) {
    if (/within a transaction/.test(String((error as Error)?.message))) return true
    throw error
  }
  db.exec('commit')
  return false
}

/** Not what is meant for another store: its path would tell a password. */
function isFileName(text: string): boolean {
  return text !== '' && (text.startsWith('file:') || !text.includes('://'))
}

/** The error for what the path is to blame for; any other as it is. */
function cannotOpen(file: string, cause: unknown): unknown {
  const { code = '', errcode = 0 } = cause as NodeJS.ErrnoException & { errcode?: number }
  // 14: SQLITE_CANTOPEN.
  if ((errcode & 0xff) !== 14 && !['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS'].includes(code))
    return cause
  const path = file.startsWith('file:') ? 'the file' : resolve(file)
  const problem = existsSync(`${path}/`)
    ? `${path} is a folder. Name a file in it.`
    : `cannot open ${path}. Make the folder first, and let this process write in it.`
  return Object.assign(new ConfigError('database', problem), { cause })
}

/**
 * Tries again while the file is busy, asleep in between: for start-up alone. (`busy_timeout` would not do: SQLite does
 * not wait for the locks of `journal_mode = wal`.)
 */
function untilFree(work: () => void): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  const started = Date.now()
  for (;;) {
    try {
      work()
      return
    } catch (error) {
      if (!isBusy(error, started)) throw error
      Atomics.wait(sleeper, 0, 0, 1 + Math.random() * 10)
    }
  }
}

function isBusy(error: unknown, since: number): boolean {
  return sqlite.trouble(error) === 'busy' && Date.now() - since < BUSY_LIMIT_MS
}
