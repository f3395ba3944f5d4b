// `pnpm test:runtimes`, or this file with the names of some runtimes.
import { runOnRuntimes } from '@sess/test-fixtures/adapter-runtimes.ts'

await runOnRuntimes('h3', import.meta.dirname, undefined, {
  workerd: {
    'the number of bodies that are open some time after their clients have left to be 0':
      'workerd stops a request whose client has left before `iterable()` of h3 has closed its generator, also without a session',
  },
})
