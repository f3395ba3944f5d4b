import { type ServerResponse, STATUS_CODES } from 'node:http'

/**
 * The status that Express's `finalhandler` gives an error.
 *
 * @param error anything that was thrown
 * @returns `status` or `statusCode` of the error if it is a number from 400 to 599, else 500
 * @example
 * res.statusCode = errorStatus(error)
 */
export function errorStatus(error: unknown): number {
  const { status, statusCode } = (error ?? {}) as { status?: unknown; statusCode?: unknown }
  const isErrorStatus = (value: unknown): boolean => typeof value === 'number' && value >= 400 && value <= 599
  return ([status, statusCode].find(isErrorStatus) as number | undefined) ?? 500
}

/** The headers that describe a body which is not sent. */
const BODY_HEADERS = ['Content-Encoding', 'Content-Language', 'Content-Range', 'Content-Length', 'ETag']

/**
 * Sends the status of an error and the name of that status, where the framework cannot handle the error any more. A
 * response whose head has been sent is destroyed instead, so that its client sees that it is incomplete.
 *
 * @param res a response that `holdResponse` has handed to `onFailure`, or one that nobody has written to
 * @param error `errorStatus(error)` is sent
 * @example
 * holdResponse(res, commit, error => sendError(res, error))
 */
export function sendError(res: ServerResponse, error: unknown): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  res.statusCode = errorStatus(error)
  // A stand-in for a response may lack any of these methods.
  for (const name of BODY_HEADERS) res.removeHeader?.(name)
  res.setHeader?.('Content-Type', 'text/plain; charset=utf-8')
  res.setHeader?.('X-Content-Type-Options', 'nosniff')
  res.end?.(STATUS_CODES[res.statusCode] ?? 'Error')
}
