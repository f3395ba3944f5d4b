import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Store } from '../src/index.ts'
import { checkProgram, programs, type Variant } from './model.ts'

const RUNS = Number(process.env['SESS_MODEL_RUNS'] ?? 1500)

function property(variant: Variant): fc.IAsyncPropertyWithHooks<any> {
  return fc.asyncProperty(programs, fc.scheduler(), (program, scheduler) =>
    checkProgram(program, scheduler, variant),
  )
}

describe('random programs of up to four overlapping requests', () => {
  it('nothing acknowledged is lost, nothing that failed is stored, nothing ended is revived [I1, I6, A37, C1, F16, F17]', async () => {
    await fc.assert(property({}), { numRuns: RUNS })
  })

  it('the same while every request extends the session [C1, F17]', async () => {
    await fc.assert(property({ saveEveryRequest: true }), { numRuns: Math.ceil(RUNS / 3) })
  })

  it.each<[string, (store: Store) => Store]>([
    [
      'replace ignores the version',
      store => ({
        ...store,
        async replace(id, record) {
          const current = await store.read(id, { now: 1_700_000_000_000 })
          return current ? store.replace(id, record, current.version, { now: 1_700_000_000_000 }) : 'gone'
        },
      }),
    ],
    [
      'replace inserts what is gone',
      store => ({
        ...store,
        async replace(id, record, version, context) {
          const result = await store.replace(id, record, version, context)
          return result === 'gone' && (await store.insert(id, record, context)) ? 'ok' : result
        },
      }),
    ],
    [
      'remove ignores the version',
      store => ({ ...store, remove: (id, _, context) => store.remove(id, undefined, context) }),
    ],
  ])('finds the bug when %s', async (_, breakStore) => {
    const result = await fc.check(property({ breakStore }), { numRuns: RUNS * 4, endOnFailure: true })
    expect(result.failed).toBe(true)
  })
})
