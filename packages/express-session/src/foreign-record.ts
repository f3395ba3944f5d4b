import { type MaybePromise, SessionInterruptedError } from '@sess/core'
import { after, merge } from '@sess/core/adapter'
import { fromCallback } from './callback.ts'
import { dataOf, type Known, type RecordView, takeOver, textOf } from './record-view.ts'
import type { Session } from './session.ts'
import type { Store, StoredSession } from './store.ts'
import { takeTurn } from './turns.ts'

/**
 * A record of an express-session store, whose contract has no versions. Requests of this process take turns at saving,
 * and what is stored is compared with what this request read, before it is replaced. Between that look and the `set`
 * another process may still write.
 */
export class ForeignRecord implements RecordView {
  readonly id: string
  text: string | undefined
  readonly extend: RecordView['extend']
  readonly #store: Store
  /** The text of the last `set`. The store may have it also if it has reported a failure. */
  #attempt: string | undefined

  constructor(store: Store, id: string, { text }: Known = {}) {
    this.#store = store
    this.id = id
    this.text = text
    if (typeof store.touch !== 'function') this.extend = undefined
    else
      this.extend = session =>
        takeTurn(store, id, () =>
          fromCallback<void>(done =>
            store.touch!(
              id,
              session,
              orNotFound(error => done(error)),
            ),
          ),
        )
  }

  load(): MaybePromise<StoredSession | undefined> {
    return after(this.#get(), found => {
      if (found) this.text = textOf(found)
      return found
    })
  }

  save(session: Session): MaybePromise<void> {
    if (this.text === undefined) return this.#set(session)
    return takeTurn(this.#store, this.id, () =>
      after(this.#get(), current => {
        if (!current) throw new SessionInterruptedError()
        this.#merge(session, current)
        return this.#set(session)
      }),
    )
  }

  #get(): MaybePromise<StoredSession | undefined> {
    return fromCallback<StoredSession>(done =>
      this.#store.get(
        this.id,
        orNotFound((error, found) => done(error, found ?? undefined)),
      ),
    )
  }

  /** Gives the session what others have saved. Its own changes are from now on those since `current`. */
  #merge(session: Session, current: StoredSession): void {
    const text = textOf(current)
    const isOwn = text === this.text || text === this.#attempt
    if (!isOwn) {
      const base = JSON.parse(this.text!) as StoredSession
      takeOver(session, merge(base, dataOf(session), dataOf(current), JSON.stringify).value as StoredSession)
    }
    this.text = text
  }

  #set(session: Session): MaybePromise<void> {
    const written = fromCallback(done => {
      this.#store.set(this.id, session, done)
      // After the call, because some stores add keys of their own to the session.
      this.#attempt = textOf(session)
    })
    return after(written, () => {
      this.text = this.#attempt
    })
  }
}

/** A file that is not there is a session that is not there, as in express-session. */
function orNotFound<T>(done: (error?: any, found?: T | null) => void): typeof done {
  return (error, found) => (error?.code === 'ENOENT' ? done() : done(error, found))
}
