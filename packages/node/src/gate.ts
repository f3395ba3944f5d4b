import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Readable } from 'node:stream'
import type { CommitResult, MaybePromise } from '@sess/core'
import { settle } from '@sess/core/adapter'
import { errorStatus } from './answer-error.ts'
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
 * Saves the session, and returns what the response has to say of it. When it returns no promise, the response leaves at
 * once: no tick, no buffer. Called with the status that leaves; only `gate.commit` may make that twice, and then the
 * second call must do nothing and return the same, as those of `Sessions.commit` do.
 */
export type Commit = (status: number) => MaybePromise<CommitResult>

/**
 * Hears, once at most, why what was written cannot leave. (`gate.commit` throws instead.) One of two:
 *
 * - The commit failed. The response is as it was before the gate, and free for an error page.
 * - The commit took its time and succeeded, and now Node refuses what was written meanwhile (a header with a line feed). The
 *   gate is open and the response as the handler left it, as if Node had thrown at the call.
 *
 * Answer at once, or not before the next turn: what the handler writes until it waits must not get into the answer.
 */
export type OnRefused = (error: unknown) => void

/**
 * What the commits of a response said that have succeeded, in their order. When a gate further out refuses the response,
 * its headers are dropped, but these belong to the answer to the error as well: a key that was renewed must arrive.
 */
const committedOf = new WeakMap<ServerResponse, CommitResult[]>()

/**
 * Holds a response until its session is committed: the first `writeHead`, `write`, `end` or `flushHeaders` (and so
 * `pipe`, `sendFile`, …) calls `commit`, and nothing leaves before that is done. 1xx responses pass (Node sends them
 * past these four).
 *
 * When it throws or rejects, what was written is dropped, its callbacks get the error, sources are unpiped, headers and
 * methods are those of before (wrappers mounted later, such as compression, are gone with what they hold), the status
 * is the error's, and `onRefused` gets the error. Before that `forget` drops what the framework itself keeps of the
 * response, such as Koa's `ctx.body`; headers and status are set back after it.
 *
 * Gates nest: the last one commits first. Each outcome counts alone: the cookies of those that have succeeded go with the
 * answer to the failure of another.
 */
export function holdResponse(
  res: NodeResponse,
  commit: Commit,
  onRefused: OnRefused,
  forget?: () => void,
): ResponseGate {
  return new ResponseGate(res as ServerResponse, commit, onRefused, forget)
}

export class ResponseGate {
  readonly #res: ServerResponse
  readonly #commit: Commit
  readonly #onRefused: OnRefused
  readonly #forget: (() => void) | undefined
  /**
   * `closed` at first, `committing` while what is written waits for its session. Then one of two for good: `open`, or
   * `refused` because the commit failed.
   */
  #state: 'closed' | 'committing' | 'open' | 'refused' = 'closed'
  /** What the commit says, until it is added: when the application's own headers are complete. */
  #toAdd: readonly CommitResult[] = []
  /** Why the response was refused. */
  #refusal: unknown
  #held: HeldResponse | undefined
  #answer: ErrorAnswer | undefined
  #sources: Readable[] | undefined

  readonly #headers: HeaderSnapshot
  /** The response's methods before the gate; compression, which is often mounted later, wraps `on` as well. */
  readonly #original: Methods
  readonly #ourWriteHead: Method

