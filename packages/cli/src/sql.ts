import { type DialectName, type SqlStore, sqlStore } from '@sess/store-sql'
import { Failure, MISUSED, WRONG } from './failure.ts'

/** A statement on one connection. */
export type Query = (
  sql: string,
  parameters?: readonly unknown[],
) => Promise<{ rows: Record<string, unknown>[]; changes: number }>

/** Which table is meant. */
export interface TableName {
  table: string
  schema: string | undefined
}

/** A SQL store on one connection, and what the commands ask the database besides. */
export interface SqlTarget {
  store: SqlStore
  dialect: DialectName
  query: Query
  name: TableName
  /** The statements that `migrate` would execute, as text. Nothing is changed. */
  pending(): Promise<string[]>
  /** How many rows have expired. */
  countExpired(now: number): Promise<number>
  /** How many rows live. */
  countLive(now: number): Promise<number>
  /** Milliseconds since the epoch, by the server's clock. `undefined`: there is no server. */
  serverTime(): Promise<number | undefined>
}

/**
 * Unlike `sqliteStore(file)`, never creates or changes a table unless `migrate` is called: a command that lists must not
 * write. So the store runs through the interface of a Kysely instance, over one connection of ours.
 */
export function sqlTarget(dialect: DialectName, query: Query, name: TableName, subject: boolean): SqlTarget {
  const options = { dialect, ...name, subject }
  const quoted = quote(dialect, name)
  async function count(comparison: '<=' | '>', now: number): Promise<number> {
    const time = new Date(now).toISOString().replace('T', ' ').replace('Z', '')
    const limit = dialect === 'postgres' ? `timestamptz '${time}+00'` : `'${time}'`
    const { rows } = await query(
      `select count(*) as count from ${quoted} where expire_date ${comparison} ${limit}`,
    )
    return Number(rows[0]?.['count'])
  }
  return {
    store: sqlStore(kyselyOver(query), options),
    dialect,
    query,
    name,
    async pending() {
      const statements: string[] = []
      const record: Query = async (sql, parameters) => {
        // `migrate` looks, locks, looks again and writes. Only the looks are carried out.
        if (/^\s*select/i.test(sql) && !/_lock\(/.test(sql)) return query(sql, parameters)
        if (/^(create|alter)/i.test(sql)) statements.push(sql)
        return { rows: [{ locked: 1 }], changes: 0 }
      }
      await sqlStore(kyselyOver(record), options).migrate()
      return statements
    },
    countExpired: now => count('<=', now),
    countLive: now => count('>', now),
    async serverTime() {
      if (dialect === 'sqlite') return undefined
      const now =
        dialect === 'postgres'
          ? 'extract(epoch from clock_timestamp())::float8 * 1000'
          : 'unix_timestamp(now(6)) * 1000'
      const { rows } = await query(`select ${now} as now`)
      return Number(rows[0]?.['now'])
    },
  }
}

/** The columns of a table, by name; empty if there is no such table. */
export async function columnsOf(
  dialect: DialectName,
  query: Query,
  { table, schema }: TableName,
): Promise<string[]> {
  const found =
    dialect === 'sqlite'
      ? await query('select name from pragma_table_info(?)', [table])
      : dialect === 'postgres'
        ? await query(
            'select attname::text as name from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped',
            [quote('postgres', { table, schema })],
          )
        : await query(
            'select column_name as name from information_schema.columns where table_schema = coalesce(?, database()) and table_name = ?',
            [schema ?? null, table],
          )
  return found.rows.map(row => String(row['name']))
}

/** Throws if the table is missing or is none of sessions. Returns whether it has the column `subject`. */
export async function checkTable(dialect: DialectName, query: Query, name: TableName): Promise<boolean> {
  const columns = await columnsOf(dialect, query, name)
  if (columns.length === 0) {
    const isOurs = name.table === 'sessions' || name.table === 'django_session'
    const other = name.table === 'django_session' ? 'sessions' : 'django_session'
    const there = (await columnsOf(dialect, query, { ...name, table: other })).length > 0
    const hint = !there ? '' : other === 'sessions' ? ' or leave out --django' : ' or add --django'
    const remedy = isOurs
      ? `Run \`sess migrate\`${hint}, or name another with --table.`
      : 'Correct --table, or create the table with `sess migrate`.'
    throw new Failure(WRONG, `There is no table "${name.table}" (or this user may not see it). ${remedy}`)
  }
  for (const column of ['session_key', 'session_data', 'expire_date']) {
    if (!columns.includes(column)) {
      throw new Failure(
        WRONG,
        `Table "${name.table}" has no column "${column}" (or this user may not see it), so it holds no sessions of ours. Name another with --table.`,
      )
    }
  }
  return columns.includes('subject')
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,49}$/

/** The name of the table, with its quotes. Checked, because it becomes part of a statement. */
function quote(dialect: DialectName, { table, schema }: TableName): string {
  const mark = dialect === 'mysql' ? '`' : '"'
  return [schema, table]
    .filter(part => part !== undefined)
    .map(part => mark + part + mark)
    .join('.')
}

export function checkName(option: string, name: string): string {
  if (NAME.test(name)) return name
  throw new Failure(MISUSED, `${option} must be a letter or _, then up to 49 letters, digits or _.`)
}

function kyselyOver(query: Query) {
  const executor = {
    async executeQuery(compiled: never) {
      const { sql, parameters } = compiled as { sql: string; parameters: readonly unknown[] }
      const { rows, changes } = await query(sql, parameters)
      return { rows, numAffectedRows: BigInt(changes) }
    },
  }
  return {
    withoutPlugins: () => ({
      connection: () => ({
        execute: <T>(work: (connection: typeof executor) => Promise<T>) => work(executor),
      }),
    }),
  }
}
