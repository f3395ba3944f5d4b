import type pg from 'pg'
import { importDriver } from './driver.ts'
import type { Query } from './sql.ts'

export async function openPostgres(
  url: string,
  cwd: string,
): Promise<{ query: Query; close(): Promise<void> }> {
  const { Client } = await importDriver<typeof pg>('pg', cwd)
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, keepAlive: true })
  // The query that was under way rejects, too.
  client.on('error', () => undefined)
  await client.connect()
  let last: Promise<unknown> = Promise.resolve()
  return {
    async query(sql, parameters = []) {
      // One connection has one query at a time: pg 9 will no longer queue them.
      const mine = last.then(() => client.query(sql, parameters as unknown[]))
      last = mine.catch(() => undefined)
      const { rows, rowCount } = await mine
      return { rows, changes: rowCount ?? 0 }
    },
    close: () => client.end(),
  }
}
