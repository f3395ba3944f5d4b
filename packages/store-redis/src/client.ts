import { ConfigError } from '@sess/core'

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
  options?: { keyPrefix?: unknown }
}

/** `new Cluster()` of `ioredis`. */
export interface IoredisCluster extends IoredisClient {
  isCluster: boolean
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

/** Recognises the client by its methods. Throws `ConfigError` for what is none. */
export function commandsOf(client: RedisClient): Commands {
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

function ioredis(client: IoredisClient | IoredisCluster): Commands {
  const isCluster = 'isCluster' in client && client.isCluster
  if (isCluster && (client.options.scaleReads ?? 'master') !== 'master') {
    throw new ConfigError(
      'client',
      "`scaleReads` sends reads to replicas, which do not yet have what was just saved. Make a cluster client with scaleReads: 'master'.",
    )
  }
  const send = (node: IoredisClient, [command = '', ...args]: string[], signal?: AbortSignal) =>
    until(signal, () => node.call(command, ...args))
  return {
    keyPrefix: String(client.options?.keyPrefix ?? ''),
    send: (_key, args, signal) => send(client, args, signal),
    async primaries(signal) {
      const nodes = isCluster ? await ioredisMasters(client, signal) : [client]
      return nodes.map(node => args => send(node, args, signal))
    },
  }
}

/** All of them, or an error: ioredis itself leaves out those that it has lost. */
async function ioredisMasters(
  client: IoredisCluster,
  signal?: AbortSignal,
): Promise<readonly IoredisClient[]> {
  const answer = await until(signal, () => client.call('CLUSTER', 'SLOTS'))
  const ranges = answer as [from: number, to: number, master: [host: string, port: number]][]
  const masters = new Set(ranges.map(([, , [host, port]]) => `${host}:${port}`))
  const nodes = client.nodes('master')
  if (nodes.length < masters.size) {
    throw new Error(`Of the ${masters.size} masters of the cluster, the client reaches only ${nodes.length}.`)
  }
  return nodes
}

function nodeRedis(client: NodeRedisClient | NodeRedisCluster | NodeRedisSentinel): Commands {
  const sendTo = (node: NodeRedisClient) => (args: string[], signal?: AbortSignal) =>
    until(signal, () => twice(() => node.sendCommand(args, AS_STRINGS)))
  if ('nodeClient' in client) {
    return {
      keyPrefix: '',
      send: (key, args, signal) =>
        until(signal, () => twice(() => client.sendCommand(key, false, args, AS_STRINGS))),
      async primaries(signal) {
        const connected = client.masters.map(master => client.nodeClient(master as never))
        const nodes = await until(signal, () => Promise.all(connected))
        return nodes.map(node => args => sendTo(node)(args, signal))
      },
    }
  }
  const send =
    'getSentinelNode' in client
      ? (args: string[], signal?: AbortSignal) =>
          until(signal, () => twice(() => client.sendCommand(false, args, AS_STRINGS)))
      : sendTo(client)
  return {
    keyPrefix: '',
    send: (_key, args, signal) => send(args, signal),
    primaries: async signal => [args => send(args, signal)],
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

/**
 * Ends the waiting, not the command, which may be carried out later. No client takes back what it has sent; the `redis`
 * package takes back what waits in its queue, but 5.12 never sends anything again after that.
 */
function until<T>(signal: AbortSignal | undefined, send: () => Promise<T>): Promise<T> {
  if (signal === undefined) return send()
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const abort = () => reject(signal.reason)
    const sent = send()
    signal.addEventListener('abort', abort)
    sent.then(resolve, reject).then(() => signal.removeEventListener('abort', abort))
  })
}

function isIoredis(client: RedisClient): client is IoredisClient | IoredisCluster {
  return has(client, 'call')
}

function has(client: unknown, method: string): boolean {
  // An object: a class, such as `Redis` without `new`, has a method `call` too.
  if (typeof client !== 'object' || client === null) return false
  return typeof (client as Record<string, unknown>)[method] === 'function'
}
