import { type CommitResult, SessionCommittedError } from '@sess/core'
import { fieldValue, privateCache, varyBy } from '@sess/core/adapter'
import { type H3Event, HTTPError } from 'h3'
import { HANDLED, headersOf, isHTTPResponse } from './outcome.ts'

/** Where h3 keeps `res.headers` once somebody has asked for them. */
const HEADERS = Symbol.for('h3.internal.event.res.headers')

/**
 * Adds the session's headers. h3 sends `res.headers` or, with errors and with a `Response` of 400 and up, `res.errHeaders`. So
 * both get them. They replace the outcome's own headers, except `Set-Cookie`: so `Vary` and
 * `Cache-Control` are merged with the outcome's here.
 */
export function addSessionHeaders(event: H3Event, committed: CommitResult, outcome: unknown): void {
  const { setCookies, vary, private: isPrivate, headers: others } = committed
  const isOfVisitor = setCookies.length > 0 || others !== undefined
  if (!isOfVisitor && !vary && !isPrivate) {
    expectLateRead(event.res, outcome)
    return
  }
  if (outcome === HANDLED) {
    // The headers have left.
    if (isOfVisitor) throw new SessionCommittedError()
    return
  }
  for (const headers of [event.res.headers, event.res.errHeaders]) {
    for (const cookie of setCookies) headers.append('set-cookie', cookie)
    for (const name in others) {
      headers.set(name, fieldValue(name, currentValue(headers, outcome, name), others[name]!))
    }
    if (isPrivate) headers.set('cache-control', privateCache(currentValue(headers, outcome, 'cache-control')))
  }
  if (vary) addVary(event.res, committed, outcome)
}

/** Merges into `Vary`, and sets other fields. The session may have been read as late as h3 makes JSON of a body. */
export function addVary(res: H3Event['res'], committed: CommitResult, outcome: unknown): void {
  const { headers: others, varyBy: names } = committed
  for (const headers of [res.headers, res.errHeaders]) {
    headers.set('vary', varyBy(currentValue(headers, outcome, 'vary'), names))
    if (others?.['cache-control']) headers.set('cache-control', others['cache-control'])
  }
}

function currentValue(headers: Headers, outcome: unknown, name: string): string | null | undefined {
  return headers.get(name) ?? headersOf(outcome)?.get(name)
}

/**
 * Makes the headers to which `addVary` can add when h3 makes JSON of an object. h3 looks for headers before that, makes them
 * when it is first asked for them, and is quicker without. The headers of an error are copied before that, so the JSON
 * of its data is made here as well.
 */
function expectLateRead(res: H3Event['res'], outcome: unknown): void {
  if (typeof outcome !== 'object' || outcome === null || outcome instanceof Response) return
  if (HTTPError.isError(outcome)) readAsJson([outcome.data, outcome.body])
  else if (!isHTTPResponse(outcome)) void res.headers
}

function readAsJson(value: unknown): void {
  try {
    JSON.stringify(value)
  } catch {
    // h3 meets the same error, and responds to it.
  }
}

/**
 * Remembers status and headers as the middlewares above have set them. The function it returns puts them back after a
 * failed commit, for the middleware above that responds instead, or an `onError` that returns a value. `errHeaders` stay,
 * because they are meant for that response.
 */
export function snapshotOf(event: H3Event): () => void {
  const original: H3Event['res'] & { [HEADERS]?: Headers } = event.res
  const { status, statusText } = original
  // Not `res.headers`, which would make them.
  const headers = [...(original[HEADERS] ?? [])]
  return () => {
    const { res } = event
    Object.assign(res, { status, statusText })
    for (const name of [...res.headers.keys()]) res.headers.delete(name)
    for (const [name, value] of headers) res.headers.append(name, value)
    if (res === original) return
    // A middleware below called `toResponse`, as h3's `onResponse` does, and `event.res` is a new object without the old
    // `errHeaders`. They are carried over, but not twice: another engine's failure may have done so.
    for (const [name, value] of original.errHeaders) {
      if (name !== 'set-cookie') res.errHeaders.set(name, value)
      else if (!res.errHeaders.getSetCookie().includes(value)) res.errHeaders.append(name, value)
    }
  }
}
