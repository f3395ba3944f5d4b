import { describe, expect, test } from 'vitest'
import { runStoreCases, type StoreFactory } from '../src/index.ts'
import { kvStores, rightKvStore } from './zoo/kv-stores.ts'

const proved = (by: string, factory: StoreFactory) =>
  runStoreCases(factory, { callTimeout: 300, timeout: 20_000, seed: 1, filter: new RegExp(`^${by} `) })

describe('the fourth zoo: key-value stores with an index beside the records', () => {
  test.concurrent.each(Object.entries(kvStores))('%s is rejected', async (_, { by, setup }) => {
    const { results } = await proved(by, setup)
    expect(results.map(({ id, status }) => [id, status])).toEqual([[by, 'failed']])
  })

  test.concurrent.each([...new Set(Object.values(kvStores).map(({ by }) => by))])(
    '%s passes the right store',
    async by => {
      expect(await proved(by, rightKvStore)).toMatchObject({ passed: 1, failed: 0 })
    },
  )
})
