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
  return {
    async query(sql, parameters = []) {
      const { rows, rowCount } = await client.query(sql, parameters as unknown[])
      return { rows, changes: rowCount ?? 0 }
    },
    close: () => client.end(),
  }
}
