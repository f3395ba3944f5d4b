import { asDate, authenticatedAt, BOOKKEEPING, createdAt, SUPERSEDED, subjectText } from './bookkeeping.ts'
import { commit } from './commit.ts'
import { ConfigError } from './errors.ts'
import { tellError } from './hooks.ts'
import { INSPECT, type Inspectable, inspectableOf } from './inspectable.ts'
import { isKey, type RecordId } from './key.ts'
import { refuseAssignments } from './members.ts'
import { resolveOptions, type SessionsOptions, type Settings } from './options.ts'
import { decodePayload } from './record.ts'
import { destroy } from './remove.ts'
import type { CommitResult, ResponseInfo } from './response.ts'
import { type DefaultData, Session, stateOf } from './session.ts'
import { SessionState } from './session-state.ts'
import type { ClearExpiredOptions, MaybePromise, Store } from './store.ts'
import { isLive, storeFailure } from './store-call.ts'
import { type Deadline, runTask, type Task, wait } from './task.ts'

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

  /**
   * Whether adapters leave loading to the handler (the option `lazy`).
   *
   * @example
   * if (!sessions.lazy) await session.load()
   */
  get lazy(): boolean {
    return this.#settings.lazy
  }

  /**
   * The name of the session cookie. Two engines on one request need two names.
   *
   * @example
   * const header = `${sessions.cookieName}=${key}`
   */
  get cookieName(): string {
    return this.#settings.cookie.name
  }

  /**
   * Makes this request's session. It calls no store and throws nothing.
   *
   * @param cookieHeader the request's `Cookie` header as it came
   * @example
   * const session = sessions.open(request.headers.get('cookie'))
   * await session.load()
   */
  open(cookieHeader?: string | null): Session<D> {
    return new Session<D>(new SessionState(this.#settings, cookieHeader ?? ''))
  }

  /**
   * Ends the request for its session: saves, extends or removes it, before the first byte of the response. Synchronous if
   * there is nothing to do. Append `setCookies`, merge `Cookie` into `Vary` and `private` into `Cache-Control`.
   *
   * A second call has no effect. It returns the first result, or an empty result if the first call failed.
   *
   * @throws SessionInterruptedError (400) if the session ended, or got another key, meanwhile
   * @throws SessionConflictError or SessionStoreError (503)
   * @throws SessionDataError (500)
   * @example
   * const { setCookies } = await sessions.commit(session, { status: 200 })
   * for (const line of setCookies) headers.append('set-cookie', line)
   */
  commit(session: Session<D>, response: ResponseInfo): MaybePromise<CommitResult> {
    return commit(stateOf(session), response)
  }

  /**
   * Whether there is a live session of that key.
   *
   * @example
   * const isLive = await sessions.exists(key)
   */
  exists(key: string): Promise<boolean> {
    return this.#run('exists', key, (id, deadline) => isLive(this.#settings, id, deadline))
  }

  /**
   * Removes the session of that key. Returns whether there was one. To end a session of a list, call `end(id)`. If it is
   * the session of the calling request, that one ends as by `flush()`, as with `removeBySubject`.
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
    const settings = this.#settings
    const turn = settings.engine.removalBegun()
    return this.#run(
      'delete',
      key,
      (id, deadline) => destroy(settings, { id, ignoreExpiry: true }, deadline),
      id => settings.engine.removalDone({ id, turn }),
    )
  }

  /**
   * Ends one session by the `id` that `scanBySubject` shows, for "log out this device". Returns whether there was one.
   * Cookie sessions have no list.
   *
   * @throws TypeError for anything that is not an id
   * @example
   * await sessions.end(req.body.id)   // after checking that it is one of this user's
   */
  end(id: string): Promise<boolean> {
    return this.#watch('end', async () => {
      const { hashKeys, backend } = this.#settings
      if (!backend.hasRecords) throw new ConfigError('store', 'keeps no list of sessions: use `notBefore`.')
      if (!(hashKeys ? isHashedId(id) : isKey(id))) {
        throw new TypeError('end() takes the `id` of a session that scanBySubject() shows.')
      }
      const turn = this.#settings.engine.removalBegun()
      const target = { id: id as RecordId, ignoreExpiry: true }
      const ended = await runTask(this.#settings, deadline => destroy(this.#settings, target, deadline))
      if (ended) void this.#settings.engine.removalDone({ id: target.id, turn })
      return ended
    })
  }

  /**
   * Removes expired records in batches, and returns how many. There is nothing to do if the backend expires by itself.
   * `onProgress` gets the total after each batch. The next batch waits for it.
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
      throw storeFailure(this.#settings, 'clearExpired', error)
    }
  }

  /**
   * The live sessions of a subject.
   *
   * @throws ConfigError if the store has no index
   * @example
   * for await (const { id, createdAt } of sessions.scanBySubject(user.id)) show(id, createdAt)
   */
  async *scanBySubject(subject: string | number): AsyncGenerator<SessionInfo<D>, void, undefined> {
    const settings = this.#settings
    const entries = this.#indexed('scanBySubject')(subjectText(subject), { now: this.#settings.clock() })
    for await (const { id, subject, payload, expiresAt } of entries) {
      const data = await runTask(settings, () => decodePayload(settings, undefined, payload))
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
   * If the calling request has a session of that subject, that session ends as by `flush()`. Use it right after the
   * `await`: what you set is a new session. If you wait for something else first, call `flush()` yourself.
   *
   * @throws SessionStoreError (503)
   * @throws ConfigError if the store has no index, as for cookie sessions: use `notBefore`
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
      const settings = this.#settings
      let except: RecordId | undefined
      const turn = settings.engine.removalBegun()
      const removed = await runTask(settings, function* (deadline) {
        except = kept?.key
          ? (kept.previous?.id ?? (yield* wait(settings.backend.idOf(settings, kept.key))))
          : undefined
        try {
          const { now, signal } = deadline
          return yield* wait(removeBySubject(text, { now, signal, except }))
        } catch (error) {
          throw storeFailure(settings, 'removeBySubject', error, undefined, deadline, text)
        }
      })
      void this.#settings.engine.removalDone({ subject: text, except, turn })
      return removed
    })
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
        await this.#settings.engine.underWay.idle(this.#settings.timeout)
        await this.#settings.store.close?.()
      } catch (error) {
        throw storeFailure(this.#settings, 'close', error)
      }
    })
  }

  /** What `@sess/core/inspect` may see of this engine. */
  [INSPECT](): Inspectable {
    return inspectableOf(this.#settings)
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
    task: (id: RecordId, deadline: Deadline) => Task<boolean>,
    whenTrue?: (id: RecordId) => unknown,
  ): Promise<boolean> {
    return this.#watch(method, async () => {
      const settings = this.#settings
      const { backend } = settings
      if (!isKey(key) || !backend.hasRecords) return false
      const id = await backend.idOf(settings, key)
      const result = await runTask(settings, deadline => task(id, deadline))
      if (result) void whenTrue?.(id)
      return result
    })
  }
}

function isHashedId(text: unknown): boolean {
  return typeof text === 'string' && /^[0-9a-f]{40}$/.test(text)
}

refuseAssignments(Sessions, 'An engine is configured by the options of createSessions().')

/**
 * Makes an engine.
 *
 * @throws ConfigError that names the wrong option
 * @example
 * const sessions = createSessions({ store: sqliteStore('sessions.db') })
 */
export function createSessions<D extends object = DefaultData>(options: SessionsOptions<D>): Sessions<D> {
  return new Sessions<D>(options)
}
