import { fuzz } from '@sess/test-fixtures/handler-fuzz.ts'
import { expect, it } from 'vitest'
import { fuzzed } from './fuzzed-app.ts'

// The short form of `pnpm campaign koa-handlers`.
for (const respond of [true, false]) {
  it(`random handlers respond as they do without a session, respond: ${respond}`, {
    timeout: 30_000,
  }, async () => {
    await using bare = await fuzzed(undefined, respond)
    await using held = await fuzzed(3, respond)
    expect(await fuzz(bare, held, { count: 120, seed: 7, patience: 150 })).toEqual([])
  })
}
