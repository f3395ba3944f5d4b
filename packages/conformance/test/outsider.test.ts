import { execFile } from 'node:child_process'
import { mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installRuntimes, runtimeBinary } from '@sess/test-fixtures/runtimes.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build } from '../../../scripts/build.ts'
import { publicPackages, readManifest, root } from '../../../scripts/workspace.ts'

// Somebody who has the published packages and nothing of this repository proves a store of hers.

const run = promisify(execFile)
let folder: string

/** What she runs of the suite: that every store passes it, others show. Her store has no scan(). */
const SOME = 'store/(re|scan)'

/** Her store, with another mistake or none: `version` is not compared. */
const store = (mistake = 'record.version !== version') => `
function myStore() {
  const records = new Map()
  let versions = 0
  const live = (id, context) => {
    const record = records.get(id)
    return record && record.expiresAt > (context?.now ?? Date.now()) ? record : undefined
  }
  const put = (id, { payload, expiresAt, subject }) =>
    void records.set(id, { payload, expiresAt, ...(subject === undefined ? {} : { subject }), version: 'v' + ++versions })
  return {
    async read(id, context) {
      const record = live(id, context)
      return record ? { ...record } : null
    },
    async insert(id, record, context) {
      if (live(id, context)) return false
      put(id, record)
      return true
    },
    async replace(id, next, version, context) {
      const record = live(id, context)
      if (!record) return 'gone'
      if (${mistake}) return 'stale'
      put(id, next)
      return 'ok'
    },
    async touch(id, expiresAt, version, context) {
      const record = live(id, context)
      if (record?.version !== version) return false
      records.set(id, { ...record, expiresAt })
      return true
    },
    async remove(id, version, context) {
      const record = live(id, context)
      if (!record) return 'gone'
      if (version !== undefined && record.version !== version) return 'stale'
      records.delete(id)
      return 'ok'
    },
  }
}
`

const plain = `
runStoreCases(() => ({ store: myStore() }), { filter: new RegExp('${SOME}') }).then(report => {
  console.log(formatReport(report))
  process.exitCode = report.ok ? 0 : 1
})
`

const files: Record<string, string> = {
  'store.mjs': `${store()}\nexport default myStore`,
  'store.cjs': `${store()}\nmodule.exports = myStore`,
  'broken.cjs': `${store('false')}\nmodule.exports = { factory: myStore }`,
  'plain.mjs': `import { formatReport, runStoreCases } from '@sess/conformance'\nimport myStore from './store.mjs'\n${plain}`,
  'plain.cjs': `const { formatReport, runStoreCases } = require('@sess/conformance')\nconst myStore = require('./store.cjs')\n${plain}`,
  'esm.node.mjs': `import { describeStore } from '@sess/conformance/node-test'\nimport myStore from './store.mjs'\ndescribeStore('hers', () => ({ store: myStore() }))`,
  'cjs.node.cjs': `const { describeStore } = require('@sess/conformance/node-test')\nconst myStore = require('./store.cjs')\ndescribeStore('hers', () => ({ store: myStore() }))`,
  'esm.test.mjs': `import { describeStore } from '@sess/conformance/vitest'\nimport myStore from './store.mjs'\nimport old from './store.cjs'\ndescribeStore('hers', () => ({ store: myStore() }))\ndescribeStore('hers in CommonJS', () => ({ store: old() }))`,
  'hers.bun.mjs': `import { describeStore } from '@sess/conformance/bun-test'\nimport myStore from './store.mjs'\ndescribeStore('hers', () => ({ store: myStore() }))`,
  'vitest.config.mjs': `export default { test: { include: ['*.test.mjs'] } }`,
  'jest.config.cjs': `module.exports = { testMatch: ['**/*.jest.cjs'], testEnvironment: 'node' }`,
  'hers.jest.cjs': `const { describeStore } = require('@sess/conformance/jest')\nconst myStore = require('./store.cjs')\ndescribeStore('hers', () => ({ store: myStore() }))`,
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-outsider-'))
  const packages = publicPackages().filter(({ name }) => ['@sess/core', '@sess/conformance'].includes(name))
  await build(packages)
  const pnpm = (readManifest(root) as { packageManager?: string }).packageManager ?? 'pnpm'
  const filters = packages.flatMap(({ name }) => ['--filter', name])
  await run('npx', ['-y', pnpm, ...filters, '-r', 'pack', '--pack-destination', folder], { cwd: root })
  const dependencies: Record<string, string> = {}
  for (const tarball of await readdir(folder)) {
    dependencies[tarball.replace(/^sess-(.*)-\d.*$/, '@sess/$1')] = `file:${tarball}`
  }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }))
  for (const [name, code] of Object.entries(files)) await writeFile(join(folder, name), code)
  const quick = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  await run('npm', ['install', ...quick], { cwd: folder })
  await symlink(await realpath(join(root, 'node_modules/vitest')), join(folder, 'node_modules/vitest'), 'dir')
  await installRuntimes(['bun', 'jest'])
}, 180_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs a command in her folder. Returns what it wrote and its exit code. */
async function hers(command: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' }
  // What this test run says to its own processes is not for hers.
  for (const name of Object.keys(env)) {
    if (/^(?:VITEST|NODE_TEST_CONTEXT|NODE_OPTIONS|TEST|NODE_ENV|JEST)/.test(name)) delete env[name]
  }
  try {
    const { stdout, stderr } = await run(command, args, { cwd: folder, env, maxBuffer: 1e8 })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, output: stdout + stderr }
  }
}

