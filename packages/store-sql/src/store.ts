import {
  type ClearExpiredOptions,
  ConfigError,
  type MaybePromise,
  type RemoveBySubjectOptions,
  SessionDataError,
  type SessionRecord,
  SessionStoreError,
  type Store,
  type StoreContext,
  type StoredEntry,
  type StoredRecord,
} from '@sess/core'
import { after, nowOf, pause } from '@sess/core/store'
import { type Dialect, inRange } from './dialects.ts'
import { type Result, type Runner, withRetry } from './runner.ts'
import {
  capacityOf,
  compileRaw,
  compileStatements,
  type Layout,
  PAGE,
  type Row,
  type Statement,
  type Values,
} from './statements.ts'

/** A store in a table laid out like Django's. The subject methods are there unless `subject: false`. */
export interface SqlStore extends Store {
  clearExpired(options?: ClearExpiredOptions): AsyncGenerator<{ removed: number }, void, undefined>
  scan(options?: StoreContext): AsyncGenerator<StoredEntry, void, undefined>
  /**
   * Creates the table, or adds to an existing one what it lacks: the `subject` column, an index on `expire_date` or
   * on `subject`. Safe to run twice, and at once in several processes.
   */
  migrate(): Promise<void>
  close(): MaybePromise<void>
}

type Context = StoreContext | undefined

/** What a driver can bind in one statement, with room to spare (SQLite: 32,766 parameters). */
const MOST_IN_A_BATCH = 10_000

/**
 * The version of a record is its payload: compared by the database byte for byte, it needs neither a column nor a
 * digest, and cannot collide (C33).
 */
