import { type StoreFactory, type StoreSetup, storeCases } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'

/** Of the cases that ran on the same store and backend already, one in so many runs each day. */
const ONE_IN = 4

const isQuick = process.env['SESS_CONFORMANCE_QUICK'] === '1'
const today = Math.floor(Date.now() / 86_400_000)

/** What `npm test` takes turns with, one a day. `pnpm campaign stores` runs all of each. */
const TURNS = {
  /** Cases with a second process: each starts one. */
  processes: ['SQLite', 'Redis', 'PostgreSQL', 'MariaDB', 'files', 'cached', 'moving'],
  /** Clients of one server while the server is in trouble. */
  'clients in trouble': ['redis', 'ioredis'],
  'drivers in trouble': ['node:sqlite', 'better-sqlite3'],
  'stores in trouble': ['the new store', 'the old store'],
} as const

/** Whether the member of a group is tested today. */
export function isToday<Group extends keyof typeof TURNS>(
  group: Group,
  member: (typeof TURNS)[Group][number],
): boolean {
  const members: readonly string[] = TURNS[group]
  return !isQuick || members[today % members.length] === member
}

/** What a factory offers as its `module`: something if its turn is today. */
export function moduleOfToday(
  backend: (typeof TURNS)['processes'][number],
  module: StoreSetup['module'],
): StoreSetup['module'] {
  return isToday('processes', backend) ? module : undefined
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
