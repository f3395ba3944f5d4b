import { type ServerResponse, STATUS_CODES } from 'node:http'

/** The status that Express answers an error with (its `finalhandler`): `status` or `statusCode` from 400 to 599, else 500. */
export function errorStatus(error: unknown): number {
  const { status, statusCode } = (error ?? {}) as { status?: unknown; statusCode?: unknown }
  const isAnError = (said: unknown): boolean => typeof said === 'number' && said >= 400 && said <= 599
  return ([status, statusCode].find(isAnError) as number | undefined) ?? 500
}

/**
 * Sends the status of an error and its name, for a framework that cannot be told of the error any more. A response whose
 * head has left is destroyed instead: its client sees that the response is not whole.
 *
 * @param res a response that `holdResponse` has freed, or one that nobody has written to
 * @param error its `status` or `statusCode` is sent if it is from 400 to 599, else 500
 * @example
 * holdResponse(res, commit, error => answerError(res, error))
 */
export function answerError(res: ServerResponse, error: unknown): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  res.statusCode = errorStatus(error)
  // These describe the body that is not sent.
  for (const name of ['Content-Encoding', 'Content-Language', 'Content-Range', 'Content-Length', 'ETag'])
    res.removeHeader?.(name)
  // A stand-in for a response may lack any of these.
  res.setHeader?.('Content-Type', 'text/plain; charset=utf-8')
  res.setHeader?.('X-Content-Type-Options', 'nosniff')
  res.end?.(STATUS_CODES[res.statusCode] ?? 'Error')
}
