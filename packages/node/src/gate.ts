import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Readable } from 'node:stream'
import type { CommitResult, MaybePromise } from '@sess/core'
import { settle } from '@sess/core/adapter'
import {
  addSessionHeaders,
  type HeaderSnapshot,
  type HeadersArgument,
  headersOf,
  resetHeaders,
  setHeaders,
} from './headers.ts'
import { HeldResponse } from './held-response.ts'
import { failCallback, type Method, type MethodName, type Methods } from './methods.ts'
import { errorStatus } from './send-error.ts'
import { StaleWriteGuard } from './stale-write-guard.ts'

/** A response of `node:http`, or of `node:http2`'s compatibility API. */
export type NodeResponse = ServerResponse | Http2ServerResponse

/**
 * Saves the session. Returns what the response has to say of it.
 *
 * It is called with the status of the response. If it returns no promise, the response is sent at once, without a tick
 * or a buffer. It is called once, or twice if `gate.commit` is used. The second call must have no effect and return the same,
 * as with `sessions.commit`.
 */
export type Commit = (status: number) => MaybePromise<CommitResult>

/**
 * Called at most once, when what was written cannot be sent. (`gate.commit` throws instead.) There are two cases:
 *
 * - The commit failed. The response is as it was before the gate, and free for an error response.
 * - The commit took time and succeeded, and Node rejects what was written meanwhile (a header with a line feed). The gate
 *   is open and the response as the handler left it, as if Node had thrown at the call.
 *
 * Respond before it returns, or later with a status or a header first. Everything else is taken for output of the handler,
 * which may still be writing (`stale-write-guard.ts`).
 */
export type OnFailure = (error: unknown) => void

/**
 * Where a response has the results of its commits that succeeded, in their order. If the gate of another engine fails, the
 * headers are dropped, but the error response needs these: a renewed key must reach the browser.
 * Not a WeakMap: to fill it and to clean it up takes 2 µs a request.
 */
const COMMITTED = Symbol('committed')
type Response = ServerResponse & { [COMMITTED]?: CommitResult[] }

/**
 * Holds a response until its session is committed. The first `writeHead`, `write`, `end` or `flushHeaders` (and so
 * `pipe`, `sendFile`, …) calls `commit`, and nothing is sent before that is done. 1xx responses are sent at once.
 * A commit that fails has these effects.
 *
 * - What was written is dropped, its callbacks get the error, and sources are unpiped.
 * - `reset` is called. Then headers and methods are those of before the gate. Wrappers that were mounted later, such as
 *   compression, are gone, and so is what they hold.
 * - The status is that of the error, and `onFailure` gets the error.
 *
 * Gates nest, and the last one commits first. The cookies of those that succeeded go with the error response of another.
 *
 * @param res a response that nobody has written to.
 * @param commit saves the session.
 * @param onFailure sends the error response.
 * @param reset drops what the framework itself keeps of the failed response, such as Koa's `ctx.body`
 * @returns the gate, for a framework that commits before it writes
 * @example
 * const session = sessions.open(req.headers.cookie)
 * holdResponse(res, status => sessions.commit(session, { status }), error => sendError(res, error))
 */
export function holdResponse(
  res: NodeResponse,
  commit: Commit,
  onFailure: OnFailure,
  reset?: () => void,
): ResponseGate {
  return new ResponseGate(res as ServerResponse, commit, onFailure, reset)
}

/** Holds one response. `holdResponse` makes it. */
export class ResponseGate {
  readonly #res: Response
  readonly #commit: Commit
  readonly #onFailure: OnFailure
  readonly #reset: (() => void) | undefined
  /** First `closed`, then `committing` while a written response waits for its session. It ends `open` or `failed`. */
  #state: 'closed' | 'committing' | 'open' | 'failed' = 'closed'
  /** Results of commits whose headers are not added yet: they are when the application's own headers are complete. */
  #toAdd: readonly CommitResult[] = []
  /** Why the response was dropped. */
  #error: unknown
  #held: HeldResponse | undefined
  #guard: StaleWriteGuard | undefined
  #sources: Readable[] | undefined
  #wasEnded = false

  readonly #headers: HeaderSnapshot
  /** The response's methods before the gate. `on` is one of them because compression wraps it. */
  readonly #original: Methods
  readonly #ourWriteHead: Method

