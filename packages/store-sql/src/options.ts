import { ConfigError } from '@sess/core'
import type { Layout } from './statements.ts'

/** Which table. */
export interface TableOptions {
  /** A letter or `_`, then up to 49 letters, digits and `_`. Default `'sessions'`; Django's is `'django_session'`. */
  table?: string | undefined
  /**
   * The schema (PostgreSQL) or database (MySQL) of the table, spelled like a table. Default: the connection's own.
   * It must exist.
   */
  schema?: string | undefined
  /**
   * `false` for a table without the `subject` column, such as Django's as it is: sessions can then be neither listed
   * nor removed by subject. Default `true`.
   */
  subject?: boolean | undefined
}

// Short enough that `<table>_expire_date` fits the 63 bytes of a PostgreSQL name, which it would cut without a word.
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,49}$/

/** @throws ConfigError for an unknown option, a wrong type, or a name that is not one. */
export function layoutOf(options: TableOptions, known: readonly string[]): Layout {
  for (const option of Object.keys(options)) {
    if (!known.includes(option))
      throw new ConfigError(option, `unknown option. Known are ${known.join(', ')}.`)
  }
  const { table = 'sessions', schema, subject = true } = options
  checkName('table', table)
  if (schema !== undefined) checkName('schema', schema)
  if (typeof subject !== 'boolean') throw new ConfigError('subject', 'must be true or false.')
  return { table, schema, subject }
}

function checkName(option: string, name: unknown): void {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new ConfigError(option, 'must be a letter or _, then up to 49 letters, digits or _.')
  }
}
