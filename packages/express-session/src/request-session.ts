import type { CommitResult, MaybePromise } from '@sess/core'
import { after, settle } from '@sess/core/adapter'
import { beginLater, type LateSession } from './begin-later.ts'
import { fromCallback } from './callback.ts'
import { attributesOf, Cookie } from './cookie.ts'
import { debug } from './debug.ts'
import type { Settings } from './options.ts'
import { type Records, type RecordView, textOf, type UnreadRecord } from './record-view.ts'
import { ownerOf, type SessionOwner, type SessionRequest } from './request.ts'
import { Session } from './session.ts'
import { isSecure, sessionCookie } from './session-cookie.ts'
import type { Secret } from './signature.ts'
import { takeTurn } from './turns.ts'

const NOTHING: CommitResult = { setCookies: [], vary: false, private: false }

/** A session at one moment, as far as a change of it is saved. */
interface Snapshot {
  id: string
  text: string
  attributes: string
}

function snapshotOf(session: Session, text = textOf(session)): Snapshot {
  return { id: session.id, text, attributes: attributesOf(session.cookie) }
}

function isSame(a: Snapshot | undefined, b: Snapshot): boolean {
  return a?.text === b.text && a.id === b.id && a.attributes === b.attributes
}

/** What the middleware decides for the session of one request, by the rules of express-session. */
export class RequestSession implements SessionOwner, LateSession {
  readonly #req: SessionRequest
  readonly #settings: Settings
  readonly #records: Records
  readonly #secrets: readonly Secret[]
  readonly #canReadLater: boolean
  /** The ID in the cookie that came. */
  readonly #cookieId: string | undefined

  /** What the request began with. `undefined`: it has not used its session. */
  #original: Snapshot | undefined
  /** What the store is known to have. */
  #saved: Snapshot | undefined
  /** The end of the request has written the session, with its new life. */
  #isExtended = false

  hasBegun = false
  session: Session | null | undefined
  sessionID = ''
  #record: RecordView | undefined
  /** The session of the cookie, until the request uses it. */
  #unread: UnreadRecord | undefined
  /** Saves of the application that are under way. */
  #saving: Promise<unknown> | undefined
  #isRenewed = false
  /** The last session that was made anew. */
  #generated: Session | undefined
  #destroyedId: string | undefined
  /** The session could not be loaded or made, so nothing is known of it. */
  #hasFailed = false
  /** The first commit, which comes before the first byte. */
  #committed: MaybePromise<CommitResult> | undefined
  /** The application ends its response with the call that commits. */
  isEnding = false

  constructor(
    req: SessionRequest,
    settings: Settings,
    records: Records,
    secrets: readonly Secret[],
    cookieId: string | undefined,
    canReadLater: boolean,
  ) {
    this.#req = req
    this.#settings = settings
    this.#records = records
    this.#secrets = secrets
    this.#cookieId = cookieId
    this.#canReadLater = canReadLater
  }

  get isCommitted(): boolean {
    return this.#committed !== undefined
  }

  /** Loads the session of the cookie, or begins a new one. */
  load(): MaybePromise<void> {
    return settle(
      () => this.#load(),
      () => undefined,
      error => {
        this.#hasFailed = true
        this.#req.sessionID = this.#cookieId!
        throw error
      },
    )
  }

