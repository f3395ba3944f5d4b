// Breaks right implementations in every small way that Stryker knows, with the suite as their only test:
// `pnpm campaign suite-mutants [memory-store|cache-store|sqlite-store|redis-store|reference-probe|express|...] ...`. Prints
// the score and what survives, which is a missing case or has its reason in docs/conformance-mutants.md.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stryker } from '@stryker-mutator/core'

const sources = (name: string, files: string[]): string[] =>
  files.map(file => `packages/${name}/src/${file}.ts`)
const FILES: Record<string, string[]> = {
  'memory-store': sources('conformance', ['memory-store']),
  'cache-store': sources('store-cache', ['cache-store', 'subject-index']),
  'sqlite-store': sources('store-sql', ['sqlite', 'statements', 'store', 'runner']),
  'redis-store': sources('store-redis', ['redis-store', 'record', 'subject-index', 'scripts']),
  'reference-probe': ['packages/conformance/test/reference-probe.ts'],
}
const ADAPTERS = ['express', 'koa', 'node', 'fetch', 'hono', 'fastify', 'h3', 'h3-v1']
for (const name of ADAPTERS) FILES[name] = [`packages/${name}/src/*.ts`]

process.chdir(fileURLToPath(new URL('../../../', import.meta.url)))
const targets = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(FILES)

for (const target of targets) {
  if (!Object.hasOwn(FILES, target))
    throw new Error(`There is no ${target}: it is one of ${Object.keys(FILES).join(', ')}.`)
  const stryker = new Stryker({
    mutate: FILES[target]!,
    testFiles: [
      ADAPTERS.includes(target)
        ? `packages/${target}/test/adapter.test.ts`
        : `packages/conformance/test/mutants/${target}.mutants.ts`,
    ],
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'packages/conformance/test/mutants/vitest.config.ts', related: false },
    ignorePatterns: ['/*', '!/packages', '!/test-fixtures', 'dist', '!/tsconfig.base.json'],
    tempDirName: join(tmpdir(), `sess-suite-mutants-${process.pid}`),
    cleanTempDir: 'always',
    reporters: ['progress-append-only'],
    warnings: { slow: false, unknownOptions: true, preprocessorErrors: true, unserializableOptions: true },
    allowConsoleColors: false,
    concurrency: 1,
    coverageAnalysis: 'perTest',
    // What is evaluated once, when the module is loaded, is evaluated before Stryker switches a mutant on.
    ignoreStatic: true,
    timeoutMS: 15_000,
  })
  const mutants = (await stryker.runMutationTest()).filter(({ status }) => status !== 'Ignored')
  const survivors = mutants.filter(({ status }) => !['Killed', 'Timeout'].includes(status))
  for (const { fileName, location, replacement, status } of survivors) {
    console.log(`${status}: ${fileName}:${location.start.line}:${location.start.column} -> ${replacement}`)
  }
  const killed = mutants.length - survivors.length
  console.log(
    `${target}: ${killed} of ${mutants.length} killed (${((100 * killed) / mutants.length).toFixed(1)} %)`,
  )
}
