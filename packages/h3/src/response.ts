import { type CommitResult, SessionCommittedError } from '@sess/core'
import { privateCache, varyByCookie } from '@sess/core/adapter'
import { type H3Event, HTTPError, type HTTPResponse, sanitizeStatusCode } from 'h3'

// What h3 marks values and properties with, and does not export.
const NOT_FOUND = Symbol.for('h3.notFound')
/** A Node handler (`fromNodeHandler`) has answered by itself. */
const HANDLED = Symbol.for('h3.handled')
const HTTP_RESPONSE = Symbol.for('h3.HTTPResponse')
const HEADERS = Symbol.for('h3.internal.event.res.headers')

/** What h3 answers with when a handler returns this: any error becomes an HTTPError, all else stays. */
export function outcomeOf(returned: unknown): unknown {
  if (!(returned instanceof Error) || HTTPError.isError(returned)) return returned
  try {
    return new HTTPError(returned)
  } catch {
    // What h3 cannot make an error of (its `headers` are none, say) it answers like any other mistake.
    return new HTTPError({ status: 500 })
  }
}

/** What h3 answers with when a handler throws this (its `toError`): a number is a status, and all else that is no error, a `Response` too, a 500. */
export function outcomeOfThrown(thrown: unknown): unknown {
  const asIfReturned = thrown instanceof Error || thrown === NOT_FOUND || thrown === HANDLED
  if (asIfReturned) return outcomeOf(thrown)
  return new HTTPError({ status: typeof thrown === 'number' ? thrown : 500 })
}

/** The status that h3 gives an outcome (its `prepareResponse`), unless the app's `onError` changes it. */
export function statusOf(event: H3Event, outcome: unknown): number {
  if (outcome instanceof Response || HTTPError.isError(outcome)) return outcome.status
  if (outcome === NOT_FOUND) return 404
  if (outcome === HANDLED) return event.runtime?.node?.res?.statusCode ?? 200
  return sanitizeStatusCode((isHTTPResponse(outcome) && outcome.status) || event.res.status)
}

/**
 * h3 answers with `res.headers` or, to errors and to a `Response` of 400 and up, with `res.errHeaders`; so both get ours.
 * h3 lets ours replace the outcome's `Vary` and `Cache-Control`, so these are merged here.
 */
export function addSessionHeaders(event: H3Event, committed: CommitResult, outcome: unknown): void {
  const { setCookies, vary, private: isPrivate } = committed
  // h3 makes headers when first asked for them, and is quicker without.
  if (setCookies.length === 0 && !vary && !isPrivate) return
  if (outcome === HANDLED) {
    // The browser will not hear of its cookie.
    if (setCookies.length > 0) throw new SessionCommittedError()
    return
  }
  const outcomeHeaders = headersOf(outcome)
  for (const headers of [event.res.headers, event.res.errHeaders]) {
    const current = (name: string): string | undefined =>
      headers.get(name) ?? outcomeHeaders?.get(name) ?? undefined
    for (const cookie of setCookies) headers.append('set-cookie', cookie)
    if (vary) headers.set('vary', varyByCookie(current('vary')))
    if (isPrivate) headers.set('cache-control', privateCache(current('cache-control')))
  }
}

function headersOf(outcome: unknown): Headers | undefined {
  const hasHeaders = outcome instanceof Response || HTTPError.isError(outcome) || isHTTPResponse(outcome)
  // Whoever sets an error's by hand may set something else.
  return hasHeaders && outcome.headers instanceof Headers ? outcome.headers : undefined
}

/** By its mark, for there may be a second copy of h3. */
export function isHTTPResponse(value: unknown): value is HTTPResponse {
  return (value as { [HTTP_RESPONSE]?: boolean } | null | undefined)?.[HTTP_RESPONSE] === true
}

/**
 * Notes what the middlewares above have said of the response; returns a function that says it again, for a middleware
 * above or an `onError` that answers with a value. `errHeaders`, meant for errors, stay.
 */
export function snapshotOf(event: H3Event): () => void {
  const above: H3Event['res'] & { [HEADERS]?: Headers } = event.res
  const { status, statusText } = above
  // Not `res.headers`: asking would make them.
  const headers = [...(above[HEADERS] ?? [])]
  return () => {
    // Another object, if a middleware has made a Response of what there was.
    const { res } = event
    Object.assign(res, { status, statusText })
    for (const name of [...res.headers.keys()]) res.headers.delete(name)
    for (const [name, value] of headers) res.headers.append(name, value)
    if (res === above) return
    for (const [name, value] of above.errHeaders) {
      // Another engine may have come here before.
      if (name !== 'set-cookie') res.errHeaders.set(name, value)
      else if (!res.errHeaders.getSetCookie().includes(value)) res.errHeaders.append(name, value)
    }
  }
}
