import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { redisCommand, requireServer, startRedis } from '@sess/test-fixtures/servers'
import { binary } from '@sess/test-fixtures/servers/binaries.ts'
import { startServer } from '@sess/test-fixtures/servers/process.ts'
import { Redis as Ioredis } from 'ioredis'
import { createSentinel } from 'redis'
import { describe, expect, it } from 'vitest'
import { redisStore } from '../src/index.ts'
import { startProxy } from './proxy.ts'

/** A sentinel that watches the master at `master` under the name `sessions`. */
const startSentinel = (master: number) =>
  startServer({
    name: 'sentinel',
    stopSignal: 'TERM',
    command(dir, port) {
      const config = join(dir, 'sentinel.conf')
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${dir}`,
        `sentinel monitor sessions 127.0.0.1 ${master} 1`,
        'sentinel down-after-milliseconds sessions 500',
        'sentinel failover-timeout sessions 2000',
      ]
      writeFileSync(config, `${lines.join('\n')}\n`)
      return [binary('redis'), config, '--sentinel']
    },
    isReady: (_, port) =>
      redisCommand(port, 'PING').then(
        answer => answer === 'PONG',
        () => false,
      ),
    url: port => `redis://127.0.0.1:${port}`,
    env: () => ({}),
  })

/** Where a client finds a server, instead of at the address that the sentinel tells. */
type Addresses = Record<string, { host: string; port: number }>

const clients = [
  {
    name: 'redis',
    async open(port: number, addresses: Addresses = {}) {
      const client = createSentinel({
        nodeAddressMap: addresses,
        name: 'sessions',
        sentinelRootNodes: [{ host: '127.0.0.1', port }],
        scanInterval: 200,
      })
      client.on('error', () => 'shown by the calls')
      await client.connect()
      return { client, close: async () => await client.destroy() }
    },
  },
  {
    name: 'ioredis',
    async open(port: number, addresses: Addresses = {}) {
      const client = new Ioredis({
        natMap: addresses,
        name: 'sessions',
        sentinels: [{ host: '127.0.0.1', port }],
        retryStrategy: () => 50,
        sentinelRetryStrategy: () => 50,
      })
      client.on('error', () => 'shown by the calls')
      await new Promise(resolve => client.once('ready', resolve))
      return { client, close: async () => client.disconnect() }
    },
  },
] as const

const OFFSET = /master_repl_offset:(\d+)/

describe.skipIf(!requireServer('redis')).each(clients)('Sentinel, with $name', ({ open }) => {
  it('a removal that loses its reply is an error [F2]', async () => {
    await using master = await startRedis()
    await using sentinel = await startSentinel(master.port)
    await using proxy = await startProxy(master.port)
    const to = { host: '127.0.0.1', port: proxy.port }
    const { client, close } = await open(sentinel.port, { [`127.0.0.1:${master.port}`]: to })
    const store = redisStore(client)
    const insert = async () => {
      const id = randomBytes(20).toString('hex')
      await store.insert(id, { payload: '', expiresAt: Date.now() + 3_600_000 })
      return id
    }
    // The server knows the script then.
    expect(await store.remove(await insert())).toBe('ok')
    const id = await insert()
    const lost = proxy.loseAnswerTo(id)
    await expect(store.remove(id)).rejects.toThrow(/It is not known whether this call or another/)
    await lost
    expect(await store.remove(id)).toBe('gone')
    await close()
  })

  it('a master killed under its client: the replica takes over, and sessions are there [F21]', async () => {
    await using master = await startRedis({ config: { 'repl-diskless-sync-delay': '0' } })
    await using replica = await startRedis({ config: { replicaof: `127.0.0.1 ${master.port}` } })
    await using sentinel = await startSentinel(master.port)
    const replicas = async () =>
      /slaves=(\d)/.exec(await redisCommand(sentinel.port, 'INFO', 'sentinel'))?.[1]
    await expect.poll(replicas, { timeout: 15_000 }).toBe('1')
    await expect
      .poll(() => redisCommand(replica.port, 'INFO', 'replication'), { timeout: 15_000 })
      .toContain('master_link_status:up')

    const { client, close } = await open(sentinel.port)
    const store = redisStore(client)
    const id = randomBytes(20).toString('hex')
    const record = { payload: 'before', expiresAt: Date.now() + 3_600_000, subject: 'ann' }
    await store.insert(id, record)
    const { version } = (await store.read(id))!
    expect(await store.replace(id, record, version)).toBe('ok')
    // A replica that is new takes writes a second late. If its master dies before that, those writes are lost.
    const replicated = async () =>
      (await redisCommand(replica.port, 'INFO', 'replication')).match(OFFSET)?.[1]
    const written = async () => (await redisCommand(master.port, 'INFO', 'replication')).match(OFFSET)?.[1]
    await expect.poll(async () => (await replicated()) === (await written()), { timeout: 15_000 }).toBe(true)
    expect(await redisCommand(replica.port, 'DBSIZE')).toBe('2')

    await master.kill('SIGKILL')
    const call = () => ({ signal: AbortSignal.timeout(1_000) })
    const attempt = async () => {
      try {
        const found = await store.read(id, call())
        expect(found).toMatchObject({ payload: 'before', subject: 'ann' })
        return await store.replace(id, { ...record, payload: 'after' }, found!.version, call())
      } catch (error) {
        if ((error as Error).name === 'AssertionError') throw error
        await sleep(50)
        return 'failed'
      }
    }
    await expect.poll(attempt, { timeout: 20_000, interval: 50 }).toBe('ok')
    expect((await store.read(id))?.payload).toBe('after')
    const all: string[] = []
    for await (const entry of store.scan?.() ?? []) all.push(entry.id)
    expect(all).toEqual([id])
    expect(await store.removeBySubject?.('ann')).toBe(1)
    await close()
  }, 60_000)
})
