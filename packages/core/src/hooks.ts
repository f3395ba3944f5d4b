import type { RecordId } from './key.ts'
import type { Settings } from './options.ts'
import type { Call } from './task.ts'

/** The fields of every event. Times are milliseconds of the engine's clock. */
export interface HookEvent {
  /** The record's id where keys are hashed: it correlates events and opens nothing. */
  id?: string | undefined
  /** How long the store took for it, where it was asked. */
  durationMs?: number
}

/** The event of `loaded`. */
export interface LoadedEvent extends HookEvent {
  /** Whether there was a live session. */
  found: boolean
}

/** The event of `conflict`. */
export interface ConflictEvent extends HookEvent {
  /** The session key that two requests replaced. */
  key: string
}

/** The event of `corrupt`. */
export interface CorruptEvent extends HookEvent {
  /**
   * `payload`: the codec cannot read what is stored; `schema`: it is not what the schema says; `token`: a cookie
   * session does not verify or has expired; `cookie`: the session's cookies contradict each other: two of one name,
   * or a whole one beside chunks. Often the cookie's domain or path was changed, sometimes a neighbour domain set it (docs/cookies.md);
   * `adopted`: an old session (option `adopt`) cannot be stored, or does not fit the schema.
   */
  reason: 'payload' | 'schema' | 'token' | 'cookie' | 'adopted'
  /**
   * What the codec, the schema or `migrate` threw, or that the data do not fit. It is safe to log: name, `code` and stack
   * of the error, without its message, which may quote data.
   */
  error?: Error | undefined
  /** Where stored data do not fit the schema, such as `user.address`; the first ten. */
  paths?: readonly string[]
}

/** The event of `warning`. */
export interface WarningEvent extends HookEvent {
  /** `trust-proxy`: the app runs behind a proxy that ends TLS, and the framework does not trust it. */
  reason: 'trust-proxy'
  /** What is wrong, and what to do. */
  message: string
}

/** A key was used again long after its rotation. */
export interface ReusedEvent extends HookEvent {
  /** Whose session it was. */
  subject: string | undefined
  /** Whether the session that took the place of the old key was live, and was ended (`reuse: 'end-all'`). */
  ended: boolean
}

/** The event of `destroyed`. */
export interface DestroyedEvent extends HookEvent {
  /**
   * The record was no session: a rotation left it in place of the old key. This is the id of the session that took its
   * place. That one has an event of its own if it was live. A count of sessions leaves out events with this field.
   */
  supersededBy?: string
}

/** The event of `storeError`. */
export interface StoreErrorEvent extends HookEvent {
  /** The store's method that failed. `adopt`: the old library's store, or an adopter. */
  operation:
    | 'read'
    | 'insert'
    | 'replace'
    | 'touch'
    | 'remove'
    | 'removeBySubject'
    | 'scanBySubject'
    | 'clearExpired'
    | 'close'
    | 'adopt'
  /** The store's error. It is safe to log: of a driver's error, only name, code and message (see `safeCause`). */
  error: unknown
}

/**
 * Functions that are called when something has happened to a session. They change nothing: what they return is
 * ignored, and an error that they throw goes to `error`.
 */
export interface Hooks {
  /** A session was stored for the first time. A rotation (`rotated`) makes no new session. */
  created?(event: HookEvent): void
  /** A session of another library was taken over (the option `adopt`); `id` is the new one. */
  adopted?(event: HookEvent): void
  /** The store was asked for a session. */
  loaded?(event: LoadedEvent): void
  /** A record was replaced. */
  saved?(event: HookEvent): void
  /** A record's life was extended. */
  touched?(event: HookEvent): void
  /** `cycleKey` was carried out; `id` is the new one. */
  rotated?(event: HookEvent): void
  /** A key was used again after its rotation and the time of grace (option `reuse`). Probably it was stolen. */
  reused?(event: ReusedEvent): void
  /** A session has ended: its record was removed. */
  destroyed?(event: DestroyedEvent): void
  /** Two requests replaced one key, and `onConflict` decided. */
  conflict?(event: ConflictEvent): void
  /** A request's writes were rejected because its session had ended. */
  interrupted?(event: HookEvent): void
  /** What came from the store or the browser could not be used; that session is empty. */
  corrupt?(event: CorruptEvent): void
  /** The store failed, or did not respond in time. */
  storeError?(event: StoreErrorEvent): void
  /** Something in the setup is probably a mistake. Called once for an engine: a line in the log is enough. */
  warning?(event: WarningEvent): void
  /**
   * An error that may have no other listener: another hook threw or rejected, or a method was called that returns a
   * promise, and failed. `source` is the hook's or method's name, such as `save` for a `save()` after the response.
   */
  error?(error: unknown, source: string): void
}

/** The hooks that get an event. `error` gets an error instead. */
export type HookName = Exclude<keyof Hooks, 'error'>

/** Reports an event to its hook. Without hashing an id is a key, so it is left out. */
export function report(
  { engine: { hooks }, clock, hashKeys }: Settings,
  hook: HookName,
  id: RecordId | undefined,
  event: object = {},
  call?: Call,
): void {
  if (!hooks[hook]) return
  const about: HookEvent = { id: hashKeys ? id : undefined, ...event }
  if (call) about.durationMs = clock() - call.started
  void emit(hooks, hook, about)
}

/** Calls a hook. An error of the hook does not reach the caller. */
async function emit(hooks: Hooks, name: HookName, event: HookEvent): Promise<void> {
  try {
    await (hooks[name] as ((event: HookEvent) => unknown) | undefined)?.(event)
  } catch (error) {
    tellError(hooks, error, name)
  }
}

/** Calls the `error` hook. An error of the hook does not reach the caller. */
export async function tellError(hooks: Hooks, error: unknown, source: string): Promise<void> {
  try {
    await (hooks.error?.(error, source) as unknown)
  } catch {
    // There is nobody left to tell.
  }
}
