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
import { isObject, isPlain } from './codec.ts'
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
import { freezeMembers } from './members.ts'
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

/** Where a session has its state. Nobody outside this file has the symbol, and a session lists no property. */
const STATE = Symbol('state')

/** Engine-internal access to a session's state. */
export function stateOf(session: Session<any>): State {
  return (session as unknown as { [STATE]: State })[STATE]
}

/**
 * One request's view of a session (Django's `SessionBase`). Its methods work at once on data that was loaded before
 * the handler ran; what they change is saved when the response leaves.
 *
 * Every method that looks at the data throws `SessionNotLoadedError` when the session is not loaded and the store's
 * `SessionStoreError` when loading failed; every one that changes something throws `SessionCommittedError` once the
 * response has begun.
 */
export class Session<Data extends object = DefaultData> {
  private readonly [STATE]: State
  #data: Data | undefined

  constructor(state: State) {
    this[STATE] = state
    // biome-ignore lint/correctness/noConstructorReturn: only a proxy sees `delete session.userId`.
    return new Proxy(this, NO_PLAIN_OBJECT)
  }

  // -- Django's dictionary

  /** The value of a key, or `fallback` (default `undefined`) when it is not there. */
  get<K extends Key<Data>>(key: K): Data[K] | undefined
  get<K extends Key<Data>, F>(key: K, fallback: F): Value<Data, K> | F
  get(key: string, fallback?: unknown): unknown {
    const changes = look(this[STATE])
    const value = visible(changes, key)
    if (value === ABSENT) return fallback
    changes.hold(key, value)
    return value
  }

  /** Sets a key. An object or array stays yours: what you do to it before the response leaves is saved too. */
  set<K extends Key<Data>>(key: K, value: Value<Data, K>): this {
    const changes = changeOf(this[STATE], key)
    changes.set(key, value)
    changes.hold(key, value)
    return this
  }

  has(key: Key<Data>): boolean {
    return visible(look(this[STATE]), key) !== ABSENT
  }

