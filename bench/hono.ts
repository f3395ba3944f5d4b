import type { RequestListener } from 'node:http'
import type { Context } from 'hono'
import { type Data, honoApp } from './apps.ts'
import { type KeyValues, keyValueUsage, listOf, SECRET, type Storage, sess, sessUsage } from './usage.ts'

export async function sessOnHono(storage: Storage): Promise<RequestListener> {
  const { session } = await import('@sess/hono')
  return honoApp(
    [session(await sess[storage]())],
    sessUsage(c => c.get('session')),
  )
}

export async function honoSessions(storage: Storage): Promise<RequestListener> {
  const { CookieStore, MemoryStore, sessionMiddleware } = await import('hono-sessions')
  const middleware = sessionMiddleware({
    store: storage === 'memory' ? new MemoryStore() : new CookieStore(),
    encryptionKey: storage === 'memory' ? undefined : SECRET,
    expireAfterSeconds: 1_209_600,
    cookieOptions: { path: '/', httpOnly: true, sameSite: 'Lax' },
  })
  return honoApp(
    [middleware],
    keyValueUsage(c => c.get('session') as KeyValues),
  )
}

export async function honoSession(storage: Storage): Promise<RequestListener> {
  const { useSession, useSessionStorage } = await import('@hono/session')
  const of = (c: Context) => c.get('session')
  const secret = Buffer.alloc(32, 7).toString('hex')
  return honoApp(
    [...(storage === 'memory' ? [useSessionStorage(mapStorage())] : []), useSession({ secret })],
    {
      async read(c) {
        return (await of(c).get()).n
      },
      write: c => of(c).update((data: Data) => ({ ...data, n: data.n + 1 })),
      fill: (c, data) => of(c).update(data),
      append: c => of(c).update((data: Data) => ({ ...data, list: [...listOf(data), 1] })),
      async count(c) {
        return listOf(await of(c).get()).length
      },
    },
  )
}

/** Keeps copies, as a store outside of the process does. */
function mapStorage(): object {
  const sessions = new Map<string, string>()
  return {
    get(id: string) {
      const text = sessions.get(id)
      return text === undefined ? null : JSON.parse(text)
    },
    set(id: string, data: object) {
      sessions.set(id, JSON.stringify(data))
    },
    delete(id: string) {
      sessions.delete(id)
    },
  }
}
