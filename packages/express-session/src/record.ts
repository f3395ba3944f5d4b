import type { MaybePromise } from '@sess/core'
import type { Session } from './session.ts'
import type { StoredSession } from './store.ts'

/** What is stored under one session ID, as one request sees it. */
export interface Record {
  readonly id: string
  /** The data as they were last read or written, by `textOf`. `undefined`: nothing is known of them. */
  readonly text: string | undefined
  /** Reads the data. `undefined`: there is no live session. */
  load(): MaybePromise<StoredSession | undefined>
  /** `load`, without making the data of the session. `undefined`: there is no live session. */
  find?(): MaybePromise<UnreadRecord | undefined>
  /**
   * Writes the session. Changes of other requests are merged, and appear in `session`.
   *
   * @param text `textOf(session)`, if it is known
   * @throws SessionInterruptedError if the session was stored and is gone
   */
  save(session: Session, text?: string): MaybePromise<void>
  /** Extends the session's life. `undefined`: the store cannot. */
  touch: ((session: Session) => MaybePromise<void>) | undefined
}

/** A live session that the request has not used yet. */
export interface UnreadRecord {
  read(): StoredSession
  /** Extends the session's life. */
  touch(): MaybePromise<void>
}

/** Makes the record of an ID. `isNew`: the ID was just made, so nothing is stored under it. */
export type Records = (id: string, isNew: boolean) => Record

/** The data of a session without its cookie, as the text by which they are compared. */
export function textOf(session: object): string {
  return JSON.stringify({ ...session, cookie: undefined })
}

/** The keys of a session without its cookie. */
export function dataOf(session: object): StoredSession {
  const { cookie: _, ...data } = session as StoredSession
  return data
}

/** Gives `session` the values of `merged`, which has what other requests saved. Equal values stay the same objects. */
export function adopt(session: Session, merged: StoredSession): void {
  for (const key of Object.keys(dataOf(session))) if (!Object.hasOwn(merged, key)) delete session[key]
  for (const key of Object.keys(merged)) {
    // A stored key must not replace a method.
    if (key in session && !Object.hasOwn(session, key)) continue
    if (!sameText(session[key], merged[key])) session[key] = merged[key]
  }
}

/** Whether two values of a key are one for JSON. */
export function sameText(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
