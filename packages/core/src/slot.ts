import { ConfigError } from './errors.ts'

const marks = new WeakMap<object, symbol>()

/** Where an engine's session is on a request: under the property that the application sees. */
export class SessionSlot {
  readonly #property: string
  /** One an engine, so that a second middleware of the engine finds the session of the first. */
  readonly #mark: symbol

  constructor(sessions: object, property: string) {
    this.#property = property
    this.#mark = marks.get(sessions) ?? Symbol('session')
    marks.set(sessions, this.#mark)
  }

  /** Whether this engine has a session on the request already; then it is under our property, too. */
  reuse(request: object): boolean {
    const slots = request as Record<string | symbol, unknown>
    if (slots[this.#mark] !== undefined) {
      slots[this.#property] = slots[this.#mark]
      return true
    }
    if (slots[this.#property] === undefined) return false
    throw new ConfigError(
      'property',
      `\`${this.#property}\` is taken on this request. Give each engine a property of its own, or one engine (createSessions) to both middlewares.`,
    )
  }

  fill(request: object, session: object): void {
    const slots = request as Record<string | symbol, unknown>
    slots[this.#mark] = slots[this.#property] = session
  }
}
