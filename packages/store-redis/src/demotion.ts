/** A connection is renewed once in so many milliseconds, because other users of the client lose what is under way. */
const RENEW_EVERY_MS = 5_000

/**
 * Sends, and when the server has become a replica meanwhile (a planned failover: `READONLY`), renews the connection and
 * sends once more. The host name or the address in front of the servers leads to the new primary by then, but a client
 * keeps the connection that it has.
 */
export function renewingOnDemotion(renew: () => unknown): <T>(send: () => Promise<T>) => Promise<T> {
  let renewedAt = Number.NEGATIVE_INFINITY
  let renewing: Promise<unknown> = Promise.resolve()

  return async send => {
    const sentAt = performance.now()
    try {
      return await send()
    } catch (error) {
      // Redis 6 wraps it: `ERR Error running script …: -READONLY …`.
      if (!(error instanceof Error && /\bREADONLY\b/.test(error.message))) throw error
      const now = performance.now()
      if (renewedAt < sentAt) {
        if (now - renewedAt < RENEW_EVERY_MS) throw error
        renewedAt = now
        // If that fails, the connection was lost already.
        renewing = Promise.resolve(renew()).catch(() => undefined)
      }
      await renewing
      return await send()
    }
  }
}
