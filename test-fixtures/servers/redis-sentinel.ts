import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { binary } from './binaries.ts'
import { type Server, startServer } from './process.ts'
import { type RedisOptions, redisCommand, startRedis, until } from './redis.ts'

export interface RedisSentinelOptions extends RedisOptions {
  /** Replicas of the master. Default 1. */
  replicas?: number
  /** Sentinels, more than half of which have to agree. Default 1. */
  sentinels?: number
  /** Milliseconds until a silent master counts as down. Default 1000: a promotion takes about 3 s. */
  downAfter?: number
}

export interface RedisSentinel {
  /** What clients ask for: the name of the group. */
  readonly name: string
  /** Where the sentinels are, as `createSentinel` of `redis` and `new Redis` of `ioredis` want it. */
  readonly nodes: { host: string; port: number }[]
  /** The first is the master at the start. */
  readonly servers: readonly Server[]
  readonly sentinels: readonly Server[]
  /** The port of the present master, by the word of the first sentinel. */
  masterPort(): Promise<number>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const NAME = 'sess'

/** A master with replicas on 127.0.0.1, watched by sentinels. */
export async function startRedisSentinel(options: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const { replicas = 1, sentinels: count = 1, downAfter = 1000, ...redis } = options
  const servers: Server[] = []
  const sentinels: Server[] = []
  const stop = async () => {
    await Promise.all([...sentinels, ...servers].map(server => server.stop()))
  }
  const group = async () =>
    /^master0:(.*)$/m.exec(await redisCommand(sentinels[0]!.port, 'INFO', 'sentinel'))![1]!
  try {
    const config = { 'repl-diskless-sync-delay': '0', ...redis.config }
    for (let n = 0; n <= replicas; n++) servers.push(await startRedis({ ...redis, config }))
    const [master, ...followers] = servers as [Server, ...Server[]]
    for (const { port } of followers) await redisCommand(port, 'REPLICAOF', '127.0.0.1', String(master.port))
    for (const { port } of followers) {
      await until('the replicas follow', async () =>
        (await redisCommand(port, 'INFO', 'replication')).includes('master_link_status:up'),
      )
    }
    const rules = [
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} ${Math.floor(count / 2) + 1}`,
      `sentinel down-after-milliseconds ${NAME} ${downAfter}`,
      `sentinel failover-timeout ${NAME} 5000`,
      '',
    ].join('\n')
    for (let n = 0; n < count; n++) sentinels.push(await startOne(rules))
    await until('the sentinels know each other and the replicas', async () =>
      (await group()).includes(
        `status=ok,address=127.0.0.1:${master.port},slaves=${replicas},sentinels=${count}`,
      ),
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    name: NAME,
    nodes: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    servers,
    sentinels,
    masterPort: async () => Number(/address=[^,]*:(\d+)/.exec(await group())![1]),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function startOne(rules: string): Promise<Server> {
  return startServer({
    name: 'sentinel',
    stopSignal: 'TERM',
    // It writes what it learns into its own configuration.
    prepare: dir => writeFile(join(dir, 'sentinel.conf'), rules),
    command: (dir, port) => [
      binary('redis'),
      join(dir, 'sentinel.conf'),
      '--sentinel',
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      dir,
    ],
    isReady: (_, port) =>
      redisCommand(port, 'PING').then(
        answer => answer === 'PONG',
        () => false,
      ),
    url: port => `redis://127.0.0.1:${port}`,
    env: port => ({ REDIS_SENTINEL_URL: `redis://127.0.0.1:${port}` }),
  })
}
