import { describe, expect, test } from 'vitest'
import { cookieStoreCases } from '../src/cookie-cases/index.ts'
import { runCookieStoreCases } from '../src/runner.ts'
import { brokenCookieStores } from './zoo/broken-cookie-stores.ts'
import { referenceCookieStore } from './zoo/reference-cookie-store.ts'

const victims = new Map<string, string[]>(cookieStoreCases.map(({ id }) => [id, []]))

describe('the zoo of broken cookie stores', () => {
  test.each(brokenCookieStores.map(broken => [broken.id, broken] as const))(
    '%s: rejected',
    async (id, { make }) => {
      const report = await runCookieStoreCases(() => ({ store: make() }))
      const rejecting = report.results.filter(({ status }) => status === 'failed')
      for (const result of rejecting) victims.get(result.id)?.push(id)
      expect(rejecting.map(result => result.id)).not.toEqual([])
    },
  )

  test('every case rejects one', () => {
    const idle = [...victims].filter(([, rejected]) => rejected.length === 0).map(([id]) => id)
    const killed = new Set([...victims.values()].flat()).size
    console.log(
      `broken cookie stores rejected: ${killed} of ${brokenCookieStores.length}, ` +
        `cases: ${cookieStoreCases.length}, cases that reject none: ${idle.length}`,
    )
    expect(idle).toEqual([])
    expect(killed).toBe(brokenCookieStores.length)
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
