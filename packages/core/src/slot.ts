import { readOptions, textLike } from './check.ts'
import { createSessions, type Sessions } from './engine.ts'
import { ConfigError } from './errors.ts'
import type { SessionsOptions } from './options.ts'
import type { DefaultData } from './session.ts'

const marks = new WeakMap<object, symbol>()

type Slots = Record<string | symbol, unknown>

/** Where an engine's session is on a request: under the property that the application sees. For adapters. */
export class SessionSlot<D extends object = DefaultData> {
  /** The engine that was given, or is made of what was. */
  readonly sessions: Sessions<D>
  readonly property: string
  /** One an engine, so that a second middleware of the engine finds the session of the first. */
  readonly #mark: symbol
  /** One a cookie, which two engines would take from each other. */
  readonly #cookie: symbol
  readonly #accessor: PropertyDescriptor

  /** @throws ConfigError for a wrong option, so at start-up */
  constructor(options: SessionsOptions<D> | Sessions<D>, place: { property?: string | undefined } = {}) {
    const isEngine = typeof (options as Sessions<D> | undefined)?.open === 'function'
    this.sessions = isEngine ? (options as Sessions<D>) : createSessions(options as SessionsOptions<D>)
    const { property } = readOptions<{ property?: any }>(
      typeof place === 'object' ? place : { property: {} },
      { property: ['session', ...textLike(/./, "a name, as in { property: 'admin' }")] },
    )
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
        throw new TypeError(
          `\`${property}\` cannot be replaced. To log out call \`await ${property}.flush()\`.`,
        )
      },
    }
  }

  /**
   * Whether this engine has a session on the request already; if so, makes it ours: it is under our property, too.
   * @throws ConfigError when another engine has the property or the cookie
   */
  adoptExisting(request: object): boolean {
    const slots = request as Slots
    const session = slots[this.#mark]
    const current = slots[this.property]
    if (session !== undefined && current === session) return true
    if (current !== undefined) {
      throw new ConfigError(
        'property',
        `\`${this.property}\` is taken on this request. Give each engine a property of its own, or one engine (createSessions) to both middlewares.`,
      )
    }
    if (session !== undefined) {
      Object.defineProperty(request, this.property, this.#accessor)
      return true
    }
    if (slots[this.#cookie] === undefined) return false
    throw new ConfigError(
      'cookie.name',
      `\`${this.sessions.cookieName}\` is another engine's cookie on this request. Give each engine a cookie of its own, or one engine (createSessions) to both middlewares.`,
    )
  }

  /** Puts the session that was opened for the request where it belongs. */
  fill(request: object, session: object): void {
    const slots = request as Slots
    slots[this.#mark] = session
    slots[this.#cookie] = true
    Object.defineProperty(request, this.property, this.#accessor)
  }
}
