import { authenticatedAt, createdAt, EXPIRY, SUBJECT, SUPERSEDED, subjectSince } from './bookkeeping.ts'
import { Changes } from './changes.ts'
import { isRecord } from './codec.ts'
import { type ReceivedToken, receivedCookies } from './cookie.ts'
import { schemaThrew, unfit, unreadable } from './corrupt-event.ts'
import { asStoreError, ConfigError, type SessionError, SessionNotLoadedError } from './errors.ts'
import { expiryMoment, LAST_MOMENT } from './expiry.ts'
import { type CorruptEvent, emit, type HookEvent, type HookName, type StoreErrorEvent } from './hooks.ts'
import { idOf, isKey, type RecordId, type SessionKey } from './key.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import { defaultsOf, type Validated, validated } from './schema.ts'
import {
  ANSWERS,
  type CookieStore,
  type MaybePromise,
  type SealContext,
  type SessionRecord,
  type Store,
  type StoredRecord,
} from './store.ts'
import { type Call, Deadline, isPromise, type Task, wait } from './task.ts'

/** What one request's commit asks of the response. */
export interface CommitResult {
  /** Whole values for `Set-Cookie`, to be appended. No two have one name, domain and path; the last ones set the session. */
  setCookies: string[]
  /** Merge `Cookie` into `Vary`: the response depends on the session. */
  vary: boolean
  /** Merge `private` into `Cache-Control`: a cookie is sent. */
  private: boolean
}

/** A record of this session that the store has, as far as this request knows. */
export interface Stored {
  id: RecordId
  /** `undefined` after a write of our own: stores do not tell the new version. */
  version?: string | undefined
  /** Of the marker of a rotation: the id of the record that took its place. */
  successor?: unknown
  /** It was not found, but a clock that is fast finds no session: to be removed even if it has expired. */
  ageless?: boolean
}

/** What a store's verbs take. */
interface Verbs extends Record<keyof typeof ANSWERS, unknown[]> {
  read: [id: RecordId, call: Call]
  insert: [id: RecordId, record: SessionRecord, call: Call]
  replace: [id: RecordId, record: SessionRecord, version: string, call: Call]
  touch: [id: RecordId, expiresAt: number, version: string, call: Call]
  remove: [id: RecordId, version: string | undefined, call: Call]
}

/** Everything about one request's session. `Session` shows it to the handler, `commit` carries it out. */
export class State {
  declare readonly settings: Settings
  /** The names of the cookies that came for the session. */
  received: string[] = []
  /** Of these, the ones of which nobody can tell whose they are: some in the browser's jar may be ours. */
  contested: string[] = []
  /** Of these, the ones that are not part of the session that was found: they are not ours. */
  strays: string[] = []
  /** What the handler sees: the key in the cookie until a look finds nothing behind it. */
  key: SessionKey | null = null
  accessed = false
  /** The handler has learned something about the visitor that does not count as a look in Django. */
  told = false
  /** The text of what is stored, as far as this request knows. */
  payload: string | undefined
  /** The request counts as activity. */
  extends = true
  modified = false
  /** `modified` was set by hand, or by what leaves no log: save even if nothing else is to be saved. */
  forced = false
  /** Data and log; there once anything has looked at the session. */
  changes: Changes | undefined
  stored: Stored | undefined
  /** What `cycleKey` replaces. */
  rotatedFrom: Stored | undefined
  /** What `flush` removes. */
  doomed: Stored | undefined
  /** `flush` was called, and nothing was stored since. */
  flushed = false
  /** The subject of the record in the store, as far as this request knows. */
  storedSubject: unknown
  /** How many calls of `removeBySubject` had begun when the record was loaded or saved: it survived those. */
  storedAfter = 0
  /** When the session would have ended by what was loaded, ms since the epoch. */
  expiresAtRead = 0
  /** The key that the browser has to learn, whatever the status. */
  newlyStored: SessionKey | undefined
  /** The store has confirmed in this commit that the key leads to this session. */
  confirmed = false
  /** A `save()` or `create()` that is under way. */
  saving: Promise<void> | undefined
  /** The commit has begun. */
  committed = false
  /** What it answers; `undefined` when it failed. */
  outcome: MaybePromise<CommitResult> | undefined

