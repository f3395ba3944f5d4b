import type { CipherKey } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { Store as SessStore } from '@sess/core'
import type { Request, RequestHandler } from 'express'

export = session

declare global {
  namespace Express {
    /** `req.sessionStore`: the store, with the `generate` of the middleware. */
    type SessionStore = session.Store & { generate: (req: Request) => void }

    interface Request {
      /** This visitor's session. Its properties are typed by `SessionData`. */
      session: session.Session & Partial<session.SessionData>
      /** The ID of the session, also before it is saved. */
      sessionID: string
      sessionStore: SessionStore
    }
  }
}

/**
 * Makes the middleware that gives every request its `req.session`.
 *
 * @throws TypeError for what express-session rejects
 * @example
 * app.use(session({ secret, store: sqliteStore('sessions.db'), resave: false, saveUninitialized: false }))
 */
declare function session(options?: session.SessionOptions): RequestHandler

declare namespace session {
  interface SessionOptions {
    /** Signs the session ID in the cookie. Of several the first one signs, and all of them verify. */
    secret: CipherKey | CipherKey[]
    /** Makes the ID of a new session. Default: 192 random bits. */
    genid?(req: Request): string
    /** The name of the cookie. Default `connect.sid`. */
    name?: string | undefined
    /** A store of Sess, or a store for express-session. Default: a new `MemoryStore`. */
    store?: Store | SessStore | undefined
    /** The attributes of the cookie, for all requests or for each. */
    cookie?: CookieOptions | ((req: Request) => CookieOptions) | undefined
    /** Every response sets the cookie. Default false. */
    rolling?: boolean | undefined
    /** Saves sessions that have not changed. Default true; say what you want, because the default is deprecated. */
    resave?: boolean | undefined
    /** `true`: believe `X-Forwarded-Proto`. `false`: do not. Default: Express's `trust proxy`. */
    proxy?: boolean | undefined
    /** Saves new sessions that have no data. Default true; say what you want, because the default is deprecated. */
    saveUninitialized?: boolean | undefined
    /** What `req.session = null` and `delete req.session` do to what is stored. Default `keep`. */
    unset?: 'destroy' | 'keep' | undefined
  }

  /** One request's session. Its properties are the session's keys. */
  class Session {
    private constructor(request: Express.Request, data: SessionData)
    /** The session's ID, which is secret. */
    readonly id: string
    cookie: Cookie
    /** Ends this session and puts a new one on the request. */
    regenerate(callback: (err: any) => void): this
    regenerate(): Promise<void>
    /** Ends the session. `req.session` is `undefined` afterwards. */
    destroy(callback: (err: any) => void): this
    destroy(): Promise<void>
    /** Puts a new object with the stored data on the request. */
    reload(callback: (err: any) => void): this
    reload(): Promise<void>
    /** Gives the cookie its whole life again. */
    resetMaxAge(): this
    /** Saves now. */
    save(callback: (err: any) => void): this
    save(): Promise<void>
    /** The same as `resetMaxAge`. */
    touch(): this
  }

  /**
   * The data of a session. Declare yours:
   * `declare module 'express-session' { interface SessionData { userId: number } }`.
   */
  interface SessionData {
    cookie: Cookie
  }

  interface CookieOptions {
    /** Milliseconds. Default: until the browser closes. */
    maxAge?: number | undefined
    partitioned?: boolean | undefined
    priority?: 'low' | 'medium' | 'high' | undefined
    signed?: boolean | undefined
    expires?: Date | null | undefined
    httpOnly?: boolean | undefined
    path?: string | undefined
    domain?: string | undefined
    /** `'auto'`: as the connection of the request that creates the session. */
    secure?: boolean | 'auto' | undefined
    encode?: ((val: string) => string) | undefined
    /** `'auto'`: `none` over TLS, otherwise `lax`. */
    sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto' | undefined
  }

  class Cookie implements CookieOptions {
    constructor(options?: CookieOptions)
    /** Milliseconds that the session lives after each request. */
    originalMaxAge: number | null
    maxAge?: number | undefined
    signed?: boolean | undefined
    expires?: Date | null | undefined
    httpOnly?: boolean | undefined
    path?: string | undefined
    domain?: string | undefined
    secure?: boolean | 'auto' | undefined
    sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto' | undefined
    partitioned?: boolean | undefined
    priority?: 'low' | 'medium' | 'high' | undefined
    /** The attributes as a new object. */
    readonly data: CookieOptions & { originalMaxAge: number | null }
    /** The line of `Set-Cookie` for a value. */
    serialize(name: string, value: string): string
    toJSON(): CookieOptions & { originalMaxAge: number | null }
  }

  /** The base class of stores. */
  abstract class Store extends EventEmitter {
    regenerate(req: Request, callback: (err?: any) => any): void
    load(sid: string, callback: (err: any, session?: SessionData) => any): void
    createSession(req: Request, session: SessionData): Session & SessionData
    abstract get(sid: string, callback: (err: any, session?: SessionData | null) => void): void
    abstract set(sid: string, session: SessionData, callback?: (err?: any) => void): void
    abstract destroy(sid: string, callback?: (err?: any) => void): void
    all?(callback: (err: any, obj?: SessionData[] | { [sid: string]: SessionData } | null) => void): void
    length?(callback: (err: any, length?: number) => void): void
    clear?(callback?: (err?: any) => void): void
    touch?(sid: string, session: SessionData, callback?: () => void): void
  }

  /** Keeps sessions in this process. For development. */
  class MemoryStore extends Store {
    get(sid: string, callback: (err: any, session?: SessionData | null) => void): void
    set(sid: string, session: SessionData, callback?: (err?: any) => void): void
    destroy(sid: string, callback?: (err?: any) => void): void
    all(callback: (err: any, obj?: { [sid: string]: SessionData } | null) => void): void
    length(callback: (err: any, length?: number) => void): void
    clear(callback?: (err?: any) => void): void
    touch(sid: string, session: SessionData, callback?: () => void): void
  }
}
