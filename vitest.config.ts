import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { SlowFirst } from './scripts/slow-first.ts'
import { SummaryReporter } from './scripts/summary-reporter.ts'
import { cache } from './scripts/workspace.ts'

/** These leave nothing behind in a process. Those that load a module anew in another form would: the next file would get it. */
const CORE = ['packages/core/test/**/!(crypto|constant-time|django-codec).test.ts']
const EXCLUDED = ['**/node_modules/**', '**/dist/**']

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        // They share a process: a new one for each file takes as long again.
        test: { name: 'core', include: CORE, isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'others',
          include: [
            'packages/**/test/**/*.test.ts',
            'examples/**/test/**/*.test.ts',
            'test-fixtures/**/*.test.ts',
            'bench/**/*.test.ts',
            'scripts/**/*.test.ts',
          ],
          exclude: [...EXCLUDED, ...CORE],
        },
      },
    ],
    exclude: EXCLUDED,
    globalSetup: './scripts/temporary-folder.ts',
    // A part of the generated cases, another one each day; `pnpm campaign stores` runs them all.
    env: {
      SESS_CONFORMANCE_QUICK: process.env['SESS_CONFORMANCE_QUICK'] ?? '1',
      // For the programs that tests start. With it a program of ours, with its types to strip, takes half the time.
      NODE_COMPILE_CACHE: join(cache, 'compile'),
    },
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: SlowFirst },
    // Nothing needs this long; a loaded machine must not fail what is right.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    slowTestThreshold: 10_000,
    reporters: ['default', new SummaryReporter()],
    coverage: {
      enabled: process.env['SESS_COVERAGE'] === '1',
      provider: 'v8',
      include: ['packages/core/src/**/*.ts'],
      reporter: ['text', 'json-summary'],
      reportOnFailure: true,
      thresholds: { lines: 98, branches: 98 },
    },
  },
})
