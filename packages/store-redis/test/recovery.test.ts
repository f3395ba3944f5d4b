import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions, type Store } from '@sess/core'
import { redisCommand, requireServer, startRedis, startRedisCluster } from '@sess/test-fixtures/servers'
import { until } from '@sess/test-fixtures/servers/redis.ts'
import { createClientPool } from 'redis'
import { describe, expect, it } from 'vitest'
import { type RedisClient, redisStore } from '../src/index.ts'
import { clusterClients, standaloneClients } from './clients.ts'
import { startProxy } from './proxy.ts'

const id = () => randomBytes(20).toString('hex')
const record = (payload: string, subject?: string) => ({
  payload,
  expiresAt: Date.now() + 3_600_000,
  ...(subject === undefined ? {} : { subject }),
})

/** The same client, counting the commands that it has no answer to yet. */
function counting<Client extends RedisClient>(client: Client): { client: Client; unanswered: () => number } {
  let unanswered = 0
  const counted = new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'sendCommand' && name !== 'call') return value.bind(target)
      return (...args: unknown[]) => {
        unanswered++
        const sent = value.apply(target, args) as Promise<unknown>
        const answered = () => {
          unanswered--
        }
        sent.then(answered, answered)
        return sent
      }
    },
  })
  return { client: counted, unanswered: () => unanswered }
}

describe.skipIf(!requireServer('redis'))('a frozen server', () => {
  it.each(standaloneClients)(
    'holds up the requests of the first time-out, and later ones fail at once; it is back at once, with $name [F3, F6]',
    async ({ open }) => {
      await using server = await startRedis()
      const opened = await open(server)
      const { client, unanswered } = counting(opened.client)
      const sessions = createSessions({ store: redisStore(client), timeout: 400 })
      const request = async (cookie: string) => {
        const started = performance.now()
        const session = sessions.open(cookie)
        await session.load()
        let outcome: string
        try {
          outcome = `${session.get('user')}`
        } catch (error) {
          outcome = `${(error as { code?: string }).code} ${(error as Error).message}`
        }
        return { outcome, took: performance.now() - started }
      }
      const first = sessions.open('')
      await first.load()
      first.set('user', 'ann')
      await sessions.commit(first, { status: 200 })
      const cookie = `sessionid=${first.sessionKey}`

      await server.kill('SIGSTOP')
      await sleep(50)
      const early = await Promise.all(Array.from({ length: 50 }, () => request(cookie)))
      for (const { outcome, took } of early) {
        expect(outcome).toMatch(/^SESSION_STORE /)
        expect(took).toBeGreaterThan(350)
      }
      await sleep(50)
      // A second of 500 requests a second.
      const requests: ReturnType<typeof request>[] = []
      const ends = performance.now() + 1_000
      while (performance.now() < ends) {
        for (let n = 0; n < 10; n++) requests.push(request(cookie))
        await sleep(20)
      }
      const later = await Promise.all(requests)
      const slow = later.filter(({ took }) => took > 200)
      for (const { outcome } of later) expect(outcome).toMatch(/^SESSION_STORE /)
      expect(later.length).toBeGreaterThan(100)
      // One in half a second looks whether the server is back.
      expect(slow.length).toBeLessThanOrEqual(5)
      expect(unanswered()).toBeLessThanOrEqual(50 + 6)
      const fast = later.find(({ took }) => took < 20)
      expect(fast?.outcome).toMatch(/Redis has stopped answering/)

      await server.kill('SIGCONT')
      const since = performance.now()
      while ((await request(cookie)).outcome !== 'ann') await sleep(5)
      expect(performance.now() - since).toBeLessThan(1_000)
      await expect.poll(unanswered).toBe(0)
      opened.close()
    },
  )

  it.each(clusterClients)(
    'is one of three: the sessions of the others are read on, with $name [F3]',
    async ({ open }) => {
      await using cluster = await startRedisCluster({ replicas: 0, nodeTimeout: 30_000 })
      const opened = await open(cluster)
      const store = redisStore(opened.client)
      const keys = Array.from({ length: 60 }, id)
      for (const key of keys) await store.insert(key, record(''))
      await cluster.servers[0]!.kill('SIGSTOP')
      const read = async (key: string) => {
        try {
          await store.read(key, { signal: AbortSignal.timeout(1_000) })
          return true
        } catch {
          return false
        }
      }
      const first = await Promise.all(keys.map(read))
      const here = keys.filter((_, at) => first[at])
      const away = keys.filter((_, at) => !first[at])
      expect(here.length).toBeGreaterThan(20)
      expect(away.length).toBeGreaterThan(5)
      const started = performance.now()
      expect(await Promise.all(here.map(read))).toEqual(here.map(() => true))
      expect(await Promise.all(away.map(read))).toEqual(away.map(() => false))
      expect(performance.now() - started).toBeLessThan(800)
      await cluster.servers[0]!.kill('SIGCONT')
      await expect.poll(() => Promise.all(keys.map(read)).then(all => all.every(Boolean))).toBe(true)
      opened.close()
    },
  )

  it('does not fail others because one call had little patience', async () => {
    await using server = await startRedis()
    const opened = await standaloneClients[0].open(server)
    const store = redisStore(opened.client)
    await server.kill('SIGSTOP')
    const patient = store.read(id(), { signal: AbortSignal.timeout(2_000) })
    await expect(store.read(id(), { signal: AbortSignal.timeout(20) })).rejects.toThrow(/timeout/)
    await sleep(5)
    const next = store.read(id(), { signal: AbortSignal.timeout(2_000) })
    await server.kill('SIGCONT')
    expect([await patient, await next]).toEqual([null, null])
    opened.close()
  })
})