  #load(): MaybePromise<void> {
    if (!this.#cookieId) {
      debug('no SID sent, generating session')
      return this.begin()
    }
    debug('fetching %s', this.#cookieId)
    const record = this.#records(this.#cookieId)
    if (this.#canReadLater && record.find) {
      return after(record.find(), found => {
        debug(found ? 'session found' : 'no session found')
        if (found) this.#record = record
        this.#unread = found
        beginLater(this.#req)
      })
    }
    this.#req.sessionID = this.#cookieId
    return after(record.load(), found => {
      debug(found ? 'session found' : 'no session found')
      if (found) this.#inflate(record, found)
      else this.begin()
    })
  }

  #inflate(record: RecordView, data: object): void {
    const session = this.#createSession(data)
    this.#record = record
    // As stored, so that a stored key that would replace a method counts as a change, as in express-session.
    this.#original = snapshotOf(session, record.text)
    if (!this.#settings.resave) this.#saved = this.#original
  }

  /** A store that extends another copy of express-session makes sessions of that copy. Their methods would not merge. */
  #createSession(data: object): Session {
    const made = this.#req.sessionStore.createSession(this.#req, data)
    if (made instanceof Session) return made
    const { cookie, ...values } = made as Session
    const session = new Session(this.#req, values)
    session.cookie = new Cookie(cookie.data)
    session.cookie.originalMaxAge = cookie.originalMaxAge
    this.#req.session = session
    return session
  }

  /** The first use of a request's session: reads the one that was found, or begins a new one. */
  begin(): void {
    this.hasBegun = true
    const unread = this.#unread
    if (unread) {
      this.#unread = undefined
      this.#req.sessionID = this.#cookieId!
      this.#inflate(this.#record!, unread.read())
      return
    }
    this.#req.sessionStore.generate(this.#req)
    this.#original = snapshotOf(this.#req.session!)
  }

  /** At once, after saves that are under way. */
  save(session: Session): MaybePromise<void> {
    debug('saving %s', session.id)
    const saving = this.#saving ? this.#saving.then(() => this.#write(session)) : this.#write(session)
    if (!saving || !('then' in saving)) return
    const settled = Promise.resolve(saving).catch(() => undefined)
    this.#saving = settled
    settled.finally(() => {
      if (this.#saving === settled) this.#saving = undefined
    })
    return saving
  }

  #write(session: Session, now = snapshotOf(session)): MaybePromise<void> {
    const record = this.#recordOf(session)
    return after(record.save(session, now.text), () => {
      // What the record has beyond that is what others saved, and is in `session` too.
      this.#saved = { ...now, text: record.text ?? now.text }
    })
  }

  #recordOf(session: Session): RecordView {
    if (this.#record?.id !== session.id) {
      this.#record = this.#records(session.id, { isNew: session === this.#generated })
    }
    return this.#record!
  }

  generated(session: Session): void {
    this.#generated = session
  }

  reload({ id }: Session): MaybePromise<void> {
    debug('reloading %s', id)
    const record = this.#records(id)
    return after(record.load(), found => {
      if (!found) throw new Error('failed to load session')
      const session = this.#createSession(found)
      this.#record = record
      this.#saved = snapshotOf(session)
    })
  }

  destroyed({ id }: Session): void {
    this.#destroyedId = id
  }

  /** Before the first byte of the response: saves, and returns the cookie. */
  commit(): MaybePromise<CommitResult> {
    this.#committed = this.#saving ? this.#saving.then(() => this.#commit()) : this.#commit()
    return this.#committed
  }

