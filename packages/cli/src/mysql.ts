import type mysql2 from 'mysql2/promise'
import { importDriver } from './driver.ts'
import type { Query } from './sql.ts'

export async function openMysql(url: string, cwd: string): Promise<{ query: Query; close(): Promise<void> }> {
  const { createConnection } = await importDriver<typeof mysql2>('mysql2/promise', cwd, 'mysql2')
  const connection = await createConnection({
    uri: url.replace(/^mariadb:/i, 'mysql:'),
    charset: 'utf8mb4',
    connectTimeout: 5_000,
  })
  connection.on('error', () => undefined)
  // Cutting a value to fit the column is then an error, as in a pool of the store's own.
  await connection.query(
    "set session sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES'), session autocommit = 1",
  )
  return {
    async query(sql, parameters = []) {
      const [result] = await connection.execute({ sql, rowsAsArray: false }, parameters as never)
      if (Array.isArray(result)) return { rows: result as Record<string, unknown>[], changes: 0 }
      return { rows: [], changes: result.affectedRows }
    },
    close: () => connection.end(),
  }
}
