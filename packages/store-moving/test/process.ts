// The conformance cases open this store in a second process.
import { DatabaseSync } from 'node:sqlite'
import { redisStore } from '@sess/store-redis'
import { sqliteStore } from '@sess/store-sql'
import { createClient } from 'redis'
import { movingStore } from '../src/index.ts'

export default async function open({ file, url, prefix }: { file: string; url: string; prefix: string }) {
  const client = createClient({ url })
  await client.connect()
  const db = new DatabaseSync(file, { timeout: 5 })
  db.exec('pragma synchronous = off')
  return movingStore({ from: sqliteStore(db), to: redisStore(client, { prefix }) })
}
