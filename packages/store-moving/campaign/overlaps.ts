// Runs what processes of both sites do at once in many more orders: `pnpm campaign overlaps [switches] [programs]`.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const [switches = '2', programs = '20000'] = process.argv.slice(2)
const root = fileURLToPath(new URL('../../../', import.meta.url))
const vitest = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url))
const files = ['linearizable', 'interleavings'].map(name => `packages/store-moving/test/${name}.test.ts`)
const { status } = spawnSync(process.execPath, [vitest, 'run', ...files, '--testTimeout', '3600000'], {
  cwd: root,
  env: { ...process.env, SESS_SWITCHES: switches, SESS_RUNS: programs },
  stdio: 'inherit',
})
process.exitCode = status ?? 1
