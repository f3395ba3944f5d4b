import type { ServerResponse } from 'node:http'
import { ACTING_METHODS, callBack, HEAD_METHODS, type Method, type MethodName } from './methods.ts'

/** What was written while the commit is under way. To the application it looks as if it had left, so its head is fixed. */
export class HeldResponse {
  readonly calls: { method: Method; args: unknown[] }[] = []
  readonly #status: number
  readonly #statusMessage: string | undefined
  #bytes = 0
  /** The application has ended its response. */
  ended = false
  /** A `write` returned false, so somebody waits for `drain`. */
  #needsDrain = false
  /** The methods that were the response's before `#takeMethods`. Undefined until then. */
  #methods: Record<string, Method> | undefined

  constructor(res: ServerResponse, status: number) {
    this.#status = status
    // Asking HTTP/2 for its message is a warning.
    this.#statusMessage = Object.hasOwn(res, 'statusMessage') ? res.statusMessage : undefined
    heldBy.set(res, this)
    Object.defineProperties(res, LOOKS)
  }

  /** Keeps a call; returns what the method would have. */
  hold(res: ServerResponse, name: MethodName, method: Method, args: unknown[]): unknown {
    const isEmpty = !args[0] || typeof args[0] === 'function'
    if (this.ended && (name !== 'end' || !isEmpty)) {
      // From Node it would be an `error` event as well, which nobody hears: a second response must not end the process.
      callBack(args, fault('ERR_STREAM_WRITE_AFTER_END', 'write after end'))
      return name === 'write' ? false : res
    }
    this.calls.push({ method, args })
    if (!this.#methods) this.#takeMethods(res)
    if (name === 'end') this.ended = true
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
    for (const { method, args } of this.calls) last = method.apply(res, args) ?? last
    // When the last write returned false, too, the `drain` comes from below.
    if (this.#needsDrain && !this.ended && last !== false) res.emit('drain')
  }

  /** Makes the response look as it is. */
  unmark(res: ServerResponse): void {
    Object.assign(res, this.#methods)
    heldBy.delete(res)
  }

  /** Not before the first call is kept: what wraps `writeHead` sets headers on the way to it. */
  #takeMethods(res: ServerResponse): void {
    const before: Record<string, Method> = {}
    const methods = res as unknown as Record<string, Method>
    const take = (name: string, instead: Method): void => {
      if (!methods[name]) return
      before[name] = methods[name]
      methods[name] = instead
    }
    for (const name of HEAD_METHODS) take(name, refuseHeaders)
    for (const name of ACTING_METHODS) {
      const method = methods[name]!
      take(name, (...args) => void this.calls.push({ method, args }))
    }
    this.#methods = before
  }
}

/**
 * What a held response says of itself; afterwards it says what is so. These properties stay, and the methods above come
 * back as its own: to delete a property makes everything that is done with the object later slower.
 */
const LOOKS = {
  headersSent: look('headersSent', () => true),
  writableEnded: look('writableEnded', held => held.ended),
}

const heldBy = new WeakMap<object, HeldResponse>()

function look(
  property: 'headersSent' | 'writableEnded',
  says: (held: HeldResponse) => boolean,
): PropertyDescriptor {
  const get = function (this: object): unknown {
    const held = heldBy.get(this)
    if (held && says(held)) return true
    for (let at: object | null = this; at; at = Object.getPrototypeOf(at)) {
      const real = Object.getOwnPropertyDescriptor(at, property)
      if (real && real.get !== get) return real.get ? real.get.call(this) : real.value
    }
    return undefined
  }
  return { configurable: true, get }
}

function refuseHeaders(): never {
  throw fault('ERR_HTTP_HEADERS_SENT', 'Cannot change headers after they are sent to the client')
}

/** An error as Node would have thrown it. */
function fault(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
