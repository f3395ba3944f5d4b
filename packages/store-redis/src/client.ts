import { ConfigError, safeCause } from '@sess/core'
import calculateSlot from 'cluster-key-slot'
import { renewingOnDemotion } from './demotion.ts'
import { OutageGuard } from './outage.ts'

/** The client that the user made, connected and will close. Its `error` events are the user's to listen to. */
export type RedisClient =
  | NodeRedisClient
  | NodeRedisCluster
  | NodeRedisSentinel
  | IoredisClient
  | IoredisCluster

/** `createClient()` or `createClientPool()` of `redis` 5 or later. */
export interface NodeRedisClient {
  sendCommand(args: string[], options?: NodeRedisCommandOptions): Promise<unknown>
  withCommandOptions(options: never): unknown
  /** Of a pool: runs a function on one of its connections. */
  execute?(run: (node: NodeRedisClient) => Promise<unknown>): Promise<unknown>
}

/** `createCluster()` of `redis` 5 or later. */
export interface NodeRedisCluster {
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
    options?: NodeRedisCommandOptions,
  ): Promise<unknown>
  withCommandOptions(options: never): unknown
  readonly masters: readonly unknown[]
  readonly slots: readonly { master?: { address?: string } }[]
  nodeClient(node: never): PromiseLike<NodeRedisClient>
}

/** `createSentinel()` of `redis` 5 or later. */
export interface NodeRedisSentinel {
  sendCommand(
    isReadonly: boolean | undefined,
    args: string[],
    options?: NodeRedisCommandOptions,
  ): Promise<unknown>
  withCommandOptions(options: never): unknown
  getSentinelNode(): unknown
}

interface NodeRedisCommandOptions {
  typeMapping?: Record<never, never>
}

/** `new Redis()` of `ioredis`, with or without `sentinels`. */
export interface IoredisClient {
  call(command: string, ...args: string[]): Promise<unknown>
  disconnect(reconnect?: boolean): void
  options?: { keyPrefix?: unknown }
}

/** `new Cluster()` of `ioredis`. */
export interface IoredisCluster extends IoredisClient {
  isCluster: boolean
  slots: readonly (readonly string[] | undefined)[]
  nodes(role: 'master'): readonly IoredisClient[]
  options: { keyPrefix?: unknown; scaleReads?: unknown }
}

/** What the store needs of a client, whichever it is. */
export interface Commands {
  /** What the client itself puts before each key that it sends, but not into `MATCH` nor off a reply. */
  keyPrefix: string
  /** One command to the primary that has `key`: one round trip, and one more after a lost connection. */
  send(key: string, args: string[], signal?: AbortSignal): Promise<unknown>
  /** One sender for each primary. Rejects when one cannot be reached. */
  primaries(signal?: AbortSignal): Promise<((args: string[]) => Promise<unknown>)[]>
}

/** What a client does its own way. */
interface Client {
  keyPrefix?: string
  send(key: string, args: string[]): Promise<unknown>
  /** Which server has the key, where there are several; by it outages are told apart. */
  serverOf?(key: string): string | undefined
  primaries(): Promise<((args: string[]) => Promise<unknown>)[]>
}

/** Recognises the client by its methods. Throws `ConfigError` for what is none. */
export function commandsOf(given: RedisClient): Commands {
  const client = clientOf(given)
  const { keyPrefix = '' } = client
  const guards = new Map<string, OutageGuard>()

  function guardOf(server: string): OutageGuard {
    let guard = guards.get(server)
    if (guard === undefined) guards.set(server, (guard = new OutageGuard()))
    return guard
  }

  async function guarded<T>(server: string, signal: AbortSignal | undefined, send: () => Promise<T>) {
    try {
      return await guardOf(server).send(signal, send)
    } catch (error) {
      // A client's error carries the command: the session's data and, with `hashKeys: false`, its key.
      throw signal?.aborted || error instanceof ConfigError ? error : safeCause(error)
    }
  }

  return {
    keyPrefix,
    send(key, args, signal) {
      const server = client.serverOf?.(keyPrefix + key) ?? ''
      return guarded(server, signal, () => client.send(key, args))
    },
    async primaries(signal) {
      const senders = await guarded('all', signal, () => client.primaries())
      return senders.map((send, at) => args => guarded(`all ${at}`, signal, () => send(args)))
    },
  }
}

function clientOf(client: RedisClient): Client {
  if (isIoredis(client)) return ioredis(client)
  if (!has(client, 'sendCommand') || !has(client, 'withCommandOptions')) {
    throw new ConfigError(
      'client',
      'Pass a client made by createClient(), createCluster() or createSentinel() of `redis` 5 or later, ' +
        'or by new Redis() or new Cluster() of `ioredis`.',
    )
  }
  return nodeRedis(client)
}

