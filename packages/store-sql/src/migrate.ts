import { SessionStoreError } from '@sess/core'
import type { Dialect } from './dialects.ts'
import type { Result, RunOnDriver } from './runner.ts'
import { bind, compileRaw, type Found, type Layout, missingParts, type Statement } from './statements.ts'

/**
 * Creates the table, or adds the missing parts of an existing one: the `subject` column, an index. It is a generator that
 * yields statements and gets their results, so that synchronous and asynchronous drivers can run it.
 */
function* migration(dialect: Dialect, layout: Layout): Generator<Statement, void, Result> {
  const look = compileRaw(dialect, dialect.introspect(layout.table, layout.schema))
  const missing = ({ rows }: Result) => missingParts(dialect, layout, rows as Found[])

  // First without the lock: usually nothing is missing, and then the user needs no right to lock or write.
  if (missing(yield look).length === 0) return
  for (const statement of dialect.lock.begin) {
    const [row] = (yield compileRaw(dialect, statement)).rows as { locked?: unknown }[]
    if (row !== undefined && 'locked' in row && Number(row.locked) !== 1) {
      throw new SessionStoreError(
        'Another migration has held the lock `sess.migrate` for over a minute. Look for it, and try again.',
      )
    }
  }
  try {
    for (const statement of missing(yield look)) yield statement
    for (const statement of dialect.lock.end) yield compileRaw(dialect, statement)
  } catch (error) {
    for (const statement of dialect.lock.abandon) yield compileRaw(dialect, statement)
    throw error
  }
}

/** Runs the migration. `execute` must use one connection for all statements. */
export async function migrate(execute: RunOnDriver, dialect: Dialect, layout: Layout): Promise<void> {
  const steps = migration(dialect, layout)
  for (let step = steps.next(); !step.done; ) {
    let result: Result
    try {
      result = await execute(step.value, bind(step.value, {}))
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next(result)
  }
}

/** The same for a synchronous driver. Nothing else runs in between. */
export function migrateSync(
  execute: (statement: Statement, parameters: readonly unknown[]) => Result,
  dialect: Dialect,
  layout: Layout,
): void {
  const steps = migration(dialect, layout)
  for (let step = steps.next(); !step.done; ) {
    let result: Result
    try {
      result = execute(step.value, bind(step.value, {}))
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next(result)
  }
}
