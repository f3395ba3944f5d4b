import { describe, expect, test } from 'vitest'
import { runCookieStoreCases } from '../src/runner.ts'
import { referenceCookieStore } from './zoo/reference-cookie-store.ts'
import rejections from './zoo/rejections.json' with { type: 'json' }
import { cookieStoreZoo } from './zoo/sweep.ts'

const by: Record<string, string[]> = rejections['cookie-stores']

/** `pnpm campaign zoo cookie-stores --write` runs every case on every broken cookie store. */
describe('the zoo of broken cookie stores', () => {
  test.each(cookieStoreZoo.broken.map(broken => [broken.id, broken] as const))(
    '%s: rejected',
    async (id, broken) => {
      const cases = by[id] ?? []
      const results = await cookieStoreZoo.prove(broken, cases)
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
    expect(new Set(Object.values(by).flat())).toEqual(new Set(cookieStoreZoo.cases))
    expect(Object.keys(by)).toEqual(cookieStoreZoo.broken.map(({ id }) => id))
    console.log(
      `broken cookie stores: ${cookieStoreZoo.broken.length}, cases: ${cookieStoreZoo.cases.length}`,
    )
  })
})

test('no false alarm on the reference cookie store, sync and async', async () => {
  const right = referenceCookieStore()
  const sync = await runCookieStoreCases(() => ({ store: right }))
  const async = await runCookieStoreCases(() => ({
    store: {
      seal: async (record, context) => await right.seal(record, context),
      unseal: async (token, context) => await right.unseal(token, context),
    },
  }))
  for (const report of [sync, async]) {
    expect(report.results.filter(({ status }) => status !== 'passed')).toEqual([])
  }
})
