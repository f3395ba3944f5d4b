import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import {
  type CommitResult,
  createSessions,
  type HookEvent,
  type Hooks,
  type Sessions,
  type SessionsOptions,
  type Store,
} from '@sess/core'

export interface StoreCall {
  method: string
  /** What the store returned, in a word or two. */
  outcome: string
  ms: number
}

/** What the engine did for one request. Holds no session key and no data. */
export class Trace {
  readonly id = randomBytes(9).toString('base64url')
  readonly method: string
  readonly path: string
  readonly calls: StoreCall[] = []
  readonly events: string[] = []
  status = 0
  accessed = false
  modified = false
  /** The `Set-Cookie` headers, without the session key. */
  cookies: string[] = []
  /** The record's id in the store. It opens nothing. */
  recordId: string | undefined
  /** When the record ends, ms since the epoch. If the request rotates the session, it may be the old record's. */
  expiresAt: number | undefined
  /** Resolves when the engine is done, before the first byte leaves; never if the commit fails. */
  readonly committed: Promise<void>
  readonly #done: () => void

  constructor(method: string, path: string) {
    this.method = method
    this.path = path
    const { promise, resolve } = Promise.withResolvers<void>()
    this.committed = promise
    this.#done = resolve
  }

  /** How often another request had saved first, and its changes and these were put together. */
  get merges(): number {
    return this.calls.filter(({ outcome }) => outcome === 'stale').length
  }

  finish(result: CommitResult): CommitResult {
    this.cookies = result.setCookies.map(cookie => cookie.replace(/^([^=]+)=[^;]+/, '$1=…'))
    this.#done()
    return result
  }
}

/** How many traces wait for the page they redirect to. */
const KEPT = 200

/** The traces of the requests under way, and of the last ones that changed something. */
export class Traces {
  readonly #current = new AsyncLocalStorage<Trace>()
  readonly #kept = new Map<string, Trace>()

  /** Runs the handler of a request. Everything that comes of it, however late, is in its trace. */
  run<T>(method: string, path: string, answer: () => T): T {
    return this.#current.run(new Trace(method, path), answer)
  }

  get current(): Trace | undefined {
    return this.#current.getStore()
  }

  /** Keeps a trace for the page that its request redirects to. */
  keep(trace: Trace): void {
    this.#kept.set(trace.id, trace)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > KEPT) this.#kept.delete(oldest!)
  }

  find(id: string | null): Trace | undefined {
    return this.#kept.get(id ?? '')
  }

  /** An engine that records what it does, through its store, its hooks and its `commit`. */
  createSessions(options: SessionsOptions & { store: Store }): Sessions {
    const sessions = createSessions({ ...options, store: this.watch(options.store), hooks: this.#hooks() })
    const commit: Sessions['commit'] = (session, answer) => {
      const trace = this.current
      if (!trace) return sessions.commit(session, answer)
      trace.status = answer.status
      trace.accessed = session.accessed
      trace.modified = session.modified
      const result = sessions.commit(session, answer)
      return 'then' in result ? result.then(result => trace.finish(result)) : trace.finish(result)
    }
    return new Proxy(sessions, {
      get(target, name) {
        const value = name === 'commit' ? commit : Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  /** The store, with a stopwatch at each of its doors. */
  watch(store: Store): Store {
    const expires = (at: number | undefined): void => {
      if (this.current) this.current.expiresAt = at
    }
    const uses = (id: string): void => {
      if (this.current) this.current.recordId = id
    }
    const { removeBySubject, scanBySubject } = store
    return {
      ...store,
      read: this.#timed('read', store.read.bind(store), (found, id) => {
        expires(found?.expiresAt)
        if (found) uses(id)
        return found ? 'found' : 'nothing'
      }),
      insert: this.#timed('insert', store.insert.bind(store), (inserted, id, record) => {
        if (inserted) expires(record.expiresAt)
        if (inserted) uses(id)
        return inserted ? 'ok' : 'taken'
      }),
      replace: this.#timed('replace', store.replace.bind(store), (word, _id, record) => {
        if (word === 'ok') expires(record.expiresAt)
        return word
      }),
      touch: this.#timed('touch', store.touch.bind(store), (touched, _id, expiresAt) => {
        if (touched) expires(expiresAt)
        return touched ? 'ok' : 'refused'
      }),
      remove: this.#timed('remove', store.remove.bind(store), word => word),
      ...(scanBySubject && { scanBySubject: this.#timedScan(scanBySubject.bind(store)) }),
      ...(removeBySubject && {
        removeBySubject: this.#timed(
          'removeBySubject',
          removeBySubject.bind(store),
          count => `${count} removed`,
        ),
      }),
    }
  }

  /** A store call that notes its result, as `inWords` says it, and how long it took. */
  #timed<Args extends unknown[], Result>(
    method: string,
    call: (...args: Args) => Result | PromiseLike<Result>,
    inWords: (result: Result, ...args: Args) => string,
  ): (...args: Args) => Result | PromiseLike<Result> {
    return (...args) => {
      const start = performance.now()
      const note = (outcome: string): void => {
        this.current?.calls.push({ method, outcome, ms: performance.now() - start })
      }
      const answered = (result: Result): Result => {
        note(inWords(result, ...args))
        return result
      }
      const failed = (error: unknown): never => {
        note('failed')
        throw error
      }
      let result: Result | PromiseLike<Result>
      try {
        result = call(...args)
      } catch (error) {
        return failed(error)
      }
      return isPromise(result) ? result.then(answered, failed) : answered(result)
    }
  }

  #timedScan(scan: NonNullable<Store['scanBySubject']>): NonNullable<Store['scanBySubject']> {
    const note = (count: number, ms: number): void => {
      this.current?.calls.push({ method: 'scanBySubject', outcome: `${count} found`, ms })
    }
    return async function* (...args) {
      const start = performance.now()
      let count = 0
      for await (const entry of scan(...args)) {
        count++
        yield entry
      }
      note(count, performance.now() - start)
    }
  }

  #hooks(): Hooks {
    const say =
      (event: string) =>
      ({ id }: HookEvent) => {
        this.current?.events.push(event)
        if (this.current && id !== undefined) this.current.recordId = id
      }
    return {
      loaded: ({ id }) => {
        if (this.current) this.current.recordId = id
      },
      created: say('created'),
      saved: say('saved'),
      touched: say('touched'),
      rotated: say('rotated'),
      reused: say('reused'),
      destroyed: say('destroyed'),
      conflict: say('conflict'),
      interrupted: say('interrupted'),
      corrupt: say('corrupt'),
      storeError: say('storeError'),
    }
  }
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}
