import type { MaybePromise, Session } from '@sess/core'
import type { ProbeAnswer } from './probe-routes.ts'

/**
 * What a middleware of the probe app does, in no framework's words. If it throws, let the framework have the error.
 *
 * @param query of the request's address
 * @param session the session, where the middleware is below that of the session
 */
export type ProbeHook = (query: URLSearchParams, session?: Session | null) => MaybePromise<ProbeStep>

/** What a middleware of the probe app has to do. */
export interface ProbeStep {
  /** Add these to the response, in order. A name may come several times: append each. */
  headers: ProbeAnswer['headers']
  /** Respond with this, with the headers above, and pass the request on to nobody. */
  answer?: { status: number; body: string }
  /**
   * Call it when the rest of the app has responded, and add these headers, too. If it throws, let the framework have the error.
   * Leave the call out if a middleware of the framework does not get the request back.
   */
  after?: () => ProbeAnswer['headers']
}
