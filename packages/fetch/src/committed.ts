import type { CommitResult } from '@sess/core'
import { applyTo } from '@sess/core/adapter'
import { withSessionHeaders } from './response.ts'

/** What engines have committed for a request, in order: of several engines one may fail after another has saved. */
const committedOf = new WeakMap<object, CommitResult[]>()

export function remember(on: object, committed: CommitResult): void {
  if (committed.setCookies.length === 0 && !committed.headers) return
  const all = committedOf.get(on)
  if (all) all.push(committed)
  else committedOf.set(on, [committed])
}

/** The response to an error, with the cookies of the engines that have saved: a new key that does not arrive is lost. */
export function withCommitted(on: object, response: Response): Response {
  let made: Response | undefined = response
  for (const committed of committedOf.get(on) ?? []) made = withSessionHeaders(made, committed, () => true)
  return made ?? response
}

/**
 * Adds the cookies of the engines that have saved to the headers of a response to an error. For a response that is made
 * outside of `runWithSession`: by an app with several engines, or because code around it threw after the save. `onError`
 * needs no such call.
 *
 * @param on the request, or the object that `on` named
 * @param headers of a response that no engine has seen
 * @example
 * const response = new Response('Sorry', { status: 503 })
 * addCommitted(request, response.headers)
 */
export function addCommitted(on: object, headers: Headers): void {
  for (const committed of committedOf.get(on) ?? []) applyTo(headers, committed)
}
