// Random handlers on Koa with a session and without: `pnpm campaign koa-handlers [count] [seed]`.
import { fuzz } from '@sess/test-fixtures/handler-fuzz.ts'
import { fuzzed } from '../test/fuzzed-app.ts'

const [count = '3000', seed = '1'] = process.argv.slice(2)
let all = 0
for (const respond of [true, false]) {
  for (const delay of [0, 1, 20]) {
    await using bare = await fuzzed(undefined, respond)
    await using held = await fuzzed(delay, respond)
    const differences = await fuzz(bare, held, { count: Number(count), seed: Number(seed), patience: 400 })
    console.log(`respond ${respond}, store ${delay} turns: ${differences.length} of ${count} differ`)
    for (const difference of differences.slice(0, 5)) console.log(JSON.stringify(difference))
    all += differences.length
  }
}
process.exitCode = all === 0 ? 0 : 1
