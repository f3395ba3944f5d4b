// All that a reviewer's machine would do: `pnpm check`, and `npm test`. Names of steps as arguments run those
// alone: `pnpm check lint types`. `tarballs` and `pack-test` run only if they are named. The last line counts vitest's tests and, as one each, the other steps.
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, stopRunning } from './run.ts'
import type { TestCounts } from './summary-reporter.ts'
import { useTemporaryFolder } from './temporary-folder.ts'
import { root } from './workspace.ts'

type Step = { name: string; command: string; args: string[] }

// TypeScript's native compiler checks one program in a fifth of the time of one program a package.
const tsc = join(root, 'node_modules/typescript-native/bin/tsc')
const PROJECTS = ['tsconfig.json', 'tsconfig.portable.json', 'examples/shop/tsconfig.json']

const STEPS: Step[] = [
  { name: 'lint', command: 'biome', args: ['ci', '--colors=off', '.'] },
  script('build'),
  ...PROJECTS.map(project => ({ name: 'types', command: tsc, args: ['--noEmit', '-p', project] })),
  { name: 'arrows', command: 'depcruise', args: ['packages', '--config', '.dependency-cruiser.mjs'] },
  script('plain-words'),
  { name: 'size', command: 'size-limit', args: [] },
]
/** Checks of what is published: three minutes of work that few changes need, so `.ci/run` does it after `npm test`. */
const OF_PACKAGES: Step[] = [script('tarballs'), script('pack-test')]

const wanted = process.argv.slice(2)
const known = [...new Set([...STEPS, ...OF_PACKAGES].map(({ name }) => name)), 'tests']
const unknown = wanted.filter(name => !known.includes(name))
if (unknown.length > 0)
  throw new Error(`There is no step ${unknown.join(', ')}: the steps are ${known.join(', ')}`)
const steps =
  wanted.length === 0 ? STEPS : [...STEPS, ...OF_PACKAGES].filter(({ name }) => wanted.includes(name))

const total: TestCounts = { passed: 0, failed: 0, skipped: 0 }
const durations: string[] = []
const failures: string[] = []
process.on('exit', useTemporaryFolder())
const scratch = mkdtempSync(join(tmpdir(), 'check-'))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    stopRunning(signal)
    process.exit(1)
  })
}

// The two lanes run side by side: the tests need about as long as everything else together.
await Promise.all([wanted.length === 0 || wanted.includes('tests') ? runTests() : undefined, runSteps()])

for (const failure of failures) console.log(`\n${failure}`)
console.log(`\n${durations.join('\n')}\n`)
const { passed, failed, skipped } = total
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed === 0 ? 0 : 1

function script(name: string): Step {
  return { name, command: process.execPath, args: [`scripts/${name}.ts`] }
}

async function runSteps(): Promise<void> {
  for (const { name, command, args } of steps) {
    const started = performance.now()
    const { code, output } = await run(command, args, { env: { ...withBin(), NO_COLOR: '1' }, nice: 10 })
    finish(name, code === 0, started, output)
  }
}

async function runTests(): Promise<void> {
  const started = performance.now()
  const counts = join(scratch, 'counts.json')
  const coverage = join(scratch, 'coverage')
  const { code, output } = await run(
    'vitest',
    ['run', '--coverage.enabled', `--coverage.reportsDirectory=${coverage}`],
    {
      env: { ...withBin(), SESS_COUNTS: counts, NO_COLOR: '1' },
      live: true,
    },
  )
  if (!existsSync(counts)) {
    finish('tests', false, started, 'vitest ended before its first test; its output is above')
    return
  }
  const result = JSON.parse(readFileSync(counts, 'utf8')) as TestCounts
  total.passed += result.passed
  total.failed += result.failed
  total.skipped += result.skipped
  record(`${result.failed === 0 ? 'ok    ' : 'FAILED'} tests`, started)
  const summary = join(coverage, 'coverage-summary.json')
  const covered = existsSync(summary) && !output.includes('ERROR: Coverage')
  finish(
    'coverage of core',
    covered,
    performance.now(),
    existsSync(summary) ? figures(summary) : 'was not measured',
  )
  if (code !== 0 && result.failed === 0 && covered)
    finish('vitest', false, performance.now(), `vitest ended with ${code}`)
}

/** What vitest measured; the thresholds stand in vitest.config.ts. */
function figures(summary: string): string {
  const { total } = JSON.parse(readFileSync(summary, 'utf8')) as {
    total: Record<'lines' | 'branches', { pct: number }>
  }
  return `${total.lines.pct} % of lines, ${total.branches.pct} % of branches`
}

function finish(name: string, ok: boolean, started: number, output: string): void {
  total[ok ? 'passed' : 'failed']++
  record(`${ok ? 'ok    ' : 'FAILED'} ${name}`, started)
  if (ok) console.log(output.trim().replace(/^(?=.)/gm, '       '))
  else failures.push(`FAILED ${name}\n${output.trimEnd()}`)
}

function record(line: string, started: number): void {
  const text = `${line.padEnd(28)} ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s`
  durations.push(text)
  console.log(text)
}

function withBin(): Record<string, string> {
  return { PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` }
}
