import { claim, claimIdOf, keyOf, readClaim, recordIdOf } from './claim.ts'
import { report } from './hooks.ts'
import { newKey, type RecordId, type SessionKey } from './key.ts'
import type { Lookup } from './lookup.ts'
import type { Settings } from './options.ts'
import { encodeOldSession } from './record.ts'
import type { MaybePromise, StoreContext } from './store.ts'
import { callStore, storeFailure } from './store-call.ts'
import { type Deadline, type Task, wait } from './task.ts'

// The option `adopt`: sessions of another library become ours. docs/design.md, "Adoption", has the reasons for the order.

/** The headers of a request that an adopter may look at. */
export interface AdoptHeaders {
  /** The `Cookie` header as it came. */
  readonly cookie: string
}

/** What an adopter gets beside the headers: the engine's clock (`now`), a `signal`, and the cookies. */
export interface AdoptContext extends StoreContext {
  readonly now: number
  /** The different values of a cookie, as they came, in their order. Several values: find out which are genuine. */
  cookies(name: string): string[]
}

/** The data of an old session. */
export interface OldRecord {
  /** Copied as it is. Names of Sess's bookkeeping are left out, apart from `_session_expiry`. */
  data: Record<string, unknown>
  /** When the old session ends, in milliseconds since the epoch. Default: unknown. */
  expiresAt?: number | undefined
  /** Whose session it is: see `Session.subject`. */
  subject?: string | number | undefined
  /** When the subject logged in, in milliseconds since the epoch. The option `notBefore` compares it. Default: unknown. */
  authenticatedAt?: number | undefined
}

/** A cookie of the old library. The response deletes it with these attributes, because browsers compare them. */
export interface OldCookie {
  name: string
  /** Default `/`. */
  path?: string | undefined
  domain?: string | undefined
  partitioned?: boolean | undefined
}

/** A genuine old session that came with a request. */
export interface OldSession {
  /**
   * A text that only the browser and the old library can know, such as the signed cookie value. It is the same in every
   * request of one old session. Sess keeps a digest of it.
   */
  id: string
  /** Reads the data. Called once in the life of an old session. `null`: it has ended. */
  read(): MaybePromise<OldRecord | null>
  /** Removes the old record. Called when the new session is stored, and at a logout. Absent: there is no record. */
  done?(): MaybePromise<unknown>
  cookies: readonly OldCookie[]
  /** The old record and the old cookies stay until a logout, so that the old app can still take over again. */
  keep?: boolean | undefined
}

/**
 * Recognizes a session of another library. Returns `null` for everything that is not genuine: unsigned, forged, expired.
 * Called for requests that have a `Cookie` header and no session of ours.
 *
 * @example
 * const fromOldApp: Adopter = (headers, { cookies }) => {
 *   const token = cookies('old').find(isSigned)
 *   if (!token) return null
 *   return { id: token, read: () => old.find(token), done: () => old.remove(token), cookies: [{ name: 'old' }] }
 * }
 */
export type Adopter = (headers: AdoptHeaders, context: AdoptContext) => MaybePromise<OldSession | null>

/** Finds the session that has taken the place of the request's old session, and makes it if there is none yet. */
export function* adopt(settings: Settings, lookup: Lookup, deadline: Deadline): Task<SessionKey | undefined> {
  for (const adopter of settings.adopt!) {
    const old = yield* recognize(settings, adopter, lookup, deadline)
    if (!old) continue
    const key = yield* keyFor(settings, old, deadline)
    lookup.oldFound(old)
    if (key) return key
  }
  return
}

/** The old session that the request has by this adopter. */
export function* recognize(
  settings: Settings,
  adopter: Adopter,
  { adoptableHeader: header }: Lookup,
  { now, signal }: Deadline,
): Task<OldSession | null> {
  const context = { now, signal, cookies: (name: string) => cookieValues(header, name) }
  return yield* callOld(settings, () => adopter({ cookie: header }, context))
}

function* keyFor(settings: Settings, old: OldSession, deadline: Deadline): Task<SessionKey | undefined> {
  const claimId = yield* claimIdOf(settings, old)
  let salt = yield* readClaim(settings, claimId, deadline)
  if (salt === undefined) {
    const record = yield* callOld(settings, () => old.read(), deadline)
    if (record && !(record.expiresAt! <= deadline.now)) {
      salt = yield* insert(settings, old, record, claimId, deadline)
    } else {
      // Another request may have adopted the session, and removed the old record, between the two reads.
      salt = yield* readClaim(settings, claimId, deadline)
    }
  }
  return salt === undefined ? undefined : yield* keyOf(salt, old)
}

/**
 * Stores the new session, then the claim. The claim's insert succeeds for one request only, and it alone leads to a new
 * session. Until then nobody knows the key of the new session, so it does no harm if this request ends in between.
 */
function* insert(
  settings: Settings,
  old: OldSession,
  record: OldRecord,
  claimId: RecordId,
  deadline: Deadline,
): Task<string | undefined> {
  const session = yield* encodeOldSession(settings, record, deadline.now)
  if (!session) return
  const salt = newKey(settings.random)
  const id = yield* recordIdOf(settings, yield* keyOf(salt, old))
  yield* callStore(settings, 'insert', id, session, deadline)
  if (!(yield* claim(settings, old, claimId, salt, record.expiresAt, deadline))) {
    yield* callStore(settings, 'remove', id, undefined, deadline)
    return yield* readClaim(settings, claimId, deadline)
  }
  report(settings, 'created', id, {}, deadline)
  report(settings, 'adopted', id, {}, deadline)
  if (old.done && !old.keep) {
    try {
      yield* callOld(settings, () => old.done!(), deadline)
    } catch {
      // The `storeError` hook has got the error. The claim keeps the old record from being adopted again.
    }
  }
  return salt
}

/** An old store that fails must not look like "no session". */
export function* callOld<T>(settings: Settings, call: () => MaybePromise<T>, deadline?: Deadline): Task<T> {
  try {
    return yield* wait(call())
  } catch (error) {
    throw storeFailure(settings, 'adopt', error, undefined, deadline)
  }
}

function cookieValues(header: string, name: string): string[] {
  const values = new Set<string>()
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
    values.add(
      pair
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    )
  }
  return [...values]
}
