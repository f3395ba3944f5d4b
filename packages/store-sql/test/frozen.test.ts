/** A server that stops answering and keeps its connections: calls are given up, and must not pile up in the pool [C11]. */
import { requireServer, startMariadb, startPostgres } from '@sess/test-fixtures/servers'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { describe, test } from 'vitest'
import { mysqlStore, postgresStore, type SqlStore } from '../src/index.ts'

interface Place {
  store: SqlStore
  /** Calls that the pool has not given a connection yet. */
  waiting(): number
  end(): Promise<void>
}

const places = {
  mysql(url: string): Place {
    const pool = mysql.createPool({ uri: url, connectTimeout: 60_000 })
    const queue = (pool as unknown as { pool: { _connectionQueue: { length: number } } }).pool
    return { store: mysqlStore(pool), waiting: () => queue._connectionQueue.length, end: () => pool.end() }
  },
  postgres(url: string): Place {
    const pool = new pg.Pool({ connectionString: url })
    pool.on('error', () => undefined)
    pool.on('connect', client => client.on('error', () => undefined))
    return { store: postgresStore(pool), waiting: () => pool.waitingCount, end: () => pool.end() }
  },
}

describe.concurrent.each([
  ['mysql', startMariadb],
  ['postgres', startPostgres],
] as const)('%s', (name, start) => {
  test.skipIf(!requireServer(name === 'mysql' ? 'mariadb' : name))(
    'no more than 1,000 given-up calls wait for a connection of a frozen server',
    async ({ expect }) => {
      await using server = await start()
      const { store, waiting, end } = places[name](server.url)
      await store.migrate()
      const ids = Array.from({ length: 1_500 }, (_, n) => n.toString(16).padStart(40, '0'))
      const read = (id: string, ms: number) =>
        store.read(id, { now: Date.now(), signal: AbortSignal.timeout(ms) })
      await server.kill('SIGSTOP')
      for (let n = 0; n < ids.length; n += 100) {
        const wave = await Promise.allSettled(ids.slice(n, n + 100).map(id => read(id, 20)))
        expect(wave.every(({ status }) => status === 'rejected')).toBe(true)
      }
      expect(waiting()).toBeLessThanOrEqual(1_100)
      await expect(read(ids[0]!, 20)).rejects.toThrow('No connection of the pool came free')
      await server.kill('SIGCONT')
      await expect.poll(() => read(ids[0]!, 500), { timeout: 10_000 }).toBe(null)
      await expect.poll(waiting, { timeout: 10_000 }).toBe(0)
      await end()
    },
  )
})
