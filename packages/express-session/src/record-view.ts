import type { MaybePromise } from '@sess/core'
import type { Session } from './session.ts'
import type { StoredSession } from './store.ts'

/** What is stored under one session ID, as one request sees it. */
export interface RecordView {
  readonly id: string
  /** The data as they were last read or written, by `textOf`. `undefined`: nothing is known of them. */
  readonly text: string | undefined
  /** Reads the data. `undefined`: there is no live session. */
  load(): MaybePromise<StoredSession | undefined>
  /** `load`, without making the data of the session. `undefined`: there is no live session. */
  find?(): MaybePromise<UnreadRecord | undefined>
  /**
   * Writes the session. If its text is known, changes of other requests are merged, and appear in `session`. If not, the
   * session replaces what is stored.
   *
   * @param text `textOf(session)`, if it is known
   * @throws SessionInterruptedError if the text is known, and the session is gone
   */
  save(session: Session, text?: string): MaybePromise<void>
  /** Extends the session's life. `undefined`: the store cannot. */
  extend: ((session: Session) => MaybePromise<void>) | undefined
}

/** A live session that the request has not used yet. */
export interface UnreadRecord {
  read(): StoredSession
  /** Extends the session's life. */
  extend(): MaybePromise<void>
}

/** What is known of the record when its view is made. */
export interface Known {
  /** The ID was just made, so nothing is stored under it. */
  isNew?: boolean
  /** The text that was read. */
  text?: string
}

/** Makes the view of the record of an ID. */
export type Records = (id: string, known?: Known) => RecordView

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
export function takeOver(session: Session, merged: StoredSession): void {
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
