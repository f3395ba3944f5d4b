import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Case } from '../src/case.ts'
import { memoryStore } from '../src/memory-store.ts'
import { runCases, runStoreCases } from '../src/runner.ts'

/** Runs six cases, of which the fifth is to run alone. Returns how many ran beside each. */
async function beside(concurrency?: number): Promise<Record<string, number>> {
  const most: Record<string, number> = {}
  const running = new Set<string>()
  const cases = ['a', 'b', 'c', 'd', 'alone', 'e'].map(
    (id, n): Case<undefined> => ({
      id,
      title: id,
      rule: '',
      source: '',
      why: '',
      ...(id === 'alone' && { alone: true }),
      async run() {
        running.add(id)
        for (const each of running) most[each] = Math.max(most[each] ?? 0, running.size - 1)
        // The later ones end first.
        await sleep(20 - 3 * n)
        running.delete(id)
      },
    }),
  )
  const opened = async () => ({ fixture: undefined, close: async () => undefined })
  const dones: number[] = []
  const report = await runCases(cases, opened, { concurrency, onCase: (_, { done }) => dones.push(done) })
  expect(report.results.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd', 'alone', 'e'])
  expect(dones).toEqual([1, 2, 3, 4, 5, 6])
  return most
}

test('cases run one by one unless `concurrency` is given', async () => {
  expect(await beside()).toEqual({ a: 0, b: 0, c: 0, d: 0, alone: 0, e: 0 })
})

test('with `concurrency` so many cases run at the same time, and one that must be alone is alone', async () => {
  const { a, b, c, d, alone, e } = await beside(3)
  expect(Math.max(a!, b!, c!, d!, e!)).toBe(2)
  expect(alone).toBe(0)
})

test.each([
  ['factory', 'a result', () => new Promise<never>(() => undefined)],
  ['cleanup', 'the end', () => ({ store: memoryStore(), cleanup: () => new Promise<void>(() => undefined) })],
])('a %s that never ends fails its case, and the next one runs', async (what, awaited, factory) => {
  const { results } = await runStoreCases(factory, { filter: /^store\/(?:replace|remove) /, timeout: 50 })
  expect(results.map(({ status }) => status)).toEqual(results.map(() => 'failed'))
  expect(results.length).toBeGreaterThan(0)
  for (const { happened } of results) {
    expect(happened).toContain(`${awaited} of the ${what} was not there after 50 ms`)
  }
})
