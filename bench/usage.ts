import type { Session, SessionsOptions } from '@sess/core'
import type { Data, Usage } from './apps.ts'

export type Storage = 'memory' | 'redis' | 'cookie'

// Fixed, and secret to nobody.
export const SECRET = 'a secret of the bench, which nobody should use'
export const RAW_KEY = Buffer.alloc(32, 7)

/** Options of Sess for each kind of storage. */
export const sess: Record<Storage, () => Promise<SessionsOptions>> = {
  async memory() {
    const { cacheStore } = await import('@sess/store-cache')
    return { store: cacheStore() }
  },
  async redis() {
    const { redisStore } = await import('@sess/store-redis')
    return { store: redisStore((await redisClient()) as never) }
  },
  async cookie() {
    const { encryptedCookieStore } = await import('@sess/store-cookie')
    return { store: encryptedCookieStore(), secret: SECRET }
  },
}

export function sessUsage<At>(sessionOf: (at: At) => Session): Usage<At> {
  return {
    read: at => sessionOf(at).get('n'),
    write(at) {
      const session = sessionOf(at)
      session.set('n', session.get('n') + 1)
    },
    fill(at, data) {
      const session = sessionOf(at)
      for (const key in data) session.set(key, data[key])
    },
    append: at => {
      sessionOf(at).update('list', (list = []) => [...list, 1])
    },
    count: at => sessionOf(at).get('list').length,
  }
}

/** For the libraries whose session is a plain object. */
export function plainUsage<At>(sessionOf: (at: At) => Data): Usage<At> {
  return {
    read: at => sessionOf(at).n,
    write: at => {
      sessionOf(at).n++
    },
    fill: (at, data) => {
      Object.assign(sessionOf(at), data)
    },
    append(at) {
      const session = sessionOf(at)
      session['list'] = [...listOf(session), 1]
    },
    count: at => listOf(sessionOf(at)).length,
  }
}

/** What a session with `get` and `set` has. */
export interface KeyValues {
  get(key: string): any
  set(key: string, value: unknown): void
}

/** For the libraries whose session has `get` and `set`. */
export function keyValueUsage<At>(of: (at: At) => KeyValues): Usage<At> {
  const list = (at: At): unknown[] => listOf({ list: of(at).get('list') })
  return {
    read: at => of(at).get('n'),
    write: at => of(at).set('n', of(at).get('n') + 1),
    fill(at, data) {
      for (const key in data) of(at).set(key, data[key])
    },
    append: at => of(at).set('list', [...list(at), 1]),
    count: at => list(at).length,
  }
}

export function listOf(data: { [key: string]: unknown }): unknown[] {
  return (data['list'] ?? []) as unknown[]
}

export async function redisClient(): Promise<unknown> {
  const { createClient } = await import('redis')
  const client = createClient({ url: process.env['REDIS_URL']! })
  await client.connect()
  return client
}
