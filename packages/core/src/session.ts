import {
  AUTHENTICATED,
  asDate,
  authenticatedAt,
  CREATED,
  createdAt,
  EXPIRY,
  FLASH,
  isHidden,
  SUBJECT,
  subjectSince,
  subjectText,
} from './bookkeeping.ts'
import { type Changes, checkedUpdate, checkKey, type Update } from './changes.ts'
import { isPlain } from './codec.ts'
import { create, save } from './commit.ts'
import { SessionCommittedError, SessionDataError } from './errors.ts'
import {
  type Expiry,
  type ExpiryQuery,
  endsWithBrowser,
  expiryAge,
  expiryMoment,
  storedExpiry,
} from './expiry.ts'
import { tellError } from './hooks.ts'
import { newKey, type SessionKey } from './key.ts'
import { ABSENT, type Data as Dict, put, take } from './merge.ts'
import type { State } from './state.ts'
import type { MaybePromise } from './store.ts'
import type { Deadline, Task } from './task.ts'

/**
 * The type of a session's data. Declare yours once:
 * `declare module '@sess/core' { interface SessionData { userId?: string } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be merged with.
export interface SessionData {}

/** Your SessionData where you declared one, any JSON otherwise. */
export type DefaultData = keyof SessionData extends never ? Record<string, any> : SessionData

type Key<Data> = keyof Data & string
/** `undefined` is what a missing key reads as, so it is not part of what is stored. */
type Value<Data, K extends keyof Data> = Exclude<Data[K], undefined>

/** Engine-internal access to a session's state. */
export let stateOf: (session: Session<any>) => State

/**
 * One request's view of a session (Django's `SessionBase`). Its methods work at once on data that was loaded before
 * the handler ran; what they change is saved when the response leaves.
 *
 * Every method that looks at the data throws `SessionNotLoadedError` when the session is not loaded and the store's
 * `SessionStoreError` when loading failed; every one that changes something throws `SessionCommittedError` once the
 * response has begun.
 */
export class Session<Data extends object = DefaultData> {
  readonly #state: State
  #proxy: Data | undefined

  static {
    stateOf = session => session.#state
    // `session.userId = 5` would not be saved; to freeze each session would tell strict code alone, and take time.
    const set = (_: object, key: PropertyKey): never => {
      throw new TypeError(`session.${String(key)} is not saved. Call session.set().`)
    }
    Object.setPrototypeOf(Session.prototype, new Proxy({}, { set }))
    Object.freeze(Session.prototype)
  }

  constructor(state: State) {
    this.#state = state
  }

  // -- Django's dictionary

  /** The value of a key, or `fallback` (default `undefined`) when it is not there. */
  get<K extends Key<Data>>(key: K): Data[K] | undefined
  get<K extends Key<Data>, F>(key: K, fallback: F): Value<Data, K> | F
  get(key: string, fallback?: unknown): unknown {
    const value = this.#take(key)
    if (value === ABSENT) return fallback
    this.#state.changes!.hold(key, value)
    return value
  }

  /** Sets a key. An object or array stays yours: what you do to it before the response leaves is saved too. */
  set<K extends Key<Data>>(key: K, value: Value<Data, K>): this {
    const changes = this.#changeOf(key)
    changes.set(key, value)
    changes.hold(key, value)
    return this
  }

  has(key: Key<Data>): boolean {
    return this.#take(key) !== ABSENT
  }

  /** Removes a key; answers whether it was there, and counts as a modification only then. */
  delete(key: Key<Data>): boolean {
    if (!this.has(key)) return false
    this.#changeOf(key).delete(key)
    return true
  }

  /** Removes a key and returns its value, or `fallback` when it was not there. */
  pop<K extends Key<Data>>(key: K): Data[K] | undefined
  pop<K extends Key<Data>, F>(key: K, fallback: F): Value<Data, K> | F
  pop(key: Key<Data>, fallback?: unknown): unknown {
    const value = this.get(key, fallback)
    this.delete(key)
    return value
  }

