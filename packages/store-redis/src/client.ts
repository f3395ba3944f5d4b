import { ConfigError, safeCause } from '@sess/core'
import calculateSlot from 'cluster-key-slot'
import { renewingOnDemotion } from './demotion.ts'
import { lossesOf, lossesOfCluster } from './losses.ts'
import { OutageGuard } from './outage.ts'

/** A client that the application created. The application connects it, listens to its `error` events and closes it. */
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
  /** Only pools have it: runs a function on one of their connections. */
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
  abortSignal?: AbortSignal
}

/** `new Redis()` of `ioredis`, with or without `sentinels`. */
export interface IoredisClient {
  call(command: string, ...args: string[]): Promise<unknown>
  disconnect(reconnect?: boolean): void
  on(event: string, listener: (value: unknown) => void): unknown
  readonly status: string
  options?: { keyPrefix?: unknown }
}

/** `new Cluster()` of `ioredis`. */
export interface IoredisCluster extends IoredisClient {
  isCluster: boolean
  slots: readonly (readonly string[] | undefined)[]
  nodes(role: 'master' | 'all'): readonly IoredisClient[]
  options: { keyPrefix?: unknown; scaleReads?: unknown }
}

/** What the store uses of a client of any kind. */
export interface Commands {
  /** The prefix that the client itself adds to each key it sends. It neither adds it to `MATCH` nor removes it from replies. */
  keyPrefix: string
  /**
   * Sends one command to the primary that has `key`. Repeats it once after a lost connection. A command that `removes` then
   * rejects if its answer is `gone` or an error: the first time may have removed it.
   */
  send(key: string, args: string[], signal?: AbortSignal, removes?: boolean): Promise<unknown>
  /** Returns one sender for each primary. Rejects if one cannot be reached. */
  primaries(signal?: AbortSignal): Promise<((args: string[]) => Promise<unknown>)[]>
}

/** The part of `Commands` in which clients differ. */
interface Client {
  keyPrefix?: string
  send(key: string, args: string[], removal?: Removal): Promise<unknown>
  /** Begins to watch for a repetition. Only clients that repeat by themselves have it. For others `send` sets `isSentTwice`. */
  watch?(): Removal
  /** The server that has the key, if there are several. Each server has its own `OutageGuard`. */
  serverOf?(key: string): string | undefined
  primaries(): Promise<((args: string[]) => Promise<unknown>)[]>
}

/** A removal that is under way. */
interface Removal {
  /** Whether its connection broke, so that it may have been carried out twice. */
  isSentTwice: boolean
}

const NOT_KNOWN =
  'The connection to Redis broke. It is not known whether this call or another removed the session. Try again.'

