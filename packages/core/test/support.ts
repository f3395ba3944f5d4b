import { memoryStore } from '@sess/conformance'
import {
  type CommitResult,
  createSessions,
  type Session,
  type Sessions,
  type SessionsOptions,
  type Store,
} from '../src/index.ts'

export const START = 1_700_000_000_000

/** An engine over a store in memory whose calls are counted, with a clock that only a test moves. */
export interface Bench {
  sessions: Sessions
  store: Store
  /** Names of the store calls so far, in order. */
  calls: string[]
  time: { now: number }
  /** The browser's cookie: what the last response left. */
  cookie: string
  /** One request: load, the handler, commit. Keeps the cookie like a browser. */
  request(
    handle?: (session: Session) => unknown,
    answer?: { status?: number; secure?: boolean; cookie?: string },
  ): Promise<CommitResult>
  /** What one key of the session holds for the next request, looked at without a trace. */
  peek(key: string, cookie?: string): Promise<unknown>
}

export function bench(options: Partial<SessionsOptions> = {}): Bench {
  const time = { now: START }
  const calls: string[] = []
  const inner = (options.store as Store | undefined) ?? memoryStore()
  const store = 'seal' in inner ? inner : counted(inner, calls)
  const sessions = createSessions({ clock: () => time.now, ...options, store })
  const self: Bench = {
    sessions,
    store,
    calls,
    time,
    cookie: '',
    async request(handle, { status = 200, secure, cookie = self.cookie } = {}) {
      const session = sessions.open(cookie)
      await session.load()
      await handle?.(session)
      const result = await sessions.commit(session, { status, secure })
      self.cookie = keep(cookie, result.setCookies)
      return result
    },
    async peek(key, cookie = self.cookie) {
      const session = sessions.open(cookie)
      await session.load()
      return session.get(key)
    },
  }
  return self
}

/** The Cookie header of a browser that had this one and got these `Set-Cookie` lines. */
export function keep(header: string, setCookies: string[]): string {
  const jar = new Map(
    header
      .split('; ')
      .filter(Boolean)
      .map(pair => pair.split(/=(.*)/s, 2) as [string, string]),
  )
  for (const line of setCookies) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
    if (/Max-Age=(0|-)/.test(line)) jar.delete(name!)
    else jar.set(name!, value!)
  }
  return [...jar].map(pair => pair.join('=')).join('; ')
}

/** A store that notes the names of its calls, and the payloads that they bring. */
export function counted(store: Store, calls: string[], payloads: string[] = []): Store {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        calls.push(String(name))
        for (const arg of args) {
          const { payload } = (arg ?? {}) as { payload?: string }
          if (payload !== undefined) payloads.push(payload)
        }
        return value.apply(target, args)
      }
    },
  })
}

/** The same store, whose methods return promises. */
export function slow(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name)
      if (typeof value !== 'function' || /scan|clear/.test(String(name))) return value
      return async (...args: unknown[]) => value.apply(target, args)
    },
  })
}

/** A store whose named method does something else. */
export function altered(
  change: Partial<Record<keyof Store, (...args: any[]) => unknown>>,
  store: Store = memoryStore(),
): Store {
  return new Proxy(store, { get: (target, name) => Reflect.get(change, name) ?? Reflect.get(target, name) })
}

export async function codeOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
