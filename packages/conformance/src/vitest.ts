import { describe, test } from 'vitest'
import { type Framework, type RegisterOptions, registerStore } from './register.ts'
import type { StoreFactory } from './store-fixture.ts'

const vitest: Framework = {
  describe: (name, body) => void describe(name, body),
  test: (name, body, timeout) =>
    void test(name, { timeout }, context => body(reason => context.skip(reason))),
}

/** Registers every case of the store contract with vitest, each on a fresh store of the factory's. */
export function describeStore(name: string, factory: StoreFactory, options?: RegisterOptions): void {
  registerStore(vitest, name, factory, options)
}
