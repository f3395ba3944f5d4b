// Runs the full suite on every store, cookie store, cached composition and adapter, servers included: `pnpm campaign stores
// [words]`. A word chooses the test files whose path contains it: `redis`, `sqlite`, `store-file`. Behind `--` follow
// options of vitest, such as `-t engine/`.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const args = process.argv.slice(2)
const end = args.includes('--') ? args.indexOf('--') : args.length
const [words, options] = [args.slice(0, end), args.slice(end + 1)]

const OF_STORES = [
  'packages/*/test/conformance*.test.ts',
  'packages/conformance/test/memory-store.test.ts',
  'packages/*/test/adapter.test.ts',
  'packages/store-cache/test/cache-store.test.ts',
  'packages/store-cookie/test/cookie-store.test.ts',
]
const all = globSync(OF_STORES, { cwd: root }).sort()
const files = all.filter(file => words.length === 0 || words.some(word => file.includes(word)))
if (files.length === 0) {
  console.error(`No test file of a store contains ${words.join(' or ')}. There are:\n${all.join('\n')}`)
  process.exit(1)
}
const vitest = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url))
const env = { ...process.env, SESS_CONFORMANCE_QUICK: '0' }
const { status } = spawnSync(process.execPath, [vitest, 'run', ...files, '--maxWorkers=1', ...options], {
  cwd: root,
  env,
  stdio: 'inherit',
})
process.exitCode = status ?? 1
