import { createHash, randomBytes } from 'node:crypto'
import type { Store } from '@sess/core'
import {
  type RedisCluster,
  redisCommand,
  requireServer,
  type Server,
  startRedis,
  startRedisCluster,
} from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisStore } from '../src/index.ts'
import { clusterClients, ioredis, type Opened, standaloneClients } from './clients.ts'
import { startProxy } from './proxy.ts'

const id = () => randomBytes(20).toString('hex')
const HOUR = 3_600_000

async function idsOf(store: Store, subject: string, now?: number): Promise<string[]> {
  const ids: string[] = []
  const context = now === undefined ? {} : { now }
  for await (const entry of store.scanBySubject?.(subject, context) ?? []) ids.push(entry.id)
  return ids.sort()
}

const indexKey = (subject: string) =>
  `sess2:subject:${createHash('sha256').update(subject).digest('hex').slice(0, 40)}`

describe.skipIf(!requireServer('redis')).each(standaloneClients)(
  'the index of subjects, with $name',
  ({ open }) => {
    let server: Server
    let opened: Opened
    let store: Store
    let subject: string
    beforeAll(async () => {
      server = await startRedis()
      opened = await open(server)
      store = redisStore(opened.client)
    })
    afterAll(async () => {
      opened.close()
      await server.stop()
    })

    const command = (...words: string[]) => redisCommand(server.port, ...words)
    const members = () => command('ZCARD', indexKey(subject)).then(Number)
    const newSubject = () => {
      subject = `user-${id()}`
      return subject
    }
    const record = (of: string | undefined, expiresAt = Date.now() + HOUR) => ({
      payload: '{}',
      expiresAt,
      ...(of === undefined ? {} : { subject: of }),
    })
    const version = async (key: string, now?: number) =>
      (await store.read(key, now === undefined ? {} : { now }))!.version

    it('holds one member a session, however often it is saved', async () => {
      const key = id()
      await store.insert(key, record(newSubject()))
      for (let n = 0; n < 20; n++) await store.replace(key, record(subject), await version(key))
      for (let n = 0; n < 20; n++) await store.touch(key, Date.now() + HOUR + n, await version(key))
      expect(await members()).toBe(1)
    })

    it('is left with one member a session after writers that were stale', async () => {
      const key = id()
      await store.insert(key, record(newSubject()))
      const at = await version(key)
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => store.replace(key, record(subject), at)),
      )
      expect(answers.filter(answer => answer === 'ok')).toHaveLength(1)
      await expect.poll(members).toBe(1)
      expect(await idsOf(store, subject)).toEqual([key])
    })

    it('lists again where a session has got a new key since it was listed [A24]', async () => {
      const [old, next] = [id(), id()]
      await store.insert(old, record(newSubject()))
      const at = await version(old)
      let hasRotated = false
      const method = 'call' in opened.client ? 'call' : 'sendCommand'
      const send = async (...args: unknown[]) => {
        const reply = await Reflect.apply(Reflect.get(opened.client, method), opened.client, args)
        if (!hasRotated && args.flat().includes('ZRANGE')) {
          hasRotated = true
          await store.insert(next, record(subject))
          await store.replace(old, record(undefined), at)
        }
        return reply
      }
      const client = new Proxy(opened.client, {
        get: (target, name) => (name === method ? send : Reflect.get(target, name, target)),
      })
      expect(await redisStore(client).removeBySubject!(subject)).toBe(1)
      expect(hasRotated).toBe(true)
      expect(await store.read(next)).toBe(null)
    })

    it('lets go of a session that is removed, or moved to nobody or another', async () => {
      const keys = [id(), id(), id()] as const
      for (const key of keys) await store.insert(key, record(newSubject() && 'ann'))
      subject = 'ann'
      await store.remove(keys[0], await version(keys[0]))
      await store.replace(keys[1], record(undefined), await version(keys[1]))
      await store.replace(keys[2], record('bob'), await version(keys[2]))
      await expect.poll(members).toBe(0)
      expect(await idsOf(store, 'bob')).toEqual([keys[2]])
    })

    it('believes the record: a member left behind by a session that moved on ends nobody', async () => {
      const now = Date.now()
      const [key, anonymous] = [id(), id()] as const
      await store.insert(key, record('bob'), { now })
      await store.insert(anonymous, record(undefined), { now })
      newSubject()
      for (const left of [key, anonymous]) {
        await command(
          'ZADD',
          indexKey(subject),
          String(now + HOUR),
          left + (await version(left)).slice(0, 15),
        )
      }
      expect(await idsOf(store, subject)).toEqual([])
      expect(await store.removeBySubject?.(subject)).toBe(0)
      expect(await store.read(key)).toMatchObject({ subject: 'bob' })
      expect(await store.read(anonymous)).not.toBeNull()
      expect(await members()).toBe(2)
      expect(await store.removeBySubject?.(subject, { now: now + 62_000 })).toBe(0)
      await expect.poll(members).toBe(0)
      expect(await store.read(key)).toMatchObject({ subject: 'bob' })
    })

    it('lives as long as its longest member, and is gone after it', async () => {
      const now = Date.now()
      const keys = [id(), id()] as const
      await store.insert(keys[0], record(newSubject(), now + 5 * HOUR))
      await store.insert(keys[1], record(subject, now + HOUR))
      expect(Number(await command('PTTL', indexKey(subject)))).toBeGreaterThan(5 * HOUR - 5_000)
      await store.touch(keys[1], now + 9 * HOUR, await version(keys[1]))
      expect(Number(await command('PTTL', indexKey(subject)))).toBeGreaterThan(9 * HOUR - 5_000)
      expect(Number(await command('PTTL', indexKey(subject)))).toBeLessThan(10 * HOUR)
    })

    it('finds a session that was extended beyond its first expiry', async () => {
      const now = Date.now()
      const [key, other] = [id(), id()] as const
      await store.insert(key, record(newSubject(), now + HOUR), { now })
      await store.touch(key, now + 9 * HOUR, await version(key), { now })
      // A write of another session clears what is over.
      const later = now + 8 * HOUR
      await store.insert(other, record(subject, now + 9 * HOUR), { now: later })
      expect(await idsOf(store, subject, later)).toEqual([key, other].sort())
      expect(await store.removeBySubject?.(subject, { now: later })).toBe(2)
    })

    it('finds a session whose announced shorter life never came', async () => {
      const now = Date.now()
      const key = id()
      await store.insert(key, record(newSubject(), now + 9 * HOUR), { now })
      // The n-th command failing is what no server does to order: the index is written, the record is not.
      const { client, close } = await ioredis(server)
      const failing = {
        status: client.status,
        on: client.on.bind(client),
        disconnect: () => client.disconnect(),
        call: (name: string, ...args: string[]) =>
          args.includes(`sess2:${key}`) ? Promise.reject(new Error('lost')) : client.call(name, ...args),
      }
      const shorter = record(subject, now + HOUR)
      const attempt = redisStore(failing).replace(key, shorter, await version(key, now), { now })
      await expect(attempt).rejects.toThrow('lost')
      close()
      const later = now + 8 * HOUR
      await store.insert(id(), record(subject, now + 9 * HOUR), { now: later })
      expect(await store.removeBySubject?.(subject, { now: later })).toBe(2)
    })

    it('forgets members whose time is over at the next write', async () => {
      const now = Date.now()
      newSubject()
      for (let n = 0; n < 5; n++) await store.insert(id(), record(subject, now + 1_000), { now })
      expect(await members()).toBe(5)
      await store.insert(id(), record(subject), { now: now + 120_000 })
      expect(await members()).toBe(1)
    })

    it('keeps the member of a login under way, and drops it when it can no longer be', async () => {
      const now = Date.now()
      await using proxy = await startProxy(server.port)
      // The index has it, the record never came: the process died in between.
      const crashed = await ioredis(proxy, { retryStrategy: null })
      const lost = proxy.loseAnswerTo('ZADD')
      await redisCommand(server.port, 'SCRIPT', 'FLUSH')
      const key = id()
      await expect(redisStore(crashed.client).insert(key, record(newSubject()), { now })).rejects.toThrow()
      await lost
      crashed.close()
      expect(await members()).toBe(1)

      expect(await idsOf(store, subject, now + 59_000)).toEqual([])
      expect(await store.removeBySubject?.(subject, { now: now + 59_000 })).toBe(0)
      expect(await members()).toBe(1)
      expect(await idsOf(store, subject, now + 62_000)).toEqual([])
      await expect.poll(members).toBe(0)
    })

    it('heals when its key is lost: the next save or touch puts the session back', async () => {
      const [saved, touched] = [id(), id()] as const
      await store.insert(saved, record(newSubject()))
      await store.insert(touched, record(subject))
      await command('DEL', indexKey(subject))
      expect(await idsOf(store, subject)).toEqual([])
      await store.replace(saved, record(subject), await version(saved))
      await store.touch(touched, Date.now() + HOUR, await version(touched))
      expect(await idsOf(store, subject)).toEqual([saved, touched].sort())
    })

    it('random moves between subjects never lose a session [A24]', async () => {
      const subjects = [newSubject(), newSubject(), undefined]
      const keys = Array.from({ length: 5 }, id)
      for (const key of keys) await store.insert(key, record(subjects[0]))
      const move = async () => {
        for (let n = 0; n < 40; n++) {
          const key = keys[Math.floor(Math.random() * keys.length)]!
          const to = subjects[Math.floor(Math.random() * subjects.length)]
          await store.replace(key, record(to), await version(key))
          if (n % 8 === 0) for (const of of subjects) if (of) await idsOf(store, of)
        }
      }
      await Promise.all(Array.from({ length: 8 }, move))
      for (const of of subjects.slice(0, 2)) {
        const theirs = await Promise.all(
          keys.map(async key => ((await store.read(key))?.subject === of ? key : '')),
        )
        expect(await idsOf(store, of!)).toEqual(theirs.filter(Boolean).sort())
      }
    })

    it('ends a thousand sessions of a subject, batch by batch', async () => {
      newSubject()
      await Promise.all(Array.from({ length: 1_000 }, () => store.insert(id(), record(subject))))
      expect(await store.removeBySubject?.(subject)).toBe(1_000)
      await expect.poll(members).toBe(0)
    })
  },
)