  #commit(): MaybePromise<CommitResult> {
    if (this.#hasFailed) return NOTHING
    if (!this.#original) return this.isEnding ? after(this.#extendUnread(), () => NOTHING) : NOTHING
    const { session } = this.#req
    if (!session) {
      debug('no session')
      return after(this.#endUnset(), () => NOTHING)
    }
    // The check of express-session. Without it a request with another object gets an error that names nothing.
    if (typeof session.touch !== 'function')
      throw new TypeError('req.session.touch is not a function. Set keys of req.session, do not replace it.')
    const now = snapshotOf(session)
    if (this.isEnding) this.#renew(session)
    const line = this.#cookieLine(session, now)
    const result = line === undefined ? NOTHING : { ...NOTHING, setCookies: [line] }
    return after(this.#store(session, now, this.isEnding), () => result)
  }

  /** At the end of a response that has begun before: saves what has changed since, and extends the session's life. */
  finish(): MaybePromise<void> {
    const finish = (): MaybePromise<void> => {
      if (this.#hasFailed) return
      if (!this.#original) return this.#extendUnread()
      const { session } = this.#req
      return session ? this.#store(session, snapshotOf(session), true) : this.#endUnset()
    }
    const before = this.#saving ?? this.#committed!
    return 'then' in before ? before.then(() => finish()) : finish()
  }

  /** What the end of the request stores: the session, its longer life, or nothing. */
  #store(session: Session, now: Snapshot, isEnding: boolean): MaybePromise<void> {
    if (this.#shouldSave(now)) {
      this.#renew(session)
      return this.#saveAtEnd(session, now)
    }
    if (!isEnding) return
    this.#renew(session)
    if (this.#cookieId !== this.#req.sessionID || typeof this.#cookieId !== 'string') return
    const record = this.#recordOf(session)
    if (!record.extend || this.#isExtended) return
    debug('touching')
    return record.extend(session)
  }

  /** Extends the life of a session that the request has not used. */
  #extendUnread(): MaybePromise<void> {
    // The application may have deleted it from the request.
    if (!this.#unread || !Object.hasOwn(this.#req, 'session')) return
    debug('touching')
    return this.#unread.extend()
  }

  #saveAtEnd(session: Session, now: Snapshot): MaybePromise<void> {
    const isChanged = !isSame(this.#original, now)
    return settle(
      () => this.#write(session, now),
      () => {
        this.#isExtended = true
      },
      error => {
        // Nothing is lost if a session that is gone is not stored again.
        if (isChanged || (error as { code?: unknown } | null)?.code !== 'SESSION_INTERRUPTED') throw error
      },
    )
  }

  /** With `unset: 'destroy'`: ends a session that the application has taken from the request. */
  #endUnset(): MaybePromise<void> {
    const { sessionID, sessionStore } = this.#req
    if (!sessionID || !this.#settings.unsetDestroys || this.#destroyedId === sessionID) return
    debug('destroying')
    this.#destroyedId = sessionID
    return after(
      takeTurn(sessionStore, sessionID, () => fromCallback(done => sessionStore.destroy(sessionID, done))),
      () => undefined,
    )
  }

  /** Gives the cookie its whole life again, once. */
  #renew(session: Session): void {
    if (this.#isRenewed) return
    this.#isRenewed = true
    session.touch()
  }

  #shouldSave(now: Snapshot): boolean {
    const { sessionID } = this.#req
    if (typeof sessionID !== 'string') {
      debug('session ignored because of bogus req.sessionID %o', sessionID)
      return false
    }
    const isUninitialized = this.#saved === undefined && this.#cookieId !== sessionID
    return isUninitialized && !this.#settings.saveUninitialized
      ? !isSame(this.#original, now)
      : !isSame(this.#saved, now)
  }

  #shouldSetCookie({ cookie }: Session, now: Snapshot): boolean {
    const { sessionID } = this.#req
    const { saveUninitialized, rolling } = this.#settings
    if (typeof sessionID !== 'string') return false
    if (this.#cookieId !== sessionID) return saveUninitialized || !isSame(this.#original, now)
    return rolling || (cookie.expires != null && !isSame(this.#original, now))
  }

  #cookieLine(session: Session, now: Snapshot): string | undefined {
    const { name, proxy } = this.#settings
    if (!this.#shouldSetCookie(session, now)) return
    if (session.cookie.secure && !isSecure(this.#req, proxy)) {
      debug('not secured')
      return
    }
    this.#renew(session)
    const line = sessionCookie(session, this.#req.sessionID, name, this.#secrets[0]!)
    debug('set-cookie %s', name)
    return line
  }
}

/** Puts a new session on a request, under a new ID. */
export function generate(req: SessionRequest, settings: Settings): void {
  req.sessionID = settings.generateId(req)
  const session = new Session(req)
  const options = settings.cookieOf(req)
  const cookie = new Cookie(options)
  const secure = isSecure(req, settings.proxy)
  if (options.secure === 'auto') cookie.secure = secure
  if (options.sameSite === 'auto') cookie.sameSite = secure ? 'none' : 'lax'
  session.cookie = cookie
  req.session = session
  ownerOf(req)?.generated(session)
}
