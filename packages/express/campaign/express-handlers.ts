// Random handlers on Express with a session and without: `pnpm campaign express-handlers [count] [seed]`.
import { fuzz } from '@sess/test-fixtures/handler-fuzz.ts'
import { fuzzed } from '../test/fuzzed-app.ts'

const [count = '3000', seed = '1'] = process.argv.slice(2)
let all = 0
for (const compressed of ['no', 'above', 'below'] as const) {
  for (const delay of [0, 1, 20]) {
    await using bare = await fuzzed(undefined, compressed)
    await using held = await fuzzed(delay, compressed)
    const differences = await fuzz(bare, held, { count: Number(count), seed: Number(seed), patience: 400 })
    console.log(`compression ${compressed}, store ${delay} turns: ${differences.length} of ${count} differ`)
    for (const difference of differences.slice(0, 5)) console.log(JSON.stringify(difference))
    all += differences.length
  }
}
process.exitCode = all === 0 ? 0 : 1
