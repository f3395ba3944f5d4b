import { describe, expect, test } from 'vitest'
import { storeCases } from '../src/index.ts'
import { quickCases } from '../src/sample.ts'

const idsOf = (seed: number) => quickCases(storeCases, seed).map(({ id }) => id)

describe('a quick run', () => {
  test('takes less than three quarters of the cases, and every case without a family', () => {
    expect(idsOf(1).length).toBeLessThan(0.75 * storeCases.length)
    const single = storeCases.filter(({ family }) => family === undefined).map(({ id }) => id)
    expect(idsOf(1)).toEqual(expect.arrayContaining(single))
  })

  test('takes the same cases for the same seed, in the order of the suite', () => {
    expect(idsOf(20_420)).toEqual(idsOf(20_420))
    const all = storeCases.map(({ id }) => id)
    expect(idsOf(7)).toEqual(all.filter(id => idsOf(7).includes(id)))
  })

  test('meets every case within as many consecutive seeds as the rarest needs', () => {
    for (const start of [0, 1, 20_420]) {
      const met = new Set(Array.from({ length: 5 }, (_, n) => idsOf(start + n)).flat())
      expect(storeCases.filter(({ id }) => !met.has(id)).map(({ id }) => id)).toEqual([])
    }
  })
})
