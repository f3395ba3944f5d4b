import { defineConfig } from 'vitest/config'

/** What every mutant is tried with: the tests of core that are quick, and always the same ones. */
export default defineConfig({
  test: {
    include: [
      'packages/core/test/{expiry,session,engine,plan,commit,one-request,options,slot,merge}.test.ts',
    ],
    exclude: ['**/node_modules/**'],
    setupFiles: ['packages/core/test/mutants/seed.ts'],
  },
})