  /** Removes a key; answers whether it was there, and counts as a modification only then. */
  delete(key: Key<Data>): boolean {
    if (!this.has(key)) return false
    changeOf(this[STATE], key).delete(key)
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
    if (!this.has(key)) changeOf(this[STATE], key).default(key, value)
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
      change(this[STATE])
      this[STATE].forced = true
      for (const key of Object.keys(first)) this.set(key as Key<Data>, (first as Dict)[key] as any)
      return this
    }
    if (typeof fn !== 'function') {
      throw new TypeError('update takes a plain object, or a key and a function.')
    }
    // Nothing counts as changed when the function throws.
    assertSettable(this[STATE], first)
    look(this[STATE]).update(first, checkedUpdate(fn))
    this[STATE].modified = true
    return this
  }

  keys(): IterableIterator<Key<Data>> {
    return (visibleKeys(look(this[STATE])) as Key<Data>[]).values()
  }

  values(): IterableIterator<Data[Key<Data>]> {
    return (visibleKeys(look(this[STATE])) as Key<Data>[])
      .map(key => this.get(key) as Data[Key<Data>])
      .values()
  }

  /** `[key, value]` pairs in the order of insertion. */
  entries(): IterableIterator<[Key<Data>, Data[Key<Data>]]> {
    return (visibleKeys(look(this[STATE])) as Key<Data>[])
      .map((key): [Key<Data>, Data[Key<Data>]] => [key, this.get(key) as Data[Key<Data>]])
      .values()
  }

  [Symbol.iterator](): IterableIterator<[Key<Data>, Data[Key<Data>]]> {
    return this.entries()
  }

  get size(): number {
    return visibleKeys(look(this[STATE])).length
  }

  /** The data as a plain object of its own; without the session's key. */
  toJSON(): Data {
    return Object.fromEntries(this.entries()) as Data
  }

  /** The session as an object: `session.data.cart.push(x)` is `session.get('cart').push(x)`. */
  get data(): Data {
    // Accessors run on the session itself, not on its proxy.
    return (this.#data ??= new Proxy(Object.create(null), dataHandler(this)) as Data)
  }

  /** Removes all data. The session stays, empty, under its key. */
  clear(): void {
    change(this[STATE]).clear()
  }

  /** Ends the session: its data are gone, its record is removed with the response or by `save()`. For logout. */
  flush(): void {
    change(this[STATE])
    this[STATE].flush()
  }

  /**
   * A new key for the same data; the old key leads nowhere from the moment the response leaves. Call it at login and
   * whenever privileges change.
   */
  cycleKey(): void {
    change(this[STATE])
    const state = this[STATE]
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
    else this.set(EXPIRY as Key<Data>, storedExpiry(expiry, this[STATE].settings.clock()) as any)
  }

  /**
   * Seconds that a session last modified at `modification` (default: now) has from then on (Django
   * `get_expiry_age`): `age` or what `setExpiry` said, and no more than `absoluteAge` leaves. It says how long a save
   * would make it, not how long the stored session still has: that is `remaining`.
   */
  getExpiryAge(query: ExpiryQuery = {}): number {
    const state = this[STATE]
    const [expiry, modification, age] = expiryOf(state, query)
    const seconds = expiryAge(expiry, modification, age)
    if (state.settings.absoluteAge === undefined) return seconds
    return Math.min(seconds, Math.floor((state.limit(look(state).data) - modification) / 1000))
  }

  /** The moment at which a session last modified at `modification` (default: now) expires; see `getExpiryAge`. */
  getExpiryDate(query: ExpiryQuery = {}): Date {
    const state = this[STATE]
    const moment = expiryMoment(...expiryOf(state, query))
    if (state.settings.absoluteAge === undefined) return new Date(moment)
    return new Date(Math.min(moment, state.limit(look(state).data)))
  }

  /**
   * When the session ends if nothing more happens after this response, all limits included. Before a change that is
   * what is stored; after a change, or where this request extends the session, it counts from now. A session that does
   * not exist yet: when it would end if it were saved now.
   *
   * @example
   * res.json({ loggedOutAt: req.session.expiresAt })
   */
  get expiresAt(): Date {
    const state = this[STATE]
    look(state)
    return new Date(state.endsAt(state.settings.clock()))
  }

  /**
   * Whole seconds until `expiresAt`, 0 at least.
   *
   * @example
   * if (req.session.remaining < 60) warnTheUser()
   */
  get remaining(): number {
    return Math.max(0, Math.floor((this.expiresAt.getTime() - this[STATE].settings.clock()) / 1000))
  }

  /**
   * Whether this request counts as activity. `false`, for a background poll: it does not extend the session's life,
   * neither by `saveEveryRequest` nor by saving a change. `setExpiry` still does what it says. Default true.
   *
   * @throws SessionCommittedError once the response has begun
   * @example
   * app.get('/unread', (req, res) => {
   *   req.session.extend = false
   *   res.json(unreadOf(req.session.get('userId')))
   * })
   */
  get extend(): boolean {
    return this[STATE].extends
  }

  set extend(value: boolean) {
    assertOpen(this[STATE])
    if (typeof value !== 'boolean') throw new TypeError('session.extend is true or false.')
    this[STATE].extends = value
  }

  /** Whether the cookie ends with the browser. */
  getExpireAtBrowserClose(): boolean {
    return endsWithBrowser(look(this[STATE]).data[EXPIRY], this[STATE].settings.expireAtBrowserClose)
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

  /**
   * Adds a value to the list of that name, for the next request that takes it. Two requests at the same time both add
   * theirs.
   *
   * @throws SessionDataError when the name is not a string
   * @example
   * req.session.flash('notice', 'Saved.')
   */
  flash(name: string, value: unknown): void
  /**
   * Takes the list of that name: returns the values in the order they were added and removes them. Without any it
   * returns an empty list.
   *
   * @example
   * for (const notice of req.session.flash('notice')) show(notice)
   */
  flash<T = any>(name: string): T[]
  flash(name: string, ...added: unknown[]): unknown {
    checkKey(name)
    const state = this[STATE]
    if (added.length > 0) {
      change(state).update(FLASH, all => withFlash(all, name, [...flashOf(all, name), ...added]))
      return
    }
    const taken = flashOf(look(state).data[FLASH], name)
    if (taken.length > 0) {
      const { stringify } = state.settings
      // Runs again on what another request has saved: what that one added stays.
      change(state).update(FLASH, all => withFlash(all, name, without(flashOf(all, name), taken, stringify)))
    }
    return taken
  }

  // -- Whose session it is

  /** Whose session it is, 1 to 255 characters; `null` when nobody's. A number is kept as its decimal text. */
  get subject(): string | null {
    const subject = look(this[STATE]).data[SUBJECT]
    return typeof subject === 'string' ? subject : null
  }

  set subject(value: string | number | null) {
    const subject = value === null ? value : subjectText(value)
    if (subject === null && !Object.hasOwn(look(this[STATE]).data, SUBJECT)) return
    const changes = change(this[STATE])
    if (subject === null) {
      changes.delete(SUBJECT)
      changes.delete(AUTHENTICATED)
      return
    }
    const { data } = changes
    const now = this[STATE].settings.clock()
    const since = data[SUBJECT] === subject ? subjectSince(data) : undefined
    if (createdAt(data) === undefined) changes.set(CREATED, now)
    changes.set(SUBJECT, subject)
    changes.set(AUTHENTICATED, since === undefined ? now : [now, since])
  }

  /** When the session was created, where the engine recorded it: with `absoluteAge`, or once it had a subject. */
  get createdAt(): Date | undefined {
    return asDate(createdAt(look(this[STATE]).data))
  }

  /** When the subject was last set. */
  get authenticatedAt(): Date | undefined {
    return asDate(authenticatedAt(look(this[STATE]).data))
  }

  // -- Key and flags

  /** The session's key; `null` when it has none (yet, or any more). Of a cookie session: the token. */
  get sessionKey(): SessionKey | null {
    return tell(this[STATE]).key
  }

  /** No key and no data (Django `is_empty`). Does not look at data that nobody has looked at. */
  get isEmpty(): boolean {
    return tell(this[STATE]).isEmpty
  }

  /** Whether anything has looked at the data in this request. */
  get accessed(): boolean {
    return this[STATE].accessed
  }

  set accessed(value: boolean) {
    this[STATE].accessed = value
  }

  /** Whether a method has changed the data in this request. Set it by hand to have the session saved, or not saved. */
  get modified(): boolean {
    return this[STATE].modified
  }

  set modified(value: boolean) {
    assertOpen(this[STATE])
    this[STATE].modified = value
    this[STATE].forced = value
  }

  /** What `console.log` shows: names of keys and flags; no value, no key, no subject. */
  [Symbol.for('nodejs.util.inspect.custom')](
    _depth?: number,
    options?: object,
    inspect: (value: unknown, options?: object) => string = value => JSON.stringify(value),
  ): string {
    const { accessed, modified } = tell(this[STATE])
    try {
      const keys = visibleKeys(this[STATE].open())
      return `Session ${inspect({ keys, accessed, modified }, options)}`
    } catch (error) {
      return `Session { ${(error as Error).message} }`
    }
  }

  // -- Input and output

  /**
   * Fetches the session from the store, once; adapters have done it before the handler runs, unless `lazy`. What went
   * wrong shows at the first look: this does not reject. `undefined`, not a promise, where there is nothing to wait for.
   */
  load(): MaybePromise<void> {
    return this[STATE].load()
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
    return store(this[STATE], save, options.mustCreate)
  }

  /** Stores the data under a new key; what is under the old one stays (Django `create`). */
  create(): Promise<void> {
    return store(this[STATE], create)
  }
}

/** The state, to tell the handler something that depends on the visitor: from then on the response does, too. */
function tell(state: State): State {
  state.told = true
  if (state.settings.removal) state.endIfRemoved()
  return state
}

/** The session's data and log, for whoever looks at them. */
function look(state: State): Changes {
  state.accessed = true
  if (state.settings.removal) state.endIfRemoved()
  return state.changes ?? state.open()
}

/** The value of a key that the user may see, or ABSENT. */
function visible({ data }: Changes, key: string): unknown {
  return isHidden(key) ? ABSENT : take(data, key)
}

function visibleKeys({ data }: Changes): string[] {
  return Object.keys(data).filter(key => !isHidden(key))
}

function assertOpen(state: State): void {
  if (state.committed) throw new SessionCommittedError()
  if (state.saving) {
    throw new SessionCommittedError('The session is being saved. Await `save()` before you change it.')
  }
}

function assertSettable(state: State, key: unknown): void {
  assertOpen(state)
  checkKey(key)
  if (isHidden(key)) throw new SessionDataError(`${key} is kept by the session itself.`)
}

/** The changes, for one more. */
function change(state: State): Changes {
  assertOpen(state)
  const changes = look(state)
  state.modified = true
  return changes
}

/** The changes, for one to a key that the user may set. */
function changeOf(state: State, key: string): Changes {
  assertSettable(state, key)
  return change(state)
}

/** Saves run one after another. Changes are rejected meanwhile: it would be unclear whether they were included. */
function store(
  state: State,
  task: (state: State, deadline: Deadline, mustCreate: boolean) => Task<void>,
  mustCreate = false,
): Promise<void> {
  if (state.committed) {
    const error = new SessionCommittedError()
    void tellError(state.settings.hooks, error, task === create ? 'create' : 'save')
    return handled(Promise.reject(error))
  }
  state.endIfRemoved()
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

function expiryOf(
  state: State,
  { expiry, modification }: ExpiryQuery,
): [expiry: unknown, modification: number, age: number] {
  const { age, clock } = state.settings
  return [expiry === undefined ? look(state).data[EXPIRY] : expiry, modification?.getTime() ?? clock(), age]
}

/** The list of one name, a copy. */
function flashOf(all: unknown, name: string): unknown[] {
  const list = take((all ?? {}) as Dict, name)
  return Array.isArray(list) ? [...list] : []
}

/** All lists, with this one. `undefined` without any. */
function withFlash(all: unknown, name: string, list: unknown[]): Dict | undefined {
  const flashes: Dict = {}
  for (const [key, value] of Object.entries((all ?? {}) as Dict)) put(flashes, key, value)
  put(flashes, name, list.length > 0 ? list : ABSENT)
  return Object.keys(flashes).length > 0 ? flashes : undefined
}

/** A list without those values, each removed once. */
function without(list: unknown[], values: unknown[], stringify: (value: unknown) => string): unknown[] {
  const rest = [...list]
  for (const value of values) {
    const at = rest.findIndex(
      other =>
        other === value || (isObject(other) && isObject(value) && stringify(other) === stringify(value)),
    )
    if (at >= 0) rest.splice(at, 1)
  }
  return rest
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
    set: (_, key, value) => {
      if (typeof key !== 'string') throw new TypeError('A session holds no symbols: use a string as the key.')
      session.set(key, value)
      return true
    },
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

/**
 * Whoever uses a session as a plain object (`req.session.userId = 5`, `delete`, `in`, spread) hears of it: nothing of
 * that would be saved, and in sloppy code it is silent. Only a proxy sees all of it. Its price is measured in
 * `docs/decisions`.
 */
const NO_PLAIN_OBJECT: ProxyHandler<Session<any>> = {
  // On the target, so that accessors and engine-internal reads do not come through the proxy again.
  get: (target, key) => (target as unknown as Record<PropertyKey, unknown>)[key],
  set(target, key, value) {
    const member = memberOf(key)
    if (!member) throw noProperty(`session.${String(key)} is not saved`, 'session.set(key, value)')
    if (!member.set) throw new TypeError(`session.${String(key)} cannot be assigned to.${remedy(key)}`)
    ;(target as unknown as Record<PropertyKey, unknown>)[key] = value
    return true
  },
  has(target, key) {
    if (typeof key === 'symbol' || key in target) return Reflect.has(target, key)
    throw noProperty(`A session's keys are no properties, so \`in\` does not see ${key}`, 'session.has(key)')
  },
  deleteProperty(_, key) {
    throw noProperty(
      `session.${String(key)} is not deleted`,
      'session.delete(key), or session.flush() to log out',
    )
  },
  getOwnPropertyDescriptor(_, key) {
    if (typeof key === 'symbol') return
    throw noProperty(`A session's keys are no properties, ${key} neither`, 'session.has(key)')
  },
  ownKeys() {
    throw noProperty(
      "A session's keys are no properties",
      'session.keys() or session.toJSON(), or use session.data',
    )
  },
  defineProperty(_, key) {
    throw noProperty(`session.${String(key)} is not saved`, 'session.set(key, value)')
  },
  preventExtensions() {
    throw new TypeError('A session cannot be frozen.')
  },
  setPrototypeOf() {
    throw new TypeError('A session keeps its prototype.')
  },
}

function noProperty(problem: string, call: string): TypeError {
  return new TypeError(`${problem}. Call ${call}.`)
}

/** `req.session.flash = …` is what connect-flash does. */
function remedy(key: PropertyKey): string {
  return key === 'flash' ? ' Instead of connect-flash call session.flash(name, value).' : ''
}

function memberOf(key: PropertyKey): PropertyDescriptor | undefined {
  return Object.getOwnPropertyDescriptor(Session.prototype, key)
}

freezeMembers(Session)
