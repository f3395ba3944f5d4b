import { SessionStoreError } from './errors.ts'
import type { MaybePromise, StoreContext } from './store.ts'

/**
 * Work in steps, some of which may have to be waited for. It runs at once as long as nothing has to be: over a store
 * that answers at once a request gains no tick.
 */
export type Task<T> = Generator<PromiseLike<unknown>, T, unknown>

export function isPromise<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}

/** `then`, at once where there is nothing to wait for. */
export function after<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value)
}

/** Inside a task: the value, waited for if need be. */
export function* wait<T>(value: MaybePromise<T>): Task<T> {
  return isPromise(value) ? ((yield value) as T) : value
}

/**
 * The time that one load or one commit has, all its store calls and pauses together, and what the store is told of it.
 * The timer starts with the first wait, so what never waits never pays.
 */
export class Deadline implements StoreContext {
  readonly now: number
  #timeout: number
  #timer: ReturnType<typeof setTimeout> | undefined
  #controller: AbortController | undefined
  #expire: (() => void) | undefined
  expired = false

  constructor(now: number, timeout: number) {
    this.now = now
    this.#timeout = timeout
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.expired) this.#controller.abort()
    return this.#controller.signal
  }

  /** What the promise gives, or a SessionStoreError when time is up first; what comes later is ignored. */
  race<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#expire = () =>
        reject(
          new SessionStoreError(`The session store did not answer within ${this.#timeout} ms (\`timeout\`).`),
        )
      if (this.expired) return this.#expire()
      this.#timer ??= this.#start()
      promise.then(resolve, reject)
    })
  }

  #start(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.expired = true
      this.#controller?.abort()
      this.#expire?.()
    }, this.#timeout)
    // On Node an open timer would keep the process alive.
    ;(timer as { unref?: () => void }).unref?.()
    return timer
  }

  end(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
  }
}

/** Runs a task to its end, under a deadline. */
export function run<T>(task: Task<T>, deadline: Deadline): MaybePromise<T> {
  let step: IteratorResult<PromiseLike<unknown>, T>
  try {
    step = task.next()
  } catch (error) {
    deadline.end()
    throw error
  }
  return step.done ? step.value : finish(task, step.value, deadline)
}

async function finish<T>(task: Task<T>, first: PromiseLike<unknown>, deadline: Deadline): Promise<T> {
  try {
    let waiting = first
    for (;;) {
      let step: IteratorResult<PromiseLike<unknown>, T>
      try {
        step = task.next(await deadline.race(waiting))
      } catch (error) {
        step = task.throw(error)
      }
      if (step.done) return step.value
      waiting = step.value
    }
  } finally {
    deadline.end()
  }
}
