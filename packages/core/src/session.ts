import {
  assertChangeable,
  assertSettable,
  beginChange,
  beginChangeOf,
  readChanges,
  stateForMetadata,
  visible,
  visibleKeys,
} from './access.ts'
import {
  AUTHENTICATED,
  asDate,
  authenticatedAt,
  CREATED,
  checkKey,
  createdAt,
  DEVICE,
  EXPIRY,
  SUBJECT,
  subjectSince,
  subjectText,
} from './bookkeeping.ts'
import { isPlain } from './codec.ts'
import { endsAt, pendingOf } from './commit.ts'
import { type Device, deviceIn, storedDevice } from './device.ts'
import {
  type Expiry,
  type ExpiryQuery,
  endsWithBrowser,
  expiryAge,
  expiryMoment,
  looksLikeMilliseconds,
  storedExpiry,
} from './expiry.ts'
import { addFlash, flashOf, removeFlash } from './flash.ts'
import { clearSiteDataOf, type FlushOptions } from './flush-options.ts'
import type { SessionKey } from './key.ts'
import { checkedUpdate, type Update } from './key-change.ts'
import { absoluteLimit } from './lifetime.ts'
import { load, openLoaded } from './load.ts'
import { freezeMembers } from './members.ts'
import { ABSENT, type Data as Dict, setOwn } from './merge.ts'
import { dataProxy, NO_PLAIN_OBJECT } from './plain-object.ts'
import { createNow, saveAtOnce, saveNow } from './save.ts'
import type { SessionState } from './session-state.ts'
import type { MaybePromise, StoredRecord } from './store.ts'

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
export function stateOf(session: Session<any>): SessionState {
  return (session as unknown as { [STATE]: SessionState })[STATE]
}

/**
 * One request's view of a session (Django's `SessionBase`). Its methods work at once, on data that was loaded before the
 * handler ran. Changes are saved with the response.
 *
 * A method that accesses the data throws a SessionNotLoadedError if the session is not loaded, and the store's
 * SessionStoreError if loading failed. A method that changes something throws a SessionCommittedError once the response
 * has begun.
 */
export class Session<Data extends object = DefaultData> {
  private readonly [STATE]: SessionState
  #data: Data | undefined
  /** What the adapter knows of the client, with the option `devices`. */
  readonly #deviceOf: (() => Device) | undefined

  constructor(state: SessionState, deviceOf?: () => Device) {
    this[STATE] = state
    this.#deviceOf = deviceOf
    // biome-ignore lint/correctness/noConstructorReturn: only a proxy sees `delete session.userId`.
    return new Proxy(this, NO_PLAIN_OBJECT)
  }

  // -- Django's dictionary

  /**
   * Returns the value of a key, or `fallback` (default `undefined`) if there is none. Mutations of the value are saved.
   *
   * @example
   * const theme = req.session.get('theme', 'light')
   */
  get<K extends Key<Data>>(key: K): Data[K] | undefined
  get<K extends Key<Data>, F>(key: K, fallback: F): Value<Data, K> | F
  get(key: string, fallback?: unknown): unknown {
    const changes = readChanges(this[STATE])
    const value = visible(changes, key)
    if (value === ABSENT) return fallback
    changes.trackReference(key, value)
    return value
  }

  /**
   * Sets a key. If you mutate an object or array until the response is sent, that is saved too. `undefined`, functions and what
   * else the codec cannot hold are a SessionDataError at the save.
   *
   * @throws SessionDataError if the key is not a string, or is kept by the session itself
   * @example
   * req.session.set('userId', user.id).set('theme', 'dark')
   */
  set<K extends Key<Data>>(key: K, value: Value<Data, K>): this {
    const changes = beginChangeOf(this[STATE], key)
    changes.set(key, value)
    changes.trackReference(key, value)
    return this
  }

  /**
   * Whether there is a key.
   *
   * @example
   * if (!req.session.has('userId')) return res.redirect('/login')
   */
  has(key: Key<Data>): boolean {
    return visible(readChanges(this[STATE]), key) !== ABSENT
  }

