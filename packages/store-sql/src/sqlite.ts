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

/** Options of `sqliteStore`. */
export interface SqliteOptions extends Omit<TableOptions, 'schema'> {
  /**
   * For a file name only. `'full'` (default): a finished write survives a power loss, at the cost of one fsync a write.
   * `'normal'`: it survives a killed process. A power loss may undo the last writes, but never half of one.
   */
  synchronous?: 'full' | 'normal' | undefined
}

/** The members that the store uses of a `DatabaseSync` of `node:sqlite` or a `Database` of better-sqlite3. */
export interface SqliteDatabase {
  /** Whether a transaction is open, in node:sqlite from Node 22.16 on. */
  readonly isTransaction?: boolean
  /** The same in better-sqlite3. */
  readonly inTransaction?: boolean
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
}

/** The methods of a prepared statement that the store calls. */
export interface SqliteStatement {
  all(...parameters: never[]): unknown[]
  run(...parameters: never[]): { changes: number | bigint }
  /** `node:sqlite`, from Node 24 on. */
  setReturnArrays?(enabled: boolean): void
}

/**
 * Keeps sessions in SQLite. Pass a file name, or a database that you opened with `node:sqlite` or `better-sqlite3`. A file is
 * created if it is missing, readable by its owner alone. The table is created at once.
 *
 * Any number of processes may share the file. Methods return plain values, or promises while another process writes or your own transaction is open;
 * they never block the event loop to wait for a lock.
 *
 * A database that you pass keeps its pragmas and stays open at `close()`. Give it `journal_mode = WAL` and a short
 * `busy_timeout`. If the file is locked, SQLite blocks the event loop for that time. Then the store waits without blocking.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option, a file name if Node has no `node:sqlite`, a file that cannot be opened
 *   (`cause` has the reason) or that others can read or write; SQLite's own error if the file is no database
 * @example
 * const sessions = createSessions({ store: sqliteStore('sessions.db') })
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

  /** A database that was passed in may have a transaction of the application open. */
  function assertNoTransaction(): void {
    if (!own && inTransaction(db)) throw new ForeignTransactionError()
  }

  function read(statement: Statement, parameters: readonly unknown[]): Result {
    assertNoTransaction()
    return runOnDatabase(statement, parameters)
  }

  function runOnDatabase(statement: Statement, parameters: readonly unknown[]): Result {
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
      return runOnDatabase(statement, parameters)
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
    migrateSync(runOnDatabase, sqlite, layout)
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
    runOnDriver: (statement, parameters, signal) =>
      statement.reader ? read(statement, parameters) : writes.add(statement, parameters, signal),
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
  // Not imported, because an import prints a warning until Node 24, even for a user of PostgreSQL. `getBuiltinModule` is
  // missing before Node 20.16, and the module before 22.13.
  const driver: typeof import('node:sqlite') | undefined = process.getBuiltinModule?.('node:sqlite')
  if (driver === undefined) {
    throw new ConfigError(
      'database',
      `a file name needs node:sqlite, which this Node (${process.version}) does not have. Run Node 22.13 or newer, ` +
        "or `npm install better-sqlite3` and pass a database of it: sqliteStore(new Database('sessions.db')).",
    )
  }
  const { DatabaseSync } = driver
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
    // Otherwise a long clean-up leaves a write-ahead log of gigabytes.
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

/** A URL was meant for another store. As a file name, its password would appear in messages. */
function isFileName(text: string): boolean {
  return text !== '' && (text.startsWith('file:') || !text.includes('://'))
}

/** A ConfigError if the path is wrong. Any other error is returned as it is. */
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
 * Retries while the file is busy, and blocks the event loop in between: for start-up only. `busy_timeout` is not enough,
 * because SQLite does not wait for the locks of `journal_mode = wal`.
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
