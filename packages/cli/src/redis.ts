import type { Store } from '@sess/core'
import { redisStore } from '@sess/store-redis'
import type * as Redis from 'redis'
import { importDriver } from './driver.ts'

export interface RedisTarget {
  store: Store
  isCluster: boolean
  /** A command to each primary. */
  ask(...words: string[]): Promise<unknown[]>
  close(): Promise<unknown>
}

/** Connects to one server, and to all of them if it is part of a cluster. */
export async function openRedis(url: string, cwd: string, prefix: string | undefined): Promise<RedisTarget> {
  const { createClient, createCluster } = await importDriver<typeof Redis>('redis', cwd)
  // A command line that waits for a server to come back would look as if it worked.
  const socket = { connectTimeout: 5_000, reconnectStrategy: false as const }
  const options = prefix === undefined ? {} : { prefix }
  const client = createClient({ url, socket })
  client.on('error', () => undefined)
  await client.connect()
  const isCluster = /cluster_enabled:1/.test(String(await client.sendCommand(['INFO', 'cluster'])))
  if (!isCluster) {
    return {
      store: redisStore(client as never, options),
      isCluster,
      ask: async (...words) => [await client.sendCommand(words)],
      close: () => client.close(),
    }
  }
  await client.close()
  const { username, password } = new URL(url)
  const cluster = createCluster({
    rootNodes: [{ url }],
    defaults: {
      socket: { ...socket, ...(/^rediss:/i.test(url) && { tls: true }) },
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
    } as never,
  })
  cluster.on('error', () => undefined)
  await cluster.connect()
  return {
    store: redisStore(cluster as never, options),
    isCluster,
    ask: (...words) =>
      Promise.all(cluster.masters.map(async node => (await cluster.nodeClient(node)).sendCommand(words))),
    close: () => cluster.close(),
  }
}
