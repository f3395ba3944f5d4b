import { describe, expect, test } from 'vitest'
import { runStoreCases, type StoreFactory } from '../src/index.ts'
import { correctStore, setupOn } from './zoo/fresh-backend.ts'
import { freshStores, rejectedBy } from './zoo/fresh-stores.ts'

/** Stores that never answer: they are rejected for that. */
const WAITING = ['lock-kept-by-aborted', 'scan-holds-lock']

const proved = (by: string, factory: StoreFactory, timeout = 30_000) =>
  runStoreCases(factory, {
    callTimeout: 300,
    seed: 1,
    timeout,
    filter: new RegExp(`^${by} `),
  })

describe('the third zoo: stores by somebody who had read the guide alone', () => {
  test.concurrent.each(Object.entries(freshStores).map(([name, { setup }]) => [name, setup] as const))(
    '%s is rejected',
    async (name, setup) => {
      const by = rejectedBy[name as keyof typeof rejectedBy]
      const { results } = await proved(by, setup, WAITING.includes(name) ? 1_000 : undefined)
      expect(results.map(({ id, status }) => [id, status])).toEqual([[by, 'failed']])
    },
  )

  test.concurrent.each([...new Set(Object.values(rejectedBy))])('%s passes the right store', async by => {
    expect(await proved(by, () => setupOn(correctStore))).toMatchObject({ passed: 1, failed: 0 })
  })
})
