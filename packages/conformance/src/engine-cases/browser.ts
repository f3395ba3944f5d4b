import {
  createSessions,
  type Session,
  type SessionError,
  type Sessions,
  type SessionsOptions,
} from '@sess/core'
import { outcome } from '../check.ts'
import type { StoreFixture } from '../store-fixture.ts'

type Engine = Sessions<Record<string, unknown>>
export type AnySession = Session<Record<string, unknown>>

/** An engine over the store of the case, by its clock. */
export function engineOver(f: StoreFixture, options: Partial<SessionsOptions> = {}): Engine {
  // Only one byte is asked for to pause at random before another try; no pause is a pause too.
  const random = (size: number) =>
    size === 1 ? new Uint8Array(1) : globalThis.crypto.getRandomValues(new Uint8Array(size))
  return createSessions<Record<string, unknown>>({
    store: f.store,
    clock: () => f.clock.now(),
    timeout: 4 * f.callTimeout,
    random,
    ...options,
  })
}

/** Milliseconds to live for a session that is to end: the engine counts whole seconds, as Django does. */
export function sessionLife(f: StoreFixture): number {
  return Math.max(f.clock.life, 2_000)
}

/** What came of a request: the handler's result, or the code of the error that its session met. */
export interface Visited<T> {
  result?: T
  /** `'ok'`, or the code of a `SessionError`. Any other error is thrown. */
  code: string
  setCookies: readonly string[]
}

/** A browser with its cookies. Requests that overlap send what it had when they began. */
export class Browser {
  cookies = new Map<string, string>()

  /** Another browser with the same cookies: a copy that was stolen, or the same one a moment ago. */
  copy(): Browser {
    const copy = new Browser()
    copy.cookies = new Map(this.cookies)
    return copy
  }

  get header(): string | undefined {
    if (this.cookies.size === 0) return undefined
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** The session key it holds. */
  get key(): string | undefined {
    return this.cookies.get('sessionid')
  }

  /** One request, from the cookie to the committed answer. */
  async visit<T>(
    engine: Engine,
    handler: (session: AnySession) => T | PromiseLike<T>,
    status = 200,
  ): Promise<Visited<T>> {
    const session = engine.open(this.header)
    const settled = await outcome(async () => {
      await session.load()
      const result = await handler(session)
      const { setCookies } = await engine.commit(session, { status, secure: true })
      for (const cookie of setCookies) this.#receive(cookie)
      return { result, setCookies }
    })
    if (settled.error === undefined)
      return { ...(settled.value as { result: T; setCookies: string[] }), code: 'ok' }
    const { code } = settled.error as SessionError
    if (typeof code !== 'string' || !code.startsWith('SESSION_')) throw settled.error
    return { code, setCookies: [] }
  }

  #receive(cookie: string): void {
    const [pair = '', ...attributes] = cookie.split('; ')
    const name = pair.slice(0, pair.indexOf('='))
    const deleted = attributes.some(attribute => attribute.toLowerCase() === 'max-age=0')
    if (deleted) this.cookies.delete(name)
    else this.cookies.set(name, pair.slice(name.length + 1))
  }
}

/** What a browser's session holds, by a request that only reads; null if it has none. */
export async function dataOf(engine: Engine, browser: Browser): Promise<Record<string, unknown> | null> {
  const session = engine.open(browser.header)
  await session.load()
  const data = session.toJSON()
  return session.sessionKey === null ? null : data
}

/** A browser with a session. */
export async function loggedIn(
  engine: Engine,
  data: Record<string, unknown>,
  subject?: string,
): Promise<Browser> {
  const browser = new Browser()
  await browser.visit(engine, session => {
    session.update(data)
    if (subject !== undefined) session.subject = subject
  })
  return browser
}
