import {
  type Codec,
  type Session as CoreSession,
  json,
  type MaybePromise,
  SessionInterruptedError,
  type Sessions,
} from '@sess/core'
import { after, loadedRecord, merge, saveSession, settle } from '@sess/core/adapter'
import { attributesOf, type CookieData } from './cookie.ts'
import { dataOf, type Known, type RecordView, takeOver, textOf, type UnreadRecord } from './record-view.ts'
import type { Session } from './session.ts'
import type { StoredSession } from './store.ts'

/** The key under which core keeps how long a session lives. In the payload `cookie.originalMaxAge` says it. */
const EXPIRY = '_session_expiry'
const { decode } = json()

/** The payload is the JSON that express-session stores, so both can read it. The cookie comes first, see `textIn`. */
export const expressCodec: Codec = {
  sync: true,
  encode: data => JSON.stringify({ cookie: data['cookie'], ...data, [EXPIRY]: undefined }),
  decode(payload) {
    const data = decode(payload) as StoredSession
    const seconds = secondsOf(data['cookie']?.originalMaxAge)
    if (seconds !== null) data[EXPIRY] = seconds
    return data
  },
}

/** `textOf` of the data in a payload, if the codec has made it. It takes no time to speak of, however much data there is. */
function textIn(payload: string, cookie: unknown): string | undefined {
  const head = `{"cookie":${JSON.stringify(cookie)}`
  // A session of core has its own keys in the payload, and does not show them.
  if (!payload.startsWith(head) || payload.includes('"_session_')) return
  const next = payload[head.length]
  if (next === '}') return '{}'
  return next === ',' ? `{${payload.slice(head.length + 1)}` : undefined
}

/** A record of a Sess store. The engine merges what parallel requests save, and saves no session that is gone. */
export class EngineRecord implements RecordView, UnreadRecord {
  readonly id: string
  text: string | undefined
  readonly #sessions: Sessions<any>
  /** `undefined` before the record is read, after a save that has failed, and after `extend`, which commits the session. */
  #session: CoreSession<any> | undefined
  /** The one that `extend` has committed. It can still be read: a socket uses it after the response of its handshake. */
  #committed: CoreSession<any> | undefined
  #isNew: boolean
  #isWritten = false
  /** The cookie as it is stored. `undefined`: not known. */
  #cookie: CookieData | undefined
  /** A save that has failed. The store may have `stored` all the same: `text`, merged with what others had saved. */
  #attempt: { text: string; stored: string } | undefined

  constructor(sessions: Sessions<any>, id: string, { isNew = false, text }: Known = {}) {
    this.#sessions = sessions
    this.id = id
    this.text = text
    this.#isNew = isNew
    if (isNew) this.#session = sessions.openKey(id, { isNew })
  }

