// `pnpm test:runtimes`, or this file with the names of some runtimes.
import { runOnRuntimes } from '@sess/test-fixtures/adapter-runtimes.ts'

await runOnRuntimes('hono', import.meta.dirname)
