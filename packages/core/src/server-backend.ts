import type { Backend } from './backend.ts'
import { idOf, isKey, newKey, type RecordId, type SessionKey } from './key.ts'
import type { Settings } from './options.ts'
import { rotate } from './rotate.ts'
import { extend, insert, insertWithKey, replace } from './server-save.ts'
import type { SessionState } from './session-state.ts'
import type { MaybePromise, StoredRecord } from './store.ts'
import { callStore, isLive } from './store-call.ts'
import { type Deadline, isPromise, type Task, wait } from './task.ts'

/** Keeps records in a Store. The cookie holds the key. */
export const serverBackend: Backend = {
  hasRecords: true,
  splitsCookies: false,
  isKey,
  isStored: ({ current }) => current !== undefined,
  freshKey: ({ random }) => newKey(random),
  idOf: recordIdOf,
  find,
  insert,
  insertWithKey,
  replace,
  rotate,
  extend,
  isLive: isKeyLive,
}

function recordIdOf({ hashKeys, cookie }: Settings, key: SessionKey): MaybePromise<RecordId> {
  return hashKeys ? idOf(key, cookie.audience) : (key as string)
}

function* find(state: SessionState, deadline: Deadline): Task<StoredRecord | null> {
  const { settings, lookup } = state
  const maybe = recordIdOf(settings, lookup.key!)
  const id = isPromise(maybe) ? yield* wait(maybe) : maybe
  lookup.idComputed(id)
  return yield* callStore(settings, 'read', id, deadline)
}

function* isKeyLive({ settings, key }: SessionState, deadline: Deadline): Task<boolean> {
  return yield* isLive(settings, yield* wait(recordIdOf(settings, key!)), deadline)
}
