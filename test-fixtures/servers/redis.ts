import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { binary } from './binaries.ts'
import { freePort, type Server, startServer } from './process.ts'

export interface RedisOptions {
  /** Keeps what was acknowledged over a SIGKILL: append-only file, fsync before each answer. Default: memory only. */
  durable?: boolean
  /** Further settings, as on the command line: `{ 'maxmemory-policy': 'noeviction' }`. */
  config?: Record<string, string>
}

export interface RedisClusterOptions extends RedisOptions {
  masters?: number
  /** Replicas of each master. */
  replicas?: number
  /** Milliseconds until a silent node counts as failed. Default 1000: a promotion takes about 2 s. */
  nodeTimeout?: number
}

export interface RedisCluster {
  /** In the order of `servers`. */
  readonly nodes: { host: string; port: number }[]
  /** One by one: the masters first, then the replicas, the first round of them in the order of their masters. */
  readonly servers: readonly Server[]
  /** `host:port` of all nodes, with commas. */
  readonly url: string
  readonly env: Record<string, string>
  /** Resolves when all slots are served and every node that runs agrees. Rejects after 30 s. */
  ready(): Promise<void>
  stop(): Promise<void>
  /** To every node. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Every node, and waits until the cluster is ready. */
  restart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const SLOTS = 16_384

export function startRedis(options: RedisOptions = {}): Promise<Server> {
  return startNode(options, async () => ({}))
}

/** A cluster of its own on 127.0.0.1: 3 masters with 1 replica each unless told otherwise. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const masters = options.masters ?? 3
  const replicas = options.replicas ?? 1
  const started = await Promise.allSettled(
    Array.from({ length: masters * (1 + replicas) }, () =>
      startNode(options, async () => ({
        'cluster-enabled': 'yes',
        'cluster-port': String(await freePort()),
        'cluster-node-timeout': String(options.nodeTimeout ?? 1000),
        // A replica of an idle master must be allowed to take over.
        'cluster-replica-validity-factor': '0',
        'repl-diskless-sync-delay': '0',
      })),
    ),
  )
  const servers = started.filter(one => one.status === 'fulfilled').map(one => one.value)
  const stop = async () => {
    await Promise.all(servers.map(server => server.stop()))
  }
  const failed = started.find(one => one.status === 'rejected')
  const ready = () => clusterReady(servers)
  try {
    if (failed) throw failed.reason
    await join(servers, masters)
    await ready()
  } catch (error) {
    await stop()
    throw error
  }
  const url = servers.map(server => `127.0.0.1:${server.port}`).join(',')
  return {
    nodes: servers.map(server => ({ host: '127.0.0.1', port: server.port })),
    servers,
    url,
    env: { REDIS_CLUSTER_URL: url },
    ready,
    stop,
    async kill(signal) {
      await Promise.all(servers.map(server => server.kill(signal)))
    },
    async restart() {
      await Promise.all(servers.map(server => server.restart()))
      await ready()
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** One command on a connection of its own, to look at a server from outside. Bulk answers come as text. */
export function redisCommand(port: number, ...words: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    let answer = ''
    socket.setTimeout(2000, () => socket.destroy(new Error(`Redis on port ${port} did not answer.`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`Redis on port ${port} hung up.`)))
    socket.write(
      `*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
    )
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
      const end = answer.indexOf('\r\n')
      if (end < 0) return
      const head = answer.slice(1, end)
      if (answer.startsWith('$') && answer.length < end + 4 + Number(head)) return
      if (answer.startsWith('-')) reject(new Error(`Redis: ${head}`))
      else resolve(answer.startsWith('$') ? answer.slice(end + 2, -2) : head)
      socket.destroy()
    })
  })
}

async function startNode(
  options: RedisOptions,
  more: () => Promise<Record<string, string>>,
): Promise<Server> {
  const config = {
    save: '',
    appendonly: options.durable ? 'yes' : 'no',
    appendfsync: 'always',
    ...(await more()),
    ...options.config,
  }
  return startServer({
    name: 'redis',
    stopSignal: 'TERM',
    command: (dir, port) => [
      binary('redis'),
      ...Object.entries({ ...config, port: String(port), bind: '127.0.0.1', dir }).flatMap(
        ([name, value]) => [`--${name}`, value],
      ),
    ],
    isReady: (_, port) =>
      redisCommand(port, 'PING').then(
        answer => answer === 'PONG',
        // Not listening yet, or still loading its file.
        () => false,
      ),
    url: port => `redis://127.0.0.1:${port}`,
    env: port => ({ REDIS_URL: `redis://127.0.0.1:${port}` }),
  })
}

async function join(servers: Server[], masters: number): Promise<void> {
  await Promise.all(
    servers.map(async ({ port }, index) => {
      await redisCommand(port, 'CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
      if (index >= masters) return
      const from = Math.floor((index * SLOTS) / masters)
      const to = Math.floor(((index + 1) * SLOTS) / masters) - 1
      await redisCommand(port, 'CLUSTER', 'ADDSLOTSRANGE', String(from), String(to))
    }),
  )
  const first = servers[0]!
  for (const { port } of servers.slice(1)) {
    // A node alone lists itself: `<id> :<port>@<bus port> myself,master …`.
    const bus = /@(\d+)/.exec(await redisCommand(port, 'CLUSTER', 'NODES'))![1]!
    await redisCommand(first.port, 'CLUSTER', 'MEET', '127.0.0.1', String(port), bus)
  }
  await until('the nodes know each other', async () => {
    const known = await Promise.all(servers.map(({ port }) => redisCommand(port, 'CLUSTER', 'NODES')))
    return known.every(
      nodes => nodes.trim().split('\n').length === servers.length && !nodes.includes('handshake'),
    )
  })
  const ids = await Promise.all(servers.map(({ port }) => redisCommand(port, 'CLUSTER', 'MYID')))
  await Promise.all(
    servers
      .slice(masters)
      .map(({ port }, index) => redisCommand(port, 'CLUSTER', 'REPLICATE', ids[index % masters]!)),
  )
}

async function clusterReady(servers: Server[]): Promise<void> {
  await until('all slots are served and replicated', async () => {
    const states = await Promise.all(
      servers.map(({ port }) =>
        Promise.all([redisCommand(port, 'CLUSTER', 'INFO'), redisCommand(port, 'INFO', 'replication')]).catch(
          (error: NodeJS.ErrnoException) => {
            if (error.code === 'ECONNREFUSED') return null
            throw error
          },
        ),
      ),
    )
    const running = states.filter(state => state !== null)
    return (
      running.length > 0 &&
      running.every(
        ([cluster, replication]) =>
          cluster.includes('cluster_state:ok') &&
          cluster.includes(`cluster_slots_ok:${SLOTS}`) &&
          !replication.includes('master_link_status:down'),
      )
    )
  })
}

/** Waits for something that happens by itself, 30 s at the most. */
export async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`Redis: waited 30 s until ${what}.`)
    await sleep(30)
  }
}
