import type { Sessions } from './engine.ts'
import type { DefaultData } from './session.ts'
import { countedMemoryStore, type TestStore } from './testing-store.ts'

export type { TestStore }

/** A clock that stands still until a test moves it. It is the option `clock` of `createSessions`. */
export interface TestClock {
  /** The time in milliseconds since the epoch. */
  (): number
  /** Moves the clock on by so many seconds. */
  advance(seconds: number): void
  /** Sets the clock. */
  set(time: Date | number): void
}

/** Whose session `loggedIn` makes, and for which request. */
export interface LoggedInOptions {
  /** The session's `subject`. Default: none. */
  subject?: string | number | undefined
  /** The framework's request, or what your `cookie` function reads of it, such as `{ hostname: 'shop.example' }`. */
  request?: unknown
}

/**
 * Makes a clock that only the test moves, so that a test of a session that expires need not wait.
 *
 * @param start where it begins, as a date or in milliseconds since the epoch. Default: now
 * @example
 * const clock = testClock()
 * const sessions = createSessions({ store: testStore(), clock, age: 600 })
 * clock.advance(601)
 */
export function testClock(start: Date | number = Date.now()): TestClock {
  let now = Number(start)
  return Object.assign(() => now, {
    advance(seconds: number) {
      if (!Number.isFinite(seconds)) throw new TypeError('advance() takes seconds.')
      now += seconds * 1000
    },
    set(time: Date | number) {
      if (!Number.isFinite(Number(time))) throw new TypeError('set() takes a date, or milliseconds.')
      now = Number(time)
    },
  })
}

/**
 * Makes a store in memory that notes the names of its calls. It has every optional method of a store, and takes the time
 * from the engine's clock.
 *
 * @example
 * const store = testStore()
 * await request(app).get('/about')
 * expect(store.calls).toEqual([]) // the page leaves the session alone
 */
export function testStore(): TestStore {
  return countedMemoryStore()
}

/**
 * Saves a session with these data, as a login would, and returns the value of the `Cookie` header that leads to it. If the
 * engine's `carrier` is a header alone, it returns the value of that header.
 *
 * @param sessions the engine of the app: `middleware.sessions`, or what `createSessions` returned
 * @param data what the session holds
 * @param options `subject`: whose session it is. `request`: for a `cookie` that depends on the request
 * @throws the errors of a save, such as SessionDataError (`SESSION_DATA`)
 * @example
 * const cookie = await loggedIn(sessions, { userId: 'ada' }, { subject: 'ada' })
 * await request(app).get('/account').set('Cookie', cookie).expect(200)
 */
export async function loggedIn<D extends object = DefaultData>(
  sessions: Sessions<D>,
  data: Partial<D>,
  { subject, request }: LoggedInOptions = {},
): Promise<string> {
  const session = sessions.open(undefined, { request, header: () => undefined })
  await session.load()
  session.cycleKey()
  session.update(data)
  if (subject !== undefined) session.subject = subject
  const { setCookies, headers = {} } = await sessions.commit(session, { status: 200 })
  if (session.carrier === 'cookie') return setCookies.map(line => line.split(';', 1)[0]).join('; ')
  const [, value] = Object.entries(headers).find(([name]) => name !== 'cache-control')!
  return value
}
