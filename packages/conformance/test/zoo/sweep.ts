import { adapterCases, cookieStoreCases, storeCases } from '../../src/index.ts'
import { type CaseResult, runAdapterCases, runCookieStoreCases, runStoreCases } from '../../src/runner.ts'
import { referenceWays, startReference } from '../reference-probe.ts'
import { type BrokenAdapter, brokenAdapters } from './broken-adapters.ts'
import { type BrokenCookieStore, brokenCookieStores } from './broken-cookie-stores.ts'
import { type BrokenStore, brokenStores } from './broken-stores.ts'
import { inhabited } from './habitat.ts'
import { sqlStores } from './strangers-sql.ts'

/** Broken implementations, the cases that must reject them, and how one of them is proved by some of the cases. */
export interface Zoo<Broken extends { id: string } = { id: string }> {
  broken: readonly Broken[]
  cases: readonly string[]
  prove(broken: Broken, cases: readonly string[]): Promise<CaseResult[]>
}

const only = (cases: readonly string[]) => new RegExp(`^(?:${cases.join('|')}) `)

/** These cases have zoos of their own, `strangers-stores.ts`, `fresh-stores.ts` and `strangers-sql.ts`, whose stores name the case that rejects them. */
const GENERATED =
  /^store\/(?:life|everywhere|overlap|abort|fresh|many|fails|lost|process|read-while-replaced)-|-pages |^store\/(?:zones|payload-boundaries|hidden-in-subject|random-programs|version-equal-hashes|version-of-empty|scans-at-once|few-among-expired|subject-is-text|renewed-outlives-first-life|down-at-first|down-amid-scan|restarted-backend) /

const OF_SQL_ZOO = new Set(sqlStores.map(({ by }) => by))

export const storeZoo: Zoo<BrokenStore> = {
  broken: brokenStores,
  cases: storeCases.map(({ id }) => id).filter(id => !GENERATED.test(`${id} `) && !OF_SQL_ZOO.has(id)),
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

/**
 * These have zoos of their own, `strangers-adapters.ts`, `fresh-adapters.ts`, `adapters-in-a-way.ts`, `off-route-adapters.ts`, `plausible-adapters.ts` and `raw-adapters.ts`, whose adapters name the
 * case that rejects them.
 */
const OF_OTHER_ZOOS =
  /^adapter\/(?:raw-|under-|method-|path-|https-|proxy-|hook-|one-engine-twice|(?:visitors-at-once|early-hints|two-engines-5xx|two-engines-https|background|thrown-headers|not-found|failing-body|constant-cookies|constant-response|failed-body-closed|save-fails-headers|store-throws-at-once|pipelined|left-body-closed|own-vary-alike|devices|forwarded-host|own-several|foreign-response|forwarded|not-modified|with-body|many-failures|left-after-change|bytes|request-of-framework|logout-then-error|saved-then-error|empty-header-carrier|slow-save|with-body-slow-store|request-headers|offers-h2c|same-request-id)$)/

export const adapterZoo: Zoo<BrokenAdapter> = {
  broken: brokenAdapters,
  cases: adapterCases.map(({ id }) => id).filter(id => !OF_OTHER_ZOOS.test(id)),
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