  /** Loading failed. */
  failed: SessionError | undefined
  #loading: MaybePromise<void> | undefined
  #loaded: boolean
  #record: SessionRecord | null = null
  #tokens: ReceivedToken[] = []
  #id: RecordId | undefined
  #decoded: Data | undefined
  /** Text of what a new session began with. */
  #defaults: string | undefined

  constructor(settings: Settings, header = '') {
    this.settings = settings
    if (header) this.#readHeader(header)
    this.#loaded = !this.key
  }

  #readHeader(header: string): void {
    const { cookie, cookieStore } = this.settings
    const { tokens, names, contested } = receivedCookies(header, cookie.name, cookieStore !== undefined)
    this.received = names
    this.contested = contested
    this.#tokens = tokens
    const text = tokens[0]?.text
    if (names[0] && text === undefined) this.#corrupt('cookie')
    else if (text && (cookieStore || isKey(text))) this.key = text
  }

  /** Runs what asks the store, with the time that one load or one commit has. */
  run<T>(task: (deadline: Deadline) => Task<T>): MaybePromise<T> {
    const deadline = new Deadline(this.settings.clock(), this.settings.timeout)
    const result = deadline.run(task(deadline))
    if (isPromise(result)) this.settings.underWay.add(result)
    return result
  }

  /** Fetches the session, once. Never rejects for the store: what went wrong shows at the first look. */
  load(): MaybePromise<void> {
    if (this.#loaded || this.#loading) return this.#loading
    const loading = this.run(deadline => this.#load(deadline))
    // A load that needed no waiting is over.
    return (this.#loading = this.#loaded ? undefined : loading)
  }

  *#load(deadline: Deadline): Task<void> {
    const { cookieStore, notBefore } = this.settings
    const key = this.key!
    this.storedAfter = this.settings.removals
    try {
      let record: SessionRecord | null
      if (cookieStore) {
        record = yield* this.#unseal(cookieStore, deadline.now)
      } else {
        const id = this.idOf(key)
        this.#id = isPromise(id) ? yield* wait(id) : id
        record = yield* this.ask('read', this.#id, deadline)
      }
      // NaN is not later than now either.
      if (record && record.expiresAt > deadline.now) {
        this.#record = record
        if (this.settings.decodesEarly) this.#decoded = yield* this.decode(record.payload)
        const subject = this.#decoded?.[SUBJECT]
        if (notBefore && typeof subject === 'string') {
          const since = authenticatedAt(this.#decoded!) ?? createdAt(this.#decoded!) ?? 0
          const limit = (yield* wait(notBefore(subject))) ?? 0
          if (!Number.isFinite(limit)) throw new TypeError('notBefore must answer milliseconds or undefined.')
          if (since < limit) this.#record = null
        }
      }
      this.tell('loaded', this.#id, deadline, { found: this.#record !== null })
    } catch (error) {
      this.failed = asStoreError(error)
    }
    this.#loaded = true
    this.#loading = undefined
  }

  /**
   * The session in the cookies. Whole and chunks together are two answers: only one that verifies is believed, or of two
   * sessions of one subject the one that lives longer, which two responses to one browser that crossed leave behind.
   */
  *#unseal(store: CookieStore, now: number): Task<SessionRecord | null> {
    const context = sealContext(this.settings, now)
    let best: SessionRecord | undefined
    let used: ReceivedToken | undefined
    for (const token of this.#tokens) {
      // A token is not the beginning of another.
      if (used && used.names[0] === token.names[0]) break
      const record = yield* wait(store.unseal(token.text, context))
      if (!record) continue
      if (best && (record.subject === undefined || record.subject !== best.subject)) {
        this.contested = this.received
        this.#corrupt('cookie')
        return null
      }
      if (best && record.expiresAt <= best.expiresAt) continue
      best = record
      used = token
    }
    if (!best || !used) {
      this.#corrupt('token')
      return null
    }
    const { names, text } = used
    this.key = text
    this.strays = this.received.filter(name => !names.includes(name))
    if (this.strays[0]) this.#corrupt('cookie')
    return best
  }

  /** The data in a payload; a payload that cannot be read is an empty session and a `corrupt` event, as in Django. */
  *decode(payload: string): Task<Data> {
    const { codec, schema } = this.settings
    let data: Data
    try {
      const decoded = codec.decode(payload)
      data = isPromise(decoded) ? yield* wait(decoded) : decoded
      if (!isRecord(data)) throw new TypeError('not an object')
    } catch (error) {
      return this.#corrupt('payload', unreadable(error))
    }
    return schema && !data[SUPERSEDED] ? (yield* this.validate(payload)).shown : data
  }

  /** What is in a payload and what its schema makes of it, all of it new objects. What does not fit is nothing. */
  *validate(payload: string): Task<Validated> {
    const { codec, schema, migrate } = this.settings
    let details: Partial<CorruptEvent>
    try {
      const result = yield* validated(schema!, migrate, () => codec.decode(payload))
      if (!('issues' in result)) return result
      details = unfit(result.issues)
    } catch (error) {
      details = schemaThrew(error)
    }
    this.#corrupt('schema', details)
    return { stored: {}, shown: {} }
  }

  /** What cannot be used is an empty session. */
  #corrupt(reason: CorruptEvent['reason'], details: Partial<CorruptEvent> = {}): Data {
    this.tell('corrupt', this.#id, undefined, { reason, ...details })
    return {}
  }

  /** The first look: what loading found, or its error. */
  open(): Changes {
    if (this.changes) return this.changes
    if (!this.#loaded) throw new SessionNotLoadedError()
    if (this.failed) throw this.failed
    const record = this.#record
    if (!record) return this.begin()
    if (!this.#decoded) {
      // A codec that answers at once makes `decode` a task of one step.
      const { done, value } = this.decode(record.payload).next()
      if (!done) throw new ConfigError('codec', 'says `sync` and answers with a promise.')
      this.#decoded = value
    }
    const data = this.#decoded
    const successor = data[SUPERSEDED]
    const ended = this.limit(data) <= this.settings.clock()
    if (!this.settings.cookieStore && !ended) {
      this.stored = { id: this.#id!, version: (record as StoredRecord).version, successor }
    }
    this.expiresAtRead = record.expiresAt
    this.storedSubject = data[SUBJECT]
    // A session past its limit is not found; what is in the store ends by itself.
    if (successor || ended) return this.begin()
    this.payload = record.payload
    return this.begin(data, this.baseOf(data, record.payload))
  }

  /** Ends the session: nothing is left, and what is set from now on is a new one. */
  flush(): void {
    const found = this.rotatedFrom ?? this.stored
    this.doomed ??= found ?? (this.#id && { id: this.#id, ageless: true })
    this.stored = this.rotatedFrom = this.newlyStored = undefined
    this.flushed = this.modified = true
    this.begin()
  }

  /**
   * `removeBySubject`, `delete` or `end` has just returned: whoever uses an ended session first is the request that asked,
   * and its session ends as by `flush`. Requests in flight are not: what they set would bring a login back (decision 0032).
   */
  endIfRemoved(): void {
    const { removal } = this.settings
    if (!removal || this.committed || this.saving || this.failed || !this.#loaded) return
    this.open()
    const own = this.rotatedFrom ?? this.stored
    if (!own || own.successor) return
    const mine = removal.find(
      ({ subject, except, id, turn }) =>
        this.storedAfter < turn &&
        (id === undefined ? subject === this.storedSubject && except !== own.id : id === own.id),
    )
    if (!mine) return
    const others = removal.filter(each => each !== mine)
    this.settings.removal = others[0] ? others : undefined
    this.flush()
  }

  /** Begins with these data, and `base` as the text of what is stored; without, with nothing. */
  begin(data?: Data, base?: string): Changes {
    if (data && base !== undefined) return (this.changes = new Changes(data, base, this.settings))
    this.key = null
    this.payload = undefined
    this.expiresAtRead = 0
    const { schema, stringify } = this.settings
    const defaults = schema && defaultsOf(schema)
    this.#defaults = defaults && Object.keys(defaults).length > 0 ? stringify(defaults) : undefined
    return (this.changes = new Changes(defaults ?? {}, this.#defaults, this.settings))
  }

  /** The text that later comparisons go back to. */
  baseOf(data: Data, payload: string): string {
    return this.settings.decodesEarly ? this.settings.stringify(data) : payload
  }

  idOf(key: SessionKey): MaybePromise<RecordId> {
    return this.settings.hashKeys ? idOf(key, this.settings.cookie.name) : (key as string)
  }

  /** One store call; whatever it throws is a SessionStoreError, and the hook hears of it. */
  *ask<M extends keyof Verbs>(operation: M, ...args: Verbs[M]): Task<Awaited<ReturnType<Store[M]>>> {
    try {
      const store = this.settings.store as unknown as Record<M, (...args: unknown[]) => MaybePromise<any>>
      const asked = store[operation](...args)
      const answer = isPromise(asked) ? yield* wait(asked) : asked
      if (!ANSWERS[operation].includes(answer) && !(operation === 'read' && isRecord(answer))) {
        throw new TypeError(`The store's ${operation}() breaks its contract.`)
      }
      return answer
    } catch (error) {
      const subjects = args.map(arg => (isRecord(arg) ? (arg as { subject?: string }).subject : undefined))
      throw this.storeFailure(operation, error, args.at(-1) as Call, subjects)
    }
  }

  /** Tells the storeError hook, and returns what to throw. `hidden` must not be in the message. */
  storeFailure(
    operation: StoreErrorEvent['operation'],
    error: unknown,
    call?: Call,
    hidden?: readonly (string | undefined)[],
  ): SessionError {
    const failure = asStoreError(error, hidden)
    // The hook gets the store's own error without the wrapping, and without the data that may be in it.
    const told = failure === error ? failure : failure.cause
    this.tell('storeError', this.#id, call, { operation, error: told })
    return failure
  }

  /** Lets a hook hear of it. Without hashing an id is a key, which is nobody's business. */
  tell(hook: HookName, id: RecordId | undefined, call?: Call, event: object = {}): void {
    const { hooks, clock, hashKeys } = this.settings
    if (!hooks[hook]) return
    const about: HookEvent = { id: hashKeys ? id : undefined, ...event }
    if (call) about.durationMs = clock() - call.started
    emit(hooks, hook, about)
  }

  /** Whether there is nothing: no key, and no data as far as anybody has looked (Django `is_empty`). */
  get isEmpty(): boolean {
    if (this.key !== null) return false
    const { changes } = this
    return changes === undefined || Object.keys(changes.data).length === 0 || this.#isAsBegun(changes)
  }

  /** There is nothing but a schema's defaults. */
  #isAsBegun({ recorded, data }: Changes): boolean {
    return !recorded && this.#defaults !== undefined && this.settings.stringify(data) === this.#defaults
  }

  /** When the session ends if it is saved or touched now, ms since the epoch: idle and absolute limit together. */
  expiresAt(now: number): number {
    const changes = this.open()
    const { data } = changes
    const idle = expiryMoment(data[EXPIRY], now, this.settings.age)
    // A request that is no activity keeps the end that is stored, unless it has set another.
    const kept = this.extends || !this.expiresAtRead || changes.has(EXPIRY) ? Infinity : this.expiresAtRead
    return Math.floor(Math.min(idle, kept, this.limit(data), LAST_MOMENT))
  }

  /** When the session ends if nothing more happens after this request, ms since the epoch. */
  endsAt(now: number): number {
    const { changes, modified, expiresAtRead, settings } = this
    const isNew = !this.stored && !(settings.cookieStore && this.key)
    if (isNew || modified || this.isExtended(now)) return this.expiresAt(now)
    return Math.min(expiresAtRead, this.limit(changes!.data))
  }

  /** Whether the commit extends the session's life though nothing was changed. */
  isExtended(now: number): boolean {
    const { settings, expiresAtRead } = this
    if (!this.extends) return false
    const expiresAt = this.expiresAt(now)
    // A life shorter than twice `touchAfter` is extended in time all the same. NaN, without `touchAfter`, is never reached.
    return expiresAt - expiresAtRead >= Math.min(settings.touchAfter * 1000, (expiresAt - now) / 2)
  }

  /** The absolute limit, ms since the epoch. */
  limit(data: Data): number {
    const { absoluteAge } = this.settings
    if (absoluteAge === undefined) return Infinity
    return (subjectSince(data) ?? createdAt(data) ?? Infinity) + absoluteAge * 1000
  }
}

/** What a cookie store may use beside the record. */
export function sealContext({ cookie, secrets }: Settings, now: number): SealContext {
  return { name: cookie.name, secrets, now }
}