describe.skipIf(!requireServer('redis')).each(standaloneClients)(
  'a process that stands still, with $name',
  ({ name, open }) => {
    it('stopped by a signal: uses a reply that arrived meanwhile, although the time is up', async () => {
      await using server = await startRedis()
      const opened = await open(server)
      const key = id()
      await redisStore(opened.client).insert(key, record('there'))
      opened.close()
      const reader = new URL('./reader.ts', import.meta.url).pathname
      const child = spawn(process.execPath, [reader, name, String(server.port), key])
      let output = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
      const ended = new Promise(resolve => child.on('close', resolve))
      await expect.poll(() => output, { timeout: 20_000 }).toMatch(/ready/)
      await server.kill('SIGSTOP')
      child.stdin.write('go\n')
      await expect.poll(() => output, { interval: 5 }).toMatch(/sent/)
      child.kill('SIGSTOP')
      await server.kill('SIGCONT')
      await sleep(500)
      child.kill('SIGCONT')
      await ended
      expect(output.trim().split('\n')).toEqual(['ready', 'sent', 'there'])
    })

    it('uses a reply that arrived meanwhile, although the time is up', async () => {
      await using server = await startRedis()
      const opened = await open(server)
      const store = redisStore(opened.client)
      const key = id()
      await store.insert(key, record('there'))
      // So that the server knows the script.
      await store.replace(key, record('there'), (await store.read(key))!.version)
      const { version } = (await store.read(key))!
      for (const call of [
        (signal: AbortSignal) => store.read(key, { signal }),
        (signal: AbortSignal) => store.replace(key, record('there'), version, { signal }),
      ]) {
        await server.kill('SIGSTOP')
        const answer = call(AbortSignal.timeout(150))
        await sleep(50)
        // The answer comes during a long computation.
        const resumed = server.kill('SIGCONT')
        const ends = performance.now() + 300
        while (performance.now() < ends);
        expect(await answer).not.toBeNull()
        await resumed
      }
      opened.close()
    })
  },
)

describe.skipIf(!requireServer('redis'))('a planned failover', () => {
  async function failover(
    open: (at: { url: string; port: number }) => Promise<{ client: RedisClient; close(): unknown }>,
    run: (store: Store, demote: () => Promise<void>) => Promise<void>,
  ) {
    await using first = await startRedis({ config: { 'repl-diskless-sync-delay': '0' } })
    await using second = await startRedis()
    await using proxy = await startProxy(first.port)
    await redisCommand(second.port, 'REPLICAOF', '127.0.0.1', String(first.port))
    await until('the replica is in sync', async () =>
      (await redisCommand(second.port, 'INFO', 'replication')).includes('master_link_status:up'),
    )
    const opened = await open(proxy)
    const size = (port: number) => redisCommand(port, 'DBSIZE')
    const demote = async () => {
      // A planned failover waits for this: what the replica does not have yet is lost.
      await until(
        'the replica has all keys',
        async () => (await size(first.port)) === (await size(second.port)),
      )
      await redisCommand(second.port, 'REPLICAOF', 'NO', 'ONE')
      await redisCommand(first.port, 'REPLICAOF', '127.0.0.1', String(second.port))
      proxy.leadTo(second.port)
    }
    try {
      await run(redisStore(opened.client), demote)
    } finally {
      await opened.close()
    }
  }

  it.each([
    ...standaloneClients,
    {
      name: 'a pool of redis',
      async open({ url }: { url: string }) {
        const client = createClientPool(
          { url, socket: { reconnectStrategy: 30 } },
          { minimum: 4, maximum: 4 },
        )
        client.on('error', () => 'shown by the calls')
        await client.connect()
        return { client, close: () => client.destroy() }
      },
    },
  ])(
    'is over for the store at its first write: it makes a new connection and writes again, with $name [F6]',
    async ({ open }) => {
      await failover(open, async (store, demote) => {
        const keys = Array.from({ length: 20 }, id)
        for (const key of keys) await store.insert(key, record('before', 'ann'))
        await demote()
        const signal = () => AbortSignal.timeout(5_000)
        const outcomes = await Promise.all(
          keys.map(async key => {
            const found = (await store.read(key, { signal: signal() }))!
            return await store.replace(key, record('after', 'ann'), found.version, { signal: signal() })
          }),
        )
        expect(outcomes).toEqual(keys.map(() => 'ok'))
        expect(await store.remove(keys[0]!, undefined, { signal: signal() })).toBe('ok')
        expect((await store.read(keys[1]!, { signal: signal() }))?.payload).toBe('after')
      })
    },
  )

  it.each(standaloneClients)(
    'that leads nowhere costs one new connection in five seconds, with $name',
    async ({ open }) => {
      await using server = await startRedis()
      const opened = await open(server)
      const store = redisStore(opened.client)
      await store.insert(id(), record(''))
      const connections = async () =>
        Number(/total_connections_received:(\d+)/.exec(await redisCommand(server.port, 'INFO', 'stats'))![1])
      await redisCommand(server.port, 'REPLICAOF', '127.0.0.1', '1')
      const before = await connections()
      for (let n = 0; n < 20; n++) await expect(store.insert(id(), record(''))).rejects.toThrow(/READONLY/)
      expect((await connections()) - before).toBeLessThanOrEqual(2)
      await redisCommand(server.port, 'REPLICAOF', 'NO', 'ONE')
      expect(await store.insert(id(), record(''))).toBe(true)
      opened.close()
    },
  )
})