  /** The value of a key, which is set to `value` first when it is not there (Django `setdefault`). */
  setDefault<K extends Key<Data>>(key: K, value: Value<Data, K>): Value<Data, K> {
    if (!this.has(key)) this.#changeOf(key).default(key, value)
    return this.get(key) as Value<Data, K>
  }

  /** Sets every key of an object. */
  update(values: Partial<Data>): this
  /**
   * Sets a key to what `fn` makes of its present value (`undefined` when it is not there). `fn` runs now, and again on
   * the fresh value when another request saved in between, so an increment or an append is never lost. It works from
   * its argument alone and has no other effect.
   *
   * Throws TypeError when `fn` returns `undefined` or a promise.
   */
  update<K extends Key<Data>>(key: K, fn: (value: Data[K] | undefined) => Value<Data, K>): this
  update(first: string | Partial<Data>, fn?: Update): this {
    if (isPlain(first)) {
      this.#change()
      this.#state.forced = true
      for (const key of Object.keys(first)) this.set(key as Key<Data>, (first as Dict)[key] as any)
      return this
    }
    if (typeof fn !== 'function') {
      throw new TypeError('update takes a plain object, or a key and a function.')
    }
    // Nothing counts as changed when the function throws.
    this.#assertSettable(first)
    this.#look().update(first, checkedUpdate(fn))
    this.#state.modified = true
    return this
  }

  keys(): IterableIterator<Key<Data>> {
    return this.#visible().values()
  }

  values(): IterableIterator<Data[Key<Data>]> {
    return this.#visible()
      .map(key => this.get(key) as Data[Key<Data>])
      .values()
  }

  /** `[key, value]` pairs in the order of insertion. */
  entries(): IterableIterator<[Key<Data>, Data[Key<Data>]]> {
    return this.#visible()
      .map((key): [Key<Data>, Data[Key<Data>]] => [key, this.get(key) as Data[Key<Data>]])
      .values()
  }

  [Symbol.iterator](): IterableIterator<[Key<Data>, Data[Key<Data>]]> {
    return this.entries()
  }

  get size(): number {
    return this.#visible().length
  }

  /** The data as a plain object of its own; without the session's key. */
  toJSON(): Data {
    return Object.fromEntries(this.entries()) as Data
  }

