import { Changes } from './changes.ts'
import { cookieValue, sentToken } from './cookie.ts'
import { SessionDataError, type SessionError, SessionNotLoadedError, SessionStoreError } from './errors.ts'
import { expiryMoment } from './expiry.ts'
import { emit, type StoreErrorEvent } from './hooks.ts'
import { idOf, isKey, type RecordId, type SessionKey } from './key.ts'
import { type Data, put } from './merge.ts'
import type { Settings } from './options.ts'
import type { MaybePromise, SealContext, SessionRecord, StoredRecord } from './store.ts'
import { Deadline, run, type Task, wait } from './task.ts'

/** What one request's commit asks of the response. */
export interface CommitResult {
  /** Whole values for `Set-Cookie`, to be appended. No two have one name. */
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
  version: string | undefined
}

/** The names of a session's bookkeeping. All but the expiry are hidden and cannot be set by the user. */
export const EXPIRY = '_session_expiry'
export const CREATED = '_session_created'
export const AUTHENTICATED = '_session_authenticated'
export const SUBJECT = '_session_subject'
export const FLASH = '_session_flash'
export const SUPERSEDED = '_session_superseded'

const HIDDEN: readonly string[] = [CREATED, AUTHENTICATED, SUBJECT, FLASH, SUPERSEDED]

export function isHidden(key: string): boolean {
  return key.startsWith('_session_') && HIDDEN.includes(key)
}

/** 9999-12-31T23:59:59.999Z: the last moment that every backend can write down. */
const LAST_MOMENT = 253_402_300_799_999

/** Everything about one request's session. `Session` shows it to the handler, `commit` carries it out. */
export class State {
  readonly settings: Settings
  #header: string
  /** The names of the cookies that came for the session. */
  sent: string[] = []
  /** What the handler sees: the key in the cookie until a look finds nothing behind it. */
  key: SessionKey | null = null
  accessed = false
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
  /** The session opened on the marker of a rotation; the id of the record that took its place. */
  supersededBy: RecordId | undefined
  /** When the session would have ended by what was loaded, ms since the epoch. */
  expiresAtRead = 0
  /** The key that the browser has to learn, whatever the status. */
  newlyStored = false
  /** The commit has begun. */
  committed = false
  outcome: MaybePromise<CommitResult> | undefined

  #loading: MaybePromise<void> | null = null
  #loaded = false
  #record: SessionRecord | StoredRecord | null = null
  #id: RecordId | undefined
  #decoded: Data | undefined
  #error: SessionError | undefined

