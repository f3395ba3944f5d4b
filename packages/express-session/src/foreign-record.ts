import { type MaybePromise, SessionInterruptedError } from '@sess/core'
import { after, merge } from '@sess/core/adapter'
import { fromCallback } from './callback.ts'
import { adopt, dataOf, type Record, textOf } from './record.ts'
import type { Session } from './session.ts'
import type { Store, StoredSession } from './store.ts'
import { takeTurn } from './turns.ts'

/**
 * A record of an express-session store, whose contract has no versions. Requests of this process take turns at saving,
 * and what is stored is compared with what this request read, before it is replaced. Between that look and the `set`
 * another process may still write.
 */
export class ForeignRecord implements Record {
  readonly id: string
  text: string | undefined
  readonly touch: Record['touch']
  readonly #store: Store

  constructor(store: Store, id: string) {
    this.#store = store
    this.id = id
    if (typeof store.touch !== 'function') this.touch = undefined
    else
      this.touch = session =>
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

  #merge(session: Session, current: StoredSession): void {
    if (textOf(current) === this.text) return
    const base = JSON.parse(this.text!) as StoredSession
    adopt(session, merge(base, dataOf(session), dataOf(current), JSON.stringify).value as StoredSession)
  }

  #set(session: Session): MaybePromise<void> {
    let text: string | undefined
    const written = fromCallback(done => {
      this.#store.set(this.id, session, done)
      // After the call, because some stores add keys of their own to the session.
      text = textOf(session)
    })
    return after(written, () => {
      this.text = text
    })
  }
}

/** A file that is not there is a session that is not there, as in express-session. */
function orNotFound<T>(done: (error?: any, found?: T | null) => void): typeof done {
  return (error, found) => (error?.code === 'ENOENT' ? done() : done(error, found))
}
