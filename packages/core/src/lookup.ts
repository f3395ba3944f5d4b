import type { OldSession } from './adopt.ts'
import type { HeaderCarrier } from './carrier.ts'
import {
  NO_COOKIES,
  type ReceivedCookies,
  type ReceivedToken,
  receivedCookies,
  receivedHeader,
} from './cookie.ts'
import type { SessionError } from './errors.ts'
import { report } from './hooks.ts'
import type { RecordId, SessionKey } from './key.ts'
import type { Data } from './merge.ts'
import type { Settings } from './options.ts'
import type { RecordRef } from './record-ref.ts'
import type { MaybePromise, SessionRecord } from './store.ts'

/** What loading found. `data` is there where it was decoded already. */
export interface Found {
  readonly record: SessionRecord
  readonly data: Data | undefined
}

/** What came with the request, and what was found for it. Its fields are assigned in this file alone. */
export class Lookup {
  cookies: ReceivedCookies = NO_COOKIES
  /** The names of cookies that came and are not part of the session that was found. They are not ours. */
  strays: readonly string[] = []
  /** What may be the key (or the token) of a session. */
  key: SessionKey | null = null
  /** The key that the caller has chosen for a new session. It gets no other one. */
  chosenKey: SessionKey | undefined
  /** The id that was looked up. */
  recordId: RecordId | undefined
  /** The `Cookie` header, if the engine adopts sessions of other libraries. */
  adoptableHeader = ''
  /** Old sessions that came and are not needed any more. */
  old: readonly OldSession[] = []
  /** The session was found by the cookie of another library. The browser does not know its key yet. */
  isAdopted = false

  /** A load that is under way. */
  loading: PromiseLike<void> | undefined
  /** Loading is over, also if it has failed, or there was nothing to load. */
  isLoaded = false
  failed: SessionError | undefined
  found: Found | undefined
  /** A rotated key is no sign of theft, because a header or a cookie was kept that may still have it. */
  mayHaveOldKey = false
  /** The engine's `removalsBegun` when the load began. */
  removalsBegun = 0

  /** The request is answered by this header, and gets no cookie. */
  readonly carrier: HeaderCarrier | undefined

  /** `carried`: what came in the header of the option `carrier`. Then cookies do not count. */
  constructor(settings: Settings, cookieHeader: string, carried?: string) {
    this.carrier = carried === undefined ? undefined : settings.carrier
    const header = this.carrier ? '' : cookieHeader
    if (carried) this.#readKey(settings, receivedHeader(settings.carrier!.name, carried))
    if (header) this.#readCookies(settings, header)
    if (settings.adopt) this.adoptableHeader = header
    this.isLoaded = !(this.key || this.adoptableHeader)
  }

  #readCookies(settings: Settings, header: string): void {
    const { cookie, backend } = settings
    this.#readKey(settings, receivedCookies(header, cookie.name, backend.splitsCookies))
  }

  #readKey(settings: Settings, received: ReceivedCookies): void {
    const { backend } = settings
    this.cookies = received
    const text = this.cookies.tokens[0]?.text
    if (text !== undefined) this.key = backend.isKey(text) ? text : null
    else if (this.cookies.names[0]) report(settings, 'corrupt', undefined, { reason: 'cookie' })
  }

  keyGiven(key: SessionKey): void {
    this.key = key
    this.isLoaded = false
  }

  keyChosen(key: SessionKey): void {
    this.chosenKey = key
  }

  /** What a logout removes if nothing was found. A fast clock finds no session, and a logout must end it all the same. */
  get removable(): RecordRef | undefined {
    return this.recordId && { id: this.recordId, ignoreExpiry: true }
  }

  rotatedKeyExpected(): void {
    this.mayHaveOldKey = true
  }

  /** Before the first store call. */
  loadBegun(removalsBegun: number): void {
    this.removalsBegun = removalsBegun
  }

  /** Keeps the promise of a load that waits. A load that finished at once is not kept. */
  keepPending(loading: MaybePromise<void>): MaybePromise<void> {
    if (!this.isLoaded) this.loading = loading as PromiseLike<void>
    return this.loading
  }

  idComputed(id: RecordId): void {
    this.recordId = id
  }

  oldFound(old: OldSession): void {
    this.old = [...this.old, old]
  }

  keyReplaced(key: SessionKey | null): void {
    this.key = key
  }

  adopted(): void {
    this.isAdopted = true
  }

  /** A cookie session: one of the tokens is the session. */
  tokenFound({ text, names }: ReceivedToken): void {
    this.key = text
    this.strays = this.cookies.names.filter(name => !names.includes(name))
  }

  /** A cookie session: the tokens contradict each other, so none is used. */
  tokensContested(): void {
    this.cookies = { ...this.cookies, contested: this.cookies.names }
  }

  /** `undefined`: there is no session. Returns the key that was looked up. */
  loadFinished(found: Found | undefined): SessionKey | null {
    this.found = found
    this.isLoaded = true
    this.loading = undefined
    return this.key
  }

  /** The first access to the data throws the error. */
  loadFailed(error: SessionError): void {
    this.failed = error
    this.isLoaded = true
    this.loading = undefined
  }
}
