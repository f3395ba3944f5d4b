import { type Check, flag, type Table, textLike } from '@sess/core/store'

/** Which table the sessions are in. */
export interface TableOptions {
  /** A letter or `_`, then up to 49 letters, digits and `_`. Default `'sessions'`; Django's is `'django_session'`. */
  table?: string | undefined
  /**
   * The schema (PostgreSQL) or database (MySQL) of the table. It must exist; its name follows the rule of `table`. Default:
   * that of the connection.
   */
  schema?: string | undefined
  /**
   * `false` for a table without the `subject` column, such as Django's own. Sessions can then be neither listed nor
   * removed by subject. Default `true`.
   */
  subject?: boolean | undefined
}

// PostgreSQL cuts a name after 63 bytes without an error; `<table>_expire_date` must fit.
const NAME: Check = textLike(
  /^[A-Za-z_][A-Za-z0-9_]{0,49}$/,
  'a letter or _, then up to 49 letters, digits or _',
)

export const TABLE_OPTIONS: Table<TableOptions> = {
  table: ['sessions', NAME],
  schema: [undefined, NAME],
  subject: [true, flag],
}
