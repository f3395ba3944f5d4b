/** The shortest time between two renewals, because other users of the client lose their running commands. */
const RENEW_EVERY_MS = 5_000

/**
 * Sends a call. If the server has become a replica (`READONLY`, in a planned failover), it renews the connection and sends
 * the call again. The host name then leads to the new primary, but a client by itself keeps its old connection.
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
        // A failure means that the connection is lost already.
        renewing = Promise.resolve(renew()).catch(() => undefined)
      }
      await renewing
      return await send()
    }
  }
}
