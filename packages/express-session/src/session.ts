import { type Callback, fromCallback, withCallback } from './callback.ts'
import type { Cookie } from './cookie.ts'
import { ownerOf, type SessionRequest } from './request.ts'
import { takeTurn } from './turns.ts'

/** A session as express-session's API has it: its properties are the session's keys. */
export class Session {
  declare readonly req: SessionRequest
  declare readonly id: string
  declare cookie: Cookie;
  [key: string]: any

  constructor(req: SessionRequest, data?: unknown) {
    Object.defineProperty(this, 'req', { value: req })
    Object.defineProperty(this, 'id', { value: req.sessionID })
    if (typeof data !== 'object' || data === null) return
    // A stored key must not replace a method.
    for (const key in data) if (!(key in this)) this[key] = (data as Record<string, unknown>)[key]
  }

  /**
   * Gives the cookie its whole life again. The middleware does it for every request.
   *
   * @example
   * req.session.touch()
   */
  touch(): this {
    return this.resetMaxAge()
  }

  /**
   * Sets the cookie's age to `originalMaxAge`, as `touch` does.
   *
   * @example
   * req.session.resetMaxAge()
   */
  resetMaxAge(): this {
    this.cookie.maxAge = this.cookie.originalMaxAge
    return this
  }

  /**
   * Saves now, and merges what other requests have saved. Without a callback it returns a promise. A session that
   * `store.createSession` made by hand replaces what is stored, because nobody knows what it was made from.
   *
   * @throws SessionInterruptedError (400) if another request has ended the session
   * @example
   * req.session.save(error => (error ? next(error) : res.redirect('/')))
   */
  save(callback?: Callback): this | Promise<void> {
    return withCallback(this, callback, () => {
      const owner = ownerOf(this.req)
      if (owner) return owner.save(this)
      return fromCallback(done => this.req.sessionStore.set(this.id, this, done))
    })
  }

  /**
   * Puts a new object with the stored data on the request. Without a callback it returns a promise.
   *
   * @throws Error if the session is not in the store
   * @example
   * socket.request.session.reload(error => (error ? socket.disconnect() : handle(socket.request.session)))
   */
  reload(callback?: Callback): this | Promise<void> {
    return withCallback(this, callback, () => {
      const owner = ownerOf(this.req)
      if (owner) return owner.reload(this)
      return reloadFromStore(this)
    })
  }

  /**
   * Ends the session. `req.session` is `undefined` from now on. Without a callback it returns a promise.
   *
   * @example
   * req.session.destroy(error => (error ? next(error) : res.redirect('/')))
   */
  destroy(callback?: Callback): this | Promise<void> {
    delete this.req.session
    return withCallback(this, callback, () => {
      ownerOf(this.req)?.destroyed(this)
      const { id, req } = this
      const store = req.sessionStore
      return takeTurn(store, id, () => fromCallback(done => store.destroy(id, done)))
    })
  }

  /**
   * Ends the session and puts a new, empty one on the request. Without a callback it returns a promise. Call it at login.
   *
   * @example
   * req.session.regenerate(error => {
   *   if (error) return next(error)
   *   req.session.user = user.id
   *   res.redirect('/')
   * })
   */
  regenerate(callback?: Callback): this | Promise<void> {
    return withCallback(this, callback, () => {
      const { sessionID, sessionStore } = this.req
      return takeTurn(sessionStore, sessionID, () =>
        fromCallback(done => sessionStore.regenerate(this.req, done)),
      )
    })
  }
}

async function reloadFromStore({ id, req }: Session): Promise<void> {
  const data = await fromCallback<any>(done => req.sessionStore.get(id, done))
  if (!data) throw new Error('failed to load session')
  req.sessionStore.createSession(req, data)
}