describe.skipIf(!requireServer('redis'))('subjects in a cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: 0 })
  })
  afterAll(() => cluster.stop())

  it.each(clusterClients)('index and records are in different slots, with $name', async ({ open }) => {
    const { client, close } = await open(cluster)
    const store = redisStore(client)
    const [ann, bob] = [`ann-${id()}`, `bob-${id()}`]
    const keys = Array.from({ length: 30 }, id)
    const record = { payload: '{}', expiresAt: Date.now() + HOUR, subject: ann }
    await Promise.all(keys.map(key => store.insert(key, record)))
    const other = id()
    await store.insert(other, { ...record, subject: bob })

    const port = cluster.nodes[0]!.port
    const slots = await Promise.all(
      [indexKey(ann), ...keys.map(key => `sess2:${key}`)].map(key =>
        redisCommand(port, 'CLUSTER', 'KEYSLOT', key),
      ),
    )
    expect(new Set(slots).size).toBeGreaterThan(10)
    const sizes = await Promise.all(cluster.nodes.map(node => redisCommand(node.port, 'DBSIZE')))
    expect(sizes.every(size => Number(size) > 0)).toBe(true)

    expect(await idsOf(store, ann)).toEqual([...keys].sort())
    const all: string[] = []
    for await (const entry of store.scan?.() ?? []) all.push(entry.id)
    expect([...keys, other].every(key => all.includes(key))).toBe(true)
    expect(await store.removeBySubject?.(ann, { except: keys[0]! })).toBe(29)
    expect(await idsOf(store, ann)).toEqual([keys[0]])
    expect(await idsOf(store, bob)).toEqual([other])
    close()
  })
})
