import { type H3Event, HTTPError, type HTTPResponse, sanitizeStatusCode } from 'h3'

// The marks of h3's own values. h3 does not export them.
/** No handler has responded. */
const NOT_FOUND = Symbol.for('h3.notFound')
/** A Node handler (`fromNodeHandler`) has responded by itself. */
export const HANDLED = Symbol.for('h3.handled')
const HTTP_RESPONSE = Symbol.for('h3.HTTPResponse')

/** What h3 sends when a handler returns this: any error becomes an HTTPError, everything else stays. */
export function outcomeOfReturned(returned: unknown): unknown {
  if (!(returned instanceof Error) || HTTPError.isError(returned)) return returned
  try {
    return new HTTPError(returned)
  } catch {
    // If h3 cannot make an HTTPError of it (its `headers` are none, say), it sends a 500.
    return new HTTPError({ status: 500 })
  }
}

/**
 * What h3 sends when a handler throws this (its `toError`). Errors, and h3's own marks, count as if they were returned. A
 * number is a status. Anything else is a 500, a `Response` too.
 */
export function outcomeOfThrown(thrown: unknown): unknown {
  const asIfReturned = thrown instanceof Error || thrown === NOT_FOUND || thrown === HANDLED
  if (asIfReturned) return outcomeOfReturned(thrown)
  return new HTTPError({ status: typeof thrown === 'number' ? thrown : 500 })
}

/** The status that h3 gives an outcome (its `prepareResponse`), unless the app's `onError` changes it. */
export function statusOf(event: H3Event, outcome: unknown): number {
  if (outcome instanceof Response || HTTPError.isError(outcome)) return outcome.status
  if (outcome === NOT_FOUND) return 404
  if (outcome === HANDLED) return event.runtime?.node?.res?.statusCode ?? 200
  return sanitizeStatusCode((isHTTPResponse(outcome) && outcome.status) || event.res.status)
}

/** The headers that an outcome brings along. */
export function headersOf(outcome: unknown): Headers | undefined {
  const hasHeaders = outcome instanceof Response || HTTPError.isError(outcome) || isHTTPResponse(outcome)
  // The application may have set `error.headers` to anything.
  return hasHeaders && outcome.headers instanceof Headers ? outcome.headers : undefined
}

/** By its mark, because there may be a second copy of h3. */
export function isHTTPResponse(value: unknown): value is HTTPResponse {
  return (value as { [HTTP_RESPONSE]?: boolean } | null | undefined)?.[HTTP_RESPONSE] === true
}
