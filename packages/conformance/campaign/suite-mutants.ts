// Breaks the reference store, store-cache and the reference probe in every small way that Stryker knows, with the suite as
// their only test: `pnpm campaign suite-mutants [memory-store|cache-store|reference-probe] ...`. Prints the score and what
// survives, which is a missing case or has its reason in docs/conformance-mutants.md.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stryker } from '@stryker-mutator/core'

const FILES = {
  'memory-store': ['packages/conformance/src/memory-store.ts'],
  'cache-store': ['packages/store-cache/src/cache-store.ts', 'packages/store-cache/src/subject-index.ts'],
  'reference-probe': ['packages/conformance/test/reference-probe.ts'],
}
type Target = keyof typeof FILES

process.chdir(fileURLToPath(new URL('../../../', import.meta.url)))
const targets = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(FILES)

for (const target of targets) {
  if (!Object.hasOwn(FILES, target))
    throw new Error(`There is no ${target}: it is one of ${Object.keys(FILES).join(', ')}.`)
  const stryker = new Stryker({
    mutate: FILES[target as Target],
    testFiles: [`packages/conformance/test/mutants/${target}.mutants.ts`],
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'packages/conformance/test/mutants/vitest.config.ts', related: false },
    ignorePatterns: [
      '/*',
      '!/packages',
      '/packages/*',
      '!/packages/core',
      '!/packages/conformance',
      '!/packages/store-cache',
      'dist',
      '!/tsconfig.base.json',
    ],
    tempDirName: join(tmpdir(), 'sess-suite-mutants'),
    cleanTempDir: 'always',
    reporters: ['progress-append-only'],
    warnings: { slow: false, unknownOptions: true, preprocessorErrors: true, unserializableOptions: true },
    allowConsoleColors: false,
    concurrency: 1,
    coverageAnalysis: 'perTest',
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
