import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Store } from '@sess/core'
import { redisCommand, requireServer, type Server, startRedis } from '@sess/test-fixtures/servers'
import { Redis as Ioredis, Cluster as IoredisCluster } from 'ioredis'
import { createClient, createClientPool, RESP_TYPES } from 'redis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { redisStore } from '../src/index.ts'
import { type Opened, standaloneClients } from './clients.ts'

const id = () => randomBytes(20).toString('hex')
const inAnHour = () => Date.now() + 3_600_000
const record = (payload = '{}', subject?: string) => ({
  payload,
  expiresAt: inAnHour(),
  ...(subject === undefined ? {} : { subject }),
})

async function collect<T>(all: AsyncIterable<T> | undefined): Promise<T[]> {
  const list: T[] = []
  for await (const one of all ?? []) list.push(one)
  return list
}

describe('configuration', () => {
  const ioredis = () => new Ioredis({ lazyConnect: true })

  it.each([
    ['nothing', undefined],
    ['an address', 'redis://localhost'],
    ['a class instead of an object', Ioredis],
    ['a client of another database', { query: async () => [] }],
    ['a client of redis 4, which has no withCommandOptions', { sendCommand: async () => null }],
  ])('refuses %s as a client', (_, client) => {
    expect(() => redisStore(client as never)).toThrow(
      expect.objectContaining({ code: 'CONFIG', option: 'client' }),
    )
  })

  it('rejects an ioredis cluster client that reads from replicas [F22]', () => {
    const client = new IoredisCluster([{ port: 1 }], { lazyConnect: true, scaleReads: 'slave' })
    expect(() => redisStore(client)).toThrow(expect.objectContaining({ code: 'CONFIG', option: 'client' }))
  })

  it.each([
    ['empty', ''],
    ['without a separator at its end', 'sess'],
    ['with a hash tag', '{sess}:'],
    ['that is no string', 7],
  ])('refuses a prefix %s [F35]', (_, prefix) => {
    expect(() => redisStore(ioredis(), { prefix: prefix as string })).toThrow(
      expect.objectContaining({ code: 'CONFIG', option: 'prefix' }),
    )
  })

  it('rejects an option that does not exist, and one of the wrong type', () => {
    expect(() => redisStore(ioredis(), { ttl: 3600 } as never)).toThrow(
      expect.objectContaining({
        option: 'ttl',
        message: 'ttl: unknown option; there are prefix, subjects.',
      }),
    )
    expect(() => redisStore(ioredis(), { subjects: 'yes' } as never)).toThrow(
      expect.objectContaining({ option: 'subjects' }),
    )
  })

  it('has no method for subjects without their index, and no clearExpired or close at all', () => {
    const bare = redisStore(ioredis(), { subjects: false })
    expect(Object.keys(bare)).toEqual(['read', 'insert', 'replace', 'touch', 'remove', 'scan'])
    expect(Object.keys(redisStore(ioredis()))).toEqual([
      ...Object.keys(bare),
      'removeBySubject',
      'scanBySubject',
    ])
  })
})

