import { isHTTPResponse } from './outcome.ts'

/** The members of a Node stream that are used here. An object that has `pipe` may lack the others. */
interface NodeStream {
  pipe: unknown
  on?(event: 'error', listener: () => void): unknown
  errored?: Error | null
  destroy?(): void
}

/**
 * The Node stream that a handler returned, by itself or in an HTTPResponse. A `Response` is not looked into: to ask for its
 * `body` would make another stream of it, and h3's Node server could not send the one inside any more.
 */
export function nodeStreamOf(returned: unknown): NodeStream | undefined {
  const body = isHTTPResponse(returned) ? returned.body : returned
  const isStream = typeof (body as Partial<NodeStream> | null | undefined)?.pipe === 'function'
  return isStream ? (body as NodeStream) : undefined
}

/** Closes the body of a response that will not be sent, because nobody else would. */
export function discardBody(returned: unknown): void {
  const body = returned instanceof Response || isHTTPResponse(returned) ? returned.body : returned
  // It rejects when somebody reads the stream: then that reader closes it.
  if (body instanceof ReadableStream) body.cancel().catch(() => undefined)
  nodeStreamOf(body)?.destroy?.()
}