  /** The session as an object: `session.data.cart.push(x)` is `session.get('cart').push(x)`. */
  get data(): Data {
    return (this.#proxy ??= new Proxy(Object.create(null), dataHandler(this)) as Data)
  }

  /** Removes all data. The session stays, empty, under its key. */
  clear(): void {
    this.#change().clear()
  }

  /** Ends the session: its data are gone, its record is removed with the response or by `save()`. For logout. */
  flush(): void {
    this.#change()
    const state = this.#state
    state.doomed ??= state.toEnd
    state.stored = state.rotatedFrom = undefined
    state.newlyStored = undefined
    state.flushed = true
    state.begin()
  }

  /**
   * A new key for the same data; the old key leads nowhere from the moment the response leaves. Call it at login and
   * whenever privileges change.
   */
  cycleKey(): void {
    this.#change()
    const state = this.#state
    state.forced = true
    if (state.settings.cookieStore) return
    state.rotatedFrom ??= state.stored
    state.stored = undefined
    state.key = newKey(state.settings.random)
  }

  // -- Expiry

  /**
   * When this session ends: after so many seconds of inactivity, at a moment, with the browser (0), or as the engine's
   * `age` says (`null`). A moment is not postponed by activity.
   */
  setExpiry(expiry: Expiry): void {
    if (expiry === null) this.delete(EXPIRY as Key<Data>)
    else this.set(EXPIRY as Key<Data>, storedExpiry(expiry, this.#state.settings.clock()) as any)
  }

  /** Seconds from `modification` (now) until the session expires. */
  getExpiryAge(query: ExpiryQuery = {}): number {
    return expiryAge(...this.#expiry(query))
  }

  /** The moment the session expires if it is last modified at `modification` (now). */
  getExpiryDate(query: ExpiryQuery = {}): Date {
    return new Date(expiryMoment(...this.#expiry(query)))
  }

  /** Whether the cookie ends with the browser. */
  getExpireAtBrowserClose(): boolean {
    return endsWithBrowser(this.#look().data[EXPIRY], this.#state.settings.expireAtBrowserClose)
  }

  #expiry({ expiry, modification }: ExpiryQuery): [expiry: unknown, modification: number, age: number] {
    const { age, clock } = this.#state.settings
    return [
      expiry === undefined ? this.#look().data[EXPIRY] : expiry,
      modification?.getTime() ?? clock(),
      age,
    ]
  }

  // -- Django's test cookie

  /** Sets a value by which a later request can tell that the browser keeps cookies. */
  setTestCookie(): void {
    this.set('testcookie' as Key<Data>, 'worked' as Value<Data, Key<Data>>)
  }

  testCookieWorked(): boolean {
    return (this.get('testcookie' as Key<Data>) as unknown) === 'worked'
  }

  deleteTestCookie(): void {
    this.delete('testcookie' as Key<Data>)
  }

  // -- Flash values

  /** Leaves a value for the next request that takes it. */
  flash(name: string, value: unknown): void
  /** Takes the value that was left, `undefined` when there is none. */
  flash<T = any>(name: string): T | undefined
  flash(name: string, ...leave: unknown[]): unknown {
    checkKey(name)
    const left = take((this.#look().data[FLASH] ?? {}) as Dict, name)
    if (leave.length === 0 && left === ABSENT) return
    this.#change().update(FLASH, values => {
      const { [name]: _, ...flashes } = (values ?? {}) as Dict
      for (const value of leave) put(flashes, name, value)
      return Object.keys(flashes).length > 0 ? flashes : undefined
    })
    return leave.length > 0 ? undefined : left
  }

  // -- Whose session it is

  /** Whose session it is, 1 to 255 characters; `null` when nobody's. A number is kept as its decimal text. */
  get subject(): string | null {
    const subject = this.#look().data[SUBJECT]
    return typeof subject === 'string' ? subject : null
  }

  set subject(value: string | number | null) {
    const subject = value === null ? value : subjectText(value)
    if (subject === null && !Object.hasOwn(this.#look().data, SUBJECT)) return
    const changes = this.#change()
    if (subject === null) {
      changes.delete(SUBJECT)
      changes.delete(AUTHENTICATED)
      return
    }
    const { data } = changes
    const now = this.#state.settings.clock()
    const since = data[SUBJECT] === subject ? subjectSince(data) : undefined
    if (createdAt(data) === undefined) changes.set(CREATED, now)
    changes.set(SUBJECT, subject)
    changes.set(AUTHENTICATED, since === undefined ? now : [now, since])
  }

  /** When the session was created, where the engine recorded it: with `absoluteAge`, or once it had a subject. */
  get createdAt(): Date | undefined {
    return asDate(createdAt(this.#look().data))
  }

  /** When the subject was last set. */
  get authenticatedAt(): Date | undefined {
    return asDate(authenticatedAt(this.#look().data))
  }

  // -- Key and flags

  /** The session's key; `null` when it has none (yet, or any more). Of a cookie session: the token. */
  get sessionKey(): SessionKey | null {
    return this.#state.key
  }

  /** No key and no data (Django `is_empty`). Does not look at data that nobody has looked at. */
  get isEmpty(): boolean {
    return this.#state.isEmpty
  }

  /** Whether anything has looked at the data in this request. */
  get accessed(): boolean {
    return this.#state.accessed
  }

  set accessed(value: boolean) {
    this.#state.accessed = value
  }

  /** Whether a method has changed the data in this request. Set it by hand to have the session saved, or not saved. */
  get modified(): boolean {
    return this.#state.modified
  }

  set modified(value: boolean) {
    this.#assertOpen()
    this.#state.modified = value
    this.#state.forced = value
  }

  // -- Input and output

  /**
   * Fetches the session from the store, once; adapters have done it before the handler runs, unless `lazy`. What went
   * wrong shows at the first look: this does not reject. `undefined`, not a promise, where there is nothing to wait for.
   */
  load(): MaybePromise<void> {
    return this.#state.load()
  }

  /**
   * Saves now what would be saved with the response; carries out `cycleKey` and `flush`. `mustCreate`: under its key,
   * of which there must be no session (else SessionExistsError). Without a commit to come (a session of `open()` in a
   * WebSocket, say) wait for it: a failure that nobody waits for is told by the commit and the storeError hook alone.
   *
   * @throws TypeError for a callback, at the call
   */
  save(options: { mustCreate?: boolean } = {}): Promise<void> {
    // Not by rejecting: who passes a callback does not look at the promise.
    if (typeof options !== 'object')
      throw new TypeError('save takes { mustCreate } and answers with a promise.')
    return this.#store(save, options.mustCreate)
  }

  /** Stores the data under a new key; what is under the old one stays (Django `create`). */
  create(): Promise<void> {
    return this.#store(create)
  }

  /** One at a time; and until it is done nothing may be changed, for nobody could say whether it was saved. */
  #store(
    task: (state: State, deadline: Deadline, mustCreate: boolean) => Task<void>,
    mustCreate = false,
  ): Promise<void> {
    const state = this.#state
    if (state.committed) {
      const error = new SessionCommittedError()
      void tellError(state.settings.hooks, error, task === create ? 'create' : 'save')
      return handled(Promise.reject(error))
    }
    const run = async (): Promise<void> => {
      await state.load()
      state.accessed = true
      await state.run(deadline => task(state, deadline, mustCreate))
    }
    const saving = (state.saving ? state.saving.then(run, run) : run()).finally(() => {
      if (state.saving === saving) state.saving = undefined
    })
    // The commit tries again and reports.
    state.saving = handled(saving)
    return saving
  }

  #look(): Changes {
    this.#state.accessed = true
    return this.#state.changes ?? this.#state.open()
  }

  #assertOpen(): void {
    if (this.#state.committed) throw new SessionCommittedError()
    if (this.#state.saving) {
      throw new SessionCommittedError('The session is being saved. Await `save()` before you change it.')
    }
  }

  #assertSettable(key: unknown): void {
    this.#assertOpen()
    checkKey(key)
    if (isHidden(key)) throw new SessionDataError(`${key} is kept by the session itself.`)
  }

  /** The changes, for one more. */
  #change(): Changes {
    this.#assertOpen()
    const changes = this.#look()
    this.#state.modified = true
    return changes
  }

  /** The changes, for one to a key that the user may set. */
  #changeOf(key: string): Changes {
    this.#assertSettable(key)
    return this.#change()
  }

  /** The value of a key that the user may see, or ABSENT. */
  #take(key: string): unknown {
    const { data } = this.#look()
    return isHidden(key) ? ABSENT : take(data, key)
  }

  #visible(): Key<Data>[] {
    return Object.keys(this.#look().data).filter(key => !isHidden(key)) as Key<Data>[]
  }
}

/** Avoids an unhandled rejection (it would end Node) when the caller does not await. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

function dataHandler(session: Session<any>): ProxyHandler<Dict> {
  // Object.defineProperty would say more than JSON can hold.
  const refuse = (): boolean => false
  return {
    get: (_, key) => session.get(key as string),
    has: (_, key) => session.has(key as string),
    set: (_, key, value) => typeof key === 'string' && !!session.set(key, value),
    deleteProperty: (_, key) => {
      session.delete(key as string)
      return true
    },
    ownKeys: () => [...session.keys()],
    getOwnPropertyDescriptor: (_, key) =>
      session.has(key as string)
        ? { value: session.get(key as string), writable: true, enumerable: true, configurable: true }
        : undefined,
    defineProperty: refuse,
    preventExtensions: refuse,
    setPrototypeOf: refuse,
  }
}
