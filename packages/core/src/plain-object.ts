import type { Data } from './merge.ts'
import type { Session } from './session.ts'

// A session is no plain object. Using it as one throws, and `session.data` is a plain object in its place.

/** The session as an object, `session.data`. */
export function dataProxy(session: Session<any>): object {
  return new Proxy(Object.create(null), dataHandler(session))
}

function dataHandler(session: Session<any>): ProxyHandler<Data> {
  // A property descriptor cannot be stored as JSON.
  const refuse = (): boolean => false
  return {
    get: (_, key) => session.get(key as string),
    has: (_, key) => session.has(key as string),
    set: (_, key, value) => {
      if (typeof key !== 'string') throw new TypeError('A session holds no symbols: use a string as the key.')
      session.set(key, value)
      return true
    },
    deleteProperty: (_, key) => {
      session.delete(key as string)
      return true
    },
    ownKeys: () => [...session.keys()],
    getOwnPropertyDescriptor: (_, key) =>
      session.has(key as string)
        ? { value: session.get(key as string), writable: true, enumerable: true, configurable: true }
        : undefined,
    defineProperty: refuse,
    preventExtensions: refuse,
    setPrototypeOf: refuse,
  }
}

/**
 * Using a session as a plain object (`req.session.userId = 5`, `delete`, `in`, spread) throws: nothing of that would be
 * saved, and in sloppy code it would be silent. Only a proxy sees all of it. Its price is measured in `docs/decisions`.
 */
export const NO_PLAIN_OBJECT: ProxyHandler<Session<any>> = {
  // On the target, so that accessors and engine-internal reads do not come through the proxy again.
  get: (target, key) => (target as unknown as Record<PropertyKey, unknown>)[key],
  set(target, key, value) {
    const member = memberOf(target, key)
    if (!member) throw noProperty(`session.${String(key)} is not saved`, 'session.set(key, value)')
    if (!member.set) throw new TypeError(`session.${String(key)} cannot be assigned to.${remedy(key)}`)
    ;(target as unknown as Record<PropertyKey, unknown>)[key] = value
    return true
  },
  has(target, key) {
    if (typeof key === 'symbol' || key in target) return Reflect.has(target, key)
    throw noProperty(`A session's keys are no properties, so \`in\` does not see ${key}`, 'session.has(key)')
  },
  deleteProperty(_, key) {
    throw noProperty(
      `session.${String(key)} is not deleted`,
      'session.delete(key), or session.flush() to log out',
    )
  },
  getOwnPropertyDescriptor(_, key) {
    if (typeof key === 'symbol') return
    throw noProperty(`A session's keys are no properties, ${key} neither`, 'session.has(key)')
  },
  ownKeys() {
    throw noProperty(
      "A session's keys are no properties",
      'session.keys() or session.toJSON(), or use session.data',
    )
  },
  defineProperty(_, key) {
    throw noProperty(`session.${String(key)} is not saved`, 'session.set(key, value)')
  },
  preventExtensions() {
    throw new TypeError('A session cannot be frozen.')
  },
  setPrototypeOf() {
    throw new TypeError('A session keeps its prototype.')
  },
}

function noProperty(problem: string, call: string): TypeError {
  return new TypeError(`${problem}. Call ${call}.`)
}

/** `req.session.flash = …` is what connect-flash does. */
function remedy(key: PropertyKey): string {
  return key === 'flash' ? ' Instead of connect-flash call session.flash(name, value).' : ''
}

function memberOf(session: Session<any>, key: PropertyKey): PropertyDescriptor | undefined {
  return Object.getOwnPropertyDescriptor(Object.getPrototypeOf(session), key)
}
