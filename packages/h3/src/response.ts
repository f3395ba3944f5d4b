import { type CommitResult, SessionCommittedError } from '@sess/core'
import { privateCache, varyByCookie } from '@sess/core/adapter'
import { type H3Event, HTTPError, sanitizeStatusCode } from 'h3'

// What h3 marks values and properties with, and does not export.
const NOT_FOUND = Symbol.for('h3.notFound')
/** A Node handler (`fromNodeHandler`) has answered by itself. */
const HANDLED = Symbol.for('h3.handled')
const HTTP_RESPONSE = Symbol.for('h3.HTTPResponse')
const HEADERS = Symbol.for('h3.internal.event.res.headers')

/** The status that h3 will make of what a handler returned (its `prepareResponse`). */
export function statusOf(event: H3Event, value: unknown): number {
  if (value instanceof Response) return value.status
  if (value instanceof Error) return statusOfError(value)
  if (value === NOT_FOUND) return 404
  if (value === HANDLED) return event.runtime?.node?.res?.statusCode ?? 200
  // By its mark, for there may be a second copy of h3.
  const response = value as { status?: number; [HTTP_RESPONSE]?: boolean } | null | undefined
  const own = response?.[HTTP_RESPONSE] === true ? response.status : undefined
  return sanitizeStatusCode(own || event.res.status)
}

/** The status that h3 will make of what a handler threw (its `toError`): of all values only errors and numbers have one. */
export function statusOfThrown(event: H3Event, value: unknown): number {
  if (typeof value === 'number') return sanitizeStatusCode(value, 500)
  const isAnswer = value instanceof Error || value === NOT_FOUND || value === HANDLED
  return isAnswer ? statusOf(event, value) : 500
}

function statusOfError(error: Error): number {
  try {
    return HTTPError.isError(error) ? error.status : new HTTPError(error).status
  } catch {
    // What h3 cannot make an error of (its `headers` are none, say) it answers like any other mistake.
    return 500
  }
}

/**
 * h3 answers with `res.headers` or, to an error, with `res.errHeaders` alone: never with both, so both get ours. They
 * replace the `Vary` and the `Cache-Control` of what the handler returned, so these are merged here.
 */
export function addSessionHeaders(event: H3Event, committed: CommitResult, value: unknown): void {
  const { setCookies, vary, private: isPrivate } = committed
  if (setCookies.length === 0 && !vary && !isPrivate) return
  if (value === HANDLED) {
    // The browser will not hear of its cookie.
    if (setCookies.length > 0) throw new SessionCommittedError()
    return
  }
  const own = (value as { headers?: unknown } | null | undefined)?.headers
  const current = (headers: Headers, name: string): string | undefined =>
    headers.get(name) ?? (own instanceof Headers ? own.get(name) : undefined) ?? undefined
  for (const headers of [event.res.headers, event.res.errHeaders]) {
    for (const cookie of setCookies) headers.append('set-cookie', cookie)
    if (vary) headers.set('vary', varyByCookie(current(headers, 'vary')))
    if (isPrivate) headers.set('cache-control', privateCache(current(headers, 'cache-control')))
  }
}

/** Notes what `event.res` says of the response; answers a function that makes it say that again. */
export function snapshotOf(event: H3Event): () => void {
  const res: H3Event['res'] & { [HEADERS]?: Headers } = event.res
  const { status, statusText } = res
  // h3 makes `res.headers` when first asked for them, and is quicker without.
  const headers = res[HEADERS] && [...res[HEADERS]]
  return () => {
    // Another object, if a middleware has made a Response of what there was.
    const { res } = event
    Object.assign(res, { status, statusText })
    for (const name of [...res.headers.keys()]) res.headers.delete(name)
    for (const [name, value] of headers ?? []) res.headers.append(name, value)
  }
}
