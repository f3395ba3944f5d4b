import { type MaybePromise, SessionStoreError, safeCause } from '@sess/core'
import { explain, pause } from '@sess/core/store'
import { ForeignTransactionError } from './foreign-transaction.ts'
import { BUSY_LIMIT_MS, type Result } from './runner.ts'
import type { Statement } from './statements.ts'

/** The most writes in one transaction, so that other processes get their turn. */
const MOST_AT_ONCE = 100

interface Waiting {
  statement: Statement
  parameters: readonly unknown[]
  since: number
  resolve(result: Result): void
  reject(error: unknown): void
  /** Removes the listener on the caller's signal. */
  unlisten(): void
}

/** The database operations of the queue. Each throws SQLite's error. */
export interface Writer {
  execute(statement: Statement, parameters: readonly unknown[]): Result
  begin(): void
  commit(): void
  rollback(): void
  inTransaction(): boolean
  isBusy(error: unknown): boolean
}

/**
 * The writes of one process to a file that other processes write, too. A write that finds the file free is done at once.
 * Otherwise writes wait in order, and the queue polls. When the file is free, they are done in one transaction, with one
 * fsync. If each write polled by itself, polling would take more time than writing.
 */
export class WriteQueue {
  #writer: Writer
  #waiting: Waiting[] = []
  #lastError: unknown
  /** Also for a moment in which no write waits, because all were given up. */
  #isPolling = false

  constructor(writer: Writer) {
    this.#writer = writer
  }

  /** Carries out a write, at once if the file is free. */
  add(statement: Statement, parameters: readonly unknown[], signal?: AbortSignal): MaybePromise<Result> {
    if (this.#waiting.length > 0) return this.#wait(statement, parameters, signal)
    try {
      return this.#writer.execute(statement, parameters)
    } catch (error) {
      if (!this.#writer.isBusy(error)) throw error
      this.#lastError = error
      const result = this.#wait(statement, parameters, signal)
      if (!this.#isPolling) void this.#poll()
      return result
    }
  }

  #wait(statement: Statement, parameters: readonly unknown[], signal?: AbortSignal): Promise<Result> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting = this.#waiting.filter(other => other !== waiting)
        explain(signal?.reason, () => safeCause(this.#lastError))
        reject(signal?.reason)
      }
      const unlisten = () => signal?.removeEventListener('abort', abort)
      const waiting: Waiting = { statement, parameters, since: Date.now(), resolve, reject, unlisten }
      this.#waiting.push(waiting)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  async #poll(): Promise<void> {
    this.#isPolling = true
    let rest = 1 + Math.random() * 3
    while (this.#waiting.length > 0) {
      await pause(rest)
      const started = performance.now()
      rest = 1 + Math.random() * 2
      try {
        if (this.#waiting.length > 0) this.#writer.begin()
      } catch (error) {
        this.#lastError = error
        if (this.#writer.isBusy(error)) this.#giveUpLate(error)
        else this.#rejectAll(this.#waiting.splice(0), error)
        continue
      }
      if (this.#waiting.length > 0) this.#writeTogether(this.#waiting.splice(0, MOST_AT_ONCE))
      // The other processes get as much time as this one took.
      rest = performance.now() - started
    }
    this.#isPolling = false
  }

  #writeTogether(group: Waiting[]): void {
    const outcomes: (() => void)[] = []
    for (const { statement, parameters, resolve, reject } of group) {
      try {
        const result = this.#writer.execute(statement, parameters)
        outcomes.push(() => resolve(result))
      } catch (error) {
        // A full disk rolls back the transaction. Any other error undoes only this statement.
        if (!this.#writer.inTransaction()) {
          this.#writer.rollback()
          this.#rejectAll(group, error)
          return
        }
        outcomes.push(() => reject(error))
      }
    }
    try {
      this.#writer.commit()
    } catch (error) {
      this.#writer.rollback()
      this.#rejectAll(group, error)
      return
    }
    for (const { unlisten } of group) unlisten()
    for (const settle of outcomes) settle()
  }

  #giveUpLate(cause: unknown): void {
    const late = this.#waiting.filter(({ since }) => Date.now() - since >= BUSY_LIMIT_MS)
    if (late.length === 0) return
    this.#waiting = this.#waiting.filter(waiting => !late.includes(waiting))
    if (cause instanceof ForeignTransactionError) {
      // Not the error itself, which would be retried.
      this.#rejectAll(late, new SessionStoreError(cause.message))
      return
    }
    const message = `The SQLite file was busy for ${BUSY_LIMIT_MS / 1000} s because others were writing. Try again.`
    this.#rejectAll(late, new SessionStoreError(message, { cause: safeCause(cause) }))
  }

  #rejectAll(group: Waiting[], error: unknown): void {
    for (const { unlisten, reject } of group) {
      unlisten()
      reject(error)
    }
  }
}
