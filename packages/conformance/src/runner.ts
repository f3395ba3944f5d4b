import {
  type AdapterFactory,
  type AdapterFixture,
  type AdapterOptions,
  openAdapter,
  openUrl,
} from './adapter-cases/fixture.ts'
import { adapterCases } from './adapter-cases/index.ts'
import { type Case, DoesNotApply } from './case.ts'
import { CaseFailure, show } from './check.ts'
import { cookieStoreCases } from './cookie-cases/index.ts'
import { type CookieStoreFactory, type CookieStoreFixture, openCookieFixture } from './cookie-fixture.ts'
import { quickCases, seedOfToday } from './sample.ts'
import { storeCases } from './store-cases/index.ts'
import {
  type FixtureOptions,
  openStoreFixture,
  type StoreFactory,
  type StoreFixture,
} from './store-fixture.ts'

/** What one case came to. */
export interface CaseResult {
  id: string
  title: string
  rule: string
  source: string
  why: string
  /** What to change where it is broken. */
  remedy?: string
  status: 'passed' | 'failed' | 'skipped'
  /** Milliseconds. */
  took: number
  /** Why it was skipped: "does not apply, because …". */
  reason?: string
  /** What its random choices were made by, if it made any: the `seed` option makes them again. */
  seed?: number
  /** What the rule requires, in the terms of this run. */
  expected?: string
  happened?: string
  /** What was thrown: a `CaseFailure`, or the implementation's own error. */
  error?: unknown
}

/** What a run of all chosen cases came to. */
export interface Report {
  /** No case failed, and at least one ran. */
  ok: boolean
  passed: number
  failed: number
  skipped: number
  /** Chosen cases that were not run, because `bail` stopped before them. Absent if there are none. */
  left?: number
  results: CaseResult[]
}

/** Options of `runStoreCases`, `runCookieStoreCases` and `runAdapterCases`. */
export interface RunOptions extends FixtureOptions {
  /** Runs the cases whose id or title contains it, or matches it. */
  filter?: string | RegExp | undefined
  /** Stops at the first case that fails. With `concurrency`, those that run at that moment end first. */
  bail?: boolean | undefined
  /** Called after each case. */
  onCase?: ((result: CaseResult, progress: { done: number; total: number }) => void) | undefined
  /** Milliseconds that one case may take; 60,000 unless given. */
  timeout?: number | undefined
  /**
   * How many cases run at the same time; 1 unless given. More is right only if each call of the factory makes a backend of its
   * own (a file, a schema, a key prefix), because cases clear away what has expired, and take the backend down.
   */
  concurrency?: number | undefined
}

/** How the cases of a kind get what they run on, and give it back. */
export interface Opened<Fixture> {
  fixture: Fixture
  close(): Promise<void>
}

/**
 * Runs every case of the store contract, each on a store of its own. Needs no test framework.
 *
 * @example
 * const report = await runStoreCases(() => ({ store: myStore() }), { quick: true })
 * console.log(formatReport(report))
 */
export function runStoreCases(factory: StoreFactory, options: RunOptions = {}): Promise<Report> {
  return runCases(storeCasesFor(options), openStore(factory, options), options)
}

/**
 * Runs every case of the contract of cookie stores.
 *
 * @example
 * const report = await runCookieStoreCases(() => ({ store: cookieStore({ secrets }) }))
 */
export function runCookieStoreCases(factory: CookieStoreFactory, options: RunOptions = {}): Promise<Report> {
  return runCases(cookieStoreCases, openCookieStore(factory), options)
}

/** All cases; of a quick run without a filter, some of each family. A filter names cases that somebody wants to see run. */
export function storeCasesFor({ quick, filter, seed }: RunOptions): typeof storeCases {
  return quick && filter === undefined ? quickCases(storeCases, seed ?? seedOfToday()) : storeCases
}

export function openCookieStore(factory: CookieStoreFactory) {
  return async (): Promise<Opened<CookieStoreFixture>> => {
    const setup = await factory()
    return { fixture: openCookieFixture(setup), close: async () => await setup.cleanup?.() }
  }
}

/**
 * Runs every case for adapters: against a probe app that listens at a URL, or one that the factory starts for each
 * case with the options that the case needs.
 *
 * @example
 * const report = await runAdapterCases('http://127.0.0.1:3000')
 */
export function runAdapterCases(
  target: string | AdapterFactory,
  options: RunOptions & AdapterOptions = {},
  ...others: never[]
): Promise<Report> {
  if (others.length > 0)
    throw new TypeError(
      'runAdapterCases takes two arguments: the target, and one object with all options, such as `{ https, before, timeout }`.',
    )
  return runCases(adapterCases, openAdapterFor(target, options), options)
}

export function openAdapterFor(
  target: string | AdapterFactory,
  options: AdapterOptions & Pick<RunOptions, 'quick'> = {},
) {
  if (typeof target === 'function') return () => openAdapter(target, options)
  let listening: Promise<AdapterFixture> | undefined
  return async (): Promise<Opened<AdapterFixture>> => {
    listening ??= openUrl(target)
    return { fixture: await listening, close: async () => undefined }
  }
}

/** A store of its own for a case. */
export function openStore(factory: StoreFactory, options: FixtureOptions = {}) {
  return async (): Promise<Opened<StoreFixture>> => {
    const setup = await factory()
    return {
      fixture: await openStoreFixture(setup, options),
      close: async () => await setup.cleanup?.(),
    }
  }
}