function ioredis(client: IoredisClient | IoredisCluster): Client {
  const send = (node: IoredisClient, [command = '', ...args]: string[]) => node.call(command, ...args)
  const keyPrefix = String(client.options?.keyPrefix ?? '')
  if (!('isCluster' in client && client.isCluster)) {
    const renewing = renewingOnDemotion(() => client.disconnect(true))
    const sendRenewing = (args: string[]) => renewing(() => send(client, args))
    return { keyPrefix, send: (_key, args) => sendRenewing(args), primaries: async () => [sendRenewing] }
  }
  if ((client.options.scaleReads ?? 'master') !== 'master') {
    throw new ConfigError(
      'client',
      "`scaleReads` sends reads to replicas, which do not yet have what was just saved. Make a cluster client with scaleReads: 'master'.",
    )
  }
  return {
    keyPrefix,
    send: (_key, args) => send(client, args),
    serverOf: key => client.slots[calculateSlot(key)]?.[0],
    primaries: async () => (await ioredisMasters(client)).map(node => args => send(node, args)),
  }
}

/** All of them, or an error: ioredis itself leaves out those that it has lost. */
async function ioredisMasters(client: IoredisCluster): Promise<readonly IoredisClient[]> {
  const answer = await client.call('CLUSTER', 'SLOTS')
  const ranges = answer as [from: number, to: number, master: [host: string, port: number]][]
  const masters = new Set(ranges.map(([, , [host, port]]) => `${host}:${port}`))
  const nodes = client.nodes('master')
  if (nodes.length < masters.size) {
    throw new Error(`Of the ${masters.size} masters of the cluster, the client reaches only ${nodes.length}.`)
  }
  return nodes
}

function nodeRedis(client: NodeRedisClient | NodeRedisCluster | NodeRedisSentinel): Client {
  const sendTo = (node: NodeRedisClient) => (args: string[]) =>
    twice(() => node.sendCommand(args, AS_STRINGS))
  if ('nodeClient' in client) {
    return {
      send: (key, args) => twice(() => client.sendCommand(key, false, args, AS_STRINGS)),
      serverOf: key => client.slots[calculateSlot(key)]?.master?.address,
      primaries: async () =>
        (await Promise.all(client.masters.map(master => client.nodeClient(master as never)))).map(sendTo),
    }
  }
  if ('getSentinelNode' in client) {
    const send = (args: string[]) => twice(() => client.sendCommand(false, args, AS_STRINGS))
    return { send: (_key, args) => send(args), primaries: async () => [send] }
  }
  const sendOn = renewingNode()
  // A pool has several connections, each of which may have to be renewed.
  const { execute } = client
  const send = execute
    ? (args: string[]) => execute.call(client, node => sendOn(node, args))
    : (args: string[]) => sendOn(client, args)
  return { send: (_key, args) => send(args), primaries: async () => [send] }
}

/** Sends on a connection, which is renewed when its server has become a replica. */
function renewingNode() {
  const renewing = new WeakMap<NodeRedisClient, ReturnType<typeof renewingOnDemotion>>()
  return (node: NodeRedisClient, args: string[]) => {
    let renew = renewing.get(node)
    if (renew === undefined) {
      // The server closes the connection after its answer; the client then makes another one, as after an outage.
      renew = renewingOnDemotion(() => node.sendCommand(['QUIT']))
      renewing.set(node, renew)
    }
    return renew(() => twice(() => node.sendCommand(args, AS_STRINGS)))
  }
}

/** An empty type mapping, so that replies are strings whatever the client maps them to. */
const AS_STRINGS: NodeRedisCommandOptions = { typeMapping: {} }

/**
 * Sends again what was under way when the connection broke, once; ioredis does so by itself. All that the store sends
 * can be repeated, for a write recognises itself.
 */
async function twice(send: () => Promise<unknown>): Promise<unknown> {
  try {
    return await send()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ECONNRESET' && code !== 'EPIPE' && message !== 'Socket closed unexpectedly') throw error
    return await send()
  }
}

function isIoredis(client: RedisClient): client is IoredisClient | IoredisCluster {
  return has(client, 'call')
}

function has(client: unknown, method: string): boolean {
  // An object: a class, such as `Redis` without `new`, has a method `call` too.
  if (typeof client !== 'object' || client === null) return false
  return typeof (client as Record<string, unknown>)[method] === 'function'
}
