import type { ServerResponse } from 'node:http'
import { ACTING_METHODS, callBack, HEAD_METHODS, type Method, type Methods } from './methods.ts'

/** Responses whose refused handler has not ended: it goes on when a gate further out refuses their answer, too. */
const unended = new WeakSet<ServerResponse>()

/**
 * Keeps what a refused handler still writes, not knowing of its refusal, out of the answer to the error, and the answer
 * from being written twice. (A page in two steps is enough: Express's own error page waits for the request's end, and
 * meanwhile the second step would leave; then the error page would crash on the headers.)
 *
 * Both write to one object. But a handler that has begun to write is done with the head, and whoever answers the error
 * sets a status or a header, or answers at once.
 */
export class ErrorAnswer {
  readonly #res: ServerResponse
  readonly #error: unknown
  /** Whether what is written has to be taken for the refused handler's: it has begun its response and not ended it. */
  #handlerGoesOn: boolean
  #answering = false

  constructor(res: ServerResponse, handlerGoesOn: boolean, error: unknown) {
    this.#res = res
    this.#error = error
    if (handlerGoesOn) unended.add(res)
    this.#handlerGoesOn = unended.has(res)
    const methods: Methods = res
    const { write, end, flushHeaders } = methods
    methods.write = (...args) => (this.#isStale(args) ? false : write.apply(res, args))
    methods.end = (...args) => {
      if (!this.#isStale(args)) return end.apply(res, args)
      this.#handlerGoesOn = false
      unended.delete(res)
      return res
    }
    methods.flushHeaders = () => (this.#isStale([]) ? undefined : flushHeaders.call(res))
    this.#watchActing()
    this.#watchHead()
  }

  /** Runs what answers the error; what it writes at once is the answer. */
  during(answer: () => void): void {
    this.#answering = true
    try {
      answer()
    } finally {
      this.#answering = false
    }
  }

  #isStale(args: unknown[]): boolean {
    const isAnswer = this.#answering || !this.#handlerGoesOn
    // Writing to an ended response would be an `error` event that nobody hears (HTTP/1), or the stream's end (HTTP/2).
    if (isAnswer && !this.#res.writableEnded) return false
    callBack(args, this.#error)
    return true
  }

  /** From now on what is written is the answer. Its `drain` must not wake a handler that waits for its own. */
  #begin(): void {
    if (this.#handlerGoesOn) this.#res.removeAllListeners('drain')
    this.#handlerGoesOn = false
  }

  /** A `cork`, say, that the refused handler never undoes, would keep the answer back. */
  #watchActing(): void {
    const res = this.#res
    const methods = res as unknown as Record<string, Method | undefined>
    for (const name of ACTING_METHODS) {
      const method = methods[name]
      if (method) methods[name] = (...args) => (this.#isStale([]) ? undefined : method.apply(res, args))
    }
  }

  #watchHead(): void {
    const res = this.#res
    const methods = res as unknown as Record<string, Method>
    for (const name of HEAD_METHODS) {
      const method = methods[name]
      if (!method) continue
      methods[name] = (...args) => {
        this.#begin()
        return method.apply(res, args)
      }
    }
    const { statusCode } = res
    Object.defineProperty(res, 'statusCode', {
      configurable: true,
      get: () => statusCode,
      set: (status: number) => {
        this.#begin()
        // What `statusCode` is by itself: a property of HTTP/1's responses, an accessor of HTTP/2's prototype.
        Reflect.deleteProperty(res, 'statusCode')
        res.statusCode = status
      },
    })
  }
}
