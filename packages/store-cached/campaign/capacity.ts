/**
 * Measures what `docs/scale.md` reckons with: bytes a session in each store, and milliseconds and server operations a
 * request, through the engine, on servers that this starts.
 *
 *   pnpm campaign capacity [--sessions 100000] [--requests 20000]
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createSessions, type Store } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { sqliteStore } from '@sess/store-sql'
import { redisCommand, startPostgres, startRedis } from '@sess/test-fixtures/servers'
// @ts-expect-error: `@types/pg` is the business of those who have it.
import pg from 'pg'
import { cachedStore } from '../src/index.ts'
import { openPostgres, openRedis } from '../test/backends.ts'

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '100000' },
    requests: { type: 'string', default: '20000' },
  },
})
const count = Number(values.sessions)
const requests = Number(values.requests)
const PAYLOAD_BYTES = 200
const AT_ONCE = 32

const [redis, postgres] = await Promise.all([
  startRedis(),
  startPostgres({ config: { shared_buffers: '256MB', autovacuum: 'off' } }),
])
const [cache, database] = [await openRedis(redis.url), await openPostgres(postgres.url)]
const sql = new pg.Pool({ connectionString: postgres.url })
const dir = mkdtempSync(join(tmpdir(), 'sess-capacity-'))
try {
  await database.store().migrate()
  console.log(`${count} sessions of ${PAYLOAD_BYTES} B; ${requests} requests, ${AT_ONCE} at a time\n`)
  await bytes()
  await costs()
  await traffic()
  await updates()
} finally {
  await sql.end()
  await cache.close()
  await database.close()
  await Promise.all([redis.stop(), postgres.stop()])
  rmSync(dir, { recursive: true })
}

/** Bytes a session, without and with a subject of its own. */
async function bytes(): Promise<void> {
  console.log('bytes a session                 anonymous   with a subject')
  const row = async (name: string, measure: (subject: boolean) => Promise<number>) => {
    const plain = await measure(false)
    const owned = await measure(true)
    console.log(`${name.padEnd(32)}${plain.toFixed(0).padStart(9)}${owned.toFixed(0).padStart(17)}`)
  }
  await row('Redis, used_memory', async subject => {
    await redisCommand(redis.port, 'FLUSHALL')
    const before = await redisMemory()
    await fill(cache.store(), subject)
    return ((await redisMemory()) - before) / count
  })
  await row('Redis, MEMORY USAGE of the record', async subject => {
    const id = newId()
    await cache.store().insert(id, newRecord(subject))
    return Number(await redisCommand(redis.port, 'MEMORY', 'USAGE', `sess2:${id}`))
  })
  await row('PostgreSQL, table', subject => relation("pg_table_size('sessions')", subject))
  await row('PostgreSQL, indexes', subject => relation("pg_indexes_size('sessions')", subject))
  await row('SQLite, file', async subject => {
    const file = join(dir, `size-${subject}.db`)
    const store = sqliteStore(file, { synchronous: 'normal' })
    await fill(store, subject)
    store.close()
    return statSync(file).size / count
  })
  await row('a copy in Redis', async () => {
    await redisCommand(redis.port, 'FLUSHALL')
    const store = cachedStore({ fast: cache.store(), durable: cacheStore() })
    const before = await redisMemory()
    const ids = await fill(store, false)
    await inParallel(ids, id => store.read(id))
    return ((await redisMemory()) - before) / count
  })
  console.log()
}

async function relation(size: string, subject: boolean): Promise<number> {
  await sql.query('truncate sessions')
  const read = async () => Number((await sql.query(`select ${size} as size`)).rows[0].size)
  const before = await read()
  await fill(database.store(), subject)
  return ((await read()) - before) / count
}

/** Milliseconds and throughput of a request in one process, through the engine. */
async function costs(): Promise<void> {
  console.log('through the engine              read-only/s     p99 ms     write/s     p99 ms')
  const file = join(dir, 'cost.db')
  const stores: [string, Store][] = [
    ['lru-cache', cacheStore()],
    ['SQLite, full', sqliteStore(file)],
    ['PostgreSQL', database.store()],
    ['Redis', cache.store()],
    ['cached(lru + SQLite)', cachedStore({ fast: cacheStore(), durable: sqliteStore(file) })],
    ['cached(lru + PostgreSQL)', cachedStore({ fast: cacheStore(), durable: database.store() })],
    ['cached(Redis + PostgreSQL)', cachedStore({ fast: cache.store(), durable: database.store() })],
  ]
  for (const [name, store] of stores) {
    const sessions = createSessions<{ user: string; count: number; filler: string }>({ store })
    const cookies: string[] = []
    for (let n = 0; n < 1_000; n++) {
      const session = sessions.open()
      session.update({ user: `user-${n}`, count: 0, filler: 'x'.repeat(150) })
      await sessions.commit(session, { status: 200 })
      cookies.push(`sessionid=${session.sessionKey}`)
    }
    const request = (write: boolean) => async (n: number) => {
      const session = sessions.open(cookies[n % cookies.length])
      await session.load()
      if (session.get('user') === undefined) throw new Error('The session is gone.')
      if (write) session.update('count', (count = 0) => count + 1)
      await sessions.commit(session, { status: 200 })
    }
    // Once around, so that what is to be cached is.
    await timed(1_000, request(false))
    const read = await timed(requests, request(false))
    const write = await timed(Math.ceil(requests / 4), request(true))
    const cells = [
      read.perSecond.toFixed(0),
      read.p99.toFixed(2),
      write.perSecond.toFixed(0),
      write.p99.toFixed(2),
    ]
    console.log(name.padEnd(30) + cells.map(cell => cell.padStart(12)).join(''))
  }
}

