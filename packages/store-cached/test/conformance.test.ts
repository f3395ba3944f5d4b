import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type CuttableProxy, cuttable, memoryStore } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import type { Store, StoredRecord } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { type SqlStore, sqliteStore } from '@sess/store-sql'
import { describeOtherWay, moduleOfToday } from '@sess/test-fixtures/other-way.ts'
import { type ProcessLimits, processLimits } from '@sess/test-fixtures/process-limits.ts'
import { requireServer, type Server, startPostgres, startRedis } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe } from 'vitest'
import { cachedStore } from '../src/index.ts'
import { type Opened, openPostgres, openRedis } from './backends.ts'

const module = new URL('./process.ts', import.meta.url).href

/** SQLite in a file, whose outage is that its table is gone. */
function sqliteFile() {
  const dir = mkdtempSync(join(tmpdir(), 'sess-cached-'))
  const file = join(dir, 'sessions.db')
  const alter = (sql: string) => {
    const db = new DatabaseSync(file)
    db.exec(sql)
    db.close()
  }
  return {
    file,
    breakBackend: () => alter('alter table sessions rename to away'),
    healBackend: () => alter('alter table away rename to sessions'),
    remove: () => rmSync(dir, { recursive: true }),
  }
}

let limits: ProcessLimits | undefined
beforeAll(() => {
  limits = processLimits()
})
afterAll(() => limits?.close())

describeStore('cached(lru + SQLite)', () => {
  const { file, remove, breakBackend, healBackend } = sqliteFile()
  const fast = cacheStore()
  // In the test's hand, so that it can make them read-only.
  const databases = [0, 1].map(() => new DatabaseSync(file, { timeout: 5 }))
  for (const db of databases) db.exec('pragma journal_mode = wal')
  const [store, second] = databases.map(db => cachedStore({ fast, durable: sqliteStore(db) })) as [
    Store,
    Store,
  ]
  const setReadOnly = (value: 'on' | 'off') => {
    for (const db of databases) db.exec(`pragma query_only = ${value}`)
  }
  let isAway = false
  return {
    store,
    second,
    // Errors of the durable store alone: without the cache nothing fails, and copies are at most `maxStale` old.
    async fail(kind) {
      if (kind === 'read-only') return setReadOnly('on')
      if (kind === 'out-of-memory' && limits) return await limits.noRoom()
      return false
    },
    async breakBackend() {
      isAway = true
      breakBackend()
      // What is in memory would go on being answered, rightly.
      for await (const { id } of fast.scan()) fast.remove(id)
    },
    async healBackend() {
      setReadOnly('off')
      await limits?.lift()
      if (isAway) healBackend()
      isAway = false
    },
    async cleanup() {
      for (const db of databases) db.close()
      remove()
    },
  }
})

/** Memory in which an expired record keeps its id until it is cleared away, as in SQL stores. */
function untidyStore(): Store {
  const records = new Map<string, StoredRecord>()
  const memory = memoryStore(records)
  return {
    ...memory,
    insert: (id, record, context) => !records.has(id) && memory.insert(id, record, context),
  }
}

describeOtherWay('cached(memory that keeps expired ids + memory)', () => {
  const [fast, durable] = [untidyStore(), memoryStore()]
  const open = () => cachedStore({ fast, durable, maxStale: 1 })
  return { store: open(), second: open() }
})

const servers = requireServer('redis') && requireServer('postgres')

describe.skipIf(!servers)('on real servers', () => {
  let redis: Server
  let postgres: Server
  let processes: { fast: Opened<Store>; durable: Opened<SqlStore> }[]
  beforeAll(async () => {
    ;[redis, postgres] = await Promise.all([startRedis(), startPostgres()])
    const open = async () => ({
      fast: await openRedis(redis.url),
      durable: await openPostgres(postgres.url),
    })
    processes = [await open(), await open()]
    await processes[0]!.durable.store().migrate()
  })
  afterAll(async () => {
    for (const { fast, durable } of processes) {
      await fast.close()
      await durable.close()
    }
    await Promise.all([redis.stop(), postgres.stop()])
  })

  const kill = async (signal: NodeJS.Signals) =>
    void (await Promise.all([redis.kill(signal), postgres.kill(signal)]))
  const restart = async () => void (await Promise.all([redis.restart(), postgres.restart()]))

  describeOtherWay(
    'cached(Redis + PostgreSQL)',
    () => {
      const [store, second] = processes.map(({ fast, durable }) =>
        cachedStore({ fast: fast.store(), durable: durable.store() }),
      ) as [Store, Store]
      return {
        store,
        second,
        module: moduleOfToday('cached', {
          path: module,
          argument: { redis: redis.url, postgres: postgres.url },
        }),
        async restartBackend() {
          await kill('SIGKILL')
          await restart()
        },
        freezeBackend: () => kill('SIGSTOP'),
        thawBackend: () => kill('SIGCONT'),
        // An outage of both: the cache alone would make nothing fail, and has tests of its own.
        breakBackend: () => kill('SIGKILL'),
        healBackend: restart,
      }
    },
    { callTimeout: 3_000 },
  )

  describe('behind a proxy', () => {
    let proxy: CuttableProxy
    let behind: Opened<SqlStore>
    beforeAll(async () => {
      proxy = await cuttable(postgres.port)
      behind = await openPostgres(postgres.url.replace(`${postgres.port}`, `${proxy.port}`))
    })
    afterAll(async () => {
      await behind.close()
      await proxy.close()
    })

    describeStore(
      'cached(Redis + PostgreSQL), replies of PostgreSQL lost',
      () => {
        const [one, two] = processes as [(typeof processes)[0], (typeof processes)[0]]
        return {
          store: cachedStore({ fast: one.fast.store(), durable: behind.store() }),
          second: cachedStore({ fast: two.fast.store(), durable: two.durable.store() }),
          loseAnswer: proxy.loseAnswer,
        }
      },
      { callTimeout: 2_000, filter: /^store\/lost-/ },
    )
  })
})
