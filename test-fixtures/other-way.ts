import { type StoreFactory, type StoreSetup, storeCases } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'

/** Of the cases that ran on the same store and backend already, one in so many runs each day. */
const ONE_IN = 4

const isQuick = process.env['SESS_CONFORMANCE_QUICK'] === '1'
const today = Math.floor(Date.now() / 86_400_000)

const BACKENDS = ['redis', 'postgres', 'mariadb', 'files'] as const

/**
 * What the factory of a store offers as its `module`. Each case with a second process starts one, so `npm test` runs them on
 * SQLite and on one other backend each day; `pnpm campaign stores` runs them on all.
 */
export function moduleOfToday(
  backend: (typeof BACKENDS)[number],
  module: StoreSetup['module'],
): StoreSetup['module'] {
  return isQuick && BACKENDS[today % BACKENDS.length] !== backend ? undefined : module
}

/**
 * Registers cases for a store whose backend is reached in another way: by another client, driver or table. All cases run on
 * one way. On the others `npm test` runs a quarter, other cases each day; `pnpm campaign stores` runs all of them on every way.
 */
export function describeOtherWay(
  name: string,
  factory: StoreFactory,
  options: { callTimeout?: number } = {},
): void {
  const turn = today + name.length
  const chosen = storeCases.filter((_, index) => (index + turn) % ONE_IN === 0).map(({ id }) => id)
  describeStore(name, factory, {
    ...options,
    filter: isQuick ? new RegExp(`^(${chosen.join('|')}) `) : undefined,
  })
}
