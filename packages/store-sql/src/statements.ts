import {
  type Compilable,
  DummyDriver,
  type Expression,
  Kysely,
  type RawBuilder,
  type SqlBool,
  sql,
} from 'kysely'
import type { Dialect } from './dialects.ts'

/** Which table, and whether it has a `subject` column. */
export interface Layout {
  readonly table: string
  readonly schema: string | undefined
  readonly subject: boolean
}

/** The values of a statement, by the names of its slots. */
export interface Values {
  id?: string
  payload?: string
  expires?: string
  subject?: string | null
  version?: string
  now?: string
  /** The last key or date of the page before. */
  after?: string
}

/** SQL that is compiled once. Its parameters are values, or `Slot`s to be filled. */
export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly reader: boolean
}

class Slot {
  readonly name: keyof Values
  constructor(name: keyof Values) {
    this.name = name
  }
}

/** The parameters of `statement`, in its order. */
export function bind(statement: Statement, values: Values): unknown[] {
  return statement.parameters.map(parameter =>
    parameter instanceof Slot ? values[parameter.name] : parameter,
  )
}

/** A row of `read` and the scans. `id` is there in scans only, `subject` if the table has the column. */
export interface Row {
  id?: unknown
  payload: unknown
  expires: unknown
  subject?: unknown
}

/** Django's table, with the column `subject`. */
interface Sessions {
  session_key: string
  session_data: string
  expire_date: string
  subject: string | null
}

/** Rows of a page of a scan. With payloads of 1 MiB, a page takes 100 MiB. */
export const PAGE = 100

export type Statements = ReturnType<typeof compileStatements>

/** Every statement of the store. Each finds its rows by an index: the primary key, `expire_date` or `subject`. */
export function compileStatements(dialect: Dialect, layout: Layout) {
  const db = builder(dialect, layout)
  const sessions = layout.table as 'sessions'
  const slot = (name: keyof Values) => new Slot(name) as unknown as string

  /** Equal byte for byte. On MySQL `=` uses the index, with the column's collation, and then the bytes decide. */
  const same = (column: Expression<unknown>, value: string): RawBuilder<SqlBool> =>
    dialect.exactEquality
      ? sql`${column} = ${value}`
      : sql`(${column} = ${value} and ${dialect.bytes(column)} = ${dialect.bytes(sql`${value}`)})`
  const key = sql.ref('session_key')
  const subject = sql.ref('subject')
  const thisId = same(key, slot('id'))
  // Compares only the bytes: the column has no index, and comparing a megabyte by collation is slow.
  const thisVersion = sql<SqlBool>`${dialect.bytes(sql.ref('session_data'))} = ${dialect.bytes(sql`${slot('version')}`)}`
  const expires = dialect.readExpiry(sql.ref('expire_date')).as('expires')

  const live = db.selectFrom(sessions).where('expire_date', '>', slot('now'))
  const record = layout.subject
    ? live.select(['session_data as payload', expires, 'subject'])
    : live.select(['session_data as payload', expires])
  const page = record.select('session_key as id').orderBy('session_key').limit(sql.lit(PAGE))
  const row = {
    session_data: slot('payload'),
    expire_date: slot('expires'),
    ...(layout.subject && { subject: slot('subject') }),
  }
  const insert = db.insertInto(sessions).values({ session_key: slot('id'), ...row })
  const update = db
    .updateTable(sessions)
    .where(thisId)
    .where(thisVersion)
    .where('expire_date', '>', slot('now'))
  const remove = db.deleteFrom(sessions).where(thisId).where('expire_date', '>', slot('now'))

  const ofSubject = same(subject, slot('subject'))
  const butThis = sql<SqlBool>`not ${thisId}`
  const removeSubject = db.deleteFrom(sessions).where(ofSubject).where('expire_date', '>', slot('now'))
  const anyOfSubject = live.select(sql.lit(1).as('one')).where(ofSubject).limit(sql.lit(1))

  const counted = (relation: '>' | '<=', limit: number) => {
    const rows = db.selectFrom(sessions).where('expire_date', relation, slot('now'))
    const some = rows.select(sql.lit(1).as('one')).limit(sql.lit(limit)).as('some_rows')
    return db.selectFrom(some).select(sql<unknown>`count(*)`.as('records'))
  }

  return {
    read: compile(record.where(thisId)),
    insert: compile(
      dialect.conflictClause ? insert.onConflict(on => on.column('session_key').doNothing()) : insert,
    ),
    replace: compile(update.set(row)),
    touch: compile(update.set({ expire_date: slot('expires') })),
    remove: compile(remove),
    removeVersion: compile(remove.where(thisVersion)),

    firstPage: compile(page),
    nextPage: compile(page.where('session_key', '>', slot('after'))),
    firstOfSubject: compile(page.where(ofSubject)),
    nextOfSubject: compile(page.where(ofSubject).where('session_key', '>', slot('after'))),
    removeSubject: compile(removeSubject),
    removeSubjectExcept: compile(removeSubject.where(butThis)),
    anyOfSubject: compile(anyOfSubject),
    anyOfSubjectExcept: compile(anyOfSubject.where(butThis)),

    /** Rows that are live, or expired, up to `capacity`. A database reads no more of the index than that. */
    countLive: (capacity: number) => compile(counted('>', capacity)),
    countExpired: (capacity: number) => compile(counted('<=', capacity)),

    /**
     * The ids and dates of up to `capacity` expired rows, oldest first. It starts where the page before ended. Otherwise
     * PostgreSQL would read the index entries of all removed rows again for each page.
     */
    expired: (capacity: number) =>
      compile(
        db
          .selectFrom(sessions)
          .select(['session_key as id', expires])
          .where('expire_date', '<=', slot('now'))
          .where('expire_date', '>=', slot('after'))
          .orderBy('expire_date')
          .limit(sql.lit(capacity)),
      ),
    /** Removes these rows by primary key, except those that were renewed since they were found. */
    removeExpired: (ids: readonly string[]) =>
      compile(
        db
          .deleteFrom(sessions)
          .where('session_key', 'in', filled(ids))
          .where('expire_date', '<=', slot('now')),
      ),
  }
}

