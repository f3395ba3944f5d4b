// How Koa handles a body and an error, repeated here where Koa offers no way to ask.
import { STATUS_CODES } from 'node:http'
import type { Context } from 'koa'

/** Makes Koa forget the body of a failed response. The gate resets status and headers after it. */
export function forgetBody(ctx: Context): void {
  // With a JSON type, the next line would make the body the text `null`.
  ctx.remove('Content-Type')
  // Not `null`, which would say that there is to be no body.
  ctx.body = undefined
  // Any explicit status will do. Koa makes the status of the next body 200 if there was none, as after a 204 or 304.
  ctx.status = 500
}

/** The status that Koa's `ctx.onerror` gives a thrown value: only errors have one of their own, and it must be known. */
export function statusOfThrown(value: unknown): number {
  const isError = value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
  const { status, statusCode } = (isError ? value : {}) as { status?: unknown; statusCode?: unknown }
  const own = status || statusCode
  return typeof own === 'number' && own in STATUS_CODES ? own : 500
}
