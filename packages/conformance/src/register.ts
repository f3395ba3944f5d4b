import type { AdapterFactory, AdapterOptions } from './adapter-cases/fixture.ts'
import { adapterCases } from './adapter-cases/index.ts'
import type { Case } from './case.ts'
import { cookieStoreCases } from './cookie-cases/index.ts'
import type { CookieStoreFactory } from './cookie-fixture.ts'
import { formatFailure } from './report.ts'
import {
  chosenBy,
  type Opened,
  openAdapterFor,
  openCookieStore,
  openStore,
  type RunOptions,
  runCase,
} from './runner.ts'
import { quickCases, seedOfToday } from './sample.ts'
import { storeCases } from './store-cases/index.ts'
import type { StoreFactory } from './store-fixture.ts'

/** The two functions that every test framework has, and how this one says "does not apply". */
export interface Framework {
  describe(name: string, body: () => void): void
  /** `skip` marks the running test as skipped, with a reason, and need not return. */
  test(name: string, body: (skip: (reason: string) => void) => Promise<void>, timeoutMs: number): void
}

/** Options of `describeStore`, `describeCookieStore` and `describeAdapter`. */
export type RegisterOptions = Omit<RunOptions, 'onCase' | 'concurrency' | 'bail'>

/** Registers cases as tests of a framework. */
export function registerCases<Fixture>(
  framework: Framework,
  name: string,
  cases: readonly Case<Fixture>[],
  open: (rule: Case<Fixture>) => Promise<Opened<Fixture>>,
  options: RegisterOptions = {},
): void {
  const timeout = options.timeout ?? 60_000
  framework.describe(name, () => {
    for (const rule of cases.filter(rule => chosenBy(options.filter, rule))) {
      framework.test(
        `${rule.id}: ${rule.title}`,
        async skip => {
          const result = await runCase(rule, open, { ...options, timeout })
          if (result.status === 'skipped') skip(`does not apply: ${result.reason}`)
          if (result.status === 'failed') throw new Error(formatFailure(result), { cause: result.error })
        },
        timeout + 5_000,
      )
    }
  })
}

/** The functions that an author calls, for one framework. */
export interface Registrars {
  /**
   * Registers every case of the store contract, each on a fresh store of the factory's. `quick`, or
   * `SESS_CONFORMANCE_QUICK=1` in the environment, takes a fifth of the generated cases, others each day, with fewer points.
   */
  describeStore(name: string, factory: StoreFactory, options?: RegisterOptions): void
  /** Registers every case of the contract of cookie stores. */
  describeCookieStore(name: string, factory: CookieStoreFactory, options?: RegisterOptions): void
  /** Registers every case for adapters: a factory starts the probe app, or it listens at a URL already. */
  describeAdapter(
    name: string,
    target: string | AdapterFactory,
    options?: RegisterOptions & AdapterOptions,
  ): void
}

const isQuick = (options: RegisterOptions | undefined): boolean =>
  options?.quick ?? globalThis.process?.env['SESS_CONFORMANCE_QUICK'] === '1'

/**
 * Makes the `describe…` functions for a test framework.
 *
 * @example
 * export const { describeStore } = registrars({
 *   describe: (name, body) => suite(name, body),
 *   test: (name, body, timeout) => it(name, () => body(reason => console.log(reason)), timeout),
 * })
 */
export function registrars(framework: Framework): Registrars {
  return {
    describeStore(name, factory, options) {
      const quick = isQuick(options)
      if (!quick) return registerCases(framework, name, storeCases, openStore(factory, options), options)
      const cases = quickCases(storeCases, options?.seed ?? seedOfToday(name))
      registerCases(framework, name, cases, openStore(factory, { ...options, quick }), options)
    },
    describeCookieStore(name, factory, options) {
      registerCases(framework, name, cookieStoreCases, openCookieStore(factory), options)
    },
    describeAdapter(name, target, options) {
      const open = openAdapterFor(target, { ...options, quick: isQuick(options) })
      registerCases(framework, name, adapterCases, open, options)
    },
  }
}