/**
 * The next power of two. Batches of different sizes share the statement of their capacity, because a server keeps each
 * prepared text. MySQL allows 16,382 of them for all applications together.
 */
export function capacityOf(size: number): number {
  return 2 ** Math.ceil(Math.log2(size))
}

/** The list, filled up to its capacity with copies of the last entry. */
function filled(ids: readonly string[]): string[] {
  return Array.from({ length: capacityOf(ids.length) }, (_, n) => ids[n] ?? ids.at(-1)!)
}

/** Statements that create the table, or the parts that `dialect.introspect` did not find. */
export function missingParts(dialect: Dialect, layout: Layout, found: readonly Found[]): Statement[] {
  const { table, subject } = layout
  const schema = builder(dialect, layout).schema
  const has = (kind: Found['kind'], name: string) =>
    found.some(part => part.kind === kind && part.name === name)
  const statements: Statement[] = []

  if (found.length === 0) {
    let create = schema
      .createTable(table)
      .addColumn('session_key', 'varchar(40)', column => column.notNull().primaryKey())
      .addColumn('session_data', dialect.types.payload, column => column.notNull())
      .addColumn('expire_date', dialect.types.expires, column => column.notNull())
    if (subject) create = create.addColumn('subject', dialect.types.subject)
    if (dialect.tableOptions) create = create.modifyEnd(dialect.tableOptions)
    statements.push(compile(create))
  } else if (subject && !has('column', 'subject')) {
    statements.push(compile(schema.alterTable(table).addColumn('subject', dialect.types.subject)))
  }
  if (!has('index', 'expire_date')) {
    statements.push(compile(schema.createIndex(`${table}_expire_date`).on(table).column('expire_date')))
  }
  if (subject && !has('index', 'subject')) {
    // With the key, so that a page of a subject's sessions is read from the index in order.
    const index = schema.createIndex(`${table}_subject`).on(table).columns(['subject', 'session_key'])
    statements.push(compile(dialect.partialIndexes ? index.where('subject', 'is not', null) : index))
  }
  return statements
}

/** A row of `dialect.introspect`. */
export interface Found {
  kind: 'column' | 'index'
  name: string
}

/** Compiles a statement that only one dialect has. */
export function compileRaw(dialect: Dialect, statement: RawBuilder<unknown>): Statement {
  return compile({ compile: () => statement.compile(compilerOnly(dialect)) })
}

function builder(dialect: Dialect, { schema }: Layout) {
  const db = compilerOnly(dialect)
  return schema === undefined ? db : db.withSchema(schema)
}

function compilerOnly(dialect: Dialect): Kysely<{ sessions: Sessions }> {
  return new Kysely({
    dialect: {
      createAdapter: dialect.adapter,
      createDriver: () => new DummyDriver(),
      createIntrospector: () => {
        throw new Error('This Kysely only compiles.')
      },
      createQueryCompiler: dialect.compiler,
    },
  })
}

function compile(query: Compilable): Statement {
  const { sql: text, parameters } = query.compile()
  return { sql: text, parameters, reader: /^\s*select/i.test(text) }
}