  /**
   * Removes a key. Returns true if it existed. Only then is the session marked modified.
   *
   * @example
   * req.session.delete('draft')
   */
  delete(key: Key<Data>): boolean {
    if (!this.has(key)) return false
    beginChangeOf(this[STATE], key).delete(key)
    return true
  }

  /**
   * Removes a key. Returns its value, or `fallback` if there was none.
   *
   * @example
   * res.redirect(req.session.pop('returnTo', '/'))
   */
  pop<K extends Key<Data>>(key: K): Data[K] | undefined
  pop<K extends Key<Data>, F>(key: K, fallback: F): Value<Data, K> | F
  pop(key: Key<Data>, fallback?: unknown): unknown {
    const value = this.get(key, fallback)
    this.delete(key)
    return value
  }

  /**
   * Returns the value of a key. If there is none, sets it to `value` first (Django `setdefault`).
   *
   * @example
   * req.session.setDefault('cart', []).push(item)
   */
  setDefault<K extends Key<Data>>(key: K, value: Value<Data, K>): Value<Data, K> {
    if (!this.has(key)) beginChangeOf(this[STATE], key).default(key, value)
    return this.get(key) as Value<Data, K>
  }

  /**
   * Sets every key of a plain object.
   *
   * @example
   * req.session.update({ theme: 'dark', language: 'de' })
   */
  update(values: Partial<Data>): this
  /**
   * Sets a key to what `fn` returns for its current value (`undefined` if there is none). `fn` runs now. It runs again on
   * the fresh value if another request saved in between, so an increment or an append is never lost. It must work from its
   * argument alone and have no other effect.
   *
   * @throws TypeError if `fn` returns `undefined` or a promise
   * @example
   * req.session.update('visits', (count = 0) => count + 1)
   */
  update<K extends Key<Data>>(key: K, fn: (value: Data[K] | undefined) => Value<Data, K>): this
  update(first: string | Partial<Data>, fn?: Update): this {
    if (isPlain(first)) {
      beginChange(this[STATE], true)
      for (const key of Object.keys(first)) this.set(key as Key<Data>, (first as Dict)[key] as any)
      return this
    }
    if (typeof fn !== 'function') {
      throw new TypeError('update takes a plain object, or a key and a function.')
    }
    // Nothing counts as changed when the function throws.
    assertSettable(this[STATE], first)
    readChanges(this[STATE]).update(first, checkedUpdate(fn))
    this[STATE].changed()
    return this
  }

  /**
   * The keys, in the order in which they were set.
   *
   * @example
   * const names = [...req.session.keys()]
   */
  keys(): IterableIterator<Key<Data>> {
    return (visibleKeys(readChanges(this[STATE])) as Key<Data>[]).values()
  }

  /**
   * The values, in the order of their keys.
   *
   * @example
   * const total = [...req.session.values()].length
   */
  values(): IterableIterator<Data[Key<Data>]> {
    return (visibleKeys(readChanges(this[STATE])) as Key<Data>[])
      .map(key => this.get(key) as Data[Key<Data>])
      .values()
  }

  /**
   * `[key, value]` pairs, in the order in which the keys were set.
   *
   * @example
   * for (const [key, value] of req.session.entries()) show(key, value)
   */
  entries(): IterableIterator<[Key<Data>, Data[Key<Data>]]> {
    return (visibleKeys(readChanges(this[STATE])) as Key<Data>[])
      .map((key): [Key<Data>, Data[Key<Data>]] => [key, this.get(key) as Data[Key<Data>]])
      .values()
  }

  /**
   * The same as `entries`.
   *
   * @example
   * const copy = new Map(req.session)
   */
  [Symbol.iterator](): IterableIterator<[Key<Data>, Data[Key<Data>]]> {
    return this.entries()
  }

  /**
   * How many keys there are.
   *
   * @example
   * if (req.session.size === 0) welcome()
   */
  get size(): number {
    return visibleKeys(readChanges(this[STATE])).length
  }

