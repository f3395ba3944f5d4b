import type { ServerResponse } from 'node:http'
import type { Method, MethodName } from './methods.ts'

/** What was written while the commit is under way. To the application it looks as if it had left. */
export class HeldResponse {
  readonly calls: { method: Method; args: unknown[] }[] = []
  readonly #status: number
  readonly #statusMessage: string | undefined
  #bytes = 0
  /** The application has ended its response. */
  ended = false
  /** A `write` answered false, so somebody waits for `drain`. */
  #needsDrain = false

  constructor(res: ServerResponse, status: number) {
    this.#status = status
    // Asking HTTP/2 for its message is a warning.
    this.#statusMessage = Object.hasOwn(res, 'statusMessage') ? res.statusMessage : undefined
    mark(res, 'headersSent')
  }

  /** Keeps a call; answers what the method would have. */
  hold(res: ServerResponse, name: MethodName, method: Method, args: unknown[]): unknown {
    this.calls.push({ method, args })
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
    Reflect.deleteProperty(res, 'headersSent')
    Reflect.deleteProperty(res, 'writableEnded')
  }
}

function mark(res: ServerResponse, property: 'headersSent' | 'writableEnded'): void {
  Object.defineProperty(res, property, { value: true, configurable: true })
}
