import type { RedisCluster, Server } from '@sess/test-fixtures/servers'
import { Redis as Ioredis, Cluster as IoredisCluster } from 'ioredis'
import { createClient, createCluster } from 'redis'
import type { RedisClient } from '../src/index.ts'

/** A client and how to be rid of it. `errors` are what it emitted, which every client does while a server is down. */
export interface Opened<Client extends RedisClient = RedisClient> {
  client: Client
  errors: unknown[]
  close(): void
}

const retryMs = 30

export async function nodeRedis({ url }: Pick<Server, 'url'>, _options?: object) {
  const errors: unknown[] = []
  const client = createClient({ url, socket: { reconnectStrategy: retryMs } })
  client.on('error', error => errors.push(error))
  await client.connect()
  return { client, errors, close: () => client.destroy() }
}

export async function ioredis({ port }: Pick<Server, 'port'>, options: object = {}) {
  const errors: unknown[] = []
  const client = new Ioredis({ port, host: '127.0.0.1', retryStrategy: () => retryMs, ...options })
  client.on('error', error => errors.push(error))
  await new Promise(resolve => client.once('ready', resolve))
  return { client, errors, close: () => client.disconnect() }
}

/** Where a client finds the nodes of a cluster, instead of at the addresses that they tell. */
type Addresses = Record<string, { host: string; port: number }>

export async function nodeRedisCluster({ nodes }: Pick<RedisCluster, 'nodes'>, addresses: Addresses = {}) {
  const errors: unknown[] = []
  const client = createCluster({
    rootNodes: nodes.map(({ host, port }) => ({ url: `redis://${host}:${port}` })),
    defaults: { socket: { reconnectStrategy: retryMs } },
    topologyRefreshOnReconnectionAttemptStrategy: 200,
    nodeAddressMap: addresses,
  })
  client.on('error', error => errors.push(error))
  await client.connect()
  return { client, errors, close: () => client.destroy() }
}

export async function ioredisCluster({ nodes }: Pick<RedisCluster, 'nodes'>, addresses: Addresses = {}) {
  const errors: unknown[] = []
  const client = new IoredisCluster(nodes, {
    clusterRetryStrategy: () => retryMs,
    slotsRefreshInterval: 500,
    natMap: addresses,
    redisOptions: { connectTimeout: 1000 },
  })
  client.on('error', error => errors.push(error))
  await new Promise(resolve => client.once('ready', resolve))
  return { client, errors, close: () => client.disconnect() }
}

export const standaloneClients = [
  { name: 'redis', open: nodeRedis },
  { name: 'ioredis', open: ioredis },
] as const

export const clusterClients = [
  { name: 'redis', open: nodeRedisCluster },
  { name: 'ioredis', open: ioredisCluster },
] as const