  constructor(res: ServerResponse, commit: Commit, onRefused: OnRefused, forget?: () => void) {
    this.#res = res
    this.#commit = commit
    this.#onRefused = onRefused
    this.#forget = forget
    this.#headers = headersOf(res)
    const { writeHead, write, end, flushHeaders, on } = res
    this.#original = { writeHead, write, end, flushHeaders, on }
    res.on('pipe', (source: Readable) => {
      // An open gate drops nothing, and a response may be piped to for hours.
      if (this.#state === 'open') return
      this.#sources ??= []
      this.#sources.push(source)
    })
    // Own properties, for compression has made its own before; changing the prototype costs ten times as much.
    const methods: Methods = res
    this.#ourWriteHead = methods.writeHead = (...args) =>
      this.#pass('writeHead', this.#writeHeadWithSession, args, args[0] as number)
    methods.write = (...args) => this.#pass('write', write, args, res.statusCode)
    methods.end = (...args) => this.#pass('end', end, args, res.statusCode)
    methods.flushHeaders = () => this.#pass('flushHeaders', flushHeaders, [], res.statusCode)
  }

  /**
   * Commits now, for a framework that answers later. A failure refuses the response and is thrown; `onRefused` does not
   * hear of it.
   */
  commit(status: number): MaybePromise<void> {
    return settle(
      () => this.#commit(status),
      committed => {
        // Not if something was written meanwhile: that waits for the same session, and opens the gate itself.
        if (this.#state === 'closed') this.#open(committed)
      },
      error => {
        this.#refuse(error)
        throw error
      },
    )
  }

  #pass(name: MethodName, method: Method, args: unknown[], status: number): unknown {
    if (this.#state === 'closed') this.#begin(name, status)
    if (this.#state === 'open') return method.apply(this.#res, args)
    if (this.#held) return this.#held.hold(this.#res, name, method, args)
    // Refused, and only a wrapper of the refused response still knows this method.
    callBack(args, this.#refusal)
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
      committed => this.#release(committed),
      error => this.#fail(error),
    )
    // After `end` nothing comes, so the head can wait.
    if (name === 'write' || name === 'flushHeaders') this.#callWrappedWriteHead(status)
  }

  /**
   * A throw becomes a rejection, for we are inside of the handler's own call: refused now, the response would be free while
   * the handler still runs, and its next line would write into the answer to the error.
   */
  #commitOrReject(status: number): MaybePromise<CommitResult> {
    try {
      return this.#commit(status)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Who wraps `writeHead` goes by it: compression mounted after us makes its stream there, and would not compress what comes
   * before. Node would call it before the first byte, which is held; so we do.
   */
  #callWrappedWriteHead(status: number): void {
    const res = this.#res
    if (res.writeHead !== this.#ourWriteHead) res.writeHead(status)
  }

  #open(committed: CommitResult): void {
    this.#state = 'open'
    if (!saysSomething(committed)) return
    this.#toAdd = [committed]
    const all = committedOf.get(this.#res)
    if (all) all.push(committed)
    else committedOf.set(this.#res, [committed])
  }

  #release(committed: CommitResult): void {
    const held = this.#held
    // `commit` may have refused the response meanwhile.
    if (this.#state !== 'committing' || !held) return
    this.#held = undefined
    this.#open(committed)
    try {
      held.replay(this.#res)
    } catch (error) {
      // What Node would have thrown at the call: a chunk of a wrong type, a header with a line feed. Nothing is reset:
      // the gate is open, as it would have been at the call.
      this.#onRefused(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#state !== 'committing') return
    this.#refuse(error)
    this.#answer?.during(() => this.#onRefused(error))
  }

  /** Drops the response, and frees `res` for the answer to the error. */
  #refuse(error: unknown): void {
    // Of one failure both `commit` and what was written hear.
    if (this.#state === 'open' || this.#state === 'refused') return
    const res = this.#res
    const held = this.#held
    this.#state = 'refused'
    this.#refusal = error
    this.#held = undefined
    // Stop what is under way.
    held?.unmark(res)
    this.#dropSources()
    // Everything as before the gate; headers last, for `forget` removes some.
    Object.assign(res, this.#original)
    this.#forget?.()
    resetHeaders(res, this.#headers)
    this.#keepCommitted()
    // Should something of the refused handler still slip out, then not as a success.
    res.statusCode = errorStatus(error)
    if (Object.hasOwn(res, 'statusMessage')) res.statusMessage = ''
    // A handler that has begun to write and has not ended will write again.
    this.#answer = new ErrorAnswer(res, held?.ended === false, error)
    for (const { args } of held?.calls ?? []) callBack(args, error)
  }

  /** Engines further in have committed already, and the headers that said so are gone. */
  #keepCommitted(): void {
    const committed = committedOf.get(this.#res)
    if (!committed) return
    this.#toAdd = [...committed]
    ;(this.#res as unknown as Record<string, Method>)['writeHead'] = this.#writeHeadWithSession
  }

  /** `writeHead` when the gate is open; Node and HTTP/2 come here too when the head is implicit. */
  readonly #writeHeadWithSession: Method = (
    ...args: [status: number, message?: unknown, headers?: unknown]
  ) => {
    const res = this.#res
    const toAdd = this.#toAdd
    const { writeHead } = this.#original
    if (toAdd.length === 0) return writeHead.apply(res, args)
    const [status, message] = args
    const hasMessage = typeof message === 'string'
    // Headers given here would replace those that are set, and so ours: set them first.
    setHeaders(res, (args[2] ?? (hasMessage ? undefined : message)) as HeadersArgument)
    this.#toAdd = []
    for (const committed of toAdd) addSessionHeaders(res, committed)
    return hasMessage ? writeHead.call(res, status, message) : writeHead.call(res, status)
  }

  /** Takes the sources off, and gives them up when the error is answered: destroying one now may destroy its response. */
  #dropSources(): void {
    const res = this.#res
    for (const source of this.#sources ?? []) {
      // A stream of Node 0.8's kind cannot be unpiped.
      source.unpipe?.(res)
      const giveUp = (): void => {
        const unused = source.listenerCount('data') === 0 && source.listenerCount('readable') === 0
        if (unused && (source as unknown) !== res.req) source.destroy()
      }
      if (res.destroyed) giveUp()
      else this.#original.on.call(res, 'close', giveUp)
    }
  }
}

function saysSomething({ setCookies, vary, private: isPrivate }: CommitResult): boolean {
  return setCookies.length > 0 || vary || isPrivate
}
