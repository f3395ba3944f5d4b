import {
  type Expression,
  MysqlAdapter,
  MysqlQueryCompiler,
  PostgresAdapter,
  PostgresQueryCompiler,
  type QueryCompiler,
  type RawBuilder,
  SqliteAdapter,
  SqliteQueryCompiler,
  sql,
} from 'kysely'
import { ForeignTransactionError } from './foreign-transaction.ts'

/** The databases that the stores of this package know. */
export type DialectName = 'sqlite' | 'postgres' | 'mysql'

/** The kinds of database errors that are handled. `undefined`: any other error. */
export type Trouble =
  /** The server did not carry it out, because of another transaction (deadlock, lock, serialization). Safe to retry. */
  | 'busy'
  /** The connection broke. It is not known whether the statement was carried out. */
  | 'lost'
  /** The primary key is taken. */
  | 'duplicate'
  | 'no table'
  | 'no column'

/** Sentences about what is wrong. `all` concerns every call, `writes` only writes. */
export interface Verdict {
  all?: string | undefined
  writes?: string | undefined
}

/** The differences between the three databases. */
export interface Dialect {
  readonly name: DialectName
  readonly adapter: () => SqliteAdapter | PostgresAdapter | MysqlAdapter
  readonly compiler: () => QueryCompiler
  /** Column types. Those of `expire_date` and `session_data` are Django's, word for word. */
  readonly types: Readonly<Record<'expires' | 'payload' | 'subject', RawBuilder<unknown>>>
  /** The end of CREATE TABLE, after the column list. */
  readonly tableOptions: RawBuilder<unknown> | undefined
  /** Whether an index can leave out the rows without a subject. */
  readonly partialIndexes: boolean
  /** Whether an insert of a taken id is no error (`on conflict do nothing`). If it is, `runner.ts` counts it as no change. */
  readonly conflictClause: boolean
  /** Whether `=` compares bytes. If not, both sides are also compared as `bytes`. */
  readonly exactEquality: boolean
  bytes(text: Expression<unknown>): Expression<unknown>
  /** `expire_date` in a form that no driver setting and no session time zone changes. */
  readExpiry(column: RawBuilder<unknown>): RawBuilder<unknown>
  /** That form in milliseconds since the epoch, rounded up, so that no session ends too early. */
  parseExpiry(value: unknown): number
  /** Milliseconds since the epoch as a parameter, to write or to compare with. */
  expiry(ms: number): string
  /** Why a text cannot be stored exactly. `undefined` if it can. */
  unstorable(text: string): string | undefined
  /** Selects rows of `kind` ('column' or 'index') and `name`: the table's columns, and the first column of each index. */
  introspect(table: string, schema: string | undefined): RawBuilder<unknown>
  /** Checked before each call until the settings allow writes, if a server can be configured so that data would be lost. */
  readonly check?: {
    question(table: string, schema: string | undefined): RawBuilder<unknown>
    /** Problems with the settings that `question` selected, each with its remedy. */
    verdict(row: Record<string, unknown>): Verdict
  }
  /** The lock around a migration, so that two at once wait for each other. If `begin` selects `locked`, it must be 1. */
  readonly lock: {
    readonly begin: readonly RawBuilder<unknown>[]
    readonly end: readonly RawBuilder<unknown>[]
    readonly abandon: readonly RawBuilder<unknown>[]
  }
  /** Whether only one connection can write at a time. Then a long job pauses for the others. */
  readonly oneWriter: boolean
  /** Default number of rows that `clearExpired` removes in one transaction. */
  readonly batchSize: number
  /** The most retries of a statement after `'busy'`, within `BUSY_LIMIT_MS`. */
  readonly busyRetries: number
  trouble(error: unknown): Trouble | undefined
}

/** Django's text for SQLite: UTC, without `T`, `Z` or an offset, and without a fraction of 0. It is compared as text. */
function djangoText(ms: number): string {
  const iso = new Date(inRange(ms)).toISOString()
  const seconds = `${iso.slice(0, 10)} ${iso.slice(11, 19)}`
  return iso.endsWith('.000Z') ? seconds : `${seconds}.${iso.slice(20, 23)}000`
}

/** Reads what `djangoText` and Django write (up to microseconds). `NaN` for anything else. */
function parseDjangoText(value: unknown): number {
  const parts = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?$/.exec(String(value))
  if (parts === null) return Number.NaN
  const [, date, time, fraction = ''] = parts
  return Date.parse(`${date}T${time}Z`) + Math.ceil(Number(fraction.padEnd(6, '0')) / 1000)
}

