import { SUBJECT } from './bookkeeping.ts'
import { Changes, changesOfNew } from './changes.ts'
import type { ClearSiteData } from './flush-options.ts'
import { newKey, type RecordId, type SessionKey } from './key.ts'
import { type Found, Lookup } from './lookup.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import type { RecordRef } from './record-ref.ts'
import { type CommitResult, type ResponseInfo, updateVary } from './response.ts'
import type { MaybePromise, SessionRecord, StoredRecord } from './store.ts'

/**
 * One request's session, between the cookie and the store. All fields are assigned in this file alone. The methods are
 * the transitions between five states (docs/architecture.md has a picture):
 * - **new**: there is no record. New data is inserted.
 * - **stored**: `current` is the record. Changes replace it.
 * - **rotating**: `cycleKey` was called. A record under the new key takes the place of `previous`.
 * - **marker**: another request has rotated the key. `current` is the marker. A save is an error.
 * - **ended**: `flush` was called. `toRemove` is the record to remove. Data that is set now is a new session.
 */
export class SessionState {
  declare readonly settings: Settings
  declare readonly lookup: Lookup
  /** What the handler sees: the key in the cookie, until the first access finds no session behind it. */
  key: SessionKey | null
  /** Data and log. They exist from the first access to the data on, which decodes the payload. */
  changes: Changes | undefined
  accessed = false
  /** The handler read `sessionKey` or `isEmpty`. Django does not count that as access. */
  metadataRead = false
  /** The request counts as activity and extends the life (`Session.extend`). */
  isActivity = true
  /** Django's flag. `facts.ts` has a table of what follows from it, from `mustSave` and from the log. */
  modified = false
  mustSave = false // Save even if the log is empty.
  current: RecordRef | undefined
  previous: RecordRef | undefined
  toRemove: RecordRef | undefined
  /** `flush` was called, and nothing was stored since. */
  flushed = false
  /** What the browser is asked to delete, if `flush` said so. */
  clearSiteData: readonly ClearSiteData[] | undefined
  /** Text and subject of the record in the store. */
  payload: string | undefined
  storedSubject: unknown
  /** The engine's `removalsBegun` when the record was read or written. Removals up to this number are no calls of this request. */
  removalsBegunWhenStored = 0
  /** When the session ends without this request, in ms since the epoch. 0: it is new. If `isActivity` is false, saves keep it. */
  endBefore = 0
  /** When it ends by what an explicit `save()` has written. */
  endWritten: number | undefined
  /** The key that the browser has to learn, whatever the status. */
  keyToSend: SessionKey | undefined
  /** The store has confirmed that the key leads to this session: in this commit, or in a `save()` if the response cannot wait. */
  confirmed = false
  /** A `save()` or `create()` that is under way. */
  saving: Promise<void> | undefined
  committed = false
  /** To be called when the session is read after the commit. */
  readLate: ResponseInfo['readLate']
  /** What the commit returned. `undefined` when it failed. */
  outcome: MaybePromise<CommitResult> | undefined

  constructor(settings: Settings, header = '', carried?: string) {
    this.settings = settings
    this.lookup = new Lookup(settings, header, carried)
    this.key = this.lookup.key
  }

  /** Whether there is no key, and no data as far as is known (Django `is_empty`). */
  get isEmpty(): boolean {
    return this.key === null && (this.changes === undefined || this.changes.isEmpty)
  }

  /** The key came some other way than in the cookie. Loading looks for its session. */
  keyGiven(key: SessionKey): void {
    this.lookup.keyGiven(key)
    this.key = key
  }

  /** A new session that gets this key when it is stored. */
  newUnder(key: SessionKey): void {
    this.begin()
    this.lookup.keyChosen(key)
    this.key = key
  }

  loaded(found: Found | undefined): void {
    this.key = this.lookup.loadFinished(found)
  }

  /** The first access to the data finds a session: it is stored. */
  opened({ payload, expiresAt }: SessionRecord, data: Data, current: RecordRef | undefined): Changes {
    this.current = current
    this.storedSubject = data[SUBJECT]
    this.removalsBegunWhenStored = this.lookup.removalsBegun
    this.payload = payload
    this.endBefore = expiresAt
    if (this.lookup.isAdopted) this.keyToSend = this.key!
    return (this.changes = new Changes(data, this.settings.baseOf(data, payload), this.settings))
  }

  /** The first access finds the marker of a rotation: the session is empty, and cannot be written. */
  openedMarker(marker: RecordRef | undefined): Changes {
    this.current = marker
    return this.begin()
  }

