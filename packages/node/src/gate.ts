import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Readable } from 'node:stream'
import type { CommitResult, MaybePromise } from '@sess/core'
import { ErrorAnswer } from './error-answer.ts'
import {
  addSessionHeaders,
  type HeaderSnapshot,
  type HeadersArgument,
  headersOf,
  resetHeaders,
  setHeaders,
} from './headers.ts'
import { HeldResponse } from './held-response.ts'
import { callBack, type Method, type MethodName, type Methods } from './methods.ts'

/** A response of `node:http`, or of `node:http2`'s compatibility API. */
export type NodeResponse = ServerResponse | Http2ServerResponse

/**
 * Saves the session, and answers what the response has to say of it. Called once, with the status that leaves; at
 * once means the response goes on at once.
 */
export type Commit = (status: number) => MaybePromise<CommitResult>

/** Hears why the response must not leave. It may answer with that same response, which is as before the gate. */
export type OnRefused = (error: unknown) => void

/**
 * Holds a response until its session is committed: the first `writeHead`, `write`, `end` or `flushHeaders` (and so
 * `pipe`, `sendFile`, …) calls `commit`, and nothing leaves before it answered. When it answers at once, so does the
 * response: no tick, no buffer. 1xx responses pass.
 *
 * When it throws or rejects, what was written is dropped, its callbacks get the error, sources are unpiped, headers,
 * status and methods are those of before (wrappers mounted later, such as compression, are gone with what they hold),
 * and `onRefused` gets the error.
 *
 * Gates nest: the last one commits first.
 */
export function holdResponse(res: NodeResponse, commit: Commit, onRefused: OnRefused): ResponseGate {
  return new ResponseGate(res as ServerResponse, commit, onRefused)
}

export class ResponseGate {
  readonly #res: ServerResponse
  readonly #commit: Commit
  readonly #onRefused: OnRefused
  /** `closed` until something is written; `open` for good once the session is committed. */
  #state: 'closed' | 'committing' | 'open' | 'refused' = 'closed'
  /** For the headers, which are added when the application's own are complete. */
  #committed: CommitResult | undefined
  #begunBy: MethodName | undefined
  #held: HeldResponse | undefined
  #answer: ErrorAnswer | undefined
  #sources: Readable[] | undefined

  readonly #headers: HeaderSnapshot
  /** Our own `writeHead`. */
  readonly #head: Method
  readonly #writeHead: Method
  readonly #write: Method
  readonly #end: Method
  readonly #flushHeaders: Method
  readonly #on: Method

  constructor(res: ServerResponse, commit: Commit, onRefused: OnRefused) {
    this.#res = res
    this.#commit = commit
    this.#onRefused = onRefused
    this.#headers = headersOf(res)
    this.#writeHead = res.writeHead
    this.#write = res.write
    this.#end = res.end
    this.#flushHeaders = res.flushHeaders
    this.#on = res.on
    res.on('pipe', (source: Readable) => {
      this.#sources ??= []
      this.#sources.push(source)
    })
    // Own properties, for compression has made its own before; changing the prototype costs ten times as much.
    const methods: Methods = res
    this.#head = methods.writeHead = (...args) =>
      this.#pass('writeHead', this.#sendHead, args, args[0] as number)
    methods.write = (...args) => this.#pass('write', this.#write, args, res.statusCode)
    methods.end = (...args) => this.#pass('end', this.#end, args, res.statusCode)
    methods.flushHeaders = () => this.#pass('flushHeaders', this.#flushHeaders, [], res.statusCode)
  }

