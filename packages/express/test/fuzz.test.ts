import { fuzz } from '@sess/test-fixtures/handler-fuzz.ts'
import { expect, it } from 'vitest'
import { fuzzed } from './fuzzed-app.ts'

// The short form of `pnpm campaign express-handlers`.
for (const compressed of ['no', 'above', 'below'] as const) {
  it(`random handlers respond as they do without a session, compression ${compressed}`, {
    timeout: 30_000,
  }, async () => {
    await using bare = await fuzzed(undefined, compressed)
    await using held = await fuzzed(3, compressed)
    expect(await fuzz(bare, held, { count: 120, seed: 7, patience: 150 })).toEqual([])
  })
}
