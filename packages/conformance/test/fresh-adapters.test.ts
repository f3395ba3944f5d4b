import { describe, expect, test } from 'vitest'
import { runAdapterCases } from '../src/index.ts'
import { correctAdapters, type FreshAdapter, freshAdapters, rejectedBy } from './zoo/fresh-adapters.ts'

const proved = (by: string, { start, startTwo }: FreshAdapter) =>
  runAdapterCases(start, { startTwoEngines: startTwo, timeout: 10_000, filter: new RegExp(`^${by} `) })

describe('the third zoo: adapters by somebody who had read the guide alone', () => {
  const broken: [string, FreshAdapter][] = Object.entries(freshAdapters)
  test.concurrent.each(broken)('%s is rejected', async (name, adapter) => {
    const by = rejectedBy[name as keyof typeof rejectedBy]
    const { results } = await proved(by, adapter)
    expect(results.map(({ id, status }) => [id, status])).toEqual([[by, 'failed']])
  })

  const cases = Map.groupBy(broken, ([name]) => name.split('-')[0] as string)
  const right = [...cases].flatMap(([kind, all]) =>
    [...new Set(all.map(([name]) => rejectedBy[name as keyof typeof rejectedBy]))].map(
      by => [by, kind] as const,
    ),
  )
  test.concurrent.each(right)('%s passes the right adapter of %s', async (by, kind) => {
    expect(await proved(by, correctAdapters[kind] as FreshAdapter)).toMatchObject({ passed: 1, failed: 0 })
  })
})