export async function runCases<Fixture>(
  cases: readonly Case<Fixture>[],
  open: (rule: Case<Fixture>) => Promise<Opened<Fixture>>,
  options: RunOptions = {},
): Promise<Report> {
  const chosen = cases.filter(rule => chosenBy(options.filter, rule))
  const results = new Map<Case<Fixture>, CaseResult>()
  let stopped = false
  const work = async (rules: Case<Fixture>[]): Promise<void> => {
    for (let rule = rules.shift(); rule !== undefined && !stopped; rule = rules.shift()) {
      const result = await runCase(rule, open, options)
      results.set(rule, result)
      if (options.bail && result.status === 'failed') stopped = true
      options.onCase?.(result, { done: results.size, total: chosen.length })
    }
  }
  const { concurrency = 1 } = options
  const together = chosen.filter(({ alone }) => concurrency > 1 && !alone)
  await Promise.all(Array.from({ length: concurrency }, () => work(together)))
  await work(chosen.filter(rule => !results.has(rule)))
  const left = chosen.length - results.size
  return { ...summary(chosen.flatMap(rule => results.get(rule) ?? [])), ...(left > 0 && { left }) }
}

export function summary(results: CaseResult[]): Report {
  const count = (status: CaseResult['status']) => results.filter(result => result.status === status).length
  const failed = count('failed')
  const passed = count('passed')
  return { ok: failed === 0 && passed > 0, passed, failed, skipped: count('skipped'), results }
}

export function chosenBy(
  filter: string | RegExp | undefined,
  { id, title }: { id: string; title: string },
): boolean {
  if (filter === undefined) return true
  if (typeof filter === 'string') return id.includes(filter) || title.includes(filter)
  return new RegExp(filter.source, filter.flags.replace(/[gy]/g, '')).test(`${id} ${title}`)
}

/** Runs one case. Never rejects: a broken factory or cleanup is a failed case. */
export async function runCase<Fixture>(
  rule: Case<Fixture>,
  open: (rule: Case<Fixture>) => Promise<Opened<Fixture>>,
  options: RunOptions = {},
): Promise<CaseResult> {
  const { id, title, rule: sentence, source, why, remedy } = rule
  const started = performance.now()
  const result = (part: Partial<CaseResult> & Pick<CaseResult, 'status'>): CaseResult => ({
    id,
    title,
    rule: sentence,
    source,
    why,
    ...(remedy !== undefined && { remedy }),
    took: performance.now() - started,
    ...(rule.random && opened && { seed: (opened.fixture as { seed: number }).seed }),
    ...part,
  })
  const skipped = (reason: string) => result({ status: 'skipped', reason })
  const { timeout = 60_000 } = options
  let opened: Opened<Fixture> | undefined
  let outcome: CaseResult
  try {
    opened = await withDeadline(
      open(rule),
      timeout,
      `a result of the factory was not there after ${timeout} ms`,
    )
    const reason = rule.skip?.(opened.fixture)
    if (reason === undefined) {
      const late = `the case was not through after ${timeout} ms; if the store is only slow, raise --timeout (timeout)`
      await withDeadline(rule.run(opened.fixture), timeout, late)
      outcome = result({ status: 'passed' })
    } else {
      outcome = skipped(reason)
    }
  } catch (error) {
    outcome = error instanceof DoesNotApply ? skipped(error.message) : result(explained(error))
    if (outcome.status === 'failed' && !(error instanceof CaseFailure))
      outcome.remedy = [LOOK_AT_ERROR, remedy].filter(Boolean).join(' If that does not help: ')
  }
  try {
    if (opened) {
      const late = `the end of the cleanup was not there after ${timeout} ms; let it close what others hold open, too`
      await withDeadline(opened.close(), timeout, late)
    }
  } catch (error) {
    if (outcome.status !== 'failed')
      outcome = result(explained(error, 'the cleanup of the factory to succeed'))
  }
  return outcome
}

function explained(
  error: unknown,
  expected = 'every call to be answered; only an outage may throw (repeat what contention made the backend reject)',
): CaseResult & { status: 'failed' } {
  const part =
    error instanceof CaseFailure
      ? {
          expected: error.expected,
          happened: error.happened,
          ...(error.remedy !== undefined && { remedy: error.remedy }),
        }
      : { expected, happened: `an error was thrown: ${show(error)}` }
  return { status: 'failed', error, ...part } as CaseResult & { status: 'failed' }
}

/** Nobody knows which call of the case it was that took so long. */
const LOOK_FOR_HANGING =
  'Run this case alone by `--filter` (filter). If it passes then, the machine or the backend was only slow. If not, a call waits ' +
  'for ever: for a connection that is not given back, a lock, or a reply that never comes.'

/** An error that is not the case's own may come from any of its calls, also from those that prepare it. */
const LOOK_AT_ERROR = 'A call failed, maybe one of the preparation: look at its error first.'

/** @param happened what the report says if it takes longer */
async function withDeadline<T>(run: Promise<T>, ms: number, happened: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new CaseFailure('every call to be answered', happened, LOOK_FOR_HANGING))
    }, ms)
  })
  try {
    return await Promise.race([run, late])
  } finally {
    clearTimeout(timer)
  }
}
