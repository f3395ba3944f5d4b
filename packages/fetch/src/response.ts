import { type CommitResult, SessionCommittedError } from '@sess/core'
import { applyTo } from '@sess/core/adapter'

/**
 * The response with what the commit says of the session. Without a cookie or another field for this visitor the response
 * itself is changed, if it can be. With one it is a copy: an application may send one `Response` object to several visitors, as a constant 204.
 *
 * @param isKnown whether the client can do without the cookie
 */
export function withSessionHeaders(
  response: Response | undefined,
  committed: CommitResult,
  isKnown: () => boolean,
): Response | undefined {
  const { setCookies, vary, private: isPrivate, headers } = committed
  const isOfVisitor = setCookies.length > 0 || headers !== undefined
  if (!isOfVisitor && !vary && !isPrivate) return response
  const isUpgrade = response === undefined || response.status === 101
  if (response && (isUpgrade || !isOfVisitor) && changed(response, committed)) return response
  const copy = response && copyOf(response)
  if (copy) {
    applyTo(copy.headers, committed)
    return copy
  }
  // The runtime has sent the head of an upgrade already, or sends an error of its own. No cache keeps either.
  if (isOfVisitor && !isKnown()) throw new SessionCommittedError(TOO_LATE)
  return response
}

const TOO_LATE =
  'The session needs a cookie, and the runtime has sent the head of this upgrade already. Create the session in an earlier request.'

/** Whether the headers could be changed. Those of `fetch()` and `Response.redirect()` cannot. */
function changed(response: Response, committed: CommitResult): boolean {
  try {
    applyTo(response.headers, committed)
    return true
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}

/** `undefined` for a status that only the runtime makes: `Response.error()`, and 101 where there is no `webSocket` to copy. */
function copyOf(response: Response): Response | undefined {
  try {
    return new Response(response.body, response)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
