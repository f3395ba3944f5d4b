import { sha256Hex } from '#crypto'
import type { OldSession } from './adopt.ts'
import { ADOPTED, SUPERSEDED } from './bookkeeping.ts'
import { deriveKey, type RecordId, type SessionKey } from './key.ts'
import type { Settings } from './options.ts'
import { decodePayload, encodeMarker } from './record.ts'
import { callStore, readLive } from './store-call.ts'
import { type Deadline, type Task, wait } from './task.ts'

// A claim is the record that says of an old session that it was adopted (decision 0070).

/** How long a used old session is remembered if nobody knows when it ends: as long as browsers keep a cookie. */
const LONGEST_LIFE = 400 * 86_400_000

/** Marks an old session as used. `false`: another request was faster. */
export function* claim(
  settings: Settings,
  old: OldSession,
  claimId: RecordId,
  salt: string,
  expiresAt: number | undefined,
  deadline: Deadline,
): Task<boolean> {
  const { now } = deadline
  const id = yield* recordIdOf(settings, yield* keyOf(salt, old))
  const life = old.done && !old.keep ? settings.age * 1000 : LONGEST_LIFE
  const marker = yield* encodeMarker(settings, { [SUPERSEDED]: id, [ADOPTED]: salt }, expiresAt ?? now + life)
  return yield* callStore(settings, 'insert', claimId, marker, deadline)
}

/** The salt of the claim under that id. `undefined`: the old session was not adopted yet. */
export function* readClaim(
  settings: Settings,
  claimId: RecordId,
  deadline: Deadline,
): Task<string | undefined> {
  const record = yield* readLive(settings, claimId, deadline)
  if (!record) return
  const salt = (yield* decodePayload(settings, claimId, record.payload))[ADOPTED]
  return typeof salt === 'string' ? salt : ''
}

/** No key leads to this id, because the hashed text is another than that of a key. */
export function* claimIdOf({ cookie }: Settings, { id }: OldSession): Task<RecordId> {
  return (yield* wait(sha256Hex(`adopt\0${cookie.name}\0${id}`))).slice(0, 40)
}

/** The key cannot be found without the old cookie, nor without the salt. */
export function* keyOf(salt: string, { id }: OldSession): Task<SessionKey> {
  return deriveKey(yield* wait(sha256Hex(`adopted\0${salt}\0${id}`)))
}

export function* recordIdOf(settings: Settings, key: SessionKey): Task<RecordId> {
  return yield* wait(settings.backend.idOf(settings, key))
}