  load(): MaybePromise<StoredSession | undefined> {
    return after(this.#open(), session => session && this.read())
  }

  find(): MaybePromise<UnreadRecord | undefined> {
    return after(this.#open(), session => session && this)
  }

  read(): StoredSession {
    const session = this.#session ?? this.#committed!
    const { payload, expiresAt } = loadedRecord(session)!
    const data = session.toJSON() as StoredSession
    delete data[EXPIRY]
    const cookie = { ...data['cookie'] } as CookieData
    this.text = textIn(payload, data['cookie']) ?? textOf(data)
    // The record knows better than the payload when the session ends.
    if (typeof cookie.originalMaxAge === 'number')
      cookie.expires = this.#session ? new Date(expiresAt) : session.expiresAt
    this.#cookie = cookie
    data['cookie'] = cookie
    return data
  }

  save(session: Session, text = textOf(session)): MaybePromise<void> {
    if (this.#session) return this.#save(session, this.#session, text)
    return after(this.#reopen(session), reopened => this.#save(session, reopened, textOf(session)))
  }

  extend(): MaybePromise<void> {
    const session = this.#session
    // A save has extended it.
    if (!session || this.#isNew || this.#isWritten) return
    this.#session = undefined
    this.#committed = session
    return after(this.#sessions.commit(session, { status: 200 }), () => undefined)
  }

  #save(session: Session, stored: CoreSession<any>, text: string): MaybePromise<void> {
    if (text !== this.text) this.#writeData(session, stored)
    const cookie = this.#writeCookie(session, stored)
    return settle(
      () => saveSession(stored, { mustCreate: this.#isNew }),
      () => {
        this.#isNew = false
        this.#isWritten = true
        this.#cookie = cookie
        this.#saved(session, stored, text)
      },
      error => {
        // The engine would store what it has been told, also if the application takes it back now.
        this.#session = this.#cookie = undefined
        this.#attempt = { text, stored: textOf(valuesOf(stored)) }
        if ((error as { code?: string }).code !== 'SESSION_EXISTS') throw error
        // `genid` has returned an ID that is in use. express-session overwrites that session, too.
        this.#isNew = false
        return after(this.#removeExpired(), () => this.save(session))
      },
    )
  }

  /** The ID of a session that has expired is in use until its record is removed. */
  #removeExpired(): MaybePromise<void> {
    const session = this.#sessions.openKey(this.id)
    return after(session.load(), () => (loadedRecord(session) ? undefined : endSession(session)))
  }

  #open(): MaybePromise<CoreSession<any> | undefined> {
    const session = this.#sessions.openKey(this.id)
    return after(session.load(), () => {
      if (!loadedRecord(session)) return
      this.#session = session
      return session
    })
  }

  /** Begins anew with what is stored now, and applies to it what the request has changed since it last knew. */
  #reopen(session: Session): MaybePromise<CoreSession<any>> {
    const known = this.text
    return after(this.#open(), stored => {
      if (!stored) {
        if (known !== undefined) throw new SessionInterruptedError()
        this.#isNew = true
        this.#session = this.#sessions.openKey(this.id, { isNew: true })
        return this.#session
      }
      const current = valuesOf(stored)
      this.text = textOf(current)
      if (known !== undefined) {
        const base = this.text === this.#attempt?.stored ? this.#attempt.text : known
        const merged = merge(JSON.parse(base), dataOf(session), current, JSON.stringify)
        takeOver(session, merged.value as StoredSession)
      }
      return stored
    })
  }

  /** Tells the engine what has changed. */
  #writeData(session: Session, stored: CoreSession<any>): void {
    const known = valuesOf(stored)
    for (const key of Object.keys(known)) if (isOmitted(session[key])) stored.delete(key)
    for (const key of Object.keys(session)) {
      const value = session[key]
      if (key !== 'cookie' && value !== known[key] && !isOmitted(value)) stored.set(key, value)
    }
    // Objects of the session are the engine's own. It looks for changes inside them if it has to merge, and only then.
    stored.modified = true
  }

  /** Tells the engine the cookie, with its new end, and returns it. */
  #writeCookie(session: Session, stored: CoreSession<any>): CookieData {
    const known = this.#cookie
    const cookie = session.cookie.data
    const isChanged = !known || attributesOf(known) !== attributesOf(cookie)
    stored.update('cookie', (current: CookieData | undefined) =>
      isChanged || !current ? cookie : { ...current, expires: cookie.expires },
    )
    const seconds = secondsOf(cookie.originalMaxAge)
    // A session without it has the engine's `age`, and a new one has none yet.
    if (isChanged && (known || seconds !== null || !this.#isNew)) stored.setExpiry(seconds)
    return cookie
  }

  /** Takes over what the engine has merged, but for keys that the handler has changed during the save. */
  #saved(session: Session, stored: CoreSession<any>, before: string): void {
    this.text = before
    if (hasSameValues(session, stored.toJSON())) return
    const data = valuesOf(stored)
    this.text = textOf(data)
    if (this.text === before) return
    const merged = merge(JSON.parse(before), dataOf(session), data, JSON.stringify)
    takeOver(session, merged.value as StoredSession)
  }
}

/** Removes the record of a loaded session, also if it has expired. */
export function endSession(session: CoreSession<any>): MaybePromise<void> {
  session.flush()
  return saveSession(session)
}

/** Whether the engine has the session's own values. Then it has merged nothing, and need not be compared as text. */
function hasSameValues(session: Session, stored: StoredSession): boolean {
  const count = Object.keys(stored).length - (EXPIRY in stored ? 1 : 0)
  const keys = Object.keys(session)
  return keys.length === count && keys.every(key => key === 'cookie' || stored[key] === session[key])
}

/** Whether JSON leaves a value out. */
function isOmitted(value: unknown): boolean {
  if (typeof value === 'object') {
    const { toJSON } = (value ?? {}) as { toJSON?: unknown }
    return typeof toJSON === 'function' && JSON.stringify(value) === undefined
  }
  return value === undefined || typeof value === 'function' || typeof value === 'symbol'
}

/** The keys of the session without its cookie. */
function valuesOf(session: CoreSession<any>): StoredSession {
  const { [EXPIRY]: _, cookie: __, ...data } = session.toJSON() as StoredSession
  return data
}

/** The idle time that core keeps. A session whose cookie ends with the browser has the engine's `age`. */
function secondsOf(maxAge: unknown): number | null {
  if (typeof maxAge !== 'number') return null
  // Core takes 0 for a session that ends with the browser. Here it has ended.
  return maxAge / 1000 || -1
}
