import { beforeAll, describe, expect, test } from 'vitest'
import { type Report, runStoreCases } from '../src/runner.ts'
import { storeCases } from '../src/store-cases/index.ts'
import { brokenStores } from './zoo/broken-stores.ts'
import { inhabited, slowed } from './zoo/habitat.ts'

/**
 * Generated cases have a zoo of their own (`strangers-stores.ts`), whose stores name the case that rejects them; the first
 * zoo is older than they are, and rejected without them.
 */
const GENERATED =
  /^store\/(?:life|everywhere|overlap|abort|fresh|many|fails|lost|process)-|-pages |^store\/(?:zones|payload-boundaries|hidden-in-subject|random-programs|version-equal-hashes|version-of-empty) /
const firstCases = storeCases.filter(({ id }) => !GENERATED.test(`${id} `))

const reports = new Map<string, Report>()

/** Calls that never end are waited for, so many broken stores are proved side by side. */
beforeAll(async () => {
  const waiting = [...brokenStores]
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { id, mistake } = next
      const report = await runStoreCases(() => inhabited(mistake), {
        callTimeout: 100,
        timeout: 1_000,
        filter: new RegExp(`^(?:${firstCases.map(({ id }) => id).join('|')}) `),
      })
      reports.set(id, report)
    }
  }
  await Promise.all(Array.from({ length: 10 }, work))
}, 240_000)

const rejecting = (id: string) => (reports.get(id)?.results ?? []).filter(({ status }) => status === 'failed')

describe('the zoo of broken stores', () => {
  test.each(brokenStores.map(({ id }) => [id]))('%s: rejected', id => {
    expect(rejecting(id).map(result => result.id)).not.toEqual([])
  })

  test('every case rejects one', () => {
    const victims = new Set(brokenStores.flatMap(({ id }) => rejecting(id).map(result => result.id)))
    const idle = firstCases.filter(({ id }) => !victims.has(id)).map(({ id }) => id)
    const killed = brokenStores.filter(({ id }) => rejecting(id).length > 0).length
    console.log(
      `broken stores rejected: ${killed} of ${brokenStores.length} (${((100 * killed) / brokenStores.length).toFixed(0)} %), ` +
        `cases: ${firstCases.length}, cases that reject none: ${idle.length}`,
    )
    expect(idle).toEqual([])
    expect(killed).toBe(brokenStores.length)
    expect(brokenStores.length).toBeGreaterThanOrEqual(40)
  })
})

describe('no false alarm', () => {
  const clean = async (make: Parameters<typeof runStoreCases>[0], quick = true) => {
    const report = await runStoreCases(make, { callTimeout: 1_000, quick })
    expect(report.results.filter(({ status }) => status === 'failed')).toEqual([])
    return report
  }

  test('on the reference store, where every case applies', async () => {
    const started = performance.now()
    const report = await clean(() => inhabited(), false)
    console.log(
      `${report.passed} store cases over the reference store: ${Math.round(performance.now() - started)} ms`,
    )
    const skipped = report.results.filter(({ status }) => status === 'skipped')
    // A backend in this process’s memory has no second process; `processes.test.ts` has one.
    expect(skipped.filter(({ id }) => !id.startsWith('store/process-'))).toEqual([])
    expect(performance.now() - started).toBeLessThan(30_000)
  })

  test('on a store whose answers take some ticks', async () => {
    for (let round = 0; round < 2; round++) {
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
    let now = 1_000_000_000_000
    const advance = (ms: number) => {
      now += ms
    }
    await clean(() => ({ ...inhabited(), now: () => now, advance }))
  })
})
