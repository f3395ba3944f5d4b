import type { MaybePromise } from '@sess/core'
import { abortable } from '@sess/core/store'
import { GivenUpCalls, noConnection } from './given-up.ts'
import { migrate } from './migrate.ts'
import type { Result, Runner } from './runner.ts'

/** A connection that was taken from a pool. */
export interface Connection {
  execute(sql: string, parameters: readonly unknown[]): Promise<Result>
  /** Gives the connection back to the pool, or closes it if it is not usable any more. */
  release(usable: boolean): void
}

/**
 * Runs statements on a pool. Kysely's own execution is not used for two reasons. A call that was given up must close its
 * connection, because a frozen server would soon hold the whole pool. And Kysely reports late failures on the console.
 *
 * @param isReply whether the error is the server's reply to a statement, after which the connection is usable
 */
export function pooledRunner(
  connect: () => PromiseLike<Connection>,
  isReply: (error: unknown) => boolean,
  close: () => MaybePromise<void>,
): Runner {
  const waits = new GivenUpCalls()

  async function withConnection<T>(
    signal: AbortSignal | undefined,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const connection = await waits.waitFor(connect, signal, {
      late: connection => connection.release(true),
      cause: noConnection,
    })
    // While a statement runs, and after it was given up, the connection is not idle. It is closed then.
    let isIdle = true
    try {
      signal?.throwIfAborted()
      isIdle = false
      const result = await abortable(work(connection), signal)
      isIdle = true
      return result
    } catch (error) {
      isIdle ||= isReply(error)
      throw error
    } finally {
      connection.release(isIdle)
    }
  }

  return {
    runOnDriver: ({ sql }, parameters, signal) =>
      withConnection(signal, connection => connection.execute(sql, parameters)),
    migrate: (dialect, layout) =>
      withConnection(undefined, connection =>
        migrate(({ sql }, parameters) => connection.execute(sql, parameters), dialect, layout),
      ),
    close,
  }
}
