import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { memoryStore } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import type { Store, StoredRecord } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { type SqlStore, sqliteStore } from '@sess/store-sql'
import { describeOtherWay } from '@sess/test-fixtures/other-way.ts'
import { requireServer, type Server, startPostgres, startRedis } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe } from 'vitest'
import { cachedStore } from '../src/index.ts'
import { type Opened, openPostgres, openRedis } from './backends.ts'

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

describeStore('cached(lru + SQLite)', () => {
  const { file, remove, breakBackend, healBackend } = sqliteFile()
  const fast = cacheStore()
  const [store, second] = [sqliteStore(file), sqliteStore(file)].map(durable =>
    cachedStore({ fast, durable }),
  ) as [Store, Store]
  return {
    store,
    second,
    async breakBackend() {
      breakBackend()
      // What is in memory would go on being answered, rightly.
      for await (const { id } of fast.scan()) fast.remove(id)
    },
    healBackend,
    async cleanup() {
      await store.close?.()
      await second.close?.()
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

  describeOtherWay(
    'cached(Redis + PostgreSQL)',
    () => {
      const [store, second] = processes.map(({ fast, durable }) =>
        cachedStore({ fast: fast.store(), durable: durable.store() }),
      ) as [Store, Store]
      return {
        store,
        second,
        // An outage of both: the cache alone would make nothing fail, and has tests of its own.
        breakBackend: async () => void (await Promise.all([redis.kill('SIGKILL'), postgres.kill('SIGKILL')])),
        healBackend: async () => void (await Promise.all([redis.restart(), postgres.restart()])),
      }
    },
    { callTimeout: 3_000 },
  )
})
