import { subjectText } from './bookkeeping.ts'
import { carriedKey, type HeaderCarrier, type ReadHeader } from './carrier.ts'
import { commit } from './commit.ts'
import { isolated } from './cookie-by-request.ts'
import type { Device } from './device.ts'
import { ConfigError } from './errors.ts'
import { isRotating } from './facts.ts'
import { tellError } from './hooks.ts'
import { INSPECT, type Inspectable, inspectableOf } from './inspectable.ts'
import { isKey, type RecordId } from './key.ts'
import { notBeforeLimit } from './load.ts'
import { refuseAssignments } from './members.ts'
import { resolveOptions, type SessionsOptions, type Settings } from './options.ts'
import { decodePayload } from './record.ts'
import { removeRecord } from './remove.ts'
import type { CommitResult, ResponseInfo } from './response.ts'
import { type DefaultData, Session, stateOf } from './session.ts'
import { SessionState } from './session-state.ts'
import type { ClearExpiredOptions, MaybePromise } from './store.ts'
import { isLive, storeFailure } from './store-call.ts'
import { indexed, infoOf, isOver, type SessionInfo, sessionsOf } from './subject-sessions.ts'
import { type Deadline, runTask, type Task, wait } from './task.ts'

/** A session in the list of a subject's sessions, such as a page "your devices". */
export interface ListedSession<D extends object = DefaultData> extends SessionInfo<D> {
  /** It is the session of the request that asked (`current`). */
  current: boolean
}

/** What an adapter knows of a request. Functions, because most requests need none of it. */
export interface OpenOptions {
  /** User agent and address, for the option `devices`. */
  device?: (() => Device) | undefined
  /** How the browser asked, for the option `background`. */
  target?: ResponseInfo['target']
  /** The framework's request, for `cookie.byRequest`. */
  request?: unknown
  /** Reads a header by its name in lower case, for the option `carrier`. */
  header?: ReadHeader | undefined
  /**
   * The cookie header was kept since an earlier request, as that of a socket's handshake. With the option `reuse`, a key in it
   * that was rotated since is no sign of theft. Default false.
   */
  kept?: boolean | undefined
}

/** Whose key it is, where a tenant isolates its keys (`cookie.isolate`). */
export interface OfTenant {
  /** The tenant's name. By default the one that the engine's options name. */
  isolate?: string | undefined
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
   * Makes this request's session. It calls no store, and throws nothing unless an option depends on the request.
   *
   * @param cookieHeader the request's `Cookie` header as it came
   * @param client what else is known of the request, for the options `devices`, `background`, `cookie`, `carrier` and `reuse`.
   * @throws ConfigError (`CONFIG`) if an option needs the request or its headers and they are not in `client`, or if
   *   `cookie.byRequest` returns a wrong option
   * @example
   * const session = sessions.open(request.headers.get('cookie'))
   * await session.load()
   */
  open(cookieHeader?: string | null, client: OpenOptions = NOTHING_KNOWN): Session<D> {
    const settings = this.#settings.ofRequest?.(client.request) ?? this.#settings
    const { devices, background } = settings
    const carried = settings.carrier && this.#carriedKey(settings.carrier, client)
    const state = new SessionState(settings, cookieHeader ?? '', carried)
    if (client.kept) state.lookup.rotatedKeyExpected()
    if (background.length > 0 && isBackground(background, client.target?.().path)) state.setActivity(false)
    return new Session<D>(state, devices ? client.device : undefined)
  }

