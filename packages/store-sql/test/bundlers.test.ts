/** An application without the drivers of other databases can be bundled, and the bundle runs [issue 11, 9]. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requireServer, type Server, startRedis } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundlers, EVERY_APP, installStores, run, SQLITE_APP } from './bundled-app.ts'

/** Without a `node_modules` above it. */
const folder = mkdtempSync(join(tmpdir(), 'sess-bundled-'))
let redis: Server | undefined

beforeAll(async () => {
  await installStores(folder)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'sqlite.mjs'), SQLITE_APP)
  writeFileSync(join(folder, 'every.mjs'), EVERY_APP)
  if (requireServer('redis')) redis = await startRedis()
})
afterAll(async () => {
  await redis?.stop()
  rmSync(folder, { recursive: true })
})

const missing = (name: string) => expect.stringContaining(`Run \`npm install ${name}\``)

describe.each(Object.entries(bundlers))('%s', (_, bundle) => {
  test('builds an application with SQLite alone', async () => {
    expect(await run(await bundle(folder, 'sqlite.mjs'))).toEqual({ sqlite: 'kept' })
  })

  test('builds an application with every store, and what lacks its driver says so', async () => {
    expect(await run(await bundle(folder, 'every.mjs'), folder, redis?.url ?? '')).toEqual({
      cache: 'kept',
      cached: 'kept',
      cookie: 'kept',
      file: 'kept',
      sqlite: 'kept',
      ...(redis && { redis: 'kept' }),
      mysql: missing('mysql2'),
      postgres: missing('pg'),
    })
  })
})
