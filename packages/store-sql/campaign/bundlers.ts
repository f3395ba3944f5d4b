// Builds an application of every store with each bundler, and runs it: `pnpm campaign bundlers`. The drivers of MySQL and
// PostgreSQL are not installed.
import { deepEqual } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis } from '@sess/test-fixtures/servers'
import { bundlers, installStores, roundTrip, run } from '../test/bundled-app.ts'

const STORES = ['store-cache', 'store-cached', 'store-cookie', 'store-file', 'store-redis', 'store-sql']

const APP = `import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { createSessions } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { cachedStore } from '@sess/store-cached'
import { encryptedCookieStore } from '@sess/store-cookie'
import { fileStore } from '@sess/store-file'
import { redisStore } from '@sess/store-redis'
import { mysqlStore } from '@sess/store-sql/mysql'
import { postgresStore } from '@sess/store-sql/postgres'
import { sqliteStore } from '@sess/store-sql/sqlite'
import { createClient } from 'redis'
${roundTrip()}
const [folder, redisUrl] = process.argv.slice(2)
const client = await createClient({ url: redisUrl }).connect()
const words = {
  cache: await attempt({ store: cacheStore() }),
  cached: await attempt({ store: cachedStore({ fast: cacheStore(), durable: sqliteStore(':memory:') }) }),
  cookie: await attempt({ store: encryptedCookieStore(), secret: '0123456789abcdefghijklmnopqrstuv' }),
  file: await attempt({ store: fileStore(mkdtempSync(join(folder, 'sessions-'))) }),
  redis: await attempt({ store: redisStore(client) }),
  sqlite: await attempt({ store: sqliteStore(':memory:') }),
  mysql: await attempt({ store: mysqlStore('mysql://root@127.0.0.1:1/none') }),
  postgres: await attempt({ store: postgresStore('postgres://postgres@127.0.0.1:1/none') }),
}
client.destroy()
console.log(JSON.stringify(words))
`

const missing = (name: string) =>
  `A URL needs the package ${name}, which is not installed. Run \`npm install ${name}\`.`

const folder = mkdtempSync(join(tmpdir(), 'sess-bundled-'))
const redis = await startRedis()
try {
  await installStores(folder, STORES)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'app.mjs'), APP)
  for (const [name, bundle] of Object.entries(bundlers)) {
    const kept = ['cache', 'cached', 'cookie', 'file', 'redis', 'sqlite'].map(store => [store, 'kept'])
    deepEqual(await run(await bundle(folder, 'app.mjs'), folder, redis.url), {
      ...Object.fromEntries(kept),
      mysql: missing('mysql2'),
      postgres: missing('pg'),
    })
    console.log(`${name}: every store works, and those without their driver say so.`)
  }
} finally {
  await redis.stop()
  rmSync(folder, { recursive: true })
}