  /**
   * Makes a session whose key came some other way than in our cookie, and was verified by the caller: a signed cookie of
   * another library, the handshake of a socket. Any text is a key. It calls no store.
   *
   * @param key the key, which names one session and is secret
   * @param options `isNew`: there is no record yet. The session is empty, and its first save inserts it under this key,
   *   unless `cycleKey()` has given it another. `request`: the framework's request, for `cookie.byRequest`
   * @throws ConfigError (`CONFIG`) for cookie sessions, which have no key
   * @throws SessionExistsError (500), at that save, if the store has a record of this key
   * @example
   * const session = sessions.openKey(verifiedKey)
   * await session.load()
   */
  openKey(key: string, { isNew = false, request }: { isNew?: boolean; request?: unknown } = {}): Session<D> {
    if (!this.#settings.backend.hasRecords)
      throw new ConfigError('store', 'keeps sessions in cookies, without keys.')
    const settings = this.#settings.ofRequest?.(request) ?? this.#settings
    const state = new SessionState(settings, '', settings.carrier?.allowsCookies === false ? '' : undefined)
    if (isNew) state.newUnder(key)
    else state.keyGiven(key)
    return new Session<D>(state)
  }

  /**
   * Ends the request for its session: saves, extends or removes it, before the first byte of the response. Synchronous if
   * there is nothing to do. Append `setCookies`, set each of `headers`. Merge `varyBy` (or `Cookie`) into `Vary` if `vary`,
   * and `private` into `Cache-Control` if `private`.
   *
   * A second call has no effect. It returns the first result, or an empty result if the first call failed.
   *
   * @throws SessionInterruptedError (400) if the session ended, or got another key, meanwhile
   * @throws SessionLimitError (409) if the subject has `maxSessions` sessions
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
   * The id that a session has in the store, as `list` and the hooks show it. It tells sessions apart and opens none of them: use
   * it to close the sockets of a session in the hook `destroyed`, for example. It calls no store, so look first whether the
   * session is live.
   *
   * @returns `undefined` if the session has no key yet, and for cookie sessions. With `hashKeys: false` the id is the key: keep
   *   it secret
   * @example
   * socket.join(await sessions.idOf(session))
   */
  idOf(session: Session<D>): Promise<string | undefined> {
    return this.#watch('idOf', async () => {
      const settings = this.#settings
      if (!settings.backend.hasRecords) return
      return await runTask(settings, () => storedIdOf(session))
    })
  }

  /**
   * Whether there is a live session of that key.
   *
   * @param options `isolate`: the tenant that the key is of
   * @example
   * const isLive = await sessions.exists(key)
   */
  exists(key: string, options: OfTenant = {}): Promise<boolean> {
    return this.#run('exists', key, options, (id, deadline) => isLive(this.#settings, id, deadline))
  }

  /**
   * Removes the session of that key. Returns whether there was one. To end a session of a list, call `end(id)`. If it is
   * the session of the calling request, that one ends as by `flush()`, as with `removeBySubject`. To end it after
   * `cycleKey()`, call `flush()`: its new key is not stored before the response, so there is nothing to remove yet.
   *
   * @param options `isolate`: the tenant that the key is of
   * @throws TypeError for an id, which is no key
   * @example
   * await sessions.delete(keyOfOtherDevice)
   */
  delete(key: string, options: OfTenant = {}): Promise<boolean> {
    if (this.#settings.hashKeys && isHashedId(key)) {
      return this.#watch('delete', () =>
        Promise.reject(new TypeError('delete() takes a key, and this is an id. Call sessions.end(id).')),
      )
    }
    const settings = this.#settings
    const number = settings.engine.nextRemovalNumber()
    const ids = new Set<RecordId>()
    return this.#run(
      'delete',
      key,
      options,
      (id, deadline) => removeRecord(settings, { id, ignoreExpiry: true }, deadline, ids),
      () => settings.engine.removalDone({ ids, number }),
    )
  }

  /**
   * Ends one session by the `id` that `list` shows, for "log out this device". Returns whether there was one. If the session
   * got a new key since the list was made, it ends too, within 30 s, or with the option `reuse` at any time.
   *
   * @param options `subject`: end it only if it is this subject's session. Pass it where the id comes from a browser. `null`
   *   and `undefined` are nobody, and end nothing
   * @throws TypeError for anything that is not an id
   * @throws ConfigError for cookie sessions, of which there is no list
   * @throws SessionStoreError (503)
   * @example
   * await sessions.end(req.body.id, { subject: req.session.subject })
   */
  end(id: string, options: { subject?: string | number | null | undefined } = {}): Promise<boolean> {
    return this.#watch('end', async () => {
      const { hashKeys, backend } = this.#settings
      if (!backend.hasRecords) throw new ConfigError('store', 'keeps no list of sessions: use `notBefore`.')
      if (!(hashKeys ? isHashedId(id) : isKey(id))) {
        throw new TypeError('end() takes the `id` of a session that list() shows.')
      }
      const number = this.#settings.engine.nextRemovalNumber()
      // Nobody, if the visitor is not logged in: that ends nothing. Only without the option may any session be ended.
      if ('subject' in options && options.subject == null) return false
      const subject = options.subject == null ? undefined : subjectText(options.subject)
      const target = { id: id as RecordId, ignoreExpiry: true, followsOldMarkers: true, subject }
      const ids = new Set<RecordId>()
      const ended = await runTask(this.#settings, deadline =>
        removeRecord(this.#settings, target, deadline, ids),
      )
      if (ended) void this.#settings.engine.removalDone({ ids, number })
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
   * The live sessions of a subject, one by one. `list` returns all of them, with the one of this request marked.
   *
   * @throws ConfigError if the store has no index
   * @example
   * for await (const { id, createdAt } of sessions.scanBySubject(user.id)) show(id, createdAt)
   */
  async *scanBySubject(subject: string | number): AsyncGenerator<SessionInfo<D>, void, undefined> {
    const settings = this.#settings
    const now = settings.clock()
    const text = subjectText(subject)
    const limit = await runTask(settings, () => notBeforeLimit(settings, text))
    for await (const entry of indexed(settings.store, 'scanBySubject')(text, { now })) {
      const data = await runTask(settings, () => decodePayload(settings, undefined, entry.payload))
      if (!isOver(settings, entry, data, limit, now)) yield infoOf(settings, { entry, data }, now)
    }
  }

  /**
   * The live sessions of a subject, for a page "your devices". The one seen last comes first.
   *
   * @param options `current`: the session of this request
   * @throws ConfigError if the store has no index, as for cookie sessions
   * @throws SessionStoreError (503)
   * @example
   * for (const { id, current, device, lastSeenAt } of await sessions.list(user.id, { current: req.session })) {
   *   show(device?.userAgent, lastSeenAt, current ? 'this one' : endButton(id))
   * }
   */
  list(subject: string | number, options: { current?: Session<D> } = {}): Promise<ListedSession<D>[]> {
    return this.#watch('list', async () => {
      const settings = this.#settings
      const text = subjectText(subject)
      return await runTask(settings, function* (deadline) {
        const own = options.current && (yield* storedIdOf(options.current))
        const listed = (yield* sessionsOf(settings, text, deadline, own)).map(session => ({
          ...infoOf<D>(settings, session, deadline.now),
          current: session.entry.id === own,
        }))
        return listed.sort((one, other) => Number(other.lastSeenAt ?? 0) - Number(one.lastSeenAt ?? 0))
      })
    })
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
      const removeBySubject = indexed(this.#settings.store, 'removeBySubject')
      const text = subjectText(subject)
      const settings = this.#settings
      let except: RecordId | undefined
      const number = settings.engine.nextRemovalNumber()
      const removed = await runTask(settings, function* (deadline) {
        except = options.except && (yield* storedIdOf(options.except))
        try {
          const { now, signal } = deadline
          return yield* wait(removeBySubject(text, { now, signal, except }))
        } catch (error) {
          throw storeFailure(settings, 'removeBySubject', error, undefined, deadline, text)
        }
      })
      void this.#settings.engine.removalDone({ subject: text, except, number })
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

  #carriedKey(carrier: HeaderCarrier, { header }: OpenOptions): string | undefined {
    if (header) return carriedKey(carrier, header)
    throw new ConfigError(
      'carrier',
      'needs the headers: sessions.open(cookieHeader, { header: name => … }). An adapter passes it as `header` to begin().',
    )
  }

  /** Avoids an unhandled rejection (it would end Node) when the caller does not await. A hook gets the error. */
  #watch<T>(method: string, run: () => Promise<T>): Promise<T> {
    const promise = run()
    promise.catch(error => {
      // The `storeError` hook has got a store's failure.
      if (error?.code !== 'SESSION_STORE') void tellError(this.#settings.engine.hooks, error, method)
    })
    return promise
  }

  #run(
    method: string,
    key: string,
    { isolate }: OfTenant,
    task: (id: RecordId, deadline: Deadline) => Task<boolean>,
    whenTrue?: () => unknown,
  ): Promise<boolean> {
    return this.#watch(method, async () => {
      const settings = this.#settings
      const { backend, hashKeys } = settings
      // Any text is hashed: `openKey` takes keys that are not ours. Without hashing, only keys of our form are ids.
      if (!backend.hasRecords || !(hashKeys ? key : isKey(key))) return false
      const id = await backend.idOf(isolate === undefined ? settings : isolated(settings, isolate), key)
      const result = await runTask(settings, deadline => task(id, deadline))
      if (result) void whenTrue?.()
      return result
    })
  }
}

/** Under which id the store has the session of a request now. Until a `cycleKey` is carried out, that is the old id. */
function* storedIdOf(session: Session<any>): Task<RecordId | undefined> {
  const state = stateOf(session)
  const { key, previous, settings } = state
  if (key === null) return
  if (isRotating(state)) return previous!.id
  return yield* wait(settings.backend.idOf(settings, key))
}

const NOTHING_KNOWN: OpenOptions = {}

/** Whether a path is one of those of the option `background`. */
function isBackground(paths: readonly string[], target: string | undefined): boolean {
  const path = target?.split('?', 1)[0]
  return paths.some(each => (each.endsWith('*') ? path?.startsWith(each.slice(0, -1)) : path === each))
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