  constructor(settings: Settings, header: string | null | undefined) {
    this.settings = settings
    this.#header = header ?? ''
    if (this.#header === '') this.#loaded = true
    else this.#readHeader()
  }

  #readHeader(): void {
    const { cookie, cookieStore, hooks } = this.settings
    let text: string | null | undefined
    if (cookieStore) {
      const { token, names } = sentToken(this.#header, cookie.name)
      text = token
      this.sent = names
    } else {
      text = cookieValue(this.#header, cookie.name)
      if (text !== undefined) this.sent = [cookie.name]
    }
    if (text === null) {
      // Two different cookies: neither is used, and neither deleted, for one of them may be ours.
      this.sent = []
      emit(hooks, 'corrupt', { reason: 'cookie' })
    } else if (text && (cookieStore || isKey(text))) this.key = text
    this.#loaded = this.key === null
  }

  /** Fetches the session, once. Never rejects for the store: what went wrong shows at the first look. */
  load(): MaybePromise<void> {
    if (this.#loaded) return
    if (this.#loading === null) {
      const deadline = new Deadline(this.settings.clock(), this.settings.timeout)
      this.#loading = run(this.#load(deadline), deadline)
    }
    return this.#loading
  }

  /** Whether loading failed. */
  get failed(): boolean {
    return this.#error !== undefined
  }

  *#load(deadline: Deadline): Task<void> {
    const { settings } = this
    const key = this.key as SessionKey
    try {
      if (settings.cookieStore) {
        this.#record = yield* wait(settings.cookieStore.unseal(key, this.sealContext(deadline.now)))
        if (this.#record === null) emit(settings.hooks, 'corrupt', { reason: 'token' })
      } else {
        this.#id = yield* this.idOf(key)
        this.#record = yield* wait(settings.store!.read(this.#id, deadline))
      }
      // NaN is not later than now either.
      if (this.#record && !(this.#record.expiresAt > deadline.now)) this.#record = null
      if (this.#record && this.decodesEarly) {
        this.#decoded = yield* this.decode(this.#record.payload)
        if (yield* this.#isVoid(this.#decoded)) this.#record = null
      }
    } catch (error) {
      this.#error = this.storeError('load', error, deadline)
    }
    if (settings.hooks.loaded && !this.#error) {
      const durationMs = settings.clock() - deadline.now
      emit(settings.hooks, 'loaded', { id: this.tell(this.#id), found: this.#record !== null, durationMs })
    }
    this.#loaded = true
  }

  /** Whether the payload is read while loading, for reading it may have to be waited for, or at the first look. */
  get decodesEarly(): boolean {
    const { codec, schema, notBefore } = this.settings
    return !codec.sync || schema !== undefined || notBefore !== undefined
  }

  /** The data in a payload; a payload that cannot be read is an empty session and a `corrupt` event, as in Django. */
  *decode(payload: string): Task<Data> {
    const { codec, schema, hooks } = this.settings
    let data: Data
    try {
      data = checkDecoded(yield* wait(codec.decode(payload)))
    } catch (error) {
      emit(hooks, 'corrupt', { reason: 'payload', id: this.tell(this.#id), error })
      return {}
    }
    if (!schema || Object.hasOwn(data, SUPERSEDED)) return data
    const visible: Data = {}
    const bookkeeping: Data = {}
    for (const key of Object.keys(data))
      put(isHidden(key) || key === EXPIRY ? bookkeeping : visible, key, data[key])
    const result = yield* wait(schema['~standard'].validate(visible))
    if (!result.issues) return { ...(result.value as Data), ...bookkeeping }
    emit(hooks, 'corrupt', { reason: 'schema', id: this.tell(this.#id), error: result.issues })
    return {}
  }

  *#isVoid(data: Data): Task<boolean> {
    const subject = data[SUBJECT]
    if (!this.settings.notBefore || typeof subject !== 'string') return false
    const limit = yield* wait(this.settings.notBefore(subject))
    return limit !== undefined && (authenticatedAt(data) ?? createdAt(data) ?? 0) < limit
  }

  /** The first look: what loading found, or its error. */
  open(): Changes {
    if (this.changes) return this.changes
    if (!this.#loaded) throw new SessionNotLoadedError()
    if (this.#error) throw this.#error
    const { settings } = this
    const record = this.#record
    let data: Data = {}
    let base: string | undefined
    if (record === null) this.key = null
    else {
      data = this.#decoded ?? this.#decodeNow(record.payload)
      const supersededBy = data[SUPERSEDED]
      if (!settings.cookieStore) {
        this.stored = { id: this.#id!, version: (record as StoredRecord).version }
      }
      this.expiresAtRead = record.expiresAt
      if (typeof supersededBy === 'string') this.supersededBy = supersededBy
      if (this.supersededBy !== undefined || this.#limit(data) <= settings.clock()) {
        // A void session is not found; what is in the store ends by itself.
        if (this.supersededBy === undefined) this.stored = undefined
        this.key = null
        data = {}
      } else base = this.decodesEarly ? this.stringify(data) : record.payload
    }
    this.#record = null
    this.#decoded = undefined
    this.changes = new Changes(data, base, text => this.#parse(text), this.stringify)
    return this.changes
  }

  #decodeNow(payload: string): Data {
    try {
      return checkDecoded(this.settings.codec.decode(payload) as Data)
    } catch (error) {
      emit(this.settings.hooks, 'corrupt', { reason: 'payload', id: this.tell(this.#id), error })
      return {}
    }
  }

  get stringify(): (value: unknown) => string {
    return this.settings.codec.stringify ?? JSON.stringify
  }

  #parse(text: string): Data {
    const { codec } = this.settings
    if (this.decodesEarly) return (codec.parse ?? JSON.parse)(text) as Data
    try {
      return codec.decode(text) as Data
    } catch {
      // The payload was corrupt, which `open` has reported; the session began empty.
      return {}
    }
  }

  /** The text that a save leaves as the base of later comparisons. */
  baseOf(payload: string): string {
    return this.decodesEarly ? this.stringify(this.changes!.data) : payload
  }

  *idOf(key: SessionKey): Task<RecordId> {
    return this.settings.hashKeys ? yield* wait(idOf(key, this.settings.cookie.name)) : (key as string)
  }

  sealContext(now: number): SealContext {
    return { name: this.settings.cookie.name, secrets: this.settings.secrets, now }
  }

  /** Whether there is nothing: no key, and no data as far as anybody has looked (Django `is_empty`). */
  get isEmpty(): boolean {
    return this.key === null && (this.changes === undefined || Object.keys(this.changes.data).length === 0)
  }

  /** When the session ends if it is saved or touched now, ms since the epoch: idle and absolute limit together. */
  expiresAt(now: number): number {
    const { data } = this.open()
    const idle = expiryMoment(data[EXPIRY], now, this.settings.age)
    return Math.floor(Math.min(idle, this.#limit(data), LAST_MOMENT))
  }

  /** The absolute limit, ms since the epoch. */
  #limit(data: Data): number {
    const { absoluteAge } = this.settings
    const start = Math.max(createdAt(data) ?? -Infinity, subjectSince(data) ?? -Infinity)
    return absoluteAge === undefined || start === -Infinity
      ? Number.POSITIVE_INFINITY
      : start + absoluteAge * 1000
  }

  /** Whether the cookie ends with the browser (Django `get_expire_at_browser_close`). */
  endsWithBrowser(): boolean {
    const expiry = this.open().data[EXPIRY]
    if (expiry === undefined || expiry === null) return this.settings.expireAtBrowserClose
    // Python: False == 0.
    return expiry === 0 || expiry === false
  }

  /** What events may tell of an id: without hashing it is the key. */
  tell(id: RecordId | undefined): RecordId | undefined {
    return this.settings.hashKeys ? id : undefined
  }

  /** The error for what a store threw; its own SessionErrors say more and stay as they are. */
  storeError(operation: StoreErrorEvent['operation'], error: unknown, deadline: Deadline): SessionError {
    const { hooks, clock } = this.settings
    emit(hooks, 'storeError', {
      operation,
      error,
      id: this.tell(this.#id),
      durationMs: clock() - deadline.now,
    })
    if (typeof (error as SessionError | null)?.code === 'string' && 'status' in (error as object))
      return error as SessionError
    return new SessionStoreError('The session store failed; `cause` is its error.', { cause: error })
  }
}

function checkDecoded(data: unknown): Data {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as Data
  throw new SessionDataError('The codec decoded something else than an object.')
}

/** Milliseconds since the epoch at which the session was created, where it is recorded. */
export function createdAt(data: Data): number | undefined {
  return typeof data[CREATED] === 'number' ? data[CREATED] : undefined
}

/** What `clear` leaves: a session does not get younger by it. */
export function keepCreated(data: Data): Data {
  return Object.hasOwn(data, CREATED) ? { [CREATED]: data[CREATED] } : {}
}

// `_session_authenticated` is the moment the subject was set, or [last time, first time] when one subject was set again.
/** Milliseconds since the epoch at which the subject was last set. */
export function authenticatedAt(data: Data): number | undefined {
  const stamp = data[AUTHENTICATED]
  const last = Array.isArray(stamp) ? stamp[0] : stamp
  return typeof last === 'number' ? last : undefined
}

/** Milliseconds since the epoch at which this subject was first set. */
export function subjectSince(data: Data): number | undefined {
  const stamp = data[AUTHENTICATED]
  const first = Array.isArray(stamp) ? stamp[1] : stamp
  return typeof first === 'number' ? first : undefined
}
