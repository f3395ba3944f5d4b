import { closeSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import type { StatementSync } from 'node:sqlite'
import { Failure, MISUSED, UNREACHABLE } from './failure.ts'
import { whatIsAt } from './place.ts'
import type { Query } from './sql.ts'
import type { Make } from './target.ts'

/**
 * Opens a SQLite file that is there. Its journal mode and permissions stay as they are: it may be Django's. A file that
 * `migrate` makes is as the store would make it: readable by its owner alone, with a write-ahead log.
 *
 * @throws Failure if there is no such file, or it is a folder
 */
export async function openSqlite(
  name: string,
  cwd: string,
  make: Make,
): Promise<{ query: Query; close(): void }> {
  let file = resolve(cwd, name)
  const found = whatIsAt(file)
  const missing = found === 'nothing'
  if (missing && make === 'no') {
    throw new Failure(
      UNREACHABLE,
      `There is no file ${file}. Name an existing database in --store, or make one with \`sess migrate\`.`,
    )
  }
  if (missing && make === 'really') create(file)
  if (missing && make === 'dry') file = ':memory:'
  if (found === 'folder') {
    throw new Failure(MISUSED, `${file} is a folder. Name the database file, or write file:${name}.`)
  }
  const { DatabaseSync } = await importSqlite()
  const db = new DatabaseSync(file, { timeout: 100 })
  if (missing && make === 'really') db.exec('pragma journal_mode = wal')
  const prepared = new Map<string, StatementSync>()
  const query: Query = async (sql, parameters = []) => {
    const statement = prepared.get(sql) ?? db.prepare(sql)
    prepared.set(sql, statement)
    if (/^\s*(select|pragma)/i.test(sql)) {
      return { rows: statement.all(...(parameters as never[])) as Record<string, unknown>[], changes: 0 }
    }
    return { rows: [], changes: Number(statement.run(...(parameters as never[])).changes) }
  }
  return { query, close: () => db.close() }
}

function create(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Failure(UNREACHABLE, `There is no folder for ${file}. Make it first.`)
  }
}

/** Until Node 24 the import prints a warning that does not concern the user of a command. */
async function importSqlite(): Promise<typeof import('node:sqlite')> {
  const { emitWarning } = process
  process.emitWarning = () => undefined
  try {
    const sqlite = process.getBuiltinModule?.('node:sqlite')
    if (sqlite) return sqlite
  } finally {
    process.emitWarning = emitWarning
  }
  throw new Failure(MISUSED, `SQLite needs Node 22.13 or newer, and this is ${process.version}.`)
}
