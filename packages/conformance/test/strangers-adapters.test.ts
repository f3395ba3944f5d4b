import { describe, expect, test } from 'vitest'
import { runAdapterCases } from '../src/runner.ts'
import { ReferenceAdapter, startReference } from './reference-probe.ts'
import { strangersAdapters } from './zoo/strangers-adapters.ts'

const proved = (by: string, Adapter: typeof ReferenceAdapter) =>
  runAdapterCases(options => startReference(options, Adapter), {
    timeout: 10_000,
    filter: new RegExp(`^${by} `),
  })

describe('the second zoo: adapters of people who know Hono or Fastify well', () => {
  test.concurrent.each(strangersAdapters.map(({ id, by, Adapter }) => [id, by, Adapter] as const))(
    '%s: rejected by %s',
    async (_, by, Adapter) => {
      const report = await proved(by, Adapter)
      expect(report.results.map(({ id, status }) => [id, status])).toEqual([[by, 'failed']])
    },
  )

  test.concurrent.each([...new Set(strangersAdapters.map(({ by }) => by))])(
    '%s passes the right adapter',
    async by => {
      expect(await proved(by, ReferenceAdapter)).toMatchObject({ passed: 1, failed: 0 })
    },
  )
})