export function createStore(runner: Runner, dialect: Dialect, layout: Layout): SqlStore {
  const statements = compileStatements(dialect, layout)
  const execute = withRetry(runner, dialect, layout.table)
  const { check } = dialect
  let checked = check === undefined

  /** Executes a statement; before the first one, throws if the server is not set up for it. */
  function run(statement: Statement, values: Values, context: Context, stores = false): MaybePromise<Result> {
    if (checked || check === undefined) return execute(statement, values, context)
    const question = compileRaw(dialect, check.question(layout.table, layout.schema))
    return after(execute(question, {}, context), ({ rows }) => {
      const [row] = rows as Record<string, unknown>[]
      // No row: there is no such table, which the statement itself will say.
      const { all, writes } = row === undefined ? {} : check.verdict(row)
      const problem = all ?? (stores ? writes : undefined)
      if (problem !== undefined) throw new SessionStoreError(`Table "${layout.table}": ${problem}`)
      checked = row !== undefined && writes === undefined
      return execute(statement, values, context)
    })
  }

  /** A statement that stores what came from outside. */
  const write = (statement: Statement, values: Values, context: Context) =>
    run(statement, values, context, true)

  const now = (context: Context) => dialect.expiry(nowOf(context))

  function read(id: string, context?: StoreContext): MaybePromise<StoredRecord | null> {
    if (!canBeId(id)) return null
    return after(run(statements.read, { id, now: now(context) }, context), ({ rows }) =>
      recordOf(rows[0] as Row | undefined),
    )
  }

  function insert(id: string, record: SessionRecord, context?: StoreContext): MaybePromise<boolean> {
    if (!canBeId(id))
      throw new SessionDataError('An id has 1 to 40 characters, none of them NUL or half of one.')
    const values = { id, ...columnsOf(record) }
    return after(write(statements.insert, values, context), ({ changes }) => changes > 0)
  }

  function replace(id: string, record: SessionRecord, version: string, context?: StoreContext) {
    const values = { id, version, now: now(context), ...columnsOf(record) }
    return changeAt(statements.replace, values, context, found => holds(found, record))
  }

  function touch(id: string, expiresAt: number, version: string, context?: StoreContext) {
    const values = { id, version, now: now(context), expires: dialect.expiry(expiresAt) }
    const outcome = changeAt(
      statements.touch,
      values,
      context,
      found => found.expiresAt === inRange(expiresAt),
    )
    return after(outcome, word => word === 'ok')
  }

  function remove(id: string, version?: string, context?: StoreContext) {
    if (version !== undefined) {
      return changeAt(statements.removeVersion, { id, version, now: now(context) }, context, () => false)
    }
    if (!canBeId(id)) return 'gone'
    return after(run(statements.remove, { id, now: now(context) }, context), ({ changes }) =>
      changes > 0 ? 'ok' : 'gone',
    )
  }

  /**
   * Makes a change at a version. "No row changed" is not yet "gone", so then it reads. A record that is at the version
   * after all either holds what was wished already (MySQL without FOUND_ROWS does not count such a row) or came back
   * to it this moment: again.
   */
  function changeAt(
    statement: Statement,
    values: Values & { id: string; version: string },
    context: Context,
    asWished: (found: StoredRecord) => boolean,
    retries = 3,
  ): MaybePromise<'ok' | 'stale' | 'gone'> {
    if (!canBeId(values.id)) return 'gone'
    return after(write(statement, values, context), ({ changes }) => {
      if (changes > 0) return 'ok'
      return after(read(values.id, context), found => {
        if (found === null) return 'gone'
        if (found.version !== values.version) return 'stale'
        if (asWished(found)) return 'ok'
        return retries > 0 ? changeAt(statement, values, context, asWished, retries - 1) : 'stale'
      })
    })
  }

  async function* clearExpired(options: ClearExpiredOptions = {}) {
    const size = batchSizeOf(options, dialect)
    const find = statements.expired(capacityOf(size))
    const values = { now: now(options), after: dialect.expiry(Number.NEGATIVE_INFINITY) }
    for (;;) {
      options.signal?.throwIfAborted()
      const started = performance.now()
      const rows = (await run(find, values, options)).rows.slice(0, size)
      const ids = rows.map(row => (row as { id: string }).id)
      const last = rows.at(-1) as { expires: unknown } | undefined
      if (last === undefined) return
      const { changes } = await run(statements.removeExpired(ids), values, options)
      yield { removed: changes }
      if (ids.length < size) return
      // A millisecond back, because `parseExpiry` rounds up; and not at all from what no store has written.
      const reached = dialect.parseExpiry(last.expires)
      if (!Number.isNaN(reached)) values.after = dialect.expiry(reached - 1)
      // Where one writes at a time, the others get as much of it as we took.
      if (dialect.oneWriter) await pause(performance.now() - started, options.signal)
    }
  }

  /** Page after page by the primary key, so that rows that come and go in between cannot shift the pages. */
  async function* pages(first: Statement, next: Statement, values: Values, context: StoreContext) {
    if (dialect.refuses(values.subject ?? '') !== undefined) return
    for (let statement = first; ; statement = next) {
      const { rows } = await run(statement, { ...values, now: now(context) }, context)
      for (const row of rows as (Row & { id: string })[]) {
        const record = recordOf(row)
        if (record !== null) yield { id: row.id, ...record }
        values.after = row.id
      }
      if (rows.length < PAGE) return
    }
  }

  function scan(options: StoreContext = {}) {
    return pages(statements.firstPage, statements.nextPage, {}, options)
  }

  function scanBySubject(subject: string, options: StoreContext = {}) {
    return pages(statements.firstOfSubject, statements.nextOfSubject, { subject }, options)
  }

  async function removeBySubject(subject: string, options: RemoveBySubjectOptions = {}): Promise<number> {
    if (dialect.refuses(subject) !== undefined) return 0
    const { except } = options
    const statement = except === undefined ? statements.removeSubject : statements.removeSubjectExcept
    const values: Values = { subject, ...(except !== undefined && { id: except }) }
    let removed = 0
    // Until a whole statement finds none: one that was under way while we removed is caught by the next.
    for (;;) {
      const { changes } = await run(statement, { ...values, now: now(options) }, options)
      if (changes === 0) return removed
      removed += changes
    }
  }

  function columnsOf({ payload, expiresAt, subject }: SessionRecord) {
    const refusal = dialect.refuses(payload) ?? dialect.refuses(subject ?? '')
    if (refusal !== undefined) {
      throw new SessionDataError(`Payload or subject cannot be stored exactly: there is ${refusal}.`)
    }
    return { payload, expires: dialect.expiry(expiresAt), subject: subject ?? null }
  }

  /** `null` also for a row that no store can have written. */
  function recordOf(row: Row | undefined): StoredRecord | null {
    if (row === undefined || typeof row.payload !== 'string') return null
    const expiresAt = dialect.parseExpiry(row.expires)
    if (Number.isNaN(expiresAt)) return null
    const record: StoredRecord = { payload: row.payload, expiresAt, version: row.payload }
    if (typeof row.subject === 'string') record.subject = row.subject
    return record
  }

  function holds(found: StoredRecord, record: SessionRecord): boolean {
    return (
      found.payload === record.payload &&
      found.expiresAt === inRange(record.expiresAt) &&
      (!layout.subject || found.subject === record.subject)
    )
  }

  return {
    read,
    insert,
    replace,
    touch,
    remove,
    clearExpired,
    scan,
    ...(layout.subject && { removeBySubject, scanBySubject }),
    migrate: async () => runner.migrate(dialect, layout),
    close: () => runner.close(),
  }
}

/** What the column can hold. Whatever else is looked for is not there, and PostgreSQL would fail at the NUL. */
function canBeId(id: string): boolean {
  return typeof id === 'string' && /^[^\0]{1,40}$/u.test(id) && id.isWellFormed()
}

function batchSizeOf({ batchSize }: ClearExpiredOptions, dialect: Dialect): number {
  if (batchSize === undefined) return dialect.batchSize
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ConfigError('batchSize', 'must be a whole number from 1 on.')
  }
  return Math.min(batchSize, MOST_IN_A_BATCH)
}
