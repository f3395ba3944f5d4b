import { type MaybePromise, SessionStoreError, type StoreContext, safeCause } from '@sess/core'
import { pause, settle } from '@sess/core/store'
import type { Dialect } from './dialects.ts'
import { bind, type Layout, type Statement, type Values } from './statements.ts'

export interface Result {
  readonly rows: readonly unknown[]
  /** Rows inserted, updated or deleted. MySQL may not count a row that an update leaves as it was. */
  readonly changes: number
}

export type RunOnDriver = (
  statement: Statement,
  parameters: readonly unknown[],
  signal?: AbortSignal,
) => MaybePromise<Result>

/** Runs statements on a database; one per driver. Each statement is a transaction of its own. */
export interface Runner {
  readonly runOnDriver: RunOnDriver
  /** Runs `migrate` of `migrate.ts` on one connection. */
  migrate(dialect: Dialect, layout: Layout): MaybePromise<void>
  /** Closes what the runner itself opened. */
  close(): MaybePromise<void>
}

export type RunWithRetry = (
  statement: Statement,
  values: Values,
  context: StoreContext | undefined,
) => MaybePromise<Result>

/** How long a statement is retried while the database is busy, unless a signal ends it earlier. */
export const BUSY_LIMIT_MS = 5_000

/** Runs statements, retries those that may be repeated, and explains what to do about a missing table. */
export function withRetry(runner: Runner, dialect: Dialect, table: string): RunWithRetry {
  return (statement, values, context) => {
    const signal = context?.signal
    const parameters = bind(statement, values)
    let started: number | undefined
    let attempts = 0
    let lost = false

    function attempt(): MaybePromise<Result> {
      signal?.throwIfAborted()
      return settle(
        () => runner.runOnDriver(statement, parameters, signal),
        result => result,
        recover,
      )
    }

    function recover(error: unknown): MaybePromise<Result> {
      signal?.throwIfAborted()
      const trouble = dialect.trouble(error)
      if (trouble === 'busy') {
        started ??= Date.now()
        if (attempts < dialect.busyRetries && Date.now() - started < BUSY_LIMIT_MS) {
          attempts += 1
          const ms = 1 + Math.random() * Math.min(2 ** attempts, 16)
          return pause(ms, signal, { cause: () => withoutData(error) }).then(attempt)
        }
      }
      // Only a read: a write may have been done before the connection broke.
      if (trouble === 'lost' && statement.reader && !lost) {
        lost = true
        return attempt()
      }
      if (trouble === 'duplicate') return { rows: [], changes: 0 }
      if (trouble === 'no table' || trouble === 'no column') {
        const missing = trouble === 'no table' ? `Table "${table}"` : `A column of table "${table}"`
        const remedy = trouble === 'no table' ? '' : ', or pass `subject: false`'
        throw new SessionStoreError(`${missing} is missing. Run \`await store.migrate()\` once${remedy}.`, {
          cause: withoutData(error),
        })
      }
      // An error of ours holds no data.
      throw error instanceof SessionStoreError ? error : withoutData(error)
    }

    /** Drivers attach the statement and its parameters to an error, and quote values in its message. */
    function withoutData(error: unknown): Error {
      const { id, payload, subject, version } = values
      return safeCause(error, [id, payload, subject ?? undefined, version])
    }

    return attempt()
  }
}
