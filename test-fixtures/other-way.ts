import { type StoreFactory, storeCases } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'

/** Of the cases that ran on the same store and backend already, one in so many runs each day. */
const ONE_IN = 4

/**
 * Registers cases for a store whose backend is reached in another way: by another client, driver or table. All cases run on
 * one way. On the others `npm test` runs a quarter, other cases each day; `pnpm campaign stores` runs all of them on every way.
 */
export function describeOtherWay(
  name: string,
  factory: StoreFactory,
  options: { callTimeout?: number } = {},
): void {
  const today = Math.floor(Date.now() / 86_400_000) + name.length
  const chosen = storeCases.filter((_, index) => (index + today) % ONE_IN === 0).map(({ id }) => id)
  const isQuick = process.env['SESS_CONFORMANCE_QUICK'] === '1'
  describeStore(name, factory, {
    ...options,
    filter: isQuick ? new RegExp(`^(${chosen.join('|')}) `) : undefined,
  })
}