  constructor(res: ServerResponse, commit: Commit, onFailure: OnFailure, reset?: () => void) {
    this.#res = res as Response
    this.#commit = commit
    this.#onFailure = onFailure
    this.#reset = reset
    this.#headers = headersOf(res)
    const { writeHead, write, end, flushHeaders, on } = res
    this.#original = { writeHead, write, end, flushHeaders, on }
    res.on('pipe', (source: Readable) => {
      // An open gate drops nothing, and a response may be piped to for hours.
      if (this.#state === 'open') return
      this.#sources ??= []
      this.#sources.push(source)
    })
    // Own properties: compression may have made its own before, and changing the prototype costs ten times as much.
    const methods: Methods = res
    // Node calls `writeHead` in every `write` and `end` without a head, so only this one adds the session's headers.
    this.#ourWriteHead = methods.writeHead = (...args) =>
      this.#pass('writeHead', this.#writeHeadWithSession, args, args[0] as number)
    methods.write = (...args) => this.#pass('write', write, args, res.statusCode)
    methods.end = (...args) => this.#pass('end', end, args, res.statusCode)
    methods.flushHeaders = () => this.#pass('flushHeaders', flushHeaders, [], res.statusCode)
  }

  /** Whether the response that failed had been ended. */
  get wasEnded(): boolean {
    return this.#wasEnded
  }

  /**
   * Commits now, for a framework that writes the response later. A failure drops what was written meanwhile and is thrown;
   * `onFailure` is not called.
   *
   * @param status the status that the response will have
   * @throws what `commit` throws
   * @example
   * await gate.commit(ctx.status)
   */
  commit(status: number): MaybePromise<void> {
    return settle(
      () => this.#commit(status),
      result => {
        // What was written meanwhile waits for the same session, and opens the gate itself.
        if (this.#state === 'closed') this.#open(result)
      },
      error => {
        this.#drop(error)
        throw error
      },
    )
  }

  #pass(name: MethodName, method: Method, args: unknown[], status: number): unknown {
    if (this.#state === 'closed') this.#begin(name, status)
    if (this.#state === 'open') return method.apply(this.#res, args)
    if (this.#held) return this.#held.hold(this.#res, name, method, args)
    // Failed: only a wrapper of the dropped response still has this method.
    failCallback(args, this.#error)
    return name === 'write' ? false : this.#res
  }

  #begin(name: MethodName, status: number): void {
    this.#state = 'committing'
    const committed = this.#commitOrReject(status)
    if (!('then' in committed)) {
      this.#open(committed)
      return
    }
    this.#held = new HeldResponse(this.#res, status)
    committed.then(
      result => this.#release(result),
      error => this.#fail(error),
    )
    // After `end` nothing follows, so the head can wait.
    if (name === 'write' || name === 'flushHeaders') this.#callWrappedWriteHead(status)
  }

  /**
   * Makes a throw a rejection, because this is called inside the handler's own call. If the response failed now, the
   * handler's next line would write into the error response.
   */
  #commitOrReject(status: number): MaybePromise<CommitResult> {
    try {
      return this.#commit(status)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Calls what wraps `writeHead`, as Node would before the first byte, which is held. Compression mounted after us makes
   * its stream there, and would not compress what comes before.
   */
  #callWrappedWriteHead(status: number): void {
    const res = this.#res
    if (res.writeHead !== this.#ourWriteHead) res.writeHead(status)
  }

  #open(committed: CommitResult): void {
    this.#state = 'open'
    // Also if it says nothing yet: Koa makes JSON of a body after the commit, and the body may be the session.
    this.#toAdd = [committed]
    const res = this.#res
    if (res[COMMITTED]) res[COMMITTED].push(committed)
    else res[COMMITTED] = [committed]
  }

  #release(committed: CommitResult): void {
    const held = this.#held
    // `commit` may have dropped the response meanwhile.
    if (this.#state !== 'committing' || !held) return
    this.#held = undefined
    this.#open(committed)
    try {
      held.replay(this.#res)
    } catch (error) {
      // What Node would have thrown at the call: a chunk of a wrong type, a header with a line feed. Nothing is reset,
      // because the gate would have been open at the call.
      this.#onFailure(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#state !== 'committing') return
    this.#drop(error)
    this.#guard?.during(() => this.#onFailure(error))
  }

  /** Drops the response, and frees `res` for the error response. */
  #drop(error: unknown): void {
    // `commit` and what was written meanwhile both report one failure.
    if (this.#state === 'open' || this.#state === 'failed') return
    const res = this.#res
    const held = this.#held
    this.#state = 'failed'
    this.#error = error
    this.#held = undefined
    this.#wasEnded = held?.ended === true
    held?.drop(res)
    this.#dropSources()
    Object.assign(res, this.#original)
    this.#reset?.()
    // After `reset`, which removes some.
    resetHeaders(res, this.#headers)
    this.#keepCommitted()
    // If something of the handler is sent after all, then not as a success.
    res.statusCode = errorStatus(error)
    if (Object.hasOwn(res, 'statusMessage')) res.statusMessage = ''
    this.#guard = new StaleWriteGuard(res, error, held?.ended === false)
    for (const { args } of held?.calls ?? []) failCallback(args, error)
  }

  /** Sends the headers of engines that have committed before with the error response. */
  #keepCommitted(): void {
    const committed = this.#res[COMMITTED]
    if (!committed) return
    this.#toAdd = [...committed]
    const methods: Methods = this.#res
    methods.writeHead = this.#writeHeadWithSession
  }

  /** `writeHead` of an open gate. Node and HTTP/2 call it, too, when the application sends no head itself. */
  readonly #writeHeadWithSession: Method = (
    ...args: [status: number, message?: unknown, headers?: unknown]
  ) => {
    const res = this.#res
    const toAdd = this.#toAdd
    const { writeHead } = this.#original
    if (!toAdd.some(hasHeaders)) return writeHead.apply(res, args)
    const [status, message] = args
    const hasMessage = typeof message === 'string'
    // Set first, because headers given to `writeHead` replace those that are set, and so the session's.
    setHeaders(res, (args[2] ?? (hasMessage ? undefined : message)) as HeadersArgument)
    this.#toAdd = []
    for (const committed of toAdd) addSessionHeaders(res, committed)
    return hasMessage ? writeHead.call(res, status, message) : writeHead.call(res, status)
  }

  /** Unpipes the sources. They are destroyed after the error response, because destroying one may destroy the response. */
  #dropSources(): void {
    const res = this.#res
    for (const source of this.#sources ?? []) {
      // A stream of Node 0.8's kind cannot be unpiped.
      source.unpipe?.(res)
      const destroyUnused = (): void => {
        const isUnused = source.listenerCount('data') === 0 && source.listenerCount('readable') === 0
        if (isUnused && (source as unknown) !== res.req) source.destroy()
      }
      if (res.destroyed) destroyUnused()
      else this.#original.on.call(res, 'close', destroyUnused)
    }
  }
}

function hasHeaders({ setCookies, vary, private: isPrivate, headers }: CommitResult): boolean {
  return setCookies.length > 0 || vary || isPrivate || headers !== undefined
}
