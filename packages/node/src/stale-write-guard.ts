import type { ServerResponse } from 'node:http'
import { ACTING_METHODS, failCallback, HEAD_METHODS, replaceMethods } from './methods.ts'

const BODY_METHODS = ['write', 'end', 'flushHeaders', ...ACTING_METHODS] as const

/** Responses whose handler has not ended them. It may write again when the gate of another engine fails, too. */
const unended = new WeakSet<ServerResponse>()

/**
 * Keeps what the handler of a failed response still writes out of the error response. The handler does not know of the
 * failure, and both write to the same object (docs/decisions/0020).
 *
 * The error response begins where somebody touches the head (a status, a header), or inside `during`. A handler that has
 * begun to write does not touch the head any more. Until the error response begins, writes do nothing. After its end they
 * do nothing either, because Node would emit an `error` event that nobody handles.
 */
export class StaleWriteGuard {
  readonly #res: ServerResponse
  /** Writes are taken for the handler's. */
  #blocks: boolean
  /** The error response is being made: `during` is running. */
  #isResponding = false

  /**
   * @param res the failed response, with the methods and headers that it had before the gate
   * @param error what the callbacks of blocked writes get
   * @param mayWrite whether the handler has begun to write and has not ended
   */
  constructor(res: ServerResponse, error: unknown, mayWrite: boolean) {
    this.#res = res
    if (mayWrite) unended.add(res)
    this.#blocks = unended.has(res)
    replaceMethods(res, BODY_METHODS, (method, name) => (...args) => {
      if (!this.#isStale()) return method.apply(res, args)
      failCallback(args, error)
      if (name === 'end') this.#handlerEnded()
      return name === 'end' ? res : name === 'write' ? false : undefined
    })
    replaceMethods(res, HEAD_METHODS, method => (...args) => {
      this.#beginErrorResponse()
      return method.apply(res, args)
    })
    this.#watchStatusCode()
  }

  /** Runs `respond`, whose writes are the error response until it returns. */
  during(respond: () => void): void {
    this.#isResponding = true
    try {
      respond()
    } finally {
      this.#isResponding = false
    }
  }

  #isStale(): boolean {
    return this.#res.writableEnded || (this.#blocks && !this.#isResponding)
  }

  #handlerEnded(): void {
    this.#blocks = false
    unended.delete(this.#res)
  }

  #beginErrorResponse(): void {
    // The `drain` of the error response must not wake a handler that waits for its own.
    if (this.#blocks) this.#res.removeAllListeners('drain')
    this.#blocks = false
  }

  #watchStatusCode(): void {
    const res = this.#res
    const { statusCode } = res
    Object.defineProperty(res, 'statusCode', {
      configurable: true,
      get: () => statusCode,
      set: (status: number) => {
        this.#beginErrorResponse()
        // Back to what it was: a plain property in HTTP/1, an accessor of the prototype in HTTP/2.
        Reflect.deleteProperty(res, 'statusCode')
        res.statusCode = status
      },
    })
  }
}
