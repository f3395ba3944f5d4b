import { SessionStoreError } from './errors.ts'
import type { Signal } from './platform.ts'
import type { MaybePromise, StoreContext } from './store.ts'

/**
 * Work in steps, some of which may have to be waited for. It runs at once as long as nothing has to be: over a store
 * that answers at once a request gains no tick.
 *
 * Tasks of every request are functions of a module or methods, no closures: V8 gives each generator function that runs
 * a prototype and a map in old space, and collecting them took longer than the rest of a write (15 of 20 µs).
 */
export type Task<T> = Generator<PromiseLike<unknown>, T, unknown>

export function isPromise<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}

/** `then(next)`, at once where there is nothing to wait for. */
export function after<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value)
}

/** `then(done, failed)`, at once where there is nothing to wait for. `failed` hears of `run` alone, not of `done`. */
export function settle<T, R>(
  run: () => MaybePromise<T>,
  done: (value: T) => MaybePromise<R>,
  failed: (error: unknown) => MaybePromise<R>,
): MaybePromise<R> {
  let value: MaybePromise<T>
  try {
    value = run()
  } catch (error) {
    return failed(error)
  }
  return isPromise(value) ? value.then(done, failed) : done(value)
}

/** What a function of the application's answered, which must not be a promise. */
export function atOnce<T>(value: MaybePromise<T>, name: string): T {
  if (!isPromise(value)) return value
  // The TypeError tells; what becomes of the promise is nobody's any more.
  value.then(undefined, () => undefined)
  throw new TypeError(`${name} must not answer with a promise.`)
}

/** Inside a task: the value, waited for if need be. */
export function* wait<T>(value: MaybePromise<T>): Task<T> {
  return isPromise(value) ? ((yield value) as T) : value
}

/** How long, in ms, a last look at what has arrived takes when time is up. */
const LAST_LOOK = 50

/**
 * Calls `late` after `ms` milliseconds, and up to 50 ms later, so that answers which have arrived are delivered first.
 * Returns a function that cancels the call. For every timer that races an answer.
 *
 * A process that stood still (a long computation, SIGSTOP) runs its timers before it reads its sockets. Without the
 * second timer it would report a timeout although the answer is there.
 *
 * @example
 * const cancel = whenTimeIsUp(5_000, () => reject(new Error('No answer in 5,000 ms.')))
 */
export function whenTimeIsUp(ms: number, late: () => void): () => void {
  // Node: an open timer would keep the process alive.
  const start = (delay: number, then: () => void): unknown => {
    const timer = setTimeout(then, delay)
    ;(timer as { unref?: () => void }).unref?.()
    return timer
  }
  let timer = start(ms, () => {
    timer = start(Math.min(ms, LAST_LOOK), late)
  })
  return () => clearTimeout(timer as ReturnType<typeof setTimeout>)
}

/** What a store is told of the work that a call is part of. */
export interface Call extends StoreContext {
  readonly now: number
  /** When the work began by the engine's clock, in ms since the epoch. */
  readonly started: number
}

/**
 * The time that one load or one commit has, all its store calls and pauses together, and what the store is told of it.
 * The timer starts with the first wait, so what never waits never pays.
 */
export class Deadline implements Call {
  declare readonly now: number
  declare readonly started: number
  #timeout: number
  #controller: AbortController | undefined
  expired = false

  /** `now` in ms since the epoch, `timeout` in ms. */
  constructor(now: number, timeout: number) {
    this.now = this.started = now
    this.#timeout = timeout
  }

  get signal(): Signal {
    this.#controller ??= new AbortController()
    if (this.expired) this.#controller.abort()
    return this.#controller.signal
  }

  /**
   * For a store call that must find a record even if the clock says that it has expired: a clock that is fast must not
   * keep a logout from removing it.
   */
  ageless(): Call {
    const { started, signal } = this
    return { now: 0, started, signal }
  }

  /** Runs a task to its end, or throws a SessionStoreError into it when time is up; what comes later is ignored. */
  run<T>(task: Task<T>): MaybePromise<T> {
    const { done, value } = task.next()
    return done ? value : this.#finish(task, value)
  }

  async #finish<T>(task: Task<T>, first: PromiseLike<unknown>): Promise<T> {
    let cancel: (() => void) | undefined
    const timeUp = new Promise<never>((_, reject) => {
      cancel = whenTimeIsUp(this.#timeout, () => {
        this.expired = true
        // Before the store rejects because of the signal: that it was late is what happened.
        const late = new SessionStoreError(`No answer from the session store in ${this.#timeout} ms.`)
        reject(late)
        // As the reason, so that a store that knows what it waits for can add a `cause`.
        this.#controller?.abort(late)
      })
    })
    try {
      for (let waiting = first; ; ) {
        let step: IteratorResult<PromiseLike<unknown>, T>
        try {
          step = task.next(await Promise.race([timeUp, waiting]))
        } catch (error) {
          step = task.throw(error)
        }
        if (step.done) return step.value
        waiting = step.value
      }
    } finally {
      cancel?.()
    }
  }
}
