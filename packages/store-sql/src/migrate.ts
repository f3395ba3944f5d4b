import { SessionStoreError } from '@sess/core'
import type { Dialect } from './dialects.ts'
import type { Execute, Result } from './runner.ts'
import { bind, compileRaw, type Found, type Layout, missingParts, type Statement } from './statements.ts'

/**
 * Creates the table, or adds what an existing one lacks: the `subject` column, an index. A generator of statements
 * that is sent their answers, so that a synchronous driver can carry it out as well as an asynchronous one.
 */
function* migration(dialect: Dialect, layout: Layout): Generator<Statement, void, Result> {
  const look = compileRaw(dialect, dialect.introspect(layout.table, layout.schema))
  const missing = ({ rows }: Result) => missingParts(dialect, layout, rows as Found[])

  // Without the lock first: nearly always nothing is missing, and a start-up needs no right to lock or write.
  if (missing(yield look).length === 0) return
  for (const statement of dialect.lock.begin) {
    const [row] = (yield compileRaw(dialect, statement)).rows as { locked?: unknown }[]
    if (row !== undefined && 'locked' in row && Number(row.locked) !== 1) {
      throw new SessionStoreError('Another migration holds the lock `sess.migrate` for over a minute.')
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

/** Carries out the migration; `execute` must keep to one connection. */
export async function migrate(execute: Execute, dialect: Dialect, layout: Layout): Promise<void> {
  const steps = migration(dialect, layout)
  for (let step = steps.next(); !step.done; ) {
    let answer: Result
    try {
      answer = await execute(step.value, bind(step.value, {}))
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next(answer)
  }
}

/** The same where the driver answers at once, and nothing else may come in between. */
export function migrateSync(
  execute: (statement: Statement, parameters: readonly unknown[]) => Result,
  dialect: Dialect,
  layout: Layout,
): void {
  const steps = migration(dialect, layout)
  for (let step = steps.next(); !step.done; ) {
    let answer: Result
    try {
      answer = execute(step.value, bind(step.value, {}))
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next(answer)
  }
}
