import { expect, it } from 'vitest'
import { attack, numbers, targets } from './fuzz.ts'

const RUNS = Number(process.env['SESS_FUZZ_RUNS'] ?? 20_000)

it('no made-up cookie, token or payload crashes, is believed, or reaches a prototype [A28, A29, A35, C17, C21, F14, F31, I8]', async () => {
  const seed = Number(process.env['SESS_FUZZ_SEED'] ?? Date.now() % 1e9)
  const random = numbers(seed)
  const list = await targets()
  try {
    for (let run = 0; run < RUNS; run++) await attack(list[run % list.length]!, random)
  } catch (error) {
    throw new Error(`SESS_FUZZ_SEED=${seed}`, { cause: error })
  }
  // The real ones are still good.
  for (const { sessions, header, plant, payload } of list) {
    plant?.(payload)
    const session = sessions.open(header)
    await session.load()
    expect(session.has('seeded') || session.sessionKey === null).toBe(true)
  }
}, 60_000)
