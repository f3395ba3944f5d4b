import type { ServerResponse } from 'node:http'
import { callBack, HEAD_METHODS, type Method, type MethodName } from './methods.ts'

/** What was written while the commit is under way. To the application it looks as if it had left, so its head is fixed. */
export class HeldResponse {
  readonly calls: { method: Method; args: unknown[] }[] = []
  readonly #status: number
  readonly #statusMessage: string | undefined
  #bytes = 0
  /** The application has ended its response. */
  ended = false
  /** A `write` answered false, so somebody waits for `drain`. */
  #needsDrain = false
  /** The methods that were the response's own before `#fixHead`. Undefined until then. */
  #ownMethods: Map<string, Method | undefined> | undefined

  constructor(res: ServerResponse, status: number) {
    this.#status = status
    // Asking HTTP/2 for its message is a warning.
    this.#statusMessage = Object.hasOwn(res, 'statusMessage') ? res.statusMessage : undefined
    mark(res, 'headersSent')
  }

  /** Keeps a call; answers what the method would have. */
  hold(res: ServerResponse, name: MethodName, method: Method, args: unknown[]): unknown {
    const isEmpty = !args[0] || typeof args[0] === 'function'
    if (this.ended && (name !== 'end' || !isEmpty)) {
      // From Node it would be an `error` event as well, which nobody hears: a second answer must not end the process.
      callBack(args, fault('ERR_STREAM_WRITE_AFTER_END', 'write after end'))
      return name === 'write' ? false : res
    }
    this.calls.push({ method, args })
    if (!this.#ownMethods) this.#fixHead(res)
    if (name === 'end' && !this.ended) {
      this.ended = true
      mark(res, 'writableEnded')
    }
    if (name !== 'write') return res
    const chunk = args[0] as string | Uint8Array | undefined
    this.#bytes += (typeof chunk === 'string' ? chunk.length : chunk?.byteLength) ?? 0
    const more = this.#bytes < res.writableHighWaterMark
    if (!more) this.#needsDrain = true
    return more
  }

  /** Lets everything go, as it came; what has been set on the response since has come too late, as ever. */
  replay(res: ServerResponse): void {
    this.unmark(res)
    res.statusCode = this.#status
    if (this.#statusMessage !== undefined) res.statusMessage = this.#statusMessage
    let last: unknown
    for (const { method, args } of this.calls) last = method.apply(res, args)
    // When the last write answered false, too, the `drain` comes from below.
    if (this.#needsDrain && !this.ended && last !== false) res.emit('drain')
  }

  /** Makes the response look as it is. */
  unmark(res: ServerResponse): void {
    for (const [name, own] of this.#ownMethods ?? []) {
      if (own) (res as unknown as Record<string, Method>)[name] = own
      else Reflect.deleteProperty(res, name)
    }
    Reflect.deleteProperty(res, 'headersSent')
    Reflect.deleteProperty(res, 'writableEnded')
  }

  /** Not before the first call is kept: what wraps `writeHead` sets headers on the way to it. */
  #fixHead(res: ServerResponse): void {
    this.#ownMethods = new Map()
    const methods = res as unknown as Record<string, Method>
    for (const name of HEAD_METHODS) {
      this.#ownMethods.set(name, Object.hasOwn(res, name) ? methods[name] : undefined)
      methods[name] = refuseHeaders
    }
  }
}

function refuseHeaders(): never {
  throw fault('ERR_HTTP_HEADERS_SENT', 'Cannot change headers after they are sent to the client')
}

/** An error as Node would have thrown it. */
function fault(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

function mark(res: ServerResponse, property: 'headersSent' | 'writableEnded'): void {
  Object.defineProperty(res, property, { value: true, configurable: true })
}
