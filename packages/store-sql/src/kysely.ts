import { ConfigError } from '@sess/core'
import { oneOf, readOptions } from '@sess/core/store'
import { CompiledQuery } from 'kysely'
import { type DialectName, dialects } from './dialects.ts'
import { GivenUpCalls, noConnection } from './given-up.ts'
import { migrate } from './migrate.ts'
import { TABLE_OPTIONS, type TableOptions } from './options.ts'
import type { Result, Runner } from './runner.ts'
import type { Statement } from './statements.ts'
import { createStore, type SqlStore } from './store.ts'

/** Options of `sqlStore`. */
export interface SqlOptions extends TableOptions {
  /** The database behind the instance. */
  dialect: DialectName
}

/** The methods of a `Kysely` that the store calls, in any version and for any database type. */
export interface KyselyInstance {
  readonly isTransaction?: boolean
  withoutPlugins(): {
    connection(): { execute<T>(work: (connection: KyselyExecutor) => Promise<T>): Promise<T> }
  }
}

/** The connection that Kysely passes to `execute`. */
export interface KyselyExecutor {
  /** Takes a `CompiledQuery`. The type is `never` so that every version of Kysely fits. */
  executeQuery(query: never): Promise<{ rows: unknown[]; numAffectedRows?: bigint | undefined }>
}

const DIALECT = oneOf(...Object.keys(dialects))

/**
 * Keeps sessions through the application's own Kysely instance, with any driver. Plugins of the instance are not used. The
 * instance stays open at `close()`.
 *
 * With the usual drivers, prefer `sqliteStore`, `postgresStore` and `mysqlStore`: SQLite then needs no promises, and calls to
 * a server that hangs give up their connections.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const store = sqlStore(kysely, { dialect: 'postgres' })
 * await store.migrate()
 */
export function sqlStore(kysely: KyselyInstance, options: SqlOptions): SqlStore {
  const { dialect: name, ...layout } = readOptions<SqlOptions, 'schema'>(options, {
    ...TABLE_OPTIONS,
    dialect: [undefined, DIALECT],
  })
  if (name === undefined) throw new ConfigError('dialect', `must be ${DIALECT[1]}.`)
  const dialect = dialects[name]
  if (typeof kysely?.withoutPlugins !== 'function') {
    throw new ConfigError('kysely', 'must be an instance of Kysely.')
  }
  if (kysely.isTransaction) {
    throw new ConfigError(
      'kysely',
      'is a transaction, which could roll sessions back. Pass the Kysely instance itself.',
    )
  }
  if (name === 'sqlite' && layout.schema !== undefined) {
    throw new ConfigError('schema', 'is for PostgreSQL and MySQL.')
  }
  const db = kysely.withoutPlugins()

  async function execute(
    executor: KyselyExecutor,
    statement: Statement,
    parameters: readonly unknown[],
  ): Promise<Result> {
    const query = CompiledQuery.raw(statement.sql, [...parameters])
    const { rows, numAffectedRows } = await executor.executeQuery(query as never)
    return { rows, changes: Number(numAffectedRows ?? 0) }
  }

  const calls = new GivenUpCalls()
  const runner: Runner = {
    // Kysely's own `signal` is not used, because it reports late failures on the console. A statement that has not been
    // sent when the signal is aborted is not sent any more.
    runOnDriver(statement, parameters, signal) {
      let connected = false
      const call = () =>
        db.connection().execute(connection => {
          connected = true
          signal?.throwIfAborted()
          return execute(connection, statement, parameters)
        })
      return calls.waitFor(call, signal, { cause: () => (connected ? undefined : noConnection()) })
    },
    migrate: (_, wanted) =>
      db
        .connection()
        .execute(connection =>
          migrate((statement, parameters) => execute(connection, statement, parameters), dialect, wanted),
        ),
    close: () => undefined,
  }
  return createStore(runner, dialect, layout)
}