describe.skipIf(!requireServer('redis'))('on a real server', () => {
  let server: Server
  const command = (...words: string[]) => redisCommand(server.port, ...words)

  /** Calls of each command since `CONFIG RESETSTAT`, those of scripts included, without what counts them. */
  async function calls(): Promise<Record<string, number>> {
    const counted: Record<string, number> = {}
    for (const [, name, count] of (await command('INFO', 'commandstats')).matchAll(
      /cmdstat_(\w+):calls=(\d+)/g,
    )) {
      if (name !== 'info' && name !== 'config') counted[name!] = Number(count)
    }
    return counted
  }

  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  describe.each(standaloneClients)('with $name', ({ open }) => {
    let opened: Opened
    let store: Store
    beforeAll(async () => {
      opened = await open(server)
    })
    afterAll(() => opened.close())
    beforeEach(async () => {
      await command('FLUSHALL')
      store = redisStore(opened.client)
    })

    it('rejects a payload that UTF-8 cannot express, instead of changing it; a subject of any characters comes back', async () => {
      const key = id()
      const refusal = expect.objectContaining({ code: 'SESSION_DATA' })
      await expect(store.insert(key, record('a\ud800b', 'ann'))).rejects.toEqual(refusal)
      expect(await store.read(key)).toBeNull()
      expect(await collect(store.scanBySubject?.('ann'))).toEqual([])
      await store.insert(key, record('😀', 'ann\ud800'))
      const found = (await store.read(key))!
      expect(found).toMatchObject({ payload: '😀', subject: 'ann\ud800' })
      await expect(store.replace(key, record('\ud800'), found.version)).rejects.toEqual(refusal)
      expect(await store.read(key)).toEqual(found)
    })

    describe('round trips', () => {
      const trips = async (call: () => unknown) => {
        await command('CONFIG', 'RESETSTAT')
        await call()
        return await calls()
      }

      it('a read is one GET', async () => {
        const key = id()
        await store.insert(key, record('{"a":1}', 'ann'))
        expect(await trips(() => store.read(key))).toEqual({ get: 1 })
      })

      it('insert, replace, touch and remove are one EVALSHA each', async () => {
        const key = id()
        await store.insert(key, record())
        await store.replace(key, record(), (await store.read(key))!.version)
        await store.touch(key, inAnHour(), (await store.read(key))!.version)
        await store.remove(key, (await store.read(key))!.version)

        const next = id()
        expect(await trips(() => store.insert(next, record()))).toEqual({ evalsha: 1, getrange: 1, set: 1 })
        const { version } = (await store.read(next))!
        expect(await trips(() => store.replace(next, record(), version))).toEqual({
          evalsha: 1,
          getrange: 1,
          set: 1,
        })
        const touched = (await store.read(next))!.version
        expect(await trips(() => store.touch(next, inAnHour(), touched))).toEqual({
          evalsha: 1,
          getrange: 1,
          setrange: 1,
          pexpire: 1,
        })
        expect(await trips(() => store.remove(next, touched))).toEqual({ evalsha: 1, getrange: 1, del: 1 })
      })

      it('a write of a record with a subject is one more, unless the index is switched off', async () => {
        const key = id()
        await store.insert(key, record('', 'ann'))
        const { version } = (await store.read(key))!
        await store.replace(key, record('', 'ann'), version)
        const read = (await store.read(key))!
        expect(await trips(() => store.replace(key, record('', 'ann'), read.version))).toMatchObject({
          evalsha: 2,
        })
        const last = (await store.read(key))!
        expect(await trips(() => store.touch(key, inAnHour(), last.version))).toMatchObject({ evalsha: 2 })

        const bare = redisStore(opened.client, { subjects: false })
        expect(await trips(() => bare.touch(key, inAnHour(), last.version))).toMatchObject({ evalsha: 1 })
      })

      it('a script that the server lost is sent once more and kept [F6]', async () => {
        const key = id()
        await store.insert(key, record())
        await store.replace(key, record(), (await store.read(key))!.version)
        await command('SCRIPT', 'FLUSH')
        const { version } = (await store.read(key))!
        expect(await trips(() => store.replace(key, record('{"n":1}'), version))).toEqual({
          evalsha: 1,
          eval: 1,
          getrange: 1,
          set: 1,
        })
        const next = (await store.read(key))!
        expect(next.payload).toBe('{"n":1}')
        expect(await trips(() => store.replace(key, record(), next.version))).toEqual({
          evalsha: 1,
          getrange: 1,
          set: 1,
        })
      })
    })

    describe('keys', () => {
      it('hold the prefix and ids, never a payload or a subject [C11]', async () => {
        const key = id()
        await store.insert(key, record('{"secret":1}', 'ann@example.org'))
        const keys = (await collect(store.scan?.())).map(entry => entry.id)
        expect(keys).toEqual([key])
        expect(await command('EXISTS', `sess2:${key}`)).toBe('1')
        // sha256('ann@example.org'), 160 bits of it.
        expect(await command('TYPE', 'sess2:subject:438c4c7afe600cdf1e455c369bec76dc970fc8ca')).toBe('zset')
        expect(await command('DBSIZE')).toBe('2')
      })

      it('stores with different prefixes do not meet [C11]', async () => {
        const [shop, blog] = ['shop:', 'shop:blog:'].map(prefix => redisStore(opened.client, { prefix })) as [
          Store,
          Store,
        ]
        const key = id()
        await shop.insert(key, record('shop', 'ann'))
        expect(await blog.read(key)).toBeNull()
        await blog.insert(key, record('blog', 'ann'))
        expect((await shop.read(key))?.payload).toBe('shop')
        expect((await collect(shop.scan?.())).map(entry => entry.payload)).toEqual(['shop'])
        expect((await collect(blog.scanBySubject?.('ann'))).map(entry => entry.payload)).toEqual(['blog'])
        expect(await blog.removeBySubject?.('ann')).toBe(1)
        expect((await shop.read(key))?.payload).toBe('shop')
      })

      it('a prefix may hold what is special in a pattern [F35]', async () => {
        for (const prefix of ['a*b:', 'a?b:', '[ab]:', 'a\\b:', '*:', 'a^[^x-z]-:']) {
          await command('FLUSHALL')
          const odd = redisStore(opened.client, { prefix })
          const key = id()
          await odd.insert(key, record(prefix))
          await redisStore(opened.client, { prefix: 'axb:' }).insert(id(), record('another'))
          await redisStore(opened.client, { prefix: 'a:' }).insert(id(), record('another'))
          expect(await collect(odd.scan?.())).toMatchObject([{ id: key, payload: prefix }])
        }
      })

      it('values that are none of ours are malformed: absent, and never overwritten', async () => {
        const version = '0'.repeat(15)
        for (const value of ['', '{}', 'garbage 1\nx', `${'9'.repeat(16)} \n{}`, '\n']) {
          const key = id()
          await command('SET', `sess2:${key}`, value)
          expect(await store.read(key)).toBeNull()
          expect(await store.replace(key, record(), version)).toBe('gone')
          expect(await store.touch(key, inAnHour(), version)).toBe(false)
          expect(await command('GET', `sess2:${key}`)).toBe(value)
        }
        for (const header of ['9999999999999999 short ', `9999999999999999 ${version} {no JSON`]) {
          const key = id()
          await command('SET', `sess2:${key}`, `${header}\n{}`)
          expect(await store.read(key)).toBeNull()
        }
        const taken = id()
        await command('SET', `sess2:${taken}`, 'mine')
        expect(await store.insert(taken, record())).toBe(false)
        expect(await command('GET', `sess2:${taken}`)).toBe('mine')
      })
    })

    describe('time', () => {
      it('Redis forgets a record by itself, when its time is over', async () => {
        const key = id()
        await store.insert(key, { payload: '', expiresAt: Date.now() + 60_000 })
        const left = Number(await command('PTTL', `sess2:${key}`))
        expect(left).toBeGreaterThan(55_000)
        expect(left).toBeLessThanOrEqual(60_000)
        const { version } = (await store.read(key))!
        await store.touch(key, Date.now() + 120_000, version)
        expect(Number(await command('PTTL', `sess2:${key}`))).toBeGreaterThan(115_000)
        await store.replace(key, { payload: '', expiresAt: Date.now() + 50 }, version)
        await expect.poll(() => command('EXISTS', `sess2:${key}`)).toBe('0')
      })

      it('a clock that is years off gives records the right life [F23]', async () => {
        for (const now of [Date.UTC(1999, 0), Date.UTC(2222, 0)]) {
          const key = id()
          await store.insert(key, { payload: 'x', expiresAt: now + 60_000, subject: `${now}` }, { now })
          expect(Number(await command('PTTL', `sess2:${key}`))).toBeGreaterThan(55_000)
          const found = (await store.read(key, { now: now + 59_999 }))!
          expect(found.payload).toBe('x')
          expect(await store.read(key, { now: now + 60_000 })).toBeNull()
          expect(await store.touch(key, now + 120_000, found.version, { now })).toBe(true)
          expect(Number(await command('PTTL', `sess2:${key}`))).toBeGreaterThan(115_000)
          expect(await store.removeBySubject?.(`${now}`, { now })).toBe(1)
        }
      })

      it.each([Number.NaN, Number.POSITIVE_INFINITY])(
        'an expiry of %s is refused, not for ever [F23]',
        async at => {
          const key = id()
          await expect(store.insert(key, { payload: '', expiresAt: at })).rejects.toThrow()
          expect(await command('DBSIZE')).toBe('0')
          await store.insert(key, record('before'))
          const { version } = (await store.read(key))!
          await expect(store.replace(key, { payload: '', expiresAt: at }, version)).rejects.toThrow()
          await expect(store.touch(key, at, version)).rejects.toThrow()
          expect(await store.read(key)).toMatchObject({ payload: 'before', version })
        },
      )
    })

    describe('versions', () => {
      const earlierWrites = async (key: string) =>
        ((await command('GET', `sess2:${key}`)).split(' ')[1]!.length - 15) / 10

      it('writes of the last seconds stay in the record, so that one which is sent twice is known', async () => {
        const key = id()
        let now = Date.now()
        await store.insert(key, record(), { now })
        for (let n = 1; n <= 3; n++) {
          await store.replace(key, record(), (await store.read(key, { now }))!.version, { now })
          expect(await earlierWrites(key)).toBe(n)
        }
        // Of the moment when it was replaced, not when it was made.
        now += 9_000
        await store.replace(key, record(), (await store.read(key, { now }))!.version, { now })
        expect(await earlierWrites(key)).toBe(1)
        // A clock that is behind drops none.
        now -= 3_000
        await store.replace(key, record(), (await store.read(key, { now }))!.version, { now })
        expect(await earlierWrites(key)).toBe(2)
      })

      it('there are 200 of them at the most [C26]', async () => {
        const key = id()
        await store.insert(key, record('', 'ann'))
        for (let n = 0; n < 250; n++) {
          expect(await store.replace(key, record(`${n}`, 'ann'), (await store.read(key))!.version)).toBe('ok')
        }
        expect(await earlierWrites(key)).toBe(200)
        expect((await command('GET', `sess2:${key}`)).split('\n')[0]).toMatch(/ "ann"$/)
        expect(await store.removeBySubject?.('ann')).toBe(1)
      })
    })

    it('replies are strings whatever the client makes of them', async () => {
      const key = id()
      const buffers =
        opened.client instanceof Ioredis
          ? new Ioredis({ port: server.port, stringNumbers: true })
          : createClient({ url: server.url }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
      if (!(buffers instanceof Ioredis)) await buffers.connect()
      const other = redisStore(buffers)
      expect(await other.insert(key, record('{"a":1}', 'ann'))).toBe(true)
      expect(await other.read(key)).toMatchObject({ payload: '{"a":1}', subject: 'ann' })
      expect(await collect(other.scan?.())).toHaveLength(1)
      expect(await other.removeBySubject?.('ann')).toBe(1)
      if (buffers instanceof Ioredis) buffers.disconnect()
      else buffers.destroy()
    })

    it('without memory left a save fails and the old record stays; removing works [F9]', async () => {
      const key = id()
      await store.insert(key, record('before', 'ann'))
      const { version } = (await store.read(key))!
      await command('CONFIG', 'SET', 'maxmemory', '1')
      try {
        await expect(store.insert(id(), record())).rejects.toThrow(/OOM/)
        await expect(store.replace(key, record('after', 'ann'), version)).rejects.toThrow(/OOM/)
        await expect(store.replace(key, record('after'), version)).rejects.toThrow(/OOM/)
        await expect(store.touch(key, inAnHour() + 1, version)).rejects.toThrow(/OOM/)
        expect(await store.read(key)).toMatchObject({ payload: 'before', version })
        expect(await collect(store.scanBySubject?.('ann'))).toHaveLength(1)
        expect(await store.removeBySubject?.('ann')).toBe(1)
      } finally {
        await command('CONFIG', 'SET', 'maxmemory', '0')
      }
    })

    it('a server that is read-only for a while makes writes fail, and reads work [F6]', async () => {
      const key = id()
      await store.insert(key, record('before'))
      const { version } = (await store.read(key))!
      await using primary = await startRedis()
      await command('CONFIG', 'SET', 'replica-serve-stale-data', 'yes')
      await command('REPLICAOF', '127.0.0.1', String(primary.port))
      try {
        await expect(store.replace(key, record('after'), version)).rejects.toThrow(/READONLY/)
        await expect(store.remove(key)).rejects.toThrow(/READONLY/)
      } finally {
        await command('REPLICAOF', 'NO', 'ONE')
      }
      expect(await store.insert(id(), record('after'))).toBe(true)
    })
  })

  it('the rights that the README lists are enough, and a missing one is a clear error [F10]', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const listed = /as a test has it: `([^`]+)`/.exec(readme)![1]!.split(/\s+/)
    await command('ACL', 'SETUSER', 'app', 'on', '>secret', ...listed)
    await command('SCRIPT', 'FLUSH')
    const url = `redis://app:secret@127.0.0.1:${server.port}`
    const node = createClient({ url })
    await node.connect()
    const io = new Ioredis(url)
    for (const client of [node, io]) {
      const store = redisStore(client)
      const key = id()
      expect(await store.insert(key, record('', 'ann'))).toBe(true)
      const { version } = (await store.read(key))!
      expect(await store.replace(key, record('', 'ann'), version)).toBe('ok')
      const next = (await store.read(key))!.version
      expect(await store.touch(key, inAnHour(), next)).toBe(true)
      expect((await collect(store.scan?.())).some(entry => entry.id === key)).toBe(true)
      expect(await collect(store.scanBySubject?.('ann'))).toHaveLength(1)
      expect(await store.removeBySubject?.('ann')).toBe(1)
      const gone = id()
      await store.insert(gone, record())
      expect(await store.remove(gone)).toBe('ok')
      expect(await store.insert(id(), { ...record(), expiresAt: 1 })).toBe(true)
      await expect(redisStore(client, { prefix: 'other:' }).read(key)).rejects.toThrow(
        /NOPERM|no permission/i,
      )
    }
    await command('ACL', 'SETUSER', 'app', '-evalsha')
    await expect(redisStore(node).insert(id(), record())).rejects.toThrow(/NOPERM.*to run the/)
    node.destroy()
    io.disconnect()
  })

  it('an ioredis client with a keyPrefix of its own puts it before ours', async () => {
    await command('FLUSHALL')
    const client = new Ioredis({ port: server.port, keyPrefix: 'app*:' })
    const store = redisStore(client)
    const key = id()
    await store.insert(key, record('', 'ann'))
    expect(await command('EXISTS', `app*:sess2:${key}`)).toBe('1')
    expect(await collect(store.scan?.())).toMatchObject([{ id: key }])
    expect(await store.removeBySubject?.('ann')).toBe(1)
    client.disconnect()
  })

  it('a pool of the redis package will do', async () => {
    const pool = createClientPool({ url: server.url })
    pool.on('error', () => 'shown by the calls')
    await pool.connect()
    const store = redisStore(pool)
    const key = id()
    await store.insert(key, record('{"a":1}', 'ann'))
    expect(await store.read(key)).toMatchObject({ payload: '{"a":1}' })
    expect((await collect(store.scan?.())).some(entry => entry.id === key)).toBe(true)
    expect(await store.removeBySubject?.('ann')).toBe(1)
    pool.destroy()
  })
})
