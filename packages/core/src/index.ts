export type { AdoptContext, Adopter, AdoptHeaders, OldCookie, OldRecord, OldSession } from './adopt.ts'
export type { Carrier, ReadHeader } from './carrier.ts'
export { type Codec, type EncodeLimits, json } from './codec.ts'
export type { CookieByRequest, CookieOptions } from './cookie.ts'
export type { Device } from './device.ts'
export {
  createSessions,
  type ListedSession,
  type OfTenant,
  type OpenOptions,
  type Sessions,
} from './engine.ts'
export {
  ConfigError,
  SessionCommittedError,
  SessionConflictError,
  SessionDataError,
  SessionError,
  type SessionErrorCode,
  SessionExistsError,
  SessionInterruptedError,
  SessionLimitError,
  SessionNotLoadedError,
  SessionStoreError,
} from './errors.ts'
export type { Duration, Expiry, ExpiryQuery } from './expiry.ts'
export type { ClearSiteData, FlushOptions } from './flush-options.ts'
export type {
  ConflictEvent,
  CorruptEvent,
  DestroyedEvent,
  HookEvent,
  HookName,
  Hooks,
  LoadedEvent,
  ReusedEvent,
  StoreErrorEvent,
  WarningEvent,
} from './hooks.ts'
export type { RandomBytes, SessionKey } from './key.ts'
export type { Clash } from './key-change.ts'
export type { MaxSessions } from './max-sessions.ts'
export type { SessionsOptions } from './options.ts'
export type { CommitResult, ResponseInfo } from './response.ts'
export type { StandardSchema } from './schema.ts'
export type { DefaultData, Session, SessionData } from './session.ts'
export type {
  ClearExpiredOptions,
  CookieStore,
  CountOptions,
  MaybePromise,
  RecordCounts,
  RemoveBySubjectOptions,
  SealContext,
  SessionRecord,
  Store,
  StoreContext,
  StoredEntry,
  StoredRecord,
} from './store.ts'
export { safeCause } from './store-error.ts'
export type { SessionInfo } from './subject-sessions.ts'
