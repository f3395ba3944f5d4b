// A million made-up cookies, tokens and payloads: `pnpm campaign fuzz [count]`. `SESS_FUZZ_SEED` repeats a run; a run
// that was stopped continues where it was with the seed and `SESS_FUZZ_FROM` that it printed last.
import { attack, numbers, targets } from '../test/fuzz.ts'

const count = Number(process.argv[2] ?? 1_000_000)
const BLOCK = 50_000
const seed = Number(process.env['SESS_FUZZ_SEED'] ?? Date.now() % 1e9)
const list = await targets()
const started = performance.now()

for (let from = Number(process.env['SESS_FUZZ_FROM'] ?? 0); from < count; from += BLOCK) {
  const random = numbers(seed + from)
  for (let run = from; run < Math.min(from + BLOCK, count); run++) {
    await attack(list[run % list.length]!, random)
  }
  const done = Math.min(from + BLOCK, count)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`${done} of ${count}, ${seconds} s; to go on: SESS_FUZZ_SEED=${seed} SESS_FUZZ_FROM=${done}`)
}
console.log(`${count} attacks, none believed, no crash, no prototype touched`)