  /**
   * The data as a new plain object, without the session's key.
   *
   * @example
   * res.json(req.session)
   */
  toJSON(): Data {
    const changes = readChanges(this[STATE])
    const copy: Dict = {}
    for (const key of visibleKeys(changes)) {
      const value = changes.data[key]
      changes.trackReference(key, value)
      setOwn(copy, key, value)
    }
    return copy as Data
  }

  /**
   * The session as an object.
   *
   * @example
   * req.session.data.cart.push(item) // req.session.get('cart').push(item)
   */
  get data(): Data {
    // Accessors run on the session itself, not on its proxy.
    return (this.#data ??= dataProxy(this) as Data)
  }

  /**
   * Removes all data. The session stays, empty, under its key.
   *
   * @example
   * req.session.clear()
   */
  clear(): void {
    beginChange(this[STATE]).clear()
  }

  /**
   * How the client sends the key (the option `carrier`). A browser never sends a header by itself, so a session with
   * `'header'` needs no protection against cross-site request forgery (CSRF).
   *
   * @example
   * if (session.carrier === 'cookie') checkCsrfToken(req)
   */
  get carrier(): 'cookie' | 'header' {
    return stateForMetadata(this[STATE]).lookup.carrier ? 'header' : 'cookie'
  }

  /**
   * Ends the session, for logout. Its data is gone at once. Its record is removed with the response, or by `save()`. Data
   * that you set afterwards is a new session.
   *
   * @param options `clearSiteData`: what the browser deletes of this site as well
   * @throws TypeError for wrong options
   * @example
   * app.post('/logout', (req, res) => {
   *   req.session.flush({ clearSiteData: ['storage'] })
   *   res.redirect('/')
   * })
   */
  flush(options?: FlushOptions): void {
    const clearSiteData = clearSiteDataOf(options)
    beginChange(this[STATE])
    this[STATE].flush(clearSiteData)
  }

  /**
   * Gives the session a new key and keeps its data. The old key stops working when the response is sent. Call it at login
   * and whenever privileges change.
   *
   * @example
   * req.session.cycleKey()
   * req.session.subject = user.id
   */
  cycleKey(): void {
    beginChange(this[STATE])
    this[STATE].cycleKey()
  }

  // -- Expiry

  /**
   * Sets when this session ends: after that many seconds of inactivity, at a moment (a Date, or a duration from now), when
   * the browser closes (0), or as the engine's `age` says (`null`). Activity does not postpone a moment.
   *
   * @throws TypeError for anything else
   * @example
   * req.session.setExpiry(req.body.remember ? { days: 30 } : 0)
   */
  setExpiry(expiry: Expiry): void {
    if (expiry === null) this.delete(EXPIRY as Key<Data>)
    else this.set(EXPIRY as Key<Data>, storedExpiry(expiry, this[STATE].settings.clock()) as any)
  }

  /**
   * Seconds that a session last modified at `modification` (default: now) has from then on (Django `get_expiry_age`):
   * `age` or what `setExpiry` set, and no more than `absoluteAge` leaves. This is the life that a save would give it. For
   * the life that the stored session still has, read `remaining`.
   *
   * @example
   * const seconds = req.session.getExpiryAge()
   */
  getExpiryAge(query: ExpiryQuery = {}): number {
    const state = this[STATE]
    const [expiry, modification, age] = expiryOf(state, query)
    const seconds = expiryAge(expiry, modification, age)
    if (state.settings.absoluteAge === undefined) return seconds
    return Math.min(
      seconds,
      Math.floor((absoluteLimit(state.settings, readChanges(state).data) - modification) / 1000),
    )
  }

  /**
   * The moment at which a session last modified at `modification` (default: now) expires. See `getExpiryAge`.
   *
   * @example
   * const date = req.session.getExpiryDate({ modification: savedAt })
   */
  getExpiryDate(query: ExpiryQuery = {}): Date {
    const state = this[STATE]
    const moment = expiryMoment(...expiryOf(state, query))
    if (state.settings.absoluteAge === undefined) return new Date(moment)
    return new Date(Math.min(moment, absoluteLimit(state.settings, readChanges(state).data)))
  }

  /**
   * When the session ends if nothing more happens after this response, all limits included. Before a change, and after a
   * `save()`, that is what is stored. After a change, also a nested one, and where the response extends the session, it
   * counts from now. So it does for a session that does not exist yet.
   *
   * @example
   * res.json({ loggedOutAt: req.session.expiresAt })
   */
  get expiresAt(): Date {
    const state = this[STATE]
    readChanges(state)
    return new Date(endsAt(state, state.settings.clock()))
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
    return this[STATE].isActivity
  }

  set extend(value: boolean) {
    assertChangeable(this[STATE])
    if (typeof value !== 'boolean') throw new TypeError('session.extend is true or false.')
    this[STATE].setActivity(value)
  }

  /**
   * Whether the cookie ends with the browser.
   *
   * @example
   * const isTemporary = req.session.getExpireAtBrowserClose()
   */
  getExpireAtBrowserClose(): boolean {
    return endsWithBrowser(readChanges(this[STATE]).data[EXPIRY], this[STATE].settings.expireAtBrowserClose)
  }

  // -- Django's test cookie

  /**
   * Sets a value by which a later request can tell that the browser keeps cookies.
   *
   * @example
   * req.session.setTestCookie() // with the login form
   */
  setTestCookie(): void {
    this.set('testcookie' as Key<Data>, 'worked' as Value<Data, Key<Data>>)
  }

  /**
   * Whether the value of `setTestCookie` came back.
   *
   * @example
   * if (!req.session.testCookieWorked()) return res.status(400).send('Please enable cookies.')
   */
  testCookieWorked(): boolean {
    return (this.get('testcookie' as Key<Data>) as unknown) === 'worked'
  }

  /**
   * Removes the value of `setTestCookie`.
   *
   * @example
   * req.session.deleteTestCookie()
   */
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
      addFlash(beginChange(state), name, added)
      return
    }
    const taken = flashOf(readChanges(state), name)
    if (taken.length > 0) removeFlash(beginChange(state), name, taken, state.settings.stringify)
    return taken
  }

  // -- Whose session it is

  /**
   * Whose session it is: 1 to 255 characters, or `null` for nobody. A number is kept as its decimal text.
   *
   * @example
   * req.session.subject = user.id // lists and ends all sessions of a user: sessions.removeBySubject(user.id)
   */
  get subject(): string | null {
    const subject = readChanges(this[STATE]).data[SUBJECT]
    return typeof subject === 'string' ? subject : null
  }

  set subject(value: string | number | null) {
    const subject = value === null ? value : subjectText(value)
    if (subject === null && !Object.hasOwn(readChanges(this[STATE]).data, SUBJECT)) return
    const changes = beginChange(this[STATE])
    if (subject === null) {
      changes.delete(SUBJECT)
      changes.delete(AUTHENTICATED)
      changes.delete(DEVICE)
      return
    }
    const { data } = changes
    const { settings } = this[STATE]
    const now = settings.clock()
    const isSame = data[SUBJECT] === subject
    const since = isSame ? subjectSince(data) : undefined
    // Then a login over the limit leaves the session alone that the visitor has.
    if (settings.maxSessions && !isSame && this[STATE].current) this.cycleKey()
    const deviceOf = this.#deviceOf
    if (deviceOf && !changes.has(DEVICE)) changes.set(DEVICE, storedDevice(deviceOf()))
    if (createdAt(data) === undefined) changes.set(CREATED, now)
    changes.set(SUBJECT, subject)
    changes.set(AUTHENTICATED, since === undefined ? now : [now, since])
  }

  /**
   * Where this session is used, for a page "your devices": `{ userAgent, ip, label }`, each optional, cut off at 512
   * characters. `null` removes it. With the option `devices` adapters set it when `subject` is set.
   *
   * @throws SessionDataError for anything else
   * @example
   * req.session.device = { userAgent: req.get('user-agent'), ip: req.ip, label: req.body.deviceName }
   */
  get device(): Device | undefined {
    return deviceIn(readChanges(this[STATE]).data[DEVICE])
  }

  set device(value: Device | null | undefined) {
    const device = value === null || value === undefined ? undefined : storedDevice(value)
    const changes = beginChange(this[STATE])
    if (device) changes.set(DEVICE, device)
    else changes.delete(DEVICE)
  }

  /**
   * Whether the user has authenticated in the last `seconds`: the subject was set, or `reauthenticated()` called. Ask
   * before an action for which the password should be confirmed. False without a subject.
   *
   * @param seconds how long ago at the most, above 0
   * @throws TypeError for anything else, milliseconds too
   * @example
   * if (!req.session.isFresh(600)) return res.redirect('/confirm-password')
   */
  isFresh(seconds: number): boolean {
    if (typeof seconds !== 'number' || !(seconds > 0) || looksLikeMilliseconds(seconds))
      throw new TypeError('isFresh takes seconds: a number above 0, as in isFresh(600) for ten minutes.')
    const at = authenticatedAt(readChanges(this[STATE]).data)
    return at !== undefined && this[STATE].settings.clock() - at < seconds * 1000
  }

  /**
   * The user has just proved again who they are, by the password say. Stamps `authenticatedAt`, and gives the session a new
   * key as a login does (`cycleKey`). `absoluteAge` still counts from the login.
   *
   * @throws TypeError if the session has no subject
   * @example
   * app.post('/confirm-password', async (req, res) => {
   *   if (!(await isPassword(req.session.subject, req.body.password))) return res.status(403).end()
   *   req.session.reauthenticated()
   *   res.redirect('/account')
   * })
   */
  reauthenticated(): void {
    const { subject } = this
    if (subject === null) throw new TypeError('The session has no subject. Set session.subject at login.')
    this.cycleKey()
    this.subject = subject
  }

  /**
   * When the session was created. It is recorded if `absoluteAge` is set, or once the session has a subject.
   *
   * @example
   * const since = req.session.createdAt?.toISOString()
   */
  get createdAt(): Date | undefined {
    return asDate(createdAt(readChanges(this[STATE]).data))
  }

  /**
   * When the subject was last set, or `reauthenticated()` called. See `isFresh`.
   *
   * @example
   * const since = req.session.authenticatedAt?.toLocaleString()
   */
  get authenticatedAt(): Date | undefined {
    return asDate(authenticatedAt(readChanges(this[STATE]).data))
  }

  // -- Key and flags

  /**
   * The session's key, or `null` if it has none. The key of a cookie session is its token. Keep it secret.
   *
   * @example
   * const isNew = req.session.sessionKey === null
   */
  get sessionKey(): SessionKey | null {
    return stateForMetadata(this[STATE]).key
  }

  /**
   * Whether there is no key and no data, as far as is known (Django `is_empty`). It does not access the data. So it is
   * false for the cookie of an expired session, until something else accesses the data. To see whether somebody is logged
   * in, call `has`.
   *
   * @example
   * const isNewVisitor = req.session.isEmpty
   */
  get isEmpty(): boolean {
    return stateForMetadata(this[STATE]).isEmpty
  }

  /**
   * Whether anything has accessed the data in this request.
   *
   * @example
   * const isPrivate = req.session.accessed
   */
  get accessed(): boolean {
    return this[STATE].accessed
  }

  set accessed(value: boolean) {
    this[STATE].setAccessed(value)
  }

  /**
   * Whether a method has changed the data in this request. Set it by hand to have the session saved, or not saved.
   *
   * @example
   * req.session.modified = true
   */
  get modified(): boolean {
    return this[STATE].modified
  }

  set modified(value: boolean) {
    assertChangeable(this[STATE])
    this[STATE].setModified(value)
  }

  /** What `console.log` shows: names of keys and flags; no value, no key, no subject. */
  [Symbol.for('nodejs.util.inspect.custom')](
    _depth?: number,
    options?: object,
    inspect: (value: unknown, options?: object) => string = value => JSON.stringify(value),
  ): string {
    const { accessed, modified } = stateForMetadata(this[STATE])
    try {
      const keys = visibleKeys(openLoaded(this[STATE]))
      return `Session ${inspect({ keys, accessed, modified }, options)}`
    } catch (error) {
      return `Session { ${(error as Error).message} }`
    }
  }

  // -- Input and output

  /**
   * Fetches the session from the store, once. Adapters do it before the handler runs, unless `lazy`. It does not reject: the
   * first access throws what went wrong. Returns `undefined`, not a promise, if there is nothing to wait for.
   *
   * @example
   * await req.session.load() // with `lazy: true`
   */
  load(): MaybePromise<void> {
    return load(this[STATE])
  }

  /**
   * Saves now, also if nothing was changed. A new session is inserted even if it is empty, as in Django. It carries out
   * `cycleKey` and `flush`. After a `flush` without new data only the removal is carried out. Await it where no commit follows,
   * in a WebSocket say: nobody else reports a failure then.
   *
   * @param options `mustCreate`: fail with a SessionExistsError if there is a session of this key (Django `must_create`)
   * @throws TypeError for a callback, at the call
   * @throws what a commit throws: see `Sessions.commit`
   * @example
   * req.session.set('progress', 50)
   * await req.session.save()
   */
  save(options: { mustCreate?: boolean } = {}): Promise<void> {
    // It throws instead of rejecting, because a caller with a callback ignores the promise.
    if (typeof options !== 'object') throw new TypeError('save takes { mustCreate } and returns a promise.')
    return saveNow(this[STATE], options.mustCreate)
  }

  /**
   * Stores the data under a new key. The session of the old key stays (Django `create`).
   *
   * @example
   * await req.session.create()
   */
  create(): Promise<void> {
    return createNow(this[STATE])
  }
}

