import type { RecordId, SessionKey } from './key.ts'
import type { Settings } from './options.ts'
import type { SessionState } from './session-state.ts'
import type { MaybePromise, SessionRecord } from './store.ts'
import type { Deadline, Task } from './task.ts'

/**
 * Where sessions are kept. There are two: `server-backend.ts` keeps records in a Store, and `cookie-backend.ts` keeps
 * the session in the cookie. The option `store` decides, once.
 */
export interface Backend {
  /** There are records on the server, each under an id. */
  readonly hasRecords: boolean
  /** A token may be too long for one cookie. */
  readonly splitsCookies: boolean
  /** Whether the text of a cookie may be a session. */
  isKey(text: string): boolean
  /** Whether there is a record under the key that the session has now, or the marker of a rotation: `Facts.isStored`. */
  isStored(state: SessionState): boolean
  /** A new key for `cycleKey`. `null`: each save makes a new key by itself. */
  freshKey(settings: Settings): SessionKey | null
  /** Under which id the store has the session, where there are records. */
  idOf(settings: Settings, key: SessionKey): MaybePromise<RecordId>

  /** The record that the cookie leads to. The caller checks its expiry. */
  find(state: SessionState, deadline: Deadline): Task<SessionRecord | null | undefined>
  insert(state: SessionState, deadline: Deadline): Task<SessionRecord>
  /** Inserts under the session's own key. Throws a SessionExistsError if another session has it. */
  insertWithKey(state: SessionState, deadline: Deadline): Task<SessionRecord>
  replace(state: SessionState, deadline: Deadline): Task<SessionRecord>
  rotate(state: SessionState, deadline: Deadline): Task<SessionRecord>
  /** Extends the session's life. `false`: the session is gone or was changed by another request. That is no error. */
  extend(state: SessionState, deadline: Deadline): Task<boolean>
  /** Whether the key that is to be sent leads to a live session. */
  isLive(state: SessionState, deadline: Deadline): Task<boolean>
}
