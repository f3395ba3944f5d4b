import type { Case } from '../../src/case.ts'
import { adapterCases, cookieStoreCases, storeCases } from '../../src/index.ts'
import { type CaseResult, runAdapterCases, runCookieStoreCases, runStoreCases } from '../../src/runner.ts'
import { referenceWays, startReference } from '../reference-server.ts'
import { adaptersInAWay } from './adapters-in-a-way.ts'
import { type BrokenAdapter, brokenAdapters } from './broken-adapters.ts'
import { type BrokenCookieStore, brokenCookieStores } from './broken-cookie-stores.ts'
import { type BrokenStore, brokenStores } from './broken-stores.ts'
import { rejectedBy as freshAdapters } from './fresh-adapters.ts'
import { rejectedBy as freshStores } from './fresh-stores.ts'
import { inhabited } from './habitat.ts'
import { kvStores } from './kv-stores.ts'
import { oddRequestAdapters } from './odd-requests.ts'
import { offRouteAdapters } from './off-route-adapters.ts'
import { plausibleAdapters } from './plausible-adapters.ts'
import { rawAdapters } from './raw-adapters.ts'
import rejections from './rejections.json' with { type: 'json' }
import { strangersAdapters } from './strangers-adapters.ts'
import { sqlStores } from './strangers-sql.ts'
import { strangersStores } from './strangers-stores.ts'

/** Broken implementations, the cases that must reject them, and how one of them is proved by some of the cases. */
export interface Zoo<Broken extends { id: string } = { id: string }> {
  broken: readonly Broken[]
  cases: readonly string[]
  prove(broken: Broken, cases: readonly string[]): Promise<CaseResult[]>
}

const only = (cases: readonly string[]) => new RegExp(`^(?:${cases.join('|')}) `)

/** Those of the other zoos name the case that rejects them. `processes.test.ts` has the broken ones of `store/process-…`. */
const named = new Set([
  ...[...strangersStores, ...sqlStores, ...Object.values(kvStores)].map(({ by }) => by),
  ...[
    ...strangersAdapters,
    ...adaptersInAWay,
    ...offRouteAdapters,
    ...plausibleAdapters,
    ...oddRequestAdapters,
    ...rawAdapters,
  ].map(({ by }) => by),
  ...Object.values(freshStores),
  ...Object.values(freshAdapters),
])

/**
 * The cases of this zoo: those that reject one of its members, and those that nothing else is known to be rejected by. Of a
 * family, whose cases differ in a value, it is enough that some reject something.
 */
function casesOf(cases: readonly Case<never>[], rejections: Record<string, string[]>): string[] {
  const own = new Set(Object.values(rejections).flat())
  const isElsewhere = ({ id, family }: Case<never>) =>
    family !== undefined || named.has(id) || id.startsWith('store/process-')
  return cases.filter(each => own.has(each.id) || !isElsewhere(each)).map(({ id }) => id)
}

export const storeZoo: Zoo<BrokenStore> = {
  broken: brokenStores,
  cases: casesOf(storeCases, rejections.stores),
  async prove({ mistake }, cases) {
    const options = { callTimeout: 100, timeout: 1_000, seed: 1, filter: only(cases) }
    return (await runStoreCases(() => inhabited(mistake), options)).results
  },
}

export const cookieStoreZoo: Zoo<BrokenCookieStore> = {
  broken: brokenCookieStores,
  cases: cookieStoreCases.map(({ id }) => id),
  async prove({ make }, cases) {
    return (await runCookieStoreCases(() => ({ store: make() }), { filter: only(cases) })).results
  },
}

export const adapterZoo: Zoo<BrokenAdapter> = {
  broken: brokenAdapters,
  cases: casesOf(adapterCases, rejections.adapters),
  async prove({ Adapter }, cases) {
    const options = { ...referenceWays(Adapter), timeout: 2_500, filter: only(cases) }
    return (await runAdapterCases(own => startReference(own, Adapter), options)).results
  },
}

/** Calls `run` for every item, `width` of them at a time: most of a case's time is waiting. */
export async function sideBySide<T>(items: readonly T[], width: number, run: (item: T) => Promise<void>) {
  const waiting = [...items]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await run(next)
  }
  await Promise.all(Array.from({ length: width }, work))
}