/**
 * What of a session would be lost if nobody called `commit`, for adapters whose response cannot wait for it. Returns
 * `'changes'` if some are not saved, `'cookie'` if the browser does not have the key yet, and `undefined` if there is
 * nothing, or after a commit.
 *
 * @example
 * if (pending(session) === 'changes') throw new Error('Call `await session.save()`.')
 */
export function pending(session: Session<any>): 'changes' | 'cookie' | undefined {
  return pendingOf(stateOf(session))
}

/**
 * `session.save()` that returns no promise if its store returns none, for adapters of another API that has callbacks.
 *
 * @param options `mustCreate`: as of `session.save`
 * @throws what `session.save` throws, at once or as a rejection
 * @example
 * const saving = saveSession(session, { mustCreate: true })
 * if (saving) await saving
 */
export function saveSession(
  session: Session<any>,
  { mustCreate = false }: { mustCreate?: boolean } = {},
): MaybePromise<void> {
  return saveAtOnce(stateOf(session), mustCreate)
}

/**
 * What the store had of a session when it was loaded, for adapters of another API that compare it with what they have.
 * `undefined` if there is no live session.
 *
 * @throws SessionNotLoadedError if the session is not loaded, and SessionStoreError if that has failed
 * @example
 * const isUnchanged = loadedRecord(session)?.payload === JSON.stringify(data)
 */
export function loadedRecord(session: Session<any>): Pick<StoredRecord, 'payload' | 'expiresAt'> | undefined {
  const state = stateOf(session)
  readChanges(state)
  const { key, payload, endBefore } = state
  return key === null || payload === undefined ? undefined : { payload, expiresAt: endBefore }
}

function expiryOf(
  state: SessionState,
  { expiry, modification }: ExpiryQuery,
): [expiry: unknown, modification: number, age: number] {
  const { age, clock } = state.settings
  return [
    expiry === undefined ? readChanges(state).data[EXPIRY] : expiry,
    modification?.getTime() ?? clock(),
    age,
  ]
}

freezeMembers(Session)
