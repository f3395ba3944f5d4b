/** How the command ended, as an exit code. */
export type ExitCode = 0 | 1 | 2 | 3 | 130

/** What a command found wrong: no such session, no such table, a bad signature. */
export const WRONG = 1
/** The command was used wrongly: an unknown option, a value that is none. */
export const MISUSED = 2
/** The store cannot be reached, or does not let us in. */
export const UNREACHABLE = 3
/** Stopped by Ctrl-C, as shells have it: 128 and the signal's number. */
export const STOPPED = 130

/** An error that the user can act on: one sentence with the remedy, and the exit code. */
export class Failure extends Error {
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Failure'
    this.exitCode = exitCode
  }
}

const NO_HOST = /^(ENOTFOUND|EAI_AGAIN)$/
const UNREACHED =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|PROTOCOL_CONNECTION_LOST|08\d\d\d|57P0[123]|53300)$/
// PostgreSQL, MySQL and Redis, each for a wrong password or user.
const NOT_LET_IN =
  /^(28P01|28000|ER_ACCESS_DENIED_ERROR|ER_DBACCESS_DENIED_ERROR|ER_NOT_SUPPORTED_AUTH_MODE)$/
const NO_PERMISSION = /^(42501|ER_TABLEACCESS_DENIED_ERROR|ER_COLUMNACCESS_DENIED_ERROR|EACCES|EPERM|EROFS)$/
/** Matches none: the message alone tells. */
const NO_CODE = /(?!)/
const NO_DATABASE = /^(3D000|ER_BAD_DB_ERROR)$/
const NO_TABLE = /^(42P01|3F000|ER_NO_SUCH_TABLE)$/

/** The failure that an error of a store, a driver or the engine amounts to. Its message holds no address or password. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error
  const chain = causesOf(error)
  const found = (pattern: RegExp, message?: RegExp) =>
    chain.find(each => pattern.test(each.code) || (message?.test(each.message) ?? false))

  const nameless = found(NO_HOST)
  if (nameless) {
    return new Failure(
      UNREACHABLE,
      `The host name of the store is unknown (${nameless.code}). Correct it in --store.`,
    )
  }
  const gone = found(UNREACHED, /^Connection terminated|^timeout expired|Socket closed|connection is closed/i)
  if (gone) {
    const word = gone.code && !gone.code.startsWith('0') ? ` (${gone.code})` : ''
    return new Failure(
      UNREACHABLE,
      `The store cannot be reached${word}. Start its server, or correct the host and port in --store.`,
    )
  }
  if (found(NOT_LET_IN, /^(WRONGPASS|NOAUTH)\b/)) {
    return new Failure(
      UNREACHABLE,
      'The server does not accept this user and password. Correct them in SESS_STORE.',
    )
  }
  if (found(NO_DATABASE)) {
    return new Failure(UNREACHABLE, 'The server has no such database. Correct its name in --store.')
  }
  const forbidden = found(NO_PERMISSION, /^NOPERM\b|readonly database|read-only|unable to open database file/)
  if (forbidden) {
    return new Failure(
      UNREACHABLE,
      `Permission denied${forbidden.code ? ` (${forbidden.code})` : ''}. Run sess as the user that owns the sessions, or grant this one access.`,
    )
  }
  if (found(NO_TABLE, /no such table/)) {
    return new Failure(WRONG, 'The table is missing. Run `sess migrate`, or name another with --table.')
  }
  if (found(NO_CODE, /file is not a database/)) {
    return new Failure(WRONG, 'The file is no SQLite database. Name another in --store.')
  }
  const [first] = chain
  if (first?.code === 'CONFIG') return new Failure(MISUSED, first.message)
  const last = chain.at(-1)?.message ?? String(error)
  return new Failure(WRONG, last)
}

interface Cause {
  code: string
  message: string
}

/** The error, what it was caused by, and what it sums up (AggregateError). */
function causesOf(error: unknown, depth = 0): Cause[] {
  if (typeof error !== 'object' || error === null || depth > 5) return []
  const { code, message, cause, errors } = error as {
    code?: unknown
    message?: unknown
    cause?: unknown
    errors?: unknown
  }
  const parts = Array.isArray(errors) ? errors : []
  return [
    { code: String(code ?? ''), message: String(message ?? '') },
    ...parts.flatMap(each => causesOf(each, depth + 1)),
    ...causesOf(cause, depth + 1),
  ]
}
