import { SessionStoreError } from './errors.ts'
import type { Settings } from './options.ts'
import type { Signal } from './platform.ts'
import type { MaybePromise, StoreContext } from './store.ts'

/**
 * Work in steps, some of which may have to wait. `yield* wait(x)` is `await x` if `x` is a promise, and takes no time
 * otherwise: over a store that returns at once a request continues synchronously. A deadline can stop it (decision 0050).
 *
 * Tasks of every request are functions of a module or methods, not closures. V8 gives each generator function that runs a
 * prototype and a map in old space, and collecting them took longer than the rest of a write (15 of 20 µs).
 */
export type Task<T> = Generator<PromiseLike<unknown>, T, unknown>

/**
 * Whether a value is a promise, or anything with a `then`.
 *
 * @example
 * if (isPromise(result)) return result.then(send)
 */
export function isPromise<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}

/**
 * `then(next)`, synchronous if `value` is not a promise.
 *
 * @example
 * return after(session.load(), () => next())
 */
export function after<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value)
}

/**
 * `then(done, failed)`, synchronous if `run` returns no promise. `failed` gets errors of `run` alone, not of `done`.
 *
 * @example
 * return settle(() => commit(200), result => addHeaders(result), error => sendError(error))
 */
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

/** Returns what a function of the application returned. Throws a TypeError if that is a promise. */
export function requireSync<T>(value: MaybePromise<T>, name: string): T {
  if (!isPromise(value)) return value
  // The TypeError says enough. A rejection as well would end Node.
  value.then(undefined, () => undefined)
  throw new TypeError(`${name} must not return a promise.`)
}

/** Inside a task: returns the value, and waits for it if it is a promise. */
export function* wait<T>(value: MaybePromise<T>): Task<T> {
  return isPromise(value) ? ((yield value) as T) : value
}

/** How long, in ms, a last look at what has arrived takes when time is up. */
const LAST_LOOK = 50

/**
 * Calls `late` after `ms` milliseconds, and up to 50 ms later, so that replies which have arrived are delivered first.
 * Returns a function that cancels the call. For every timer that races a reply.
 *
 * A process that stood still (a long computation, SIGSTOP) runs its timers before it reads its sockets. Without the
 * second timer it would report a timeout although the reply is there.
 *
 * @example
 * const cancel = whenTimeIsUp(5_000, () => reject(new Error('No reply in 5,000 ms.')))
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

/** What a store gets with every call: the time, and a signal for when nobody waits any more. */
export interface Call extends StoreContext {
  readonly now: number
  /** When the work began by the engine's clock, in ms since the epoch. */
  readonly started: number
}

/**
 * The time that one load or one commit has, all its store calls and pauses together, and the signal for the store.
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
   * For a store call that must find a record even if it has expired by this clock. Otherwise a fast clock would keep a
   * logout from removing it.
   */
  ignoringExpiry(): Call {
    const { started, signal } = this
    return { now: 0, started, signal }
  }

  /** Runs a task to its end, or throws a SessionStoreError into it when time is up. A result that comes later is ignored. */
  run<T>(task: Task<T>): MaybePromise<T> {
    const { done, value } = task.next()
    return done ? value : this.#finish(task, value)
  }

  /** By callbacks, because a race of promises for each wait takes twice as long. */
  #finish<T>(task: Task<T>, first: PromiseLike<unknown>): Promise<T> {
    return new Promise((resolve, reject) => {
      let late: SessionStoreError | undefined
      /** What comes of any other promise is ignored. */
      let current: Promise<unknown> | undefined
      const cancel = whenTimeIsUp(this.#timeout, () => {
        this.expired = true
        late = new SessionStoreError(`No answer from the session store in ${this.#timeout} ms.`)
        // From here on the store's abort error is ignored: the task gets this one, which says timeout.
        current = undefined
        // As the reason, so that a store that knows what it waits for can add a `cause`.
        this.#controller?.abort(late)
        advance(() => task.throw(late))
      })
      const advance = (run: () => IteratorResult<PromiseLike<unknown>, T>): void => {
        try {
          const { done, value } = run()
          if (!done) {
            waitFor(value)
            return
          }
          resolve(value)
        } catch (error) {
          reject(error)
        }
        cancel()
      }
      const waitFor = (promise: PromiseLike<unknown>): void => {
        // Once time is up, a task that tries again gets the same error for each wait.
        const waiting = late ? Promise.race([Promise.reject(late), promise]) : Promise.resolve(promise)
        current = waiting
        waiting.then(
          value => current === waiting && advance(() => task.next(value)),
          error => current === waiting && advance(() => task.throw(error)),
        )
      }
      waitFor(first)
    })
  }
}

/** The time that one load or one commit has, from now on. */
export function deadlineOf({ clock, timeout }: Settings): Deadline {
  return new Deadline(clock(), timeout)
}

/** Runs the work of one load, save or commit. `sessions.close()` waits for it. */
export function runTask<T>(
  settings: Settings,
  task: (deadline: Deadline) => Task<T>,
  deadline: Deadline = deadlineOf(settings),
): MaybePromise<T> {
  const result = deadline.run(task(deadline))
  if (isPromise(result)) settings.engine.underWay.add(result)
  return result
}
