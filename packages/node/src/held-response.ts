import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import {
  ACTING_METHODS,
  failCallback,
  HEAD_METHODS,
  type Method,
  type MethodName,
  replaceMethods,
} from './methods.ts'

/**
 * What was written while the commit is running. To the application the response looks as if it had been sent, so its head
 * cannot be changed.
 */
export class HeldResponse {
  readonly calls: { method: Method; args: unknown[] }[] = []
  /** The application has ended its response. */
  ended = false
  readonly #status: number
  readonly #statusMessage: string | undefined
  #bytes = 0
  /** A `write` returned false, so somebody waits for `drain`. */
  #needsDrain = false
  /** The response's own methods. Undefined until they are replaced. */
  #methods: Record<string, Method> | undefined
  /** Set once the application has ended its response. */
  #connection: HeldConnection | undefined

  constructor(res: ServerResponse, status: number) {
    this.#status = status
    // To read HTTP/2's message emits a warning.
    this.#statusMessage = Object.hasOwn(res, 'statusMessage') ? res.statusMessage : undefined
    setHeld(res, this)
    Object.defineProperties(res, APPEARANCE)
  }

  /** Keeps a call for `replay`. Returns what the method would have returned. */
  hold(res: ServerResponse, name: MethodName, method: Method, args: unknown[]): unknown {
    if (this.ended && !isEmptyEnd(name, args)) {
      // Node would emit an `error` event as well. Nobody handles it, and a second response must not end the process.
      failCallback(args, nodeError('ERR_STREAM_WRITE_AFTER_END', 'write after end'))
      return name === 'write' ? false : res
    }
    this.calls.push({ method, args })
    // Not earlier: a wrapper of `writeHead` sets headers on the way to the first call.
    this.#methods ??= this.#replaceMethods(res)
    if (name === 'end' && !this.ended) this.#end(res)
    return name === 'write' ? this.#hasRoomFor(args[0], res.writableHighWaterMark) : res
  }

  /** Makes the calls in their order. Headers and a status that were set meanwhile are ignored. */
  replay(res: ServerResponse): void {
    this.#unmark(res)
    // Before the calls: a gate further out may hold them again.
    this.#connection?.release()
    res.statusCode = this.#status
    if (this.#statusMessage !== undefined) res.statusMessage = this.#statusMessage
    let last: unknown
    for (const { method, args } of this.calls) last = method.apply(res, args) ?? last
    // If the last write returned false as well, Node emits the `drain`.
    if (this.#needsDrain && !this.ended && last !== false) res.emit('drain')
    this.#connection?.destroyIfAsked()
  }

  /** Gives the response its own methods and appearance back, because it is not sent. */
  drop(res: ServerResponse): void {
    this.#unmark(res)
    this.#connection?.release()
    this.#connection?.destroyIfAsked()
  }

  #unmark(res: ServerResponse): void {
    Object.assign(res, this.#methods)
    setHeld(res, undefined)
  }

  #end(res: ServerResponse): void {
    this.ended = true
    // HTTP/2 has no connection of one response.
    if (res.socket && res.req?.httpVersionMajor === 1) this.#connection = new HeldConnection(res.socket)
  }

  #hasRoomFor(chunk: unknown, highWaterMark: number): boolean {
    const { length, byteLength } = (chunk ?? {}) as { length?: number; byteLength?: number }
    this.#bytes += byteLength ?? length ?? 0
    const hasRoom = this.#bytes < highWaterMark
    if (!hasRoom) this.#needsDrain = true
    return hasRoom
  }

  #replaceMethods(res: ServerResponse): Record<string, Method> {
    return {
      ...replaceMethods(res, HEAD_METHODS, () => throwHeadersSent),
      ...replaceMethods(
        res,
        ACTING_METHODS,
        method =>
          (...args) =>
            void this.calls.push({ method, args }),
      ),
    }
  }
}

/**
 * A connection that is not destroyed before its response has been sent. Express destroys it if a handler throws after its
 * response, as the second `send` of one request does. The response has been sent by then, unless it is held.
 */
class HeldConnection {
  readonly #socket: Socket
  readonly #destroy: Socket['destroy']
  #asked: Parameters<Socket['destroy']> | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    this.#destroy = socket.destroy
    socket.destroy = (...args: Parameters<Socket['destroy']>) => {
      this.#asked ??= args
      return socket
    }
  }

  /** Gives the connection its own `destroy` back. */
  release(): void {
    this.#socket.destroy = this.#destroy
  }

  /** Destroys the connection if somebody asked for that while it was held. */
  destroyIfAsked(): void {
    if (this.#asked) this.#socket.destroy(...this.#asked)
  }
}

/** Where a response that is held has its `HeldResponse`. Not a WeakMap: to fill it and to clean it up takes 2 µs a request. */
const HELD = Symbol('held')

function setHeld(res: object, held: HeldResponse | undefined): void {
  ;(res as { [HELD]?: HeldResponse | undefined })[HELD] = held
}

/**
 * The properties that tell whether a response was sent. They stay on the response, and so do the methods above, because
 * deleting a property makes every later use of the object slower.
 */
const APPEARANCE = {
  headersSent: appearance('headersSent', () => true),
  writableEnded: appearance('writableEnded', held => held.ended),
}

/** A property that is true if `isTrue` says so of the held response, and else what it was before. */
function appearance(
  property: 'headersSent' | 'writableEnded',
  isTrue: (held: HeldResponse) => boolean,
): PropertyDescriptor {
  const get = function (this: { [HELD]?: HeldResponse }): unknown {
    const held = this[HELD]
    if (held && isTrue(held)) return true
    for (let at: object | null = this; at; at = Object.getPrototypeOf(at)) {
      const own = Object.getOwnPropertyDescriptor(at, property)
      if (own && own.get !== get) return own.get ? own.get.call(this) : own.value
    }
    return undefined
  }
  return { configurable: true, get }
}

/** Node allows a second `end` without a chunk. */
function isEmptyEnd(name: MethodName, [chunk]: unknown[]): boolean {
  return name === 'end' && (!chunk || typeof chunk === 'function')
}

function throwHeadersSent(): never {
  throw nodeError('ERR_HTTP_HEADERS_SENT', 'Cannot change headers after they are sent to the client')
}

/** An error as Node would have thrown it. */
function nodeError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