  /** A new session, empty but for the defaults of a schema. */
  begin(): Changes {
    this.key = null
    this.payload = undefined
    this.endBefore = 0
    this.endWritten = undefined
    return (this.changes = changesOfNew(this.settings))
  }

  setAccessed(value: boolean): void {
    this.accessed = value
    if (this.outcome) updateVary(this)
  }

  setMetadataRead(): void {
    this.metadataRead = true
    if (this.outcome) updateVary(this)
  }

  setActivity(value: boolean): void {
    this.isActivity = value
  }

  setModified(value: boolean): void {
    this.modified = this.mustSave = value
  }

  /** The handler changes data. `unlogged`: save even if the log stays empty. */
  changed(unlogged = false): void {
    this.modified = true
    if (unlogged) this.mustSave = true
  }

  /** Stored becomes rotating. A cookie session gets a new token with each save anyway. */
  cycleKey(): void {
    const { current } = this
    if (this.detach()) this.previous ??= current
  }

  /** Stored, rotating or marker becomes ended (of a marker: the session that took its place). */
  flush(clearSiteData?: readonly ClearSiteData[]): void {
    this.clearSiteData = clearSiteData ?? this.clearSiteData
    this.toRemove ??= this.previous ?? this.current ?? this.lookup.removable
    this.current = this.previous = this.keyToSend = undefined
    this.flushed = this.modified = true
    this.begin()
  }

  savingBegun(saving: Promise<void>): void {
    this.saving = saving
  }

  savingEnded(saving: Promise<void>): void {
    if (this.saving === saving) this.saving = undefined
  }

  /** Mutations of values that the handler holds are in the log now. They do not set `modified`. */
  mutationsFound(): void {
    this.mustSave = true
  }

  /** The session's key, a new one if it has none, or if `isTaken`: the store has a record under it. */
  ensureKey(isTaken: boolean): SessionKey {
    if (isTaken) this.key = null
    return (this.key ??= newKey(this.settings.random))
  }

  /** The next save inserts a new session. Returns `false` for a cookie session, which needs no record of its own. */
  detach(): boolean {
    this.mustSave = true
    const key = this.settings.backend.freshKey(this.settings)
    if (key === null) return false
    this.current = this.endWritten = undefined
    this.key = key
    return true
  }

  inserted(id: RecordId): void {
    this.current = { id }
    this.keyToSend = this.key!
  }

  /** A cookie session: the token is the session. */
  sealed(token: SessionKey): void {
    this.key = this.keyToSend = token
    this.modified = true
  }

  /** The new key is never sent. If the handler tries again, it gets another, unless the caller has chosen it. */
  insertUndone(keyToSend: SessionKey | undefined): void {
    this.keyToSend = keyToSend
    this.current = undefined
    if (this.key !== this.lookup.chosenKey) this.key = newKey(this.settings.random)
  }

  /** `changes` now has what another request saved, with this request's changes applied to it. */
  refreshed(ref: RecordRef, { payload, version, expiresAt }: StoredRecord): void {
    this.payload = payload
    ref.version = version
    if (!this.isActivity) this.endBefore = expiresAt
  }

  /** The session is in the store, or in the token, as it is now: it is stored. */
  saved({ payload, expiresAt, subject }: SessionRecord): void {
    if (!this.isActivity) this.endBefore = expiresAt
    this.endWritten = expiresAt
    this.payload = payload
    this.changes!.saved(this.settings.baseOf(this.changes!.data, payload))
    this.confirmed = true
    this.storedSubject = subject
    this.removalsBegunWhenStored = this.settings.engine.removalsBegun
    // Mutations that were saved count as a change, so that the browser learns the new end.
    this.modified ||= this.mustSave
    this.mustSave = this.flushed = false
    this.previous = undefined
  }

  extended(): void {
    this.confirmed = true
  }

  recordRemoved(): void {
    this.toRemove = undefined
  }

  commitBegun({ cannotWait, readLate }: ResponseInfo): void {
    this.committed = true
    this.readLate = readLate
    if (!cannotWait) this.confirmed = false
  }

  /** The cookie gets the key that was stored, not that of a `cycleKey` that was not carried out. */
  takeBackKeyNotStored(): void {
    this.key = this.keyToSend ?? this.key
  }

  commitEnded<T extends MaybePromise<CommitResult> | undefined>(outcome: T): T {
    this.outcome = outcome
    updateVary(this)
    return outcome
  }
}