describe('an outsider with the packed packages', () => {
  test.each(['plain.mjs', 'plain.cjs'])(
    'runs the cases with no framework: node %s',
    async file => {
      const { code, output } = await hers(process.execPath, file)
      expect(output).toMatch(/\d\d passed, 0 failed, \d+ do not apply\./)
      expect(code).toBe(0)
    },
    60_000,
  )

  test.each(['store.mjs', 'store.cjs'])(
    'runs npx sess-conformance ./%s',
    async file => {
      const { code, output } = await hers(
        join(folder, 'node_modules/.bin/sess-conformance'),
        `./${file}`,
        '--filter',
        'store/re',
      )
      expect(output).toMatch(/\d\d passed, 0 failed, \d+ do not apply\./)
      expect(code).toBe(0)
    },
    60_000,
  )

  test('is told what is wrong, with exit code 1', async () => {
    const { code, output } = await hers(
      join(folder, 'node_modules/.bin/sess-conformance'),
      './broken.cjs',
      '--filter',
      'store/replace',
    )
    expect(output).toContain('BROKEN  store/replace-stale')
    expect(code).toBe(1)
  }, 60_000)

  test.each(['esm.node.mjs', 'cjs.node.cjs'])(
    'runs node --test %s',
    async file => {
      const { code, output } = await hers(process.execPath, '--test', `--test-name-pattern=${SOME}`, file)
      expect(output).toMatch(/\bpass \d\d+\b/)
      expect(output).toMatch(/\bfail 0\b/)
      expect(output).toMatch(/\bskipped [1-9]/)
      expect(code).toBe(0)
    },
    60_000,
  )

  test('runs vitest', async () => {
    const { code, output } = await hers(
      process.execPath,
      join(folder, 'node_modules/vitest/vitest.mjs'),
      'run',
      '-t',
      SOME,
    )
    expect(output).toMatch(/Tests +\d\d+ passed \| \d+ skipped/)
    expect(code).toBe(0)
  }, 60_000)

  test('runs bun test', async () => {
    const { code, output } = await hers(runtimeBinary('bun'), 'test', '-t', SOME, './hers.bun.mjs')
    expect(output).toMatch(/\b\d\d+ pass\b/)
    expect(output).toMatch(/\b0 fail\b/)
    expect(code).toBe(0)
  }, 180_000)

  test('runs jest', async () => {
    const { code, output } = await hers(process.execPath, runtimeBinary('jest'), '-t', SOME)
    expect(output).toMatch(/Tests: .*\b\d\d+ passed/)
    expect(output).toContain('does not apply: ')
    expect(code).toBe(0)
  }, 60_000)
})
