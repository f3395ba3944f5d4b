/** Bundlers build an application without the drivers of other databases [issue 11, 9]. Long form: `pnpm campaign bundlers`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundlers, installStores, run, SQL_APP } from './bundled-app.ts'

/** Without a `node_modules` above it. */
const folder = mkdtempSync(join(tmpdir(), 'sess-bundled-'))
afterAll(() => rmSync(folder, { recursive: true }))

beforeAll(async () => {
  await installStores(folder, ['store-sql'])
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'app.mjs'), SQL_APP)
})

test.each(Object.entries(bundlers))(
  '%s builds an application, and a store without its driver says what to install',
  async (_, bundle) => {
    expect(await run(await bundle(folder, 'app.mjs'))).toEqual({
      sqlite: 'kept',
      mysql: expect.stringContaining('Run `npm install mysql2`'),
      postgres: expect.stringContaining('Run `npm install pg`'),
    })
  },
)
