import { type MaybePromise, SessionStoreError, type StoreContext, safeCause } from '@sess/core'
import type { Dialect } from './dialects.ts'
import { bind, type Layout, type Statement, type Values } from './statements.ts'

export interface Answer {
  readonly rows: readonly unknown[]
  /** Rows inserted, updated or deleted. MySQL may leave out rows that an update found but did not change. */
  readonly changes: number
}

export type Execute = (
  statement: Statement,
  parameters: readonly unknown[],
  signal?: AbortSignal,
) => MaybePromise<Answer>

/** A way to a database: one per driver. Each statement is a transaction of its own. */
export interface Runner {
  readonly execute: Execute
  /** `migrate` of `migrate.ts`, on one connection. */
  migrate(dialect: Dialect, layout: Layout): MaybePromise<void>
  /** Closes what the runner itself opened. */
  close(): MaybePromise<void>
}

export type Run = (
  statement: Statement,
  values: Values,
  context: StoreContext | undefined,
) => MaybePromise<Answer>

/** How long a statement is tried again while the database is busy, when no signal ends it earlier. */
export const BUSY_LIMIT_MS = 5_000

/** Executes statements, tries again what is safe to try again, and says what to do about a missing table. */
export function patiently(runner: Runner, dialect: Dialect, table: string): Run {
  return (statement, values, context) => {
    const signal = context?.signal
    const parameters = bind(statement, values)
    let started: number | undefined
    let attempts = 0
    let lost = false

    function attempt(): MaybePromise<Answer> {
      signal?.throwIfAborted()
      try {
        const answer = runner.execute(statement, parameters, signal)
        return isThenable(answer) ? answer.then(undefined, recover) : answer
      } catch (error) {
        return recover(error)
      }
    }

    function recover(error: unknown): MaybePromise<Answer> {
      signal?.throwIfAborted()
      const trouble = dialect.trouble(error)
      if (trouble === 'busy') {
        started ??= Date.now()
        if (attempts < dialect.busyRetries && Date.now() - started < BUSY_LIMIT_MS) {
          attempts += 1
          const ms = 1 + Math.random() * Math.min(2 ** attempts, 16)
          return pause(ms, signal, () => withoutData(error)).then(attempt)
        }
      }
      // Only what changes nothing: of a write nobody knows whether it was carried out.
      if (trouble === 'lost' && statement.reader && !lost) {
        lost = true
        return attempt()
      }
      if (trouble === 'duplicate') return { rows: [], changes: 0 }
      if (trouble === 'no table' || trouble === 'no column') {
        const missing = trouble === 'no table' ? `Table "${table}"` : `A column of table "${table}"`
        const remedy = trouble === 'no table' ? '' : ', or pass `subject: false`'
        throw new SessionStoreError(`${missing} is missing. Run \`await store.migrate()\` once${remedy}.`, {
          cause: withoutData(error),
        })
      }
      // What is thrown here is an error of ours already.
      throw error instanceof SessionStoreError ? error : withoutData(error)
    }

    /** Drivers attach the statement and its parameters, and quote values in the message. */
    function withoutData(error: unknown): Error {
      const { id, payload, subject, version } = values
      return safeCause(error, [id, payload, subject ?? undefined, version])
    }

    return attempt()
  }
}

/** `next(value)`, at once if `value` is there already. */
export function chain<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isThenable(value) ? value.then(next) : next(value)
}

function isThenable<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}

/** Resolves after `ms`, and rejects with the signal's reason when that is aborted first; `cause`: why it waited. */
export function pause(ms: number, signal?: AbortSignal, cause?: () => Error | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }
    const abort = () => {
      clearTimeout(timer)
      explain(signal?.reason, cause)
      reject(signal?.reason)
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/**
 * What `work` comes to, unless the signal is aborted first: then its reason. A client that a frozen server keeps waiting
 * must not keep us waiting.
 *
 * An answer that has arrived already wins over the signal: Node runs timers before it reads sockets, so after a long
 * computation (or SIGSTOP) a deadline would fire although everything is there.
 */
export function abortable<T>(
  work: PromiseLike<T>,
  signal: AbortSignal | undefined,
  options: {
    /** Gets the value that comes after the signal. */
    late?: (value: T) => void
    /** Why it takes so long, for the `cause` of the signal's reason. */
    cause?: () => Error | undefined
  } = {},
): Promise<T> {
  if (signal === undefined) return Promise.resolve(work)
  return new Promise((resolve, reject) => {
    let gaveUp = false
    const giveUp = () => {
      gaveUp = true
      reject(signal.reason)
    }
    const abort = () => {
      // At once, because the engine does not wait for us: its error is this reason.
      explain(signal.reason, options.cause)
      setImmediate(() => setImmediate(giveUp))
    }
    const done = () => signal.removeEventListener('abort', abort)
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', abort, { once: true })
    work.then(
      value => {
        done()
        if (gaveUp) options.late?.(value)
        else resolve(value)
      },
      error => {
        done()
        reject(error)
      },
    )
  })
}

/** Gives the reason of a signal a `cause`, if it is an error that has none. */
export function explain(reason: unknown, cause: (() => Error | undefined) | undefined): void {
  if (!(reason instanceof Error) || reason.cause !== undefined || !Object.isExtensible(reason)) return
  const found = cause?.()
  if (found) reason.cause = found
}