// The range that all three databases can hold and that sorts as text.
const EARLIEST = Date.parse('0001-01-01T00:00:00.000Z')
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

/** The nearest instant that the columns can hold. NaN stays NaN, which `expiry` rejects with a `RangeError`. */
export function inRange(ms: number): number {
  return Math.min(Math.max(ms, EARLIEST), LATEST)
}

/** UTF-8 encoders replace a lone surrogate by U+FFFD without an error. */
function whyIllFormed(text: string): string | undefined {
  return text.isWellFormed() ? undefined : 'a lone surrogate, which UTF-8 cannot express'
}

export const sqlite: Dialect = {
  name: 'sqlite',
  adapter: () => new SqliteAdapter(),
  compiler: () => new SqliteQueryCompiler(),
  types: { expires: sql`datetime`, payload: sql`text`, subject: sql`varchar(255)` },
  tableOptions: undefined,
  partialIndexes: true,
  conflictClause: true,
  exactEquality: true,
  bytes: text => text,
  readExpiry: column => column,
  parseExpiry: parseDjangoText,
  expiry: djangoText,
  unstorable: whyIllFormed,
  introspect: table => sql`
    select 'column' as kind, name from pragma_table_info(${table})
    union all
    select 'index', c.name from pragma_index_list(${table}) i, pragma_index_info(i.name) c where c.seqno = 0`,
  lock: { begin: [sql`begin immediate`], end: [sql`commit`], abandon: [sql`rollback`] },
  oneWriter: true,
  batchSize: 250,
  // Writers of one file take turns by polling, so the time is the limit, not the count.
  busyRetries: Number.POSITIVE_INFINITY,
  trouble(error) {
    const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string }
    if (error instanceof ForeignTransactionError) return 'busy'
    // node:sqlite has `errcode`, whose low byte is the primary code (5 BUSY, 6 LOCKED). better-sqlite3 has a name in `code`.
    if (errcode !== undefined && ((errcode & 0xff) === 5 || (errcode & 0xff) === 6)) return 'busy'
    if (typeof code === 'string' && /^SQLITE_(BUSY|LOCKED)/.test(code)) return 'busy'
    if (message?.includes('no such table')) return 'no table'
    if (message !== undefined && /no such column|has no column/.test(message)) return 'no column'
    return undefined
  },
}

export const postgres: Dialect = {
  name: 'postgres',
  adapter: () => new PostgresAdapter(),
  compiler: () => new PostgresQueryCompiler(),
  types: { expires: sql`timestamp with time zone`, payload: sql`text`, subject: sql`varchar(255)` },
  tableOptions: undefined,
  partialIndexes: true,
  conflictClause: true,
  exactEquality: true,
  bytes: text => text,
  // As a number, because the application may have registered a type parser for `timestamptz`.
  readExpiry: column => sql`ceil(extract(epoch from ${column})::numeric * 1000)::float8`,
  parseExpiry: value => inRange(Number(value)),
  expiry: ms => `${djangoText(ms)}+00`,
  unstorable: text =>
    text.includes('\0') ? 'a NUL character, which PostgreSQL cannot store' : whyIllFormed(text),
  introspect(table, schema) {
    const name = [schema, table].filter(part => part !== undefined).map(part => `"${part}"`)
    const relation = sql`to_regclass(${name.join('.')})`
    return sql`
      select 'column' as kind, attname::text as name from pg_attribute
      where attrelid = ${relation} and attnum > 0 and not attisdropped
      union all
      select 'index', a.attname::text from pg_index i
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indrelid = ${relation} and i.indisvalid`
  },
  lock: {
    begin: [sql`begin`, sql`select pg_advisory_xact_lock(hashtext('sess.migrate'))`],
    end: [sql`commit`],
    abandon: [sql`rollback`],
  },
  oneWriter: false,
  batchSize: 1_000,
  busyRetries: 3,
  trouble(error) {
    const { code } = error as { code?: unknown }
    // 40001: serialization failure. 40P01: deadlock.
    if (code === '40001' || code === '40P01') return 'busy'
    // Undefined table (42P01), schema (3F000) and column (42703).
    if (code === '42P01' || code === '3F000') return 'no table'
    if (code === '42703') return 'no column'
    // Class 08: connection exceptions. 57P01 and 57P02: the server was told to stop; 57P03: it is starting.
    if (typeof code === 'string' && /^(08...|57P0[123])$/.test(code)) return 'lost'
    return isSocketError(error) || /^Connection terminated/.test(String((error as Error)?.message))
      ? 'lost'
      : undefined
  },
}

