// What Koa makes of a body and of an error, mirrored where it offers no way to ask.
import { STATUS_CODES } from 'node:http'
import type { Context } from 'koa'

/** Makes Koa forget the body of a refused response. Status and headers are set after it, by the gate. */
export function forgetBody(ctx: Context): void {
  // With a JSON type the next line would make the body the text `null`.
  ctx.remove('Content-Type')
  // Not `null`, which would say that the answer is to have none.
  ctx.body = undefined
  // Koa does this itself unless the status was 204 or 304. Any that is said will do: after none, the next body makes it 200.
  ctx.status = 500
}

/** The status that Koa answers a thrown value with (`ctx.onerror`): only errors have one, and it must be known. */
export function statusOfThrown(value: unknown): number {
  const isError = value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
  const { status, statusCode } = (isError ? value : {}) as { status?: unknown; statusCode?: unknown }
  const said = status || statusCode
  return typeof said === 'number' && said in STATUS_CODES ? said : 500
}
