import { asDate, authenticatedAt, BOOKKEEPING, createdAt, SUPERSEDED, subjectText } from './bookkeeping.ts'
import { type Answer, commit, destroy, isLive } from './commit.ts'
import { ConfigError } from './errors.ts'
import { tellError } from './hooks.ts'
import { isKey, type RecordId } from './key.ts'
import { refuseAssignments } from './members.ts'
import { type Removal, resolveOptions, type SessionsOptions, type Settings } from './options.ts'
import { type DefaultData, Session, stateOf } from './session.ts'
import { type CommitResult, State } from './state.ts'
import type { ClearExpiredOptions, MaybePromise, Store } from './store.ts'
import { type Deadline, type Task, wait } from './task.ts'

/** A session as a list shows it. */
export interface SessionInfo<D extends object = DefaultData> {
  /** The store's id: it tells sessions apart and opens none of them. With `hashKeys: false` it is the key: keep it secret. */
  id: string
  subject: string | undefined
  data: D
  createdAt: Date | undefined
  authenticatedAt: Date | undefined
  expiresAt: Date
}

/** An engine: what all requests of one session cookie share. Made by `createSessions`. */
export class Sessions<D extends object = DefaultData> {
  readonly #settings: Settings

  constructor(options: SessionsOptions<D>) {
    this.#settings = resolveOptions(options)
    Object.preventExtensions(this)
  }

  /** Adapters leave loading to the handler. */
  get lazy(): boolean {
    return this.#settings.lazy
  }

  /** Two engines on one request need two. */
  get cookieName(): string {
    return this.#settings.cookie.name
  }

  /** This request's session. Free: it asks nobody and throws nothing. `cookieHeader` as it came. */
  open(cookieHeader?: string | null): Session<D> {
    return new Session<D>(new State(this.#settings, cookieHeader ?? ''))
  }

  /**
   * Ends the request for its session: saves, extends or removes it, before the response's first byte. At once where
   * there is nothing to do. Append `setCookies`, merge `Cookie` into `Vary` and `private` into `Cache-Control`.
   *
   * A request is committed once: every further call does nothing and answers the same, whatever its status.
   *
   * Rejects with SessionInterruptedError (400), SessionConflictError or SessionStoreError (503) and SessionDataError
   * (500). Then nothing of the session was sent, and every further call answers that there is nothing to send.
   */
  commit(session: Session<D>, answer: Answer): MaybePromise<CommitResult> {
    return commit(stateOf(session), answer)
  }

  /** Whether there is a live session of that key. */
  exists(key: string): Promise<boolean> {
    return this.#run('exists', key, (state, deadline, id) => isLive(state, id, deadline))
  }

  /**
   * Removes the session of that key. Returns whether there was one. To end a session of a list, call `end(id)`. If it is
   * the session of the request that asks, that one ends as by `flush()`, as with `removeBySubject`.
   *
   * @throws TypeError for an id, which is no key
   * @example
   * await sessions.delete(req.session.sessionKey)
   */
  delete(key: string): Promise<boolean> {
    if (this.#settings.hashKeys && isHashedId(key)) {
      return this.#watch('delete', () =>
        Promise.reject(new TypeError('delete() takes a key, and this is an id. Call sessions.end(id).')),
      )
    }
    const turn = ++this.#settings.removals
    return this.#run(
      'delete',
      key,
      (state, deadline, id) => destroy(state, { id, ageless: true }, deadline),
      id => this.#letAskerEnd({ id, turn }),
    )
  }

