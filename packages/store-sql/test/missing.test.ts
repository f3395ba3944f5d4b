/** The errors for a newcomer who has not installed everything, in real processes without a driver. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** Without a `node_modules` in it or above it. */
const folder = mkdtempSync(join(tmpdir(), 'sess-missing-'))
afterAll(() => rmSync(folder, { recursive: true }))

beforeAll(async () => {
  for (const [format, name] of [
    ['esm', 'store.mjs'],
    ['cjs', 'store.cjs'],
  ] as const) {
    await build({
      entryPoints: [join(import.meta.dirname, '../src/index.ts')],
      outfile: join(folder, name),
      bundle: true,
      platform: 'node',
      format,
      external: ['pg', 'mysql2'],
      logLevel: 'error',
    })
  }
})

/** Runs the code in the folder and returns the error that it throws. */
async function told(code: string, flags: string[] = []): Promise<Record<string, unknown>> {
  const program = `let error\ntry {\n${code}\n} catch (thrown) { error = thrown }
    const { code: why, option, message, cause } = error ?? {}
    console.log(JSON.stringify({ code: why, option, message, cause: cause && { code: cause.code, message: cause.message } }))`
  const args = [...flags, '--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder })
  return JSON.parse(stdout) as Record<string, unknown>
}

test.each([
  ['store.mjs', 'pg', `postgresStore('postgres://nobody@127.0.0.1:1/none')`],
  ['store.cjs', 'pg', `postgresStore('postgres://nobody@127.0.0.1:1/none')`],
  ['store.mjs', 'mysql2', `mysqlStore('mysql://nobody@127.0.0.1:1/none')`],
  ['store.cjs', 'mysql2', `mysqlStore('mysql://nobody@127.0.0.1:1/none')`],
])('%s without %s names the package and the command, and closes', async (file, name, store) => {
  const head = `const { mysqlStore, postgresStore } = await import('./${file}')\nconst store = ${store}`
  const missing = {
    code: 'SESSION_STORE',
    message: `A URL needs the package ${name}, which is not installed. Run \`npm install ${name}\`.`,
    cause: { code: 'ERR_MODULE_NOT_FOUND', message: expect.stringContaining(`'${name}'`) },
  }
  expect(await told(`${head}\nawait store.migrate()`)).toEqual(missing)
  expect(await told(`${head}\nawait store.read('${'a'.repeat(40)}')`)).toEqual(missing)
  const afterwards = `await store.migrate().catch(() => {})\nawait store.close()`
  expect(await told(`${head}\n${afterwards}`)).toEqual({})
})

test('a file name without node:sqlite names Node 22.13 and better-sqlite3, and makes no file', async () => {
  const open = `const { sqliteStore } = await import('./store.mjs')\nsqliteStore('sessions.db')`
  expect(await told(open, ['--no-experimental-sqlite'])).toEqual({
    code: 'CONFIG',
    option: 'database',
    message: expect.stringMatching(
      /^database: a file name needs node:sqlite, .* Node 22\.13 or newer, or `npm install better-sqlite3`/,
    ),
  })
  expect(existsSync(join(folder, 'sessions.db'))).toBe(false)
})

test('a database that was handed in needs no node:sqlite', async () => {
  const given = `const { sqliteStore } = await import('./store.mjs')
    sqliteStore({ exec() {}, close() {}, prepare: () => ({ all: () => [], run: () => ({ changes: 0 }) }) })`
  expect(await told(given, ['--no-experimental-sqlite'])).toEqual({})
})
