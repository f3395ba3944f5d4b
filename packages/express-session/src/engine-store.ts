import type { MaybePromise, Sessions, Store as SessStore } from '@sess/core'
import type { Callback } from './callback.ts'
import { EngineRecord, endSession, expressCodec } from './engine-record.ts'
import { loadSession } from './loaded-session.ts'
import { Session } from './session.ts'
import { Store, type StoredSession } from './store.ts'

/** A Sess store as `req.sessionStore`, for code that uses the store itself. */
export class EngineStore extends Store {
  readonly #sessions: Sessions<any>
  readonly #store: SessStore

  constructor(sessions: Sessions<any>, store: SessStore) {
    super()
    this.#sessions = sessions
    this.#store = store
  }

  override get(id: string, callback: (error?: any, session?: StoredSession | null) => void): void {
    report(async () => (await new EngineRecord(this.#sessions, id).load()) ?? null, callback)
  }

  override set(id: string, session: StoredSession, callback?: Callback): void {
    const record = new EngineRecord(this.#sessions, id)
    report(() => record.save(asSession(this, id, session)), callback)
  }

  override destroy(id: string, callback?: Callback): void {
    report(async () => {
      const session = this.#sessions.openKey(id)
      await session.load()
      await endSession(session)
    }, callback)
  }

  override touch(id: string, _session: StoredSession, callback?: Callback): void {
    report(async () => {
      const record = new EngineRecord(this.#sessions, id)
      await record.load()
      await record.extend()
    }, callback)
  }

  override load(id: string, callback: (error?: any, session?: Session) => void): void {
    loadSession(this, (id, known) => new EngineRecord(this.#sessions, id, known), id, callback)
  }

  /** Every live session, if the store can list them. */
  override all(callback: (error?: any, sessions?: StoredSession[]) => void): void {
    report(async () => {
      const sessions: StoredSession[] = []
      for await (const { payload } of this.#scan()) sessions.push(await expressCodec.decode(payload))
      return sessions
    }, callback)
  }

  override length(callback: (error?: any, length?: number) => void): void {
    report(async () => {
      let count = 0
      for await (const _ of this.#scan()) count++
      return count
    }, callback)
  }

  override clear(callback?: Callback): void {
    report(async () => {
      for await (const { id } of this.#scan()) await this.#store.remove(id)
    }, callback)
  }

  #scan(): ReturnType<NonNullable<SessStore['scan']>> {
    if (this.#store.scan) return this.#store.scan({ now: Date.now() })
    throw new Error('This store cannot list its sessions: it has no scan().')
  }
}

async function report<T>(
  work: () => MaybePromise<T>,
  callback: ((error?: any, value?: T) => void) | undefined,
): Promise<void> {
  let value: T
  try {
    value = await work()
  } catch (error) {
    callback?.(error)
    return
  }
  callback?.(null, value)
}

/** A session to save, of an object that may come from anywhere. */
function asSession(store: EngineStore, id: string, data: StoredSession): Session {
  if (data instanceof Session) return data
  return store.createSession({ sessionID: id, sessionStore: store } as any, { ...data })
}
