import { SUPERSEDED } from './bookkeeping.ts'
import { isRecord } from './codec.ts'
import { asStoreError, type SessionError, SessionInterruptedError } from './errors.ts'
import { report, type StoreErrorEvent } from './hooks.ts'
import type { RecordId } from './key.ts'
import type { Settings } from './options.ts'
import { decodePayload } from './record.ts'
import { type MaybePromise, RETURNS, type SessionRecord, type Store, type StoredRecord } from './store.ts'
import { type Call, isPromise, type Task, wait } from './task.ts'

/** What the methods of a store take after the id. */
interface Parameters extends Record<keyof typeof RETURNS, unknown[]> {
  read: [call: Call]
  insert: [record: SessionRecord, call: Call]
  replace: [record: SessionRecord, version: string, call: Call]
  touch: [expiresAt: number, version: string, call: Call]
  remove: [version: string | undefined, call: Call]
}

/** Calls a method of the store. Whatever it throws is a SessionStoreError, and the `storeError` hook gets it. */
export function* callStore<M extends keyof Parameters>(
  settings: Settings,
  method: M,
  id: RecordId,
  ...args: Parameters[M]
): Task<Awaited<ReturnType<Store[M]>>> {
  try {
    const store = settings.store as unknown as Record<M, (...args: unknown[]) => MaybePromise<any>>
    const returned = store[method](id, ...args)
    const value = isPromise(returned) ? yield* wait(returned) : returned
    if (!RETURNS[method].includes(value) && !(method === 'read' && isRecord(value))) {
      throw new TypeError(`The store's ${method}() breaks its contract.`)
    }
    return value
  } catch (error) {
    const subject = (args[0] as { subject?: string } | undefined)?.subject
    throw storeFailure(settings, method, error, id, args.at(-1) as Call, subject)
  }
}

/** Reports the failure to the `storeError` hook, and returns the error to throw. Its message does not have `hidden`. */
export function storeFailure(
  settings: Settings,
  operation: StoreErrorEvent['operation'],
  thrown: unknown,
  id?: RecordId,
  call?: Call,
  hidden?: string,
): SessionError {
  const failure = asStoreError(thrown, [hidden])
  // The hook gets the store's own error without the wrapping, and without the data that may be in it.
  const error = failure === thrown ? failure : failure.cause
  report(settings, 'storeError', id, { operation, error }, call)
  return failure
}

export function* readLive(settings: Settings, id: RecordId, call: Call): Task<StoredRecord | null> {
  const record = yield* callStore(settings, 'read', id, call)
  return record && record.expiresAt > call.now ? record : null
}

/** Whether there is a live session under an id, and not the marker of a rotation. */
export function* isLive(settings: Settings, id: RecordId, call: Call): Task<boolean> {
  const record = yield* readLive(settings, id, call)
  return record !== null && !(yield* decodePayload(settings, id, record.payload))[SUPERSEDED]
}

/** The error of a request whose session has ended, or got another key, meanwhile. */
export function interrupted(settings: Settings, id: RecordId): SessionInterruptedError {
  report(settings, 'interrupted', id)
  return new SessionInterruptedError()
}

/** Whether the store did what was asked. `false`: another request was faster. Throws if the record is gone: it stays gone. */
export function wonOrThrow(settings: Settings, id: RecordId, result: 'ok' | 'stale' | 'gone'): boolean {
  if (result === 'gone') throw interrupted(settings, id)
  return result === 'ok'
}