/** Recognises the client by its methods. Throws a `ConfigError` if it is none. */
export function commandsOf(given: RedisClient): Commands {
  const client = clientOf(given)
  const { keyPrefix = '' } = client
  const guards = new Map<string, OutageGuard>()

  function guardOf(server: string): OutageGuard {
    let guard = guards.get(server)
    if (guard === undefined) guards.set(server, (guard = new OutageGuard()))
    return guard
  }

  async function guarded<T>(
    server: string,
    signal: AbortSignal | undefined,
    send: () => Promise<T>,
    removal?: Removal,
  ) {
    let answer: T
    try {
      answer = await guardOf(server).send(signal, send)
    } catch (error) {
      if (signal?.aborted || error instanceof ConfigError) throw error
      // The client's error contains the command: session data and, with `hashKeys: false`, the key.
      const cause = safeCause(error)
      // Not even NOSCRIPT may pass, after which the caller would send it a third time.
      throw removal?.isSentTwice ? new Error(NOT_KNOWN, { cause }) : cause
    }
    if (answer === 'gone' && removal?.isSentTwice) throw new Error(NOT_KNOWN)
    return answer
  }

  return {
    keyPrefix,
    send(key, args, signal, removes) {
      const server = client.serverOf?.(keyPrefix + key) ?? ''
      const removal = removes ? (client.watch?.() ?? { isSentTwice: false }) : undefined
      return guarded(server, signal, () => client.send(key, args, removal), removal)
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
      'must be made by createClient(), createClientPool(), createCluster() or createSentinel() of `redis` 5 or later, ' +
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
    return {
      keyPrefix,
      send: (_key, args) => sendRenewing(args),
      watch: watching(lossesOf(client)),
      primaries: async () => [sendRenewing],
    }
  }
  if ((client.options.scaleReads ?? 'master') !== 'master') {
    throw new ConfigError(
      'client',
      "sends reads to replicas (`scaleReads`), which do not yet have what was just saved. Set scaleReads: 'master'.",
    )
  }
  return {
    keyPrefix,
    send: (_key, args) => send(client, args),
    watch: watching(lossesOfCluster(client)),
    serverOf: key => client.slots[calculateSlot(key)]?.[0],
    primaries: async () => (await ioredisMasters(client)).map(node => args => send(node, args)),
  }
}

function watching(losses: { count: number }): () => Removal {
  return () => {
    const before = losses.count
    return {
      get isSentTwice() {
        return losses.count !== before
      },
    }
  }
}

/** All masters, or an error. ioredis itself leaves out masters that it has lost. */
async function ioredisMasters(client: IoredisCluster): Promise<readonly IoredisClient[]> {
  const answer = await client.call('CLUSTER', 'SLOTS')
  const ranges = answer as [from: number, to: number, master: [host: string, port: number]][]
  const masters = new Set(ranges.map(([, , [host, port]]) => `${host}:${port}`))
  const nodes = client.nodes('master')
  if (nodes.length < masters.size) {
    throw new Error(`The client reaches only ${nodes.length} of the ${masters.size} masters of the cluster.`)
  }
  return nodes
}

function nodeRedis(client: NodeRedisClient | NodeRedisCluster | NodeRedisSentinel): Client {
  const sendTo = (node: NodeRedisClient) => (args: string[]) =>
    twice(() => node.sendCommand(args, AS_STRINGS))
  if ('nodeClient' in client) {
    return {
      send: (key, args, removal) => twice(() => client.sendCommand(key, false, args, AS_STRINGS), removal),
      serverOf: key => client.slots[calculateSlot(key)]?.master?.address,
      primaries: async () =>
        (await Promise.all(client.masters.map(master => client.nodeClient(master as never)))).map(sendTo),
    }
  }
  if ('getSentinelNode' in client) {
    const send = (args: string[], removal?: Removal) =>
      twice(() => client.sendCommand(false, args, removal ? noticing(removal) : AS_STRINGS), removal)
    return { send: (_key, args, removal) => send(args, removal), primaries: async () => [send] }
  }
  const sendOn = renewingNode()
  // A pool has several connections, and each may need to be renewed.
  const { execute } = client
  const send = execute
    ? (args: string[], removal?: Removal) => execute.call(client, node => sendOn(node, args, removal))
    : (args: string[], removal?: Removal) => sendOn(client, args, removal)
  return { send: (_key, args, removal) => send(args, removal), primaries: async () => [send] }
}

/** A sentinel client repeats a call by itself, and each time it adds a listener to the signal of the call. */
function noticing(removal: Removal): NodeRedisCommandOptions {
  const { signal } = new AbortController()
  let times = 0
  signal.addEventListener = () => {
    if (++times > 1) removal.isSentTwice = true
  }
  return { ...AS_STRINGS, abortSignal: signal }
}

/** Sends on a connection, and renews it if its server has become a replica. */
function renewingNode() {
  const renewing = new WeakMap<NodeRedisClient, ReturnType<typeof renewingOnDemotion>>()
  return (node: NodeRedisClient, args: string[], removal?: Removal) => {
    let renew = renewing.get(node)
    if (renew === undefined) {
      // The server closes the connection after its reply. The client then opens another one, as after an outage.
      renew = renewingOnDemotion(() => node.sendCommand(['QUIT']))
      renewing.set(node, renew)
    }
    return renew(() => twice(() => node.sendCommand(args, AS_STRINGS), removal))
  }
}

/** An empty type mapping, so that replies are strings, however the client is configured. */
const AS_STRINGS: NodeRedisCommandOptions = { typeMapping: {} }

/**
 * Repeats a call once if the connection broke under it. (ioredis does that by itself.) Every call of the store may be
 * repeated: a script recognises its own write. Only a removal leaves nothing to recognise. If it had succeeded, it returns
 * `gone` the second time, so `removal` remembers that there was a first time.
 */
async function twice(send: () => Promise<unknown>, removal?: Removal): Promise<unknown> {
  try {
    return await send()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ECONNRESET' && code !== 'EPIPE' && message !== 'Socket closed unexpectedly') throw error
    if (removal) removal.isSentTwice = true
    return await send()
  }
}

function isIoredis(client: RedisClient): client is IoredisClient | IoredisCluster {
  return has(client, 'call') && has(client, 'on')
}

function has(client: unknown, method: string): boolean {
  // Only an object: the class `Redis` (without `new`) has a method `call` too.
  if (typeof client !== 'object' || client === null) return false
  return typeof (client as Record<string, unknown>)[method] === 'function'
}
