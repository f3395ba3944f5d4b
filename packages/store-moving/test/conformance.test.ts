import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { breakable, type CuttableProxy, cuttable, memoryStore, type StoreFactory } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import type { Store } from '@sess/core'
import { redisStore } from '@sess/store-redis'
import { sqliteStore } from '@sess/store-sql'
import { isToday, moduleOfToday } from '@sess/test-fixtures/other-way.ts'
import { type ProcessLimits, processLimits } from '@sess/test-fixtures/process-limits.ts'
import { requireServer, type Server, startRedis } from '@sess/test-fixtures/servers'
import { redisTrouble } from '@sess/test-fixtures/servers/redis-trouble.ts'
import type { Trouble } from '@sess/test-fixtures/servers/trouble.ts'
import { sqliteTrouble } from '@sess/test-fixtures/sqlite-trouble.ts'
import { createClient, type RedisClientType } from 'redis'
import { afterAll, beforeAll, describe } from 'vitest'
import { movingStore } from '../src/index.ts'

const module = new URL('./process.ts', import.meta.url).href

// A machine that crashes would lose sessions. These are of nobody.
function openSqlite(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 5_000 })
  db.exec('pragma journal_mode = wal; pragma synchronous = off')
  return db
}

describeStore('moving(SQLite to memory)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sess-moving-'))
  const file = join(folder, 'sessions.db')
  const { client: to, fail, heal } = breakable(memoryStore())
  const databases = [openSqlite(file), openSqlite(file), openSqlite(file)] as const
  const [store, second] = [databases[0], databases[1]].map(db =>
    movingStore({ from: sqliteStore(db), to }),
  ) as [Store, Store]
  const alter = (sql: string) => databases[2].exec(sql)
  return {
    store,
    second,
    breakBackend() {
      fail()
      alter('alter table sessions rename to away')
    },
    healBackend() {
      heal()
      alter('alter table away rename to sessions')
    },
    async cleanup() {
      for (const db of databases) db.close()
      rmSync(folder, { recursive: true })
    },
  }
})

describe.skipIf(!requireServer('redis'))('moving(SQLite to Redis)', () => {
  let server: Server
  let proxy: CuttableProxy
  let redis: Trouble
  let limits: ProcessLimits | undefined
  let clients: { redis: RedisClientType; close(): void }[]
  beforeAll(async () => {
    limits = processLimits()
    server = await startRedis({ config: { 'enable-debug-command': 'yes' } })
    proxy = await cuttable(server.port)
    redis = await redisTrouble(server, proxy)
    clients = await Promise.all([proxy.port, server.port].map(openRedis))
  })
  afterAll(async () => {
    for (const { close } of clients) close()
    await redis.close()
    await proxy.close()
    await server.stop()
    await limits?.close()
  })

  function backend() {
    const folder = mkdtempSync(join(tmpdir(), 'sess-moving-'))
    // Of this case alone, as the file is.
    const prefix = `${randomUUID()}:`
    const file = join(folder, 'sessions.db')
    const databases = [openSqlite(file), openSqlite(file)]
    const [store, second] = databases.map((db, n) =>
      movingStore({ from: sqliteStore(db), to: redisStore(clients[n]!.redis, { prefix }) }),
    ) as [Store, Store]
    return {
      store,
      second,
      module: moduleOfToday('moving', { path: module, argument: { file, url: server.url, prefix } }),
      trouble: sqliteTrouble(databases, limits),
      cleanup() {
        for (const db of databases) db.close()
        rmSync(folder, { recursive: true })
      },
    }
  }

  describeStore(
    'two processes at once',
    () => {
      const { trouble: _, ...setup } = backend()
      return setup
    },
    { filter: 'store/random-programs' },
  )

  const options = { callTimeout: 2_000, filter: /^store\/(lost|fails|process|rejected)-/ }
  const describeToday = (store: 'the new store' | 'the old store', factory: StoreFactory) => {
    if (isToday('stores in trouble', store)) describeStore(`${store} in trouble`, factory, options)
  }
  describeToday('the new store', () => {
    const { trouble: _, ...setup } = backend()
    return { ...setup, loseAnswer: proxy.loseAnswer, fail: redis.fail, healBackend: redis.heal }
  })
  describeToday('the old store', () => {
    const { trouble, ...setup } = backend()
    return { ...setup, ...trouble }
  })
})

async function openRedis(port: number) {
  const redis: RedisClientType = createClient({
    url: `redis://127.0.0.1:${port}`,
    socket: { reconnectStrategy: 30 },
  })
  // It says so each time it is disconnected, as it is here on purpose.
  redis.on('error', () => undefined)
  await redis.connect()
  return { redis, close: () => redis.destroy() }
}
