import { safeCause } from './store-error.ts'

/** The stable names of what can go wrong. Codes are API, messages are not. */
export type SessionErrorCode =
  | 'SESSION_INTERRUPTED'
  | 'SESSION_CONFLICT'
  | 'SESSION_STORE'
  | 'SESSION_NOT_LOADED'
  | 'SESSION_COMMITTED'
  | 'SESSION_DATA'
  | 'SESSION_EXISTS'
  | 'SESSION_LIMIT'
  | 'BAD_SIGNATURE'
  | 'SIGNATURE_EXPIRED'
  | 'CONFIG'

/**
 * The class of every error of Sess. Tell them apart by `code`: two copies of this package defeat `instanceof`.
 * No message holds a session key, a secret or session data.
 */
export class SessionError extends Error {
  /** Stable, one per class. */
  declare readonly code: SessionErrorCode
  /** The HTTP status that fits. Express, Koa and h3 respond with it by themselves. */
  declare readonly status: number

  /** The same as `status`, under the name that NestJS and `http-errors` use. */
  declare readonly statusCode: number
  /** Whether the message may be shown to a client, as http-errors has it: below 500. NestJS 12 goes by it. */
  declare readonly expose: boolean

  /** `kind`: the class's name without `Error`. In capitals it is the code. */
  constructor(kind: string, status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = kind.replace(/\B[A-Z]/g, '_$&').toUpperCase() as SessionErrorCode
    this.status = this.statusCode = status
    this.expose = status < 500
    // As text, because a minifier that renames classes must not rename errors.
    this.name = `${kind}Error`
  }
}

/** The session ended in another request (logout, rotation) while this one was under way (Django SessionInterrupted). */
export class SessionInterruptedError extends SessionError {
  constructor(message = 'Another request ended the session; nothing was saved. Repeat the request.') {
    super('SessionInterrupted', 400, message)
  }
}

/**
 * Another request changed the session, and it could not be saved after that within `timeout`. Or `onConflict` is `'error'`,
 * and both requests replaced one value. Or a login with `maxSessions` took longer than `timeout`.
 */
export class SessionConflictError extends SessionError {
  constructor(message: string) {
    super('SessionConflict', 503, message)
  }
}

/** The store failed, or did not respond within `timeout`. `cause` has its own error. */
export class SessionStoreError extends SessionError {
  constructor(message: string, options?: ErrorOptions) {
    super('SessionStore', 503, message, options)
  }
}

/** The session was used before `await session.load()`. */
export class SessionNotLoadedError extends SessionError {
  constructor() {
    super('SessionNotLoaded', 500, 'The session is not loaded. Call `await session.load()` first.')
  }
}

/** The session was changed after it was committed, or while `save()` was under way: the change would be lost. */
export class SessionCommittedError extends SessionError {
  constructor(
    message = 'The response has begun, so the session is committed. Change it before that. A job that saves later opens the session anew: sessions.open(cookieHeader), await session.load(), change it, await sessions.commit(session, { status: 200 }).',
  ) {
    super('SessionCommitted', 500, message)
  }
}

/** A value cannot be stored, or there is too much data. */
export class SessionDataError extends SessionError {
  constructor(message: string, options?: ErrorOptions) {
    super('SessionData', 500, message, options)
  }
}

/** `save({ mustCreate: true })` met a session of that key (Django CreateError). */
export class SessionExistsError extends SessionError {
  constructor() {
    super('SessionExists', 500, 'The session exists. Call `create()` for a new key.')
  }
}

/** The subject has `maxSessions` sessions already, and the option says `then: 'refuse'`. Nothing was saved. */
export class SessionLimitError extends SessionError {
  constructor(count: number) {
    super('SessionLimit', 409, `There are ${count} sessions already. End one of them, or log out elsewhere.`)
  }
}

/**
 * An option is wrong: thrown at start-up. Or what is mounted does not fit together (two engines on one property or
 * cookie): thrown on the request. The message names the option and the remedy.
 */
export class ConfigError extends SessionError {
  /** The option's name, such as `cookie.sameSite`. */
  declare readonly option: string

  constructor(option: string, problem: string) {
    super('Config', 500, `${option}: ${problem}`)
    this.option = option
  }
}

/**
 * Turns what a store threw into an error of ours, with a `cause` that is safe to log. A SessionError of the store's own
 * stays, because it says more.
 *
 * @param hidden values that must not be in the cause's message
 */
export function asStoreError(error: unknown, hidden?: readonly (string | undefined)[]): SessionError {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  const name = String(code)
  // By code, because there may be a second copy of these classes. Databases have codes of their own.
  if (/^(SESSION_|CONFIG$)/.test(name)) {
    if (cause !== undefined) (error as SessionError).cause = safeCause(cause, hidden)
    return error as SessionError
  }
  // A name such as ECONNREFUSED helps in logs that leave out the cause. Any other code might hold data.
  const told = /^[A-Z_]+$/.test(name) ? ` (${name})` : ''
  return new SessionStoreError(`The session store failed${told}: see \`cause\`.`, {
    cause: safeCause(error, hidden),
  })
}