export const mysql: Dialect = {
  name: 'mysql',
  adapter: () => new MysqlAdapter(),
  compiler: () => new MysqlQueryCompiler(),
  types: {
    expires: sql`datetime(6)`,
    payload: sql`longtext`,
    // A table of Django's may have any character set, and a subject any characters.
    subject: sql`varchar(255) character set utf8mb4 collate utf8mb4_bin`,
  },
  // Without it, a database created with latin1 would lose characters (CVE-2015-8562).
  tableOptions: sql`engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin`,
  partialIndexes: false,
  conflictClause: false,
  exactEquality: false,
  // Through utf8mb4, so that a column and a parameter in different character sets still compare.
  bytes: text => sql`cast(convert(${text} using utf8mb4) as binary)`,
  // As text, because mysql2 changes `datetime` by its options `timezone` and `dateStrings`.
  readExpiry: column => sql`cast(${column} as char)`,
  parseExpiry: parseDjangoText,
  expiry: djangoText,
  unstorable: whyIllFormed,
  introspect: (table, schema) => sql`
    select 'column' as kind, column_name as name from information_schema.columns
    where table_schema = coalesce(${schema ?? null}, database()) and table_name = ${table}
    union all
    select 'index', column_name from information_schema.statistics
    where table_schema = coalesce(${schema ?? null}, database()) and table_name = ${table} and seq_in_index = 1`,
  check: {
    question: (table, schema) => sql`
      select @@autocommit as autocommit, @@character_set_client as client, @@sql_mode as mode, data_type as type, character_set_name as charset
      from information_schema.columns
      where table_schema = coalesce(${schema ?? null}, database()) and table_name = ${table}
        and column_name = 'session_data'`,
    verdict({ autocommit, client, mode, type, charset }) {
      // Writes would be rolled back with the connection, and reads would see an old state for ever.
      if (Number(autocommit) !== 1) {
        return {
          all: 'Nothing would be saved: autocommit is off. Set autocommit = 1 on the connections of the store.',
        }
      }
      // CVE-2015-8562, CVE-2016-3171: without strict mode, text that does not fit is cut off without an error.
      const cuts = (problem: string) => ({ writes: `Data could be cut off: ${problem}.` })
      if (client !== 'utf8mb4') return cuts(`the connection uses ${client}. Connect with charset utf8mb4`)
      const strict = /STRICT_(TRANS|ALL)_TABLES/.test(String(mode))
      if (strict || (/^(long|medium)text$/.test(String(type)) && charset === 'utf8mb4')) return {}
      return cuts(
        `session_data is ${type} in ${charset}, and sql_mode is not strict. Add STRICT_ALL_TABLES, or make it longtext in utf8mb4`,
      )
    },
  },
  lock: {
    // No transaction, because every DDL statement of MySQL commits.
    begin: [sql`select get_lock('sess.migrate', 60) as locked`],
    end: [sql`do release_lock('sess.migrate')`],
    abandon: [sql`do release_lock('sess.migrate')`],
  },
  oneWriter: false,
  batchSize: 1_000,
  busyRetries: 3,
  trouble(error) {
    const { code, errno, message } = error as { code?: unknown; errno?: unknown; message?: unknown }
    // 1213: deadlock. 1020: the record has changed since it was read.
    if (errno === 1213 || errno === 1020) return 'busy'
    // 1062: duplicate entry. An error of another unique index says nothing about the key.
    if (errno === 1062 && String(message).includes("PRIMARY'")) return 'duplicate'
    // 1146: no such table. 1049: no such database. 1054: no such column.
    if (errno === 1146 || errno === 1049) return 'no table'
    if (errno === 1054) return 'no column'
    // 1053 server shutdown, 1927 connection killed.
    if (errno === 1053 || errno === 1927 || code === 'PROTOCOL_CONNECTION_LOST') return 'lost'
    return isSocketError(error) ? 'lost' : undefined
  },
}

const SOCKET_ERRORS = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ECONNABORTED', 'ENOTCONN'])

function isSocketError(error: unknown): boolean {
  return SOCKET_ERRORS.has(String((error as { code?: unknown })?.code))
}

export const dialects: Readonly<Record<DialectName, Dialect>> = { sqlite, postgres, mysql }
