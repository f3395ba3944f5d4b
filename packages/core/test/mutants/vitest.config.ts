import { defineConfig } from 'vitest/config'

/** What every mutant is tried with: the tests of core that are quick, and always the same ones. */
export default defineConfig({
  test: {
    include: [
      'packages/core/test/{expiry,session,engine,engine-failures,plan,commit,one-request,options,pending,record,save,slot,merge}.test.ts',
      'packages/core/test/{adopt,carriers,clear-site-data,collisions,corrupt-events,devices,double-login,forgotten-proxy}.test.ts',
      'packages/core/test/{everywhere,max-sessions,newcomers,not-promised,nothing-silent,open-key}.test.ts',
      'packages/core/test/{overtaken,reuse,schema,sealed,store-error,tenants,tossed-cookies,unused-options,vary}.test.ts',
    ],
    exclude: ['**/node_modules/**'],
    env: { SESS_MODEL_RUNS: '50' },
    testTimeout: 60_000,
    setupFiles: ['packages/core/test/mutants/seed.ts'],
  },
})
