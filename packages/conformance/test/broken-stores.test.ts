import { describe, expect, test } from 'vitest'
import { runStoreCases } from '../src/runner.ts'
import { storeCases } from '../src/store-cases/index.ts'
import { brokenStores } from './zoo/broken-stores.ts'
import { inhabited, slowed } from './zoo/habitat.ts'

/** Case by case, which broken stores it rejects. */
const victims = new Map<string, string[]>(storeCases.map(({ id }) => [id, []]))
const survivors: string[] = []

describe('the zoo of broken stores', () => {
  test.concurrent.each(brokenStores.map(broken => [broken.id, broken] as const))(
    '%s is rejected',
    async (id, { mistake }) => {
      const report = await runStoreCases(() => inhabited(mistake), { callTimeout: 100, timeout: 1_000 })
      const rejecting = report.results.filter(({ status }) => status === 'failed')
      for (const result of rejecting) victims.get(result.id)?.push(id)
      if (rejecting.length === 0) survivors.push(id)
      expect(rejecting.map(result => result.id)).not.toEqual([])
    },
  )

  test('every broken store is rejected, and every case rejects one', () => {
    const idle = [...victims].filter(([, rejected]) => rejected.length === 0).map(([id]) => id)
    const killed = brokenStores.length - survivors.length
    console.log(
      `broken stores rejected: ${killed} of ${brokenStores.length} (${((100 * killed) / brokenStores.length).toFixed(0)} %), ` +
        `cases: ${storeCases.length}, cases that reject none: ${idle.length}`,
    )
    expect(survivors).toEqual([])
    expect(idle).toEqual([])
    expect(brokenStores.length).toBeGreaterThanOrEqual(40)
  })
})

describe('no false alarm', () => {
  const clean = async (make: Parameters<typeof runStoreCases>[0]) => {
    const report = await runStoreCases(make, { callTimeout: 500 })
    expect(report.results.filter(({ status }) => status === 'failed')).toEqual([])
    return report
  }

  test('on the reference store, where every case applies', async () => {
    const started = performance.now()
    const report = await clean(() => inhabited())
    console.log(
      `${report.passed} store cases over the reference store: ${Math.round(performance.now() - started)} ms`,
    )
    expect(report.skipped).toBe(0)
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test('on a store whose answers take some ticks', async () => {
    for (let round = 0; round < 5; round++) {
      await clean(() => {
        const { store, second, ...rest } = inhabited()
        const other = typeof second === 'function' ? async () => slowed(await second()) : undefined
        return { ...rest, store: slowed(store), ...(other ? { second: other } : {}) }
      })
    }
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
      for (const { reason } of skipped) expect(reason).toContain(`${absent}()`)
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
    let now = 1_000_000_000_000
    const advance = (ms: number) => {
      now += ms
    }
    await clean(() => ({ ...inhabited(), now: () => now, advance }))
  })
})
