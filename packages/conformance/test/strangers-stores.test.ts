import { describe, expect, test } from 'vitest'
import { runStoreCases } from '../src/runner.ts'
import { inhabited } from './zoo/habitat.ts'
import { strangersStores } from './zoo/strangers-stores.ts'

const proved = (by: string, mistake?: (typeof strangersStores)[number]['mistake']) =>
  runStoreCases(() => inhabited(mistake), {
    callTimeout: 200,
    // A case of random calls does not reject everything with every seed.
    seed: 1,
    timeout: 20_000,
    filter: new RegExp(`^${by} `),
  })

describe('the second zoo: stores of people who know one database well', () => {
  test.each(strangersStores.map(({ id, by, mistake }) => [id, by, mistake] as const))(
    '%s: rejected by %s',
    async (_, by, mistake) => {
      const report = await proved(by, mistake)
      expect(report.results.map(({ id, status }) => [id, status])).toEqual([[by, 'failed']])
    },
  )

  test.each([...new Set(strangersStores.map(({ by }) => by))])('%s passes the right store', async by => {
    expect(await proved(by)).toMatchObject({ passed: 1, failed: 0 })
  })
})
