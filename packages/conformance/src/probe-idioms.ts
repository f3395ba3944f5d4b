import type { Session } from '@sess/core'

/** What an application that took the session for a plain object does to it, and whether that worked. */
interface Idiom {
  name: string
  run(session: Session): unknown
  worked(session: Session, result: unknown): boolean
}

// `Reflect` does what code in sloppy mode does: it returns false where strict code throws.
const IDIOMS: readonly Idiom[] = [
  {
    name: 'session.user = …',
    run: session => Reflect.set(session, 'user', 'bob'),
    worked: session => session.get('user') === 'bob',
  },
  {
    name: 'session.flash = session.flash || {}',
    run: session => Reflect.set(session, 'flash', session.flash),
    worked: () => false,
  },
  {
    name: 'Object.assign(session, …)',
    run: session => Object.assign(session, { user: 'eve' }),
    worked: session => session.get('user') === 'eve',
  },
  {
    name: 'Object.defineProperty(session, …)',
    run: session => Reflect.defineProperty(session, 'user', { value: 'dan', configurable: true }),
    worked: session => session.get('user') === 'dan',
  },
  {
    name: "'user' in session",
    run: session => Reflect.has(session, 'user'),
    worked: (session, result) => result === session.has('user'),
  },
  {
    name: 'Object.keys(session)',
    run: session => Object.keys(session).includes('user'),
    worked: (session, result) => result === session.has('user'),
  },
  {
    name: '{ ...session }',
    run: session => 'user' in { ...session },
    worked: (session, result) => result === session.has('user'),
  },
  {
    name: 'delete session.user',
    run: session => Reflect.deleteProperty(session, 'user'),
    worked: session => !session.has('user'),
  },
]

/** The names of the idioms that neither worked nor threw. */
export function silentIdioms(session: Session): string[] {
  session.set('user', 'ann')
  return IDIOMS.filter(({ run, worked }) => {
    try {
      return !worked(session, run(session))
    } catch {
      // An error is what the application needs.
      return false
    }
  }).map(({ name }) => name)
}

/** What several sessions may share, as far as an application gets hold of it. */
function sharedBy(session: Session): object[] {
  const prototype: object | null = Object.getPrototypeOf(session)
  // What all objects share is not the session's.
  const isOwn = prototype !== null && prototype !== Object.prototype
  return [session, session.get, session.flash, ...(isOwn ? [prototype] : [])]
}

/** Puts a word on everything that sessions may share. */
export function leave(session: Session, word: string): void {
  for (const object of sharedBy(session)) {
    try {
      Reflect.set(object, 'left', word)
    } catch {
      // That cannot be written to, as it should be.
    }
  }
}

/** The words that were left there. */
export function leftWords(session: Session): unknown[] {
  return sharedBy(session)
    .map(object => Reflect.get(object, 'left') as unknown)
    .filter(word => word !== undefined)
}
