import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CookieStore, Store } from '@sess/core'

/** A store for a probe app or a test. `close` ends what was opened for it and removes its files. */
export interface OpenStore {
  store: Store | CookieStore
  close(): Promise<void>
}

/** The names that `STORE` takes, each with a function that opens one of its kind. */
const stores: Record<string, () => Promise<OpenStore>> = {
  async cache() {
    const { cacheStore } = await import('@sess/store-cache')
    return closing(cacheStore())
  },

  async file() {
    const { fileStore } = await import('@sess/store-file')
    const folder = await place('FILE_URL')
    return closing(fileStore(folder.path), folder.remove)
  },

  async sqlite() {
    const { sqliteStore } = await import('@sess/store-sql')
    const folder = await place('SQLITE_URL')
    const file = process.env['SQLITE_URL'] ?? join(folder.path, 'sessions.db')
    return closing(sqliteStore(file), folder.remove)
  },

  async postgres() {
    const { postgresStore } = await import('@sess/store-sql')
    const store = postgresStore(server('POSTGRES_URL', 'postgres://postgres@127.0.0.1/postgres'))
    await store.migrate()
    return closing(store)
  },

  async mysql() {
    const { mysqlStore } = await import('@sess/store-sql')
    const store = mysqlStore(server('MYSQL_URL', 'mysql://root@127.0.0.1/sess'))
    await store.migrate()
    return closing(store)
  },

  async redis() {
    const { redisStore } = await import('@sess/store-redis')
    const { createClient } = await import('redis')
    const client = createClient({ url: server('REDIS_URL', 'redis://127.0.0.1:6379') })
    client.on('error', error => console.error(`redis: ${error.message}`))
    await client.connect()
    return closing(redisStore(client as never), () => client.close())
  },

  async 'redis-cluster'() {
    const { redisStore } = await import('@sess/store-redis')
    const { createCluster } = await import('redis')
    const nodes = server('REDIS_CLUSTER_URL', '127.0.0.1:7000').split(',')
    const cluster = createCluster({ rootNodes: nodes.map(node => ({ url: `redis://${node}` })) })
    cluster.on('error', error => console.error(`redis-cluster: ${error.message}`))
    await cluster.connect()
    return closing(redisStore(cluster as never), () => cluster.close())
  },

  async cookie() {
    const { signedCookieStore } = await import('@sess/store-cookie')
    return closing(signedCookieStore())
  },

  async 'encrypted-cookie'() {
    const { encryptedCookieStore } = await import('@sess/store-cookie')
    return closing(encryptedCookieStore())
  },

  async cached() {
    const { cachedStore } = await import('@sess/store-cached')
    const { cacheStore } = await import('@sess/store-cache')
    const behind = await stores['sqlite']!()
    return { store: cachedStore({ fast: cacheStore(), durable: behind.store as Store }), close: behind.close }
  },
}

/** Opens the store of that name, on the servers that the `*_URL` variables name. */
export function openStore(name: string): Promise<OpenStore> {
  const open = stores[name]
  if (!open) throw new Error(`STORE: there is no \`${name}\`. There are ${Object.keys(stores).join(', ')}.`)
  return open()
}

function closing(store: Store | CookieStore, then?: () => unknown): OpenStore {
  return {
    store,
    async close() {
      if ('close' in store) await store.close?.()
      await then?.()
    },
  }
}

/** The folder that a variable names, or one that is removed in the end. */
async function place(variable: string): Promise<{ path: string; remove?: () => Promise<void> }> {
  const path = process.env[variable]
  if (path !== undefined) return { path }
  const temporary = await mkdtemp(join(tmpdir(), 'sess-probe-'))
  return { path: temporary, remove: () => rm(temporary, { recursive: true }) }
}

function server(variable: string, otherwise: string): string {
  return process.env[variable] ?? otherwise
}