  /**
   * Ends one session by the `id` that `scanBySubject` shows, for "log out this device". Returns whether there was one.
   * Cookie sessions have no list.
   *
   * @throws TypeError for what is no id
   * @example
   * await sessions.end(req.body.id)   // after checking that it is one of this user's
   */
  end(id: string): Promise<boolean> {
    return this.#watch('end', async () => {
      const { hashKeys, cookieStore } = this.#settings
      if (cookieStore) throw new ConfigError('store', 'keeps no list of sessions: use `notBefore`.')
      if (!(hashKeys ? isHashedId(id) : isKey(id))) {
        throw new TypeError('end() takes the `id` of a session that scanBySubject() shows.')
      }
      const turn = ++this.#settings.removals
      const state = new State(this.#settings)
      const target = { id: id as RecordId, ageless: true }
      const ended = await state.run(deadline => destroy(state, target, deadline))
      if (ended) void this.#letAskerEnd({ id: target.id, turn })
      return ended
    })
  }

  /**
   * Removes expired records in batches. Returns how many. Where the backend expires by itself there is nothing to do.
   * `onProgress` gets the total so far after each batch, and is waited for.
   *
   * @example
   * await sessions.clearExpired({ batchSize: 1000, onProgress: total => console.log(total) })
   */
  clearExpired(
    options: ClearExpiredOptions & { onProgress?: (removed: number) => MaybePromise<void> } = {},
  ): Promise<number> {
    return this.#watch('clearExpired', async () => {
      let removed = 0
      for await (const batch of this.#expired(options)) {
        removed += batch.removed
        await options.onProgress?.(removed)
      }
      return removed
    })
  }

  async *#expired(options: ClearExpiredOptions): AsyncGenerator<{ removed: number }> {
    const { clock, store } = this.#settings
    try {
      yield* store.clearExpired?.({ now: clock(), ...options }) ?? []
    } catch (error) {
      throw new State(this.#settings).storeFailure('clearExpired', error)
    }
  }

  /** The live sessions of a subject. */
  async *scanBySubject(subject: string | number): AsyncGenerator<SessionInfo<D>, void, undefined> {
    const state = new State(this.#settings)
    const entries = this.#indexed('scanBySubject')(subjectText(subject), { now: this.#settings.clock() })
    for await (const { id, subject, payload, expiresAt } of entries) {
      const data = await state.run(() => state.decode(payload))
      if (data[SUPERSEDED]) continue
      const info = {
        id,
        subject,
        data: data as D,
        createdAt: asDate(createdAt(data)),
        authenticatedAt: asDate(authenticatedAt(data)),
        expiresAt: new Date(expiresAt),
      }
      for (const key of BOOKKEEPING) delete data[key]
      yield info
    }
  }

  /**
   * Ends every session of a subject, for "log out everywhere". Returns how many. `except` is a session that stays.
   *
   * If the request that asks has a session of that subject, it ends as by `flush()`: use it right after the `await`, and
   * what you set is a new session. If you wait for something else first, call `flush()` yourself.
   *
   * Rejects with SessionStoreError (503), and with ConfigError where the store has no index. Cookie sessions have no
   * list: use `notBefore`.
   *
   * @example
   * await sessions.removeBySubject(req.session.subject)
   * req.session.flash('notice', 'You are logged out everywhere.')
   */
  removeBySubject(subject: string | number, options: { except?: Session<D> } = {}): Promise<number> {
    return this.#watch('removeBySubject', async () => {
      const removeBySubject = this.#indexed('removeBySubject')
      const text = subjectText(subject)
      const kept = options.except && stateOf(options.except)
      const state = new State(this.#settings)
      let except: RecordId | undefined
      const turn = ++this.#settings.removals
      const removed = await state.run(function* (deadline) {
        except = kept?.key ? (kept.rotatedFrom?.id ?? (yield* wait(kept.idOf(kept.key)))) : undefined
        try {
          const { now, signal } = deadline
          return yield* wait(removeBySubject(text, { now, signal, except }))
        } catch (error) {
          throw state.storeFailure('removeBySubject', error, deadline, [text])
        }
      })
      void this.#letAskerEnd({ subject: text, except, turn })
      return removed
    })
  }

  /** Until the caller's `await` has gone on, through some async functions between. No timer, so that nobody else runs. */
  async #letAskerEnd(removal: Removal): Promise<void> {
    this.#settings.removal = [...(this.#settings.removal ?? []), removal]
    for (let ticks = 0; ticks < 30; ticks++) await undefined
    const others = this.#settings.removal?.filter(each => each !== removal) ?? []
    this.#settings.removal = others[0] ? others : undefined
  }

  /**
   * Releases what the store opened, after the loads, saves and commits that are under way: it waits for them up to
   * `timeout`. Stop taking requests first.
   *
   * @example
   * process.once('SIGTERM', () => server.close(() => sessions.close()))
   */
  close(): Promise<void> {
    return this.#watch('close', async () => {
      try {
        await this.#settings.underWay.idle(this.#settings.timeout)
        await this.#settings.store.close?.()
      } catch (error) {
        throw new State(this.#settings).storeFailure('close', error)
      }
    })
  }

  /** Avoids an unhandled rejection (it would end Node) when the caller does not await. The hooks are told of a failure. */
  #watch<T>(method: string, run: () => Promise<T>): Promise<T> {
    const promise = run()
    promise.catch(error => {
      // The storeError hook has been told of a store's failure.
      if (error?.code !== 'SESSION_STORE') void tellError(this.#settings.hooks, error, method)
    })
    return promise
  }

  #indexed<M extends 'scanBySubject' | 'removeBySubject'>(method: M): NonNullable<Store[M]> {
    const { store } = this.#settings
    if (store[method]) return store[method].bind(store) as NonNullable<Store[M]>
    throw new ConfigError('store', `has no ${method}(): use \`notBefore\`.`)
  }

  #run(
    method: string,
    key: string,
    task: (state: State, deadline: Deadline, id: RecordId) => Task<boolean>,
    whenTrue?: (id: RecordId) => unknown,
  ): Promise<boolean> {
    return this.#watch(method, async () => {
      const state = new State(this.#settings)
      if (!isKey(key) || this.#settings.cookieStore) return false
      const id = await state.idOf(key)
      const result = await state.run(deadline => task(state, deadline, id))
      if (result) void whenTrue?.(id)
      return result
    })
  }
}

function isHashedId(text: unknown): boolean {
  return typeof text === 'string' && /^[0-9a-f]{40}$/.test(text)
}

refuseAssignments(Sessions, 'What an engine does is said by the options of createSessions().')

/** Makes an engine. A wrong option is a ConfigError that names it. */
export function createSessions<D extends object = DefaultData>(options: SessionsOptions<D>): Sessions<D> {
  return new Sessions<D>(options)
}
