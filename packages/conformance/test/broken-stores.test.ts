import { describe, expect, test } from 'vitest'
import { openStore, runCases, runStoreCases } from '../src/runner.ts'
import { quickCases, seedOfToday } from '../src/sample.ts'
import { storeCases } from '../src/store-cases/index.ts'
import type { StoreFactory } from '../src/store-fixture.ts'
import { inhabited, slowed } from './zoo/habitat.ts'
import rejections from './zoo/rejections.json' with { type: 'json' }
import { storeZoo } from './zoo/sweep.ts'

const by: Record<string, string[]> = rejections.stores

/** `pnpm campaign zoo stores --write` runs every case on every broken store, and writes down which reject which. */
describe('the zoo of broken stores', () => {
  test.concurrent.each(storeZoo.broken.map(broken => [broken.id, broken] as const))(
    '%s: rejected',
    async (id, broken) => {
      const cases = by[id] ?? []
      const results = await storeZoo.prove(broken, cases)
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
    expect(new Set(Object.values(by).flat())).toEqual(new Set(storeZoo.cases))
    expect(Object.keys(by)).toEqual(storeZoo.broken.map(({ id }) => id))
    console.log(`broken stores: ${storeZoo.broken.length}, cases: ${storeZoo.cases.length}`)
  })
})

describe('no false alarm', () => {
  // Each store has a backend of its own.
  const options = { callTimeout: 1_000, concurrency: 16 }

  test('on the reference store, where every case applies', async () => {
    const before = process.cpuUsage()
    const report = await runStoreCases(() => inhabited(), options)
    const { user, system } = process.cpuUsage(before)
    const seconds = (user + system) / 1e6
    console.log(
      `${report.passed} store cases over the reference store: ${seconds.toFixed(1)} s of processor time`,
    )
    expect(report.results.filter(({ status }) => status === 'failed')).toEqual([])
    const skipped = report.results.filter(({ status }) => status === 'skipped')
    // A backend in this process’s memory has no second process; `processes.test.ts` has one.
    expect(skipped.filter(({ id }) => !id.startsWith('store/process-'))).toEqual([])
    expect(seconds).toBeLessThan(10)
  })

  /** A part of the cases. Those that stop the process are left out: they run above. */
  const clean = async (make: StoreFactory) => {
    const cases = quickCases(storeCases, seedOfToday()).filter(({ alone }) => !alone)
    const report = await runCases(cases, openStore(make, { ...options, quick: true }), options)
    expect(report.results.filter(({ status }) => status === 'failed')).toEqual([])
    return report
  }

  test('on a store whose answers take some ticks', async () => {
    await clean(() => {
      const { store, second, ...rest } = inhabited()
      const other = typeof second === 'function' ? async () => slowed(await second()) : undefined
      return { ...rest, store: slowed(store), ...(other ? { second: other } : {}) }
    })
  })

  for (const absent of ['clearExpired', 'scan', 'removeBySubject', 'scanBySubject', 'close'] as const) {
    test(`on a store without ${absent}, whose cases say that they do not apply`, async () => {
      const report = await clean(() => {
        const setup = inhabited()
        delete setup.store[absent]
        return setup
      })
      const skipped = report.results.filter(({ status }) => status === 'skipped')
      expect(skipped.length).toBeGreaterThan(0)
      for (const { id, reason } of skipped)
        if (!id.startsWith('store/process-')) expect(reason).toContain(`${absent}()`)
    })
  }

  test('on a store alone, without a second object and without a way to break its backend', async () => {
    const report = await clean(() => ({ store: inhabited().store }))
    expect(report.skipped).toBeGreaterThan(5)
  })

  test('on a store whose backend owns the clock', async () => {
    await clean(() => ({ ...inhabited(), now: Date.now }))
  })

  test('on a store whose backend has a clock that can be moved', async () => {
    await clean(() => {
      let now = 1_000_000_000_000
      const advance = (ms: number) => {
        now += ms
      }
      return { ...inhabited(), now: () => now, advance }
    })
  })
})
