import { defineConfig } from 'vitest/config'

// What Stryker runs against every mutant: the suite alone.
export default defineConfig({
  test: {
    include: ['packages/conformance/test/mutants/*.mutants.ts', 'packages/*/test/adapter.test.ts'],
    env: { SESS_CONFORMANCE_QUICK: '1', SESS_ADAPTER_STORES: '' },
    pool: 'threads',
    testTimeout: 20_000,
  },
})
