import {
  type ClearExpiredOptions,
  ConfigError,
  type CountOptions,
  type MaybePromise,
  type RecordCounts,
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

/** A store in a table like Django's. `scanBySubject` and `removeBySubject` are missing with `subject: false`. */
export interface SqlStore extends Store {
  clearExpired(options?: ClearExpiredOptions): AsyncGenerator<{ removed: number }, void, undefined>
  scan(options?: StoreContext): AsyncGenerator<StoredEntry, void, undefined>
  count(options: CountOptions): Promise<RecordCounts>
  /**
   * Creates the table, or adds the missing parts of an existing one: the `subject` column, the indexes on `expire_date` and
   * `subject`. It may run twice, and in several processes at once.
   */
  migrate(): Promise<void>
  close(): MaybePromise<void>
}

type Context = StoreContext | undefined

/** Every driver can bind this many parameters in one statement (SQLite: 32,766). */
const MOST_IN_A_BATCH = 10_000

/**
 * A store over a runner of statements. The version of a record is its payload, which the database compares byte for byte. So
 * it needs neither a column nor a digest, and cannot collide [C33].
 */
export function createStore(runner: Runner, dialect: Dialect, layout: Layout): SqlStore {
  const statements = compileStatements(dialect, layout)
  const runWithRetry = withRetry(runner, dialect, layout.table)
  const { check } = dialect
  let checked = check === undefined

  /** Runs a statement. Until the server's settings are known to be right it checks them, and throws if data would be lost. */
  function runChecked(
    statement: Statement,
    values: Values,
    context: Context,
    storesText = false,
  ): MaybePromise<Result> {
    if (checked || check === undefined) return runWithRetry(statement, values, context)
    const question = compileRaw(dialect, check.question(layout.table, layout.schema))
    return after(runWithRetry(question, {}, context), ({ rows }) => {
      const [row] = rows as Record<string, unknown>[]
      // No row: the table is missing, which the statement itself reports.
      const { all, writes } = row === undefined ? {} : check.verdict(row)
      const problem = all ?? (storesText ? writes : undefined)
      if (problem !== undefined) throw new SessionStoreError(`Table "${layout.table}": ${problem}`)
      checked = row !== undefined && writes === undefined
      return runWithRetry(statement, values, context)
    })
  }

  /** Runs a statement that stores a payload and a subject, which a wrongly configured server could cut off. */
  const storeText = (statement: Statement, values: Values, context: Context) =>
    runChecked(statement, values, context, true)

  const now = (context: Context) => dialect.expiry(nowOf(context))

  function read(id: string, context?: StoreContext): MaybePromise<StoredRecord | null> {
    if (!canBeId(id)) return null
    return after(runChecked(statements.read, { id, now: now(context) }, context), ({ rows }) =>
      recordOf(rows[0] as Row | undefined),
    )
  }

  function insert(id: string, record: SessionRecord, context?: StoreContext): MaybePromise<boolean> {
    if (!canBeId(id))
      throw new SessionDataError(
        'An id must have 1 to 40 characters, without NUL and without half a surrogate pair.',
      )
    const values = { id, ...columnsOf(record) }
    return after(storeText(statements.insert, values, context), ({ changes }) => changes > 0)
  }

  function replace(id: string, record: SessionRecord, version: string, context?: StoreContext) {
    const values = { id, version, now: now(context), ...columnsOf(record) }
    return changeAt(storeText, statements.replace, values, context, found => holds(found, record))
  }

  function touch(id: string, expiresAt: number, version: string, context?: StoreContext) {
    const values = { id, version, now: now(context), expires: dialect.expiry(expiresAt) }
    const outcome = changeAt(
      runChecked,
      statements.touch,
      values,
      context,
      found => found.expiresAt === inRange(expiresAt),
    )
    return after(outcome, word => word === 'ok')
  }

  function remove(id: string, version?: string, context?: StoreContext) {
    if (version !== undefined) {
      return changeAt(
        runChecked,
        statements.removeVersion,
        { id, version, now: now(context) },
        context,
        () => false,
      )
    }
    if (!canBeId(id)) return 'gone'
    return after(runChecked(statements.remove, { id, now: now(context) }, context), ({ changes }) =>
      changes > 0 ? 'ok' : 'gone',
    )
  }

  /**
   * Changes a record at a version. If no row changed, it reads the record to find out why. A record that still has the
   * version either already has the wanted content, because MySQL without FOUND_ROWS does not count such a row, or has just
   * come back to that version. Then it tries again.
   */
  function changeAt(
    run: typeof storeText,
    statement: Statement,
    values: Values & { id: string; version: string },
    context: Context,
    isAlreadyDone: (found: StoredRecord) => boolean,
    retries = 3,
  ): MaybePromise<'ok' | 'stale' | 'gone'> {
    if (!canBeId(values.id)) return 'gone'
    return after(run(statement, values, context), ({ changes }) => {
      if (changes > 0) return 'ok'
      return after(read(values.id, context), found => {
        if (found === null) return 'gone'
        if (found.version !== values.version) return 'stale'
        if (isAlreadyDone(found)) return 'ok'
        return retries > 0 ? changeAt(run, statement, values, context, isAlreadyDone, retries - 1) : 'stale'
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
      const rows = (await runChecked(find, values, options)).rows.slice(0, size)
      const ids = rows.map(row => (row as { id: string }).id)
      const last = rows.at(-1) as { expires: unknown } | undefined
      if (last === undefined) return
      const { changes } = await runChecked(statements.removeExpired(ids), values, options)
      yield { removed: changes }
      if (ids.length < size) return
      // One millisecond back, because `parseExpiry` rounds up. NaN: a date that no store has written.
      const reached = dialect.parseExpiry(last.expires)
      if (!Number.isNaN(reached)) values.after = dialect.expiry(reached - 1)
      // If only one can write at a time, the others get as much time as this batch took.
      if (dialect.oneWriter) await pause(performance.now() - started, options.signal)
    }
  }

  /** Reads pages by the primary key, so that rows inserted or removed meanwhile do not shift them. */
  async function* pages(first: Statement, next: Statement, values: Values, context: StoreContext) {
    if (dialect.unstorable(values.subject ?? '') !== undefined) return
    for (let statement = first; ; statement = next) {
      const { rows } = await runChecked(statement, { ...values, now: now(context) }, context)
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

  async function count({ limit, ...context }: CountOptions): Promise<RecordCounts> {
    if (!Number.isInteger(limit) || limit < 1)
      throw new ConfigError('limit', 'must be a whole number, 1 or more.')
    const values = { now: now(context) }
    const countOf = async (statement: Statement) => {
      const { rows } = await runChecked(statement, values, context)
      // PostgreSQL counts in bigint, which its driver gives as text.
      return Math.min(limit, Number((rows[0] as { records: unknown }).records))
    }
    const capacity = capacityOf(limit)
    const live = await countOf(statements.countLive(capacity))
    return { live, expired: await countOf(statements.countExpired(capacity)) }
  }

  async function removeBySubject(subject: string, options: RemoveBySubjectOptions = {}): Promise<number> {
    if (dialect.unstorable(subject) !== undefined) return 0
    const { except } = options
    const [remove, find] =
      except === undefined
        ? [statements.removeSubject, statements.anyOfSubject]
        : [statements.removeSubjectExcept, statements.anyOfSubjectExcept]
    const values: Values = { subject, ...(except !== undefined && { id: except }) }
    let removed = 0
    for (;;) {
      const { changes } = await runChecked(remove, { ...values, now: now(options) }, options)
      removed += changes
      // A session may have got a new key or been saved while the statement ran. Only a select sees one moment: PostgreSQL's
      // delete does not see a row that is newer than itself, and leaves one out that has changed since.
      const { rows } = await runChecked(find, { ...values, now: now(options) }, options)
      if (rows.length === 0) return removed
    }
  }

  function columnsOf({ payload, expiresAt, subject }: SessionRecord) {
    const reason = dialect.unstorable(payload) ?? dialect.unstorable(subject ?? '')
    if (reason !== undefined) {
      throw new SessionDataError(`Payload or subject cannot be stored exactly. It contains ${reason}.`)
    }
    return { payload, expires: dialect.expiry(expiresAt), subject: subject ?? null }
  }

  /** `null` if there is no row, or one that no store can have written. */
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
    count,
    ...(layout.subject && { removeBySubject, scanBySubject }),
    migrate: async () => runner.migrate(dialect, layout),
    close: () => runner.close(),
  }
}

/** Whether the column can hold the id. No record has another one, and PostgreSQL would reject a NUL. */
function canBeId(id: string): boolean {
  return typeof id === 'string' && /^[^\0]{1,40}$/u.test(id) && id.isWellFormed()
}

function batchSizeOf({ batchSize }: ClearExpiredOptions, dialect: Dialect): number {
  if (batchSize === undefined) return dialect.batchSize
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ConfigError('batchSize', 'must be a whole number, 1 or more.')
  }
  return Math.min(batchSize, MOST_IN_A_BATCH)
}