  /** Refuses the response as if its commit had failed, for a framework that commits before it answers. Once is enough. */
  refuse(error: unknown): void {
    if (this.#state === 'open' || this.#state === 'refused') return
    const res = this.#res
    const held = this.#held
    const handlerGoesOn =
      !this.#sources && (held ? !held.ended : this.#begunBy !== undefined && this.#begunBy !== 'end')
    this.#state = 'refused'
    this.#held = undefined
    held?.unmark(res)
    this.#dropSources()
    const methods: Methods = res
    methods.writeHead = this.#writeHead
    methods.flushHeaders = this.#flushHeaders
    methods.on = this.#on
    resetHeaders(res, this.#headers)
    // Should something of the refused handler still slip out, then not as a success.
    res.statusCode = errorStatus(error)
    if (Object.hasOwn(res, 'statusMessage')) res.statusMessage = ''
    this.#answer = new ErrorAnswer(res, this.#write, this.#end, handlerGoesOn, error)
    for (const { args } of held?.calls ?? []) callBack(args, error)
  }

  #pass(name: MethodName, method: Method, args: unknown[], status: number): unknown {
    if (this.#state === 'closed') this.#begin(name, status)
    if (this.#state === 'open') return method.apply(this.#res, args)
    if (this.#held) return this.#held.hold(this.#res, name, method, args)
    // Refused: only a wrapper of the refused response still knows this method.
    callBack(args, new Error('The response was refused, for its session could not be saved.'))
    return name === 'write' ? true : this.#res
  }

  #begin(name: MethodName, status: number): void {
    this.#state = 'committing'
    this.#begunBy = name
    try {
      const committed = this.#commit(status)
      if ('then' in committed) this.#wait(committed, name, status)
      else this.#open(committed)
    } catch (error) {
      this.#fail(error)
    }
  }

  #wait(committing: PromiseLike<CommitResult>, name: MethodName, status: number): void {
    this.#held = new HeldResponse(this.#res, status)
    committing.then(
      committed => this.#release(committed),
      error => this.#fail(error),
    )
    // Node would write an implicit head now, and whoever has wrapped `writeHead` goes by it: compression mounted after
    // us makes its stream there, and would not compress what comes before.
    const wrapped = this.#res.writeHead !== this.#head
    if (wrapped && (name === 'write' || name === 'flushHeaders')) this.#res.writeHead(status)
  }

  #open(committed: CommitResult): void {
    this.#state = 'open'
    this.#committed = committed
  }

  #release(committed: CommitResult): void {
    const held = this.#held
    // A framework that committed by itself may have refused the response meanwhile.
    if (this.#state !== 'committing' || !held) return
    this.#held = undefined
    this.#open(committed)
    try {
      held.replay(this.#res)
    } catch (error) {
      // What Node would have thrown at the call: a chunk of a wrong type, a header with a line feed.
      this.#onRefused(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#state !== 'committing') return
    this.refuse(error)
    this.#answer?.during(() => this.#onRefused(error))
  }

  /** `writeHead` when the gate is open; Node and HTTP/2 come here too when the head is implicit. */
  readonly #sendHead: Method = (...args: [status: number, message?: unknown, headers?: unknown]) => {
    const res = this.#res
    const committed = this.#committed
    if (!committed || !saysSomething(committed)) return this.#writeHead.apply(res, args)
    const [status, message] = args
    const hasMessage = typeof message === 'string'
    // Headers given here would replace those that are set, and so ours: set them first.
    setHeaders(res, (args[2] ?? (hasMessage ? undefined : message)) as HeadersArgument)
    this.#committed = undefined
    addSessionHeaders(res, committed)
    return hasMessage ? this.#writeHead.call(res, status, message) : this.#writeHead.call(res, status)
  }

  /** Takes the sources off, and gives them up when the error is answered: destroying one now may destroy its response. */
  #dropSources(): void {
    const res = this.#res
    for (const source of this.#sources ?? []) {
      // A stream of Node 0.8's kind cannot be unpiped.
      if (typeof source.unpipe === 'function') source.unpipe(res)
      const giveUp = (): void => {
        const unused = source.listenerCount('data') === 0 && source.listenerCount('readable') === 0
        if (unused && (source as unknown) !== res.req) source.destroy()
      }
      if (res.destroyed) giveUp()
      else this.#on.call(res, 'close', giveUp)
    }
    this.#sources = undefined
  }
}

function saysSomething({ setCookies, vary, private: isPrivate }: CommitResult): boolean {
  return setCookies.length > 0 || vary || isPrivate
}

/** The status of an error, as Express and Koa see it: `status` or `statusCode`, else 500. */
export function errorStatus(error: unknown): number {
  const { status, statusCode } = (error ?? {}) as { status?: unknown; statusCode?: unknown }
  const said = status || statusCode
  return typeof said === 'number' && said >= 400 && said <= 599 ? said : 500
}
