import { createHash } from 'node:crypto'
import { type CuttableProxy, cuttable } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import { describeOtherWay, isToday, moduleOfToday } from '@sess/test-fixtures/other-way.ts'
import {
  type RedisCluster,
  requireServer,
  type Server,
  startRedis,
  startRedisCluster,
} from '@sess/test-fixtures/servers'
import { redisTrouble } from '@sess/test-fixtures/servers/redis-trouble.ts'
import type { Trouble } from '@sess/test-fixtures/servers/trouble.ts'
import { afterAll, beforeAll, describe } from 'vitest'
import { redisStore } from '../src/index.ts'
import { clusterClients, nodeRedis, type Opened, standaloneClients } from './clients.ts'

const module = new URL('./processes/store.ts', import.meta.url).href
/** The keys that one SCAN looks at. */
const PAGE = 100

/** When Redis itself drops a key, in milliseconds since the epoch. */
async function expiryOf({ client }: Awaited<ReturnType<typeof nodeRedis>>, key: string) {
  const at = await client.pExpireTime(key)
  if (at === -2) throw new Error('There is no such key.')
  return at === -1 ? undefined : at
}

describe.skipIf(!requireServer('redis'))('store contract', () => {
  describe.each(standaloneClients)('Redis with $name', ({ name, open }) => {
    let server: Server
    let opened: Opened[]
    let onlooker: Awaited<ReturnType<typeof nodeRedis>>
    beforeAll(async () => {
      server = await startRedis({ durable: true })
      opened = [await open(server), await open(server)]
      onlooker = await nodeRedis(server)
    })
    afterAll(async () => {
      for (const { close } of [...opened, onlooker]) close()
      await server.stop()
    })

    const describeThis = name === 'redis' ? describeStore : describeOtherWay
    describeThis(
      `redisStore(${name})`,
      () => ({
        store: redisStore(opened[0]!.client),
        second: redisStore(opened[1]!.client),
        module: name === 'redis' ? moduleOfToday('Redis', { path: module, argument: server.url }) : undefined,
        pageSize: PAGE,
        breakBackend: () => server.kill('SIGKILL'),
        healBackend: () => server.restart(),
        restartBackend: async () => {
          await server.kill('SIGKILL')
          await server.restart()
        },
        freezeBackend: () => server.kill('SIGSTOP'),
        thawBackend: () => server.kill('SIGCONT'),
        expiryOf: id => expiryOf(onlooker, `sess2:${id}`),
        expiryOfSubject: subject => {
          const digest = createHash('sha256').update(subject).digest('hex').slice(0, 40)
          return expiryOf(onlooker, `sess2:subject:${digest}`)
        },
      }),
      { callTimeout: 1_000 },
    )
  })

  // Apart, because a proxy accepts connections while its server is down. ioredis then keeps what was under way, and waits.
  describe.each(standaloneClients)('Redis with $name behind a proxy', ({ name, open }) => {
    let server: Server
    let proxy: CuttableProxy
    let trouble: Trouble
    let opened: Opened[]
    beforeAll(async () => {
      server = await startRedis({ config: { 'enable-debug-command': 'yes' } })
      proxy = await cuttable(server.port)
      const { port } = proxy
      // Without a limit ioredis sends a call again for as long as somebody accepts connections.
      const behind = await open({ port, url: `redis://127.0.0.1:${port}` }, { commandTimeout: 500 })
      opened = [behind, await open(server)]
      trouble = await redisTrouble(server, proxy)
    })
    afterAll(async () => {
      for (const { close } of opened) close()
      await trouble.close()
      await proxy.close()
      await server.stop()
    })

    describeStore(
      `redisStore(${name}), replies lost and errors`,
      () => ({
        store: redisStore(opened[0]!.client),
        second: redisStore(opened[1]!.client),
        loseAnswer: proxy.loseAnswer,
        fail: trouble.fail,
        healBackend: trouble.heal,
        pageSize: PAGE,
      }),
      {
        callTimeout: 1_000,
        filter: isToday('clients in trouble', name) ? /^store\/(lost|fails)-/ : /^store\/lost-/,
      },
    )
  })

  describe.each(clusterClients)('Redis Cluster with $name', ({ name, open }) => {
    let cluster: RedisCluster
    let opened: Opened[]
    beforeAll(async () => {
      cluster = await startRedisCluster({ durable: true, replicas: 0 })
      opened = [await open(cluster), await open(cluster)]
    })
    afterAll(async () => {
      for (const { close } of opened) close()
      await cluster.stop()
    })

    describeOtherWay(
      `redisStore(${name} cluster)`,
      () => ({
        store: redisStore(opened[0]!.client),
        second: redisStore(opened[1]!.client),
        breakBackend: () => cluster.kill('SIGKILL'),
        healBackend: () => cluster.restart(),
        restartBackend: async () => {
          await cluster.kill('SIGKILL')
          await cluster.restart()
        },
        freezeBackend: () => cluster.kill('SIGSTOP'),
        thawBackend: () => cluster.kill('SIGCONT'),
      }),
      { callTimeout: 2_000 },
    )
  })
})