/** What the servers count for one request. */
async function traffic(): Promise<void> {
  console.log('\na request                                   Redis in B   Redis out B   PostgreSQL WAL B')
  const row = (name: string, cells: number[]) =>
    console.log(name.padEnd(40) + cells.map(cell => cell.toFixed(0).padStart(14)).join(''))
  for (const [name, store] of [
    ['Redis', cache.store()],
    ['PostgreSQL', database.store()],
    ['cached(Redis + PostgreSQL)', cachedStore({ fast: cache.store(), durable: database.store() })],
  ] as [string, Store][]) {
    for (const subject of [false, true]) {
      const ids = Array.from({ length: 2_000 }, newId)
      await inParallel(ids, id => store.insert(id, newRecord(subject)))
      await inParallel(ids, id => store.read(id))
      const read = async (id: string) => (await store.read(id))!
      const reading = await counted(() => inParallel(ids, read), ids.length)
      const who = subject ? ', with a subject' : ''
      row(`${name}${who}: read-only`, reading)
      const writing = await counted(
        () =>
          inParallel(ids, async id => {
            const found = await read(id)
            const next = newRecord(false)
            await store.replace(
              id,
              { ...found, payload: next.payload, expiresAt: next.expiresAt },
              found.version,
            )
          }),
        ids.length,
      )
      row(`${name}${who}: write`, writing)
    }
  }
}

async function counted(work: () => Promise<void>, total: number): Promise<number[]> {
  const network = async () =>
    [
      .../total_net_(?:in|out)put_bytes:(\d+)[\s\S]*?total_net_output_bytes:(\d+)/.exec(
        await redisCommand(redis.port, 'INFO', 'stats'),
      )!,
    ]
      .slice(1)
      .map(Number)
  const wal = async () =>
    Number((await sql.query("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as bytes")).rows[0].bytes)
  // So that no full page images, of which a checkpoint makes the next writes add many, are among them.
  const [netBefore, walBefore] = [await network(), await wal()]
  await work()
  const [netAfter, walAfter] = [await network(), await wal()]
  return [...netAfter.map((bytes, n) => bytes - netBefore[n]!), walAfter - walBefore].map(
    bytes => bytes / total,
  )
}

/** What saving again and again does to the table of PostgreSQL, with a vacuum after each round. */
async function updates(): Promise<void> {
  const sessions = 10_000
  console.log(`\nPostgreSQL, ${sessions} sessions saved 5 times, vacuumed after each round`)
  console.log('fillfactor   expiry moves        HOT     table B   indexes B (a session)')
  for (const fillfactor of [100, 70]) {
    for (const moves of [true, false]) {
      await sql.query('truncate sessions')
      await sql.query(`alter table sessions set (fillfactor = ${fillfactor})`)
      await sql.query('select pg_stat_reset()')
      const store = database.store()
      const ids = Array.from({ length: sessions }, newId)
      const expiresAt = Date.now() + 1_209_600_000
      await inParallel(ids, id => store.insert(id, { ...newRecord(false), expiresAt }))
      for (let round = 0; round < 5; round++) {
        await inParallel(ids, async id => {
          const { version } = (await store.read(id))!
          const next = {
            ...newRecord(false),
            expiresAt: expiresAt + (moves ? Math.ceil(Math.random() * 1e7) : 0),
          }
          if ((await store.replace(id, next, version)) !== 'ok') throw new Error('Not replaced.')
        })
        await sql.query('vacuum sessions')
      }
      const { rows } = await sql.query(
        `select pg_stat_force_next_flush(), n_tup_hot_upd as hot, n_tup_upd as all,
                pg_table_size('sessions') as heap, pg_indexes_size('sessions') as indexes
         from pg_stat_user_tables where relname = 'sessions'`,
      )
      const { hot, all, heap, indexes } = rows[0]
      const share = `${((100 * hot) / all).toFixed(0)} %`
      const cells = [
        moves ? 'yes' : 'no',
        share,
        (heap / sessions).toFixed(0),
        (indexes / sessions).toFixed(0),
      ]
      console.log(String(fillfactor).padStart(10) + cells.map(cell => cell.padStart(12)).join(''))
    }
  }
}

async function timed(total: number, request: (n: number) => Promise<void>) {
  const times: number[] = []
  const started = performance.now()
  await inParallel(
    Array.from({ length: total }, (_, n) => n),
    async n => {
      const at = performance.now()
      await request(n)
      times.push(performance.now() - at)
    },
  )
  const seconds = (performance.now() - started) / 1000
  times.sort((a, b) => a - b)
  return { perSecond: total / seconds, p99: times[Math.floor(times.length * 0.99)]! }
}

async function fill(store: Store, subject: boolean): Promise<string[]> {
  const ids = Array.from({ length: count }, newId)
  await inParallel(ids, id => store.insert(id, newRecord(subject)))
  return ids
}

async function inParallel<T>(items: T[], work: (item: T) => unknown): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

function newId(): string {
  return randomBytes(20).toString('hex')
}

function newRecord(subject: boolean) {
  const payload = `{"x":"${randomBytes((PAYLOAD_BYTES - 8) / 2).toString('hex')}"}`
  const expiresAt = Date.now() + 1_209_600_000
  return subject
    ? { payload, expiresAt, subject: `user-${randomBytes(5).toString('hex')}` }
    : { payload, expiresAt }
}

async function redisMemory(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redisCommand(redis.port, 'INFO', 'memory'))![1])
}
