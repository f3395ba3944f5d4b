/** cached(Redis + PostgreSQL) on real servers: what it costs, several processes, a cache that is killed or frozen. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions, type Sessions, type Store } from '@sess/core'
import type { SqlStore } from '@sess/store-sql'
import {
  redisCommand,
  requireServer,
  type Server,
  startPostgres,
  startRedis,
} from '@sess/test-fixtures/servers'
// @ts-expect-error: `@types/pg` is the business of those who have it.
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CacheErrorEvent, cachedStore } from '../src/index.ts'
import { type Opened, openPostgres, openRedis } from './backends.ts'

interface Data {
  user: string
  count: number
  list: string[]
}

interface Process {
  sessions: Sessions<Data>
  errors: CacheErrorEvent['operation'][]
  fast: Opened<Store>
  durable: Opened<SqlStore>
}

const isReady = requireServer('redis') && requireServer('postgres')

describe.skipIf(!isReady)('cached(Redis + PostgreSQL)', () => {
  let redis: Server
  let postgres: Server
  let processes: [Process, Process]
  let database: { query(sql: string): Promise<{ rows: { calls: number }[] }>; end(): Promise<void> }

  async function open(): Promise<Process> {
    const [fast, durable] = [await openRedis(redis.url), await openPostgres(postgres.url)]
    const errors: CacheErrorEvent['operation'][] = []
    const onError = (_: unknown, { operation }: CacheErrorEvent) => void errors.push(operation)
    const store = cachedStore({ fast: fast.store(), durable: durable.store(), onError })
    return { sessions: createSessions<Data>({ store }), errors, fast, durable }
  }

  beforeAll(async () => {
    ;[redis, postgres] = await Promise.all([
      startRedis(),
      startPostgres({ config: { shared_preload_libraries: 'pg_stat_statements' } }),
    ])
    processes = [await open(), await open()]
    await processes[0].durable.store().migrate()
    database = new pg.Pool({ connectionString: postgres.url, max: 1 })
    await database.query('create extension pg_stat_statements')
  })
  afterAll(async () => {
    await database?.end()
    for (const { fast, durable } of processes ?? []) {
      await fast.close()
      await durable.close()
    }
    await Promise.all([redis?.stop(), postgres?.stop()])
  })

  /** A browser that has logged in. */
  async function login({ sessions }: Process): Promise<string> {
    const session = sessions.open()
    session.update({ user: 'ann', count: 0 })
    session.subject = `user-${session.sessionKey}`
    await sessions.commit(session, { status: 200 })
    return `sessionid=${session.sessionKey}`
  }
  async function userOf({ sessions }: Process, cookie: string): Promise<string | undefined> {
    const session = sessions.open(cookie)
    await session.load()
    const user = session.get('user')
    await sessions.commit(session, { status: 200 })
    return user
  }
  async function increment({ sessions }: Process, cookie: string): Promise<void> {
    const session = sessions.open(cookie)
    await session.load()
    session.update('count', (count = 0) => count + 1)
    await sessions.commit(session, { status: 200 })
  }
  async function logout({ sessions }: Process, cookie: string): Promise<void> {
    const session = sessions.open(cookie)
    await session.load()
    session.flush()
    await sessions.commit(session, { status: 200 })
  }

  describe('round trips, counted by the servers', () => {
    async function cost(call: () => Promise<unknown>) {
      await redisCommand(redis.port, 'CONFIG', 'RESETSTAT')
      const before = await statements()
      await call()
      const after = await statements()
      const counted: Record<string, number> = {}
      const stats = await redisCommand(redis.port, 'INFO', 'commandstats')
      for (const [, name, calls] of stats.matchAll(/cmdstat_(get|evalsha|eval):calls=(\d+)/g)) {
        counted[name!] = Number(calls)
      }
      return { redis: counted, postgres: after - before }
    }
    async function statements(): Promise<number> {
      const { rows } = await database.query(
        `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements where query like '%"sessions"%'`,
      )
      return rows[0]!.calls
    }

    let cookie: string
    beforeEach(async () => {
      // Each script once, so that Redis knows them; and the copy is there.
      cookie = await login(processes[0])
      await userOf(processes[0], cookie)
      await increment(processes[0], cookie)
      await userOf(processes[0], cookie)
    })

    it('a request that only reads: one GET, and nothing of PostgreSQL', async () => {
      expect(await cost(() => userOf(processes[0], cookie))).toEqual({ redis: { get: 1 }, postgres: 0 })
      expect(await cost(() => userOf(processes[1], cookie))).toEqual({ redis: { get: 1 }, postgres: 0 })
    })

    it('the first one after a change: one statement behind, and a copy of what it found', async () => {
      await increment(processes[0], cookie)
      expect(await cost(() => userOf(processes[0], cookie))).toEqual({
        redis: { get: 1, evalsha: 1 },
        postgres: 1,
      })
    })

    it('a request that writes: one statement behind, and a tombstone in the place of the copy', async () => {
      expect(await cost(() => increment(processes[0], cookie))).toEqual({
        redis: { get: 2, evalsha: 1 },
        postgres: 1,
      })
    })

    it('a request without a cookie, and one that leaves the session alone: none', async () => {
      const nothing = { redis: {}, postgres: 0 }
      expect(await cost(() => userOf(processes[0], ''))).toEqual(nothing)
    })
  })

  it('4 processes append 20 times each to one session: 0 lost, each seen at once [F16, I6]', async () => {
    const cookie = await login(processes[0])
    const session = processes[0].sessions.open(cookie)
    await session.load()
    session.set('list', [])
    await processes[0].sessions.commit(session, { status: 200 })
    const names = ['a', 'b', 'c', 'd']
    await Promise.all(names.map(name => appender(redis.url, postgres.url, cookie, name, '20')))
    const reader = processes[1].sessions.open(cookie)
    await reader.load()
    const expected = names.flatMap(name => Array.from({ length: 20 }, (_, n) => `${name}-${n}`))
    expect(reader.get('list')!.toSorted()).toEqual(expected.toSorted())
  }, 60_000)

  it('100 logouts amid reads and saves of two processes: none is revived [C1, F19]', async () => {
    for (let round = 0; round < 100; round++) {
      const [here, there] = round % 2 ? processes : ([processes[1], processes[0]] as const)
      const cookie = await login(here)
      const noise = Promise.allSettled([
        userOf(here, cookie),
        userOf(there, cookie),
        increment(there, cookie),
        userOf(there, cookie),
      ])
      await logout(here, cookie)
      const seen = [await userOf(here, cookie), await userOf(there, cookie)]
      await noise
      seen.push(await userOf(here, cookie), await userOf(there, cookie))
      expect(seen).toEqual([undefined, undefined, undefined, undefined])
    }
  }, 60_000)

  describe.each([
    ['killed', 'SIGKILL', () => redis.restart()],
    ['frozen', 'SIGSTOP', () => redis.kill('SIGCONT')],
  ] as const)('the cache is %s under load [F20]', (_, signal, heal) => {
    it('requests are slower and not down, removals are errors, no save is lost, and it recovers by itself', async () => {
      const [here, there] = processes
      const cookies = await Promise.all(Array.from({ length: 12 }, () => login(here)))
      const saved = new Map(cookies.map(cookie => [cookie, 0]))
      const slowest = { ms: 0 }
      let requests = 0
      let running = true
      const load = cookies.map(async (cookie, n) => {
        while (running) {
          const started = performance.now()
          await increment(n % 2 ? here : there, cookie)
          saved.set(cookie, saved.get(cookie)! + 1)
          expect(await userOf(n % 2 ? here : there, cookie)).toBe('ann')
          slowest.ms = Math.max(slowest.ms, performance.now() - started)
          requests += 2
        }
      })
      const failed = Promise.all(load)
      failed.catch(() => {
        running = false
      })
      const doomed = await login(here)
      await userOf(there, doomed)
      await expect.poll(() => requests, { timeout: 10_000 }).toBeGreaterThan(200)

      await redis.kill(signal)
      const before = requests
      await expect(logout(here, doomed)).rejects.toMatchObject({ code: 'SESSION_STORE', status: 503 })
      // Done all the same, and nobody believes otherwise while the cache is away.
      expect(await userOf(there, doomed)).toBeUndefined()
      await expect.poll(() => requests - before, { timeout: 10_000 }).toBeGreaterThan(24)
      expect(here.errors).toContain('invalidate')

      await heal()
      // Pending invalidations reach the cache within about a second after it is back.
      await sleep(2_500)
      expect(await userOf(there, doomed)).toBeUndefined()
      const recovered = requests
      await expect.poll(() => requests - recovered, { timeout: 5_000 }).toBeGreaterThan(100)
      running = false
      await failed
      console.info(
        `cache ${signal}: ${requests} requests, none failed; the slowest pair took ${Math.round(slowest.ms)} ms`,
      )
      // A read and a save may each wait for the cache before they do without it, and the save's own read besides.
      expect(slowest.ms).toBeLessThan(4_000)
      for (const [cookie, count] of saved) {
        const reader = there.sessions.open(cookie)
        await reader.load()
        expect(reader.get('count')).toBe(count)
      }
    }, 60_000)
  })

  it('a process that stood still uses the results that arrived meanwhile, although the time is up', async () => {
    const { fast, durable } = processes[0]
    const told: string[] = []
    const store = cachedStore({
      fast: fast.store(),
      durable: durable.store(),
      timeout: 150,
      onError: (_, { operation }) => void told.push(operation),
    })
    const id = randomBytes(20).toString('hex')
    await store.insert(id, { payload: 'there', expiresAt: Date.now() + 60_000 })
    const standStill = async (server: Server, call: () => unknown) => {
      await server.kill('SIGSTOP')
      await sleep(50)
      const answer = call()
      await sleep(50)
      const resumed = server.kill('SIGCONT')
      const ends = performance.now() + 400
      while (performance.now() < ends);
      await resumed
      return await answer
    }
    const read = () => store.read(id, { signal: AbortSignal.timeout(150) })
    // From the durable store, which puts a copy into the fast one, and from there.
    expect(await standStill(postgres, read)).toMatchObject({ payload: 'there' })
    expect(await store.read(id)).toMatchObject({ payload: 'there' })
    expect(await standStill(redis, read)).toMatchObject({ payload: 'there' })
    expect(await standStill(redis, () => store.read(id))).toMatchObject({ payload: 'there' })
    expect(told).toEqual([])
  })

  it('the database is killed: what is copied is read on, the rest is an error, never "no session" [F1]', async () => {
    const [here] = processes
    const [copied, other] = [await login(here), await login(here)]
    await userOf(here, copied)
    await postgres.kill('SIGKILL')
    try {
      expect(await userOf(here, copied)).toBe('ann')
      await expect(userOf(here, other)).rejects.toMatchObject({ code: 'SESSION_STORE' })
      await expect(increment(here, copied)).rejects.toMatchObject({ code: 'SESSION_STORE' })
      await expect(logout(here, copied)).rejects.toMatchObject({ code: 'SESSION_STORE' })
    } finally {
      await postgres.restart()
    }
    await expect.poll(() => userOf(here, other).catch(() => 'down'), { timeout: 5_000 }).toBe('ann')
  }, 30_000)
})

function appender(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [new URL('./appender.ts', import.meta.url).pathname, ...args])
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => (code === 0 ? resolve() : reject(new Error(output))))
  })
}
