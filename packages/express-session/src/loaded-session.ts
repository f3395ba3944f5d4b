import type { MaybePromise } from '@sess/core'
import { after } from '@sess/core/adapter'
import { type Records, type RecordView, textOf } from './record-view.ts'
import { type SessionOwner, type SessionRequest, setOwner } from './request.ts'
import type { Session } from './session.ts'
import type { Store } from './store.ts'
import { Turns } from './turns.ts'

/** `store.load`: makes a session that belongs to no request, for a socket or a job. */
export function loadSession(
  store: Store,
  records: Records,
  id: string,
  callback: (error?: any, session?: Session) => void,
): void {
  store.get(id, (error, data) => {
    if (error) return callback(error)
    if (!data) return callback()
    const req = { sessionID: id, sessionStore: store } as SessionRequest
    const session = store.createSession(req, data)
    setOwner(req, new LoadedSession(req, records, session))
    callback(null, session)
  })
}

/** Keeps what was read, so that a save merges, and does not bring back what is gone. */
class LoadedSession implements SessionOwner {
  readonly #req: SessionRequest
  readonly #records: Records
  readonly #saves = new Turns()
  #record: RecordView
  /** The last session that was made anew. */
  #generated: Session | undefined

  constructor(req: SessionRequest, records: Records, session: Session) {
    this.#req = req
    this.#records = records
    this.#record = records(req.sessionID, { text: textOf(session) })
  }

  save(session: Session): MaybePromise<void> {
    return this.#saves.take(session.id, () => {
      if (this.#record.id !== session.id)
        this.#record = this.#records(session.id, { isNew: session === this.#generated })
      return this.#record.save(session)
    })
  }

  reload({ id }: Session): MaybePromise<void> {
    const record = this.#records(id)
    return after(record.load(), found => {
      if (!found) throw new Error('failed to load session')
      this.#req.sessionStore.createSession(this.#req, found)
      this.#record = record
    })
  }

  destroyed(): void {
    // What is gone is not saved again, because the record's text is known.
  }

  generated(session: Session): void {
    this.#generated = session
  }
}
