import { readOptions, textLike } from './check.ts'
import { createSessions, type OpenOptions, type Sessions } from './engine.ts'
import { ConfigError } from './errors.ts'
import type { SessionsOptions } from './options.ts'
import type { CommitResult, ResponseInfo } from './response.ts'
import type { DefaultData, Session } from './session.ts'
import type { MaybePromise } from './store.ts'

/**
 * Where an adapter puts the session. An app with several engines (`createSessions`) gives each its own property and its
 * own `cookie.name`.
 *
 * @example
 * app.use(session(adminSessions, { property: 'adminSession' }))
 */
export interface MiddlewareOptions {
  /** The property that holds the session, `session` by default. TypeScript only knows `session`: declare other names. */
  property?: string | undefined
}

/**
 * What an adapter passes to `open` and `commit` beside the status. Adapters pass functions, because most responses set no
 * cookie and need none of it.
 */
export type Connection = Omit<ResponseInfo, 'status'> & OpenOptions

/** A session that an adapter has begun, and has to commit. */
export interface BegunSession<D extends object = DefaultData> {
  session: Session<D>
  /**
   * The load that has begun. Wait for it before the handler runs. `undefined` when there is nothing to wait for. It does not
   * reject: a failed load throws when the handler first uses the session.
   */
  ready: MaybePromise<void>
  /** `sessions.commit` for this session, with the status that leaves. */
  commit(status: number): MaybePromise<CommitResult>
}

/** What the middleware of every adapter has beside its call. */
export interface WithSessions<D extends object = DefaultData> {
  /**
   * The engine, for work outside of requests: `await middleware.sessions.clearExpired()`.
   *
   * @example
   * const sess = session({ store })
   * app.use(sess)
   * setInterval(() => sess.sessions.clearExpired(), 3_600_000)
   */
  readonly sessions: Sessions<D>
}

const marks = new WeakMap<object, symbol>()

type Slots = Record<string | symbol, unknown>

/** Where an engine's session is on a request: under the property that the application sees. For adapters. */
export class SessionSlot<D extends object = DefaultData> {
  /** The engine that was given, or was made from the options. */
  readonly sessions: Sessions<D>
  readonly property: string
  /** One for each engine, so that its second middleware finds the session of the first. */
  readonly #mark: symbol
  /** One for each cookie name, because two engines would overwrite each other's cookie. */
  readonly #cookie: symbol
  readonly #accessor: PropertyDescriptor

  /** @throws ConfigError for a wrong option, so at start-up */
  constructor(options: SessionsOptions<D> | Sessions<D>, place: { property?: string | undefined } = {}) {
    const isEngine = typeof (options as Sessions<D> | undefined)?.open === 'function'
    this.sessions = isEngine ? (options as Sessions<D>) : createSessions(options as SessionsOptions<D>)
    const expected = "a name, as in { property: 'admin' }"
    if (typeof place !== 'object') throw new ConfigError('property', `must be ${expected}.`)
    const { property } = readOptions<{ property?: any }>(place, {
      property: ['session', textLike(/./, expected)],
    })
    const mark = marks.get(this.sessions) ?? Symbol('session')
    marks.set(this.sessions, mark)
    this.property = property
    this.#mark = mark
    this.#cookie = Symbol.for(`sess:${this.sessions.cookieName}`)
    this.#accessor = {
      configurable: true,
      enumerable: true,
      get(this: Slots) {
        return this[mark]
      },
      // Elsewhere `req.session = null` is how one logs out; here the visitor would silently stay logged in.
      set() {
        throw new TypeError(`\`${property}\` cannot be replaced. To log out call its method \`flush()\`.`)
      },
    }
  }

  /**
   * Gives a middleware its engine as `.sessions`, read-only. An adapter returns what this returns.
   *
   * @returns the same middleware
   * @example
   * return slot.withSessions((req, res, next) => handle(req, res, next))
   */
  withSessions<M extends object>(middleware: M): M & WithSessions<D> {
    Object.defineProperty(middleware, 'sessions', { value: this.sessions, enumerable: true })
    return middleware as M & WithSessions<D>
  }

  /**
   * Opens the request's session and puts it under our property. `undefined` when this engine has one on the request
   * already: it is under our property then, too, and the caller that opened it commits it.
   * @throws ConfigError when another engine has the property or the cookie
   */
  open(request: object, cookieHeader?: string | null, client?: OpenOptions): Session<D> | undefined {
    const slots = request as Slots
    const known = slots[this.#mark]
    const current = slots[this.property]
    // Fastify wants a property declared, with null: that is no session yet.
    if (current !== undefined && current !== null) {
      if (current === known) return
      throw isSession(current) ? taken('property', this.property) : foreign(this.property)
    }
    let session: Session<D> | undefined
    if (known === undefined) {
      if (slots[this.#cookie]) throw taken('cookie.name', this.sessions.cookieName)
      session = this.sessions.open(cookieHeader, client)
      slots[this.#mark] = session
      slots[this.#cookie] = true
    }
    Object.defineProperty(request, this.property, this.#accessor)
    return session
  }

  /**
   * Does what every adapter begins with: opens the session as `open` does, and loads it unless the engine is `lazy`.
   *
   * @param request the object that gets the session under our property
   * @param cookieHeader the `Cookie` header as it came
   * @param connection what `commit` gets beside the status, and what `sessions.open` gets of the request.
   * @returns `undefined` when this engine has a session on the request already. The adapter that opened it loads and
   *   commits it.
   * @throws ConfigError (`CONFIG`) when another engine has the property or the cookie
   * @example
   * const begun = slot.begin(req, req.headers.cookie, { secure: () => req.secure })
   * if (!begun) return next()
   * const { ready, commit } = begun
   */
  begin(
    request: object,
    cookieHeader: string | null | undefined,
    connection: Connection,
  ): BegunSession<D> | undefined {
    const { sessions } = this
    const session = this.open(request, cookieHeader, connection)
    if (!session) return
    return {
      session,
      ready: sessions.lazy ? undefined : session.load(),
      commit: status => sessions.commit(session, { ...connection, status }),
    }
  }
}

/** By its methods, because a second copy of this package has another class. */
function isSession(value: unknown): boolean {
  return typeof (value as Partial<Session> | undefined)?.cycleKey === 'function'
}

function foreign(name: string): ConfigError {
  return new ConfigError(
    'property',
    `\`${name}\` on this request holds something that Sess did not put there. Remove the other session middleware, or give this one another \`property\`.`,
  )
}

function taken(option: string, name: string): ConfigError {
  return new ConfigError(
    option,
    `\`${name}\` is taken on this request. Give each engine its own, or both middlewares one engine (createSessions).`,
  )
}
