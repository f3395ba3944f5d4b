import { type Answer, commit, remove } from './commit.ts'
import { ConfigError } from './errors.ts'
import { isKey } from './key.ts'
import type { Data } from './merge.ts'
import { resolveOptions, type SessionsOptions, type Settings } from './options.ts'
import { type DefaultData, Session, stateOf } from './session.ts'
import {
  authenticatedAt,
  type CommitResult,
  createdAt,
  EXPIRY,
  isHidden,
  State,
  SUPERSEDED,
} from './state.ts'
import type { ClearExpiredOptions, MaybePromise, Store, StoredEntry } from './store.ts'
import { Deadline, run, type Task, wait } from './task.ts'

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
  }

  /** Adapters leave loading to the handler. */
  get lazy(): boolean {
    return this.#settings.lazy
  }

  /** This request's session. Free: it asks nobody and throws nothing. `cookieHeader` as it came. */
  open(cookieHeader?: string | null): Session<D> {
    return new Session<D>(new State(this.#settings, cookieHeader))
  }

  /**
   * Ends the request for its session: saves, extends or removes it, before the response's first byte. At once where
   * there is nothing to do. Append `setCookies`, merge `Cookie` into `Vary` and `private` into `Cache-Control`.
   *
   * Rejects with SessionInterruptedError (400), SessionConflictError or SessionStoreError (503) and SessionDataError
   * (500); then nothing of the session was sent, and the next call answers that there is nothing to send.
   */
  commit(session: Session<D>, answer: Answer): MaybePromise<CommitResult> {
    return commit(stateOf(session), answer)
  }

  /** Whether there is a live session of that key. */
  async exists(key: string): Promise<boolean> {
    if (!isKey(key) || this.#settings.cookieStore) return false
    return this.#task(function* (state, deadline, store) {
      const record = yield* wait(store.read(yield* state.idOf(key), deadline))
      if (!record) return false
      return !Object.hasOwn(yield* state.decode(record.payload), SUPERSEDED)
    })
  }

  /** Removes the session of that key; answers whether there was one. */
  async delete(key: string): Promise<boolean> {
    if (!isKey(key) || this.#settings.cookieStore) return false
    return this.#task(function* (state, deadline) {
      return yield* remove(state, yield* state.idOf(key), deadline)
    })
  }

  /** Removes expired records in batches; answers how many. Where the backend expires by itself there is nothing to do. */
  async clearExpired(
    options: ClearExpiredOptions & { onProgress?: (removed: number) => void } = {},
  ): Promise<number> {
    const { onProgress, ...storeOptions } = options
    let removed = 0
    const batches =
      this.#settings.store?.clearExpired?.({ now: this.#settings.clock(), ...storeOptions }) ?? []
    for await (const batch of batches) {
      removed += batch.removed
      onProgress?.(removed)
    }
    return removed
  }

  /** The live sessions of a subject. */
  async *scanBySubject(subject: string | number): AsyncGenerator<SessionInfo<D>, void, undefined> {
    const { clock } = this.#settings
    const entries = this.#indexed('scanBySubject')(String(subject), { now: clock() })
    for await (const entry of entries) {
      const info = await this.#inform(entry)
      if (info) yield info
    }
  }

  /**
   * Ends every session of a subject, for "log out everywhere"; `except`: but this one. Answers how many. Cookie
   * sessions have no list: say `notBefore`.
   */
  async removeBySubject(subject: string | number, options: { except?: Session<D> } = {}): Promise<number> {
    const { clock, timeout } = this.#settings
    const removeBySubject = this.#indexed('removeBySubject')
    const deadline = new Deadline(clock(), timeout)
    const kept = options.except && stateOf(options.except)
    const task = function* (): Task<number> {
      const except = kept?.key ? (kept.rotatedFrom?.id ?? (yield* kept.idOf(kept.key))) : undefined
      return yield* wait(
        removeBySubject(String(subject), {
          now: deadline.now,
          signal: deadline.signal,
          ...(except && { except }),
        }),
      )
    }
    return run(task(), deadline)
  }

  /** Releases what the store opened. */
  async close(): Promise<void> {
    await this.#settings.store?.close?.()
  }

  #indexed<M extends 'scanBySubject' | 'removeBySubject'>(method: M): NonNullable<Store[M]> {
    const { store } = this.#settings
    const found = store?.[method]
    if (!found) {
      throw new ConfigError(
        'store',
        `keeps no list of a subject's sessions (it has no ${method}); see \`notBefore\`.`,
      )
    }
    return found.bind(store) as NonNullable<Store[M]>
  }

  async #inform(entry: StoredEntry): Promise<SessionInfo<D> | undefined> {
    const decoded = await this.#task(state => state.decode(entry.payload))
    if (Object.hasOwn(decoded, SUPERSEDED)) return
    const data: Data = {}
    for (const key of Object.keys(decoded)) if (!isHidden(key) && key !== EXPIRY) data[key] = decoded[key]
    const date = (ms: number | undefined): Date | undefined => (ms === undefined ? undefined : new Date(ms))
    return {
      id: entry.id,
      subject: entry.subject,
      data: data as D,
      createdAt: date(createdAt(decoded)),
      authenticatedAt: date(authenticatedAt(decoded)),
      expiresAt: new Date(entry.expiresAt),
    }
  }

  async #task<T>(task: (state: State, deadline: Deadline, store: Store) => Task<T>): Promise<T> {
    const deadline = new Deadline(this.#settings.clock(), this.#settings.timeout)
    return run(task(new State(this.#settings, undefined), deadline, this.#settings.store!), deadline)
  }
}

/** Makes an engine. A wrong option is a ConfigError that names it. */
export function createSessions<D extends object = DefaultData>(options: SessionsOptions<D>): Sessions<D> {
  return new Sessions<D>(options)
}
