import { describe, expect, test } from 'vitest'
import { runAdapterCases } from '../src/runner.ts'
import { referenceWays, startReference } from './reference-server.ts'
import rejections from './zoo/rejections.json' with { type: 'json' }
import { adapterZoo } from './zoo/sweep.ts'

const by: Record<string, string[]> = rejections.adapters

/** `pnpm campaign zoo adapters --write` runs every case on every broken adapter, and writes down which reject which. */
describe('the zoo of broken adapters', () => {
  test.concurrent.each(adapterZoo.broken.map(broken => [broken.id, broken] as const))(
    '%s: rejected',
    async (id, broken) => {
      const cases = by[id] ?? []
      const results = await adapterZoo.prove(broken, cases)
      expect(
        results
          .filter(({ status }) => status === 'failed')
          .map(result => result.id)
          .sort(),
      ).toEqual(cases)
      expect(cases).not.toEqual([])
    },
  )

  test('every case rejects one', () => {
    expect(new Set(Object.values(by).flat())).toEqual(new Set(adapterZoo.cases))
    expect(Object.keys(by)).toEqual(adapterZoo.broken.map(({ id }) => id))
    console.log(`broken adapters: ${adapterZoo.broken.length}, cases: ${adapterZoo.cases.length}`)
  })
})

describe('no false alarm', () => {
  test('on the reference probe, where every case applies', async () => {
    const report = await runAdapterCases(options => startReference(options), referenceWays())
    expect(report.results.filter(({ status }) => status !== 'passed')).toEqual([])
  })

  test('on a process that listens, whose cases with options say that they do not apply', async () => {
    const { url, stop } = await startReference()
    try {
      const report = await runAdapterCases(url)
      expect(report.results.filter(({ status }) => status === 'failed')).toEqual([])
      expect(report.skipped).toBeGreaterThan(5)
      expect(report.passed).toBeGreaterThan(25)
    } finally {
      await stop()
    }
  })
})
