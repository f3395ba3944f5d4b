import { describe, test } from 'node:test'
import { type Registrars, registrars } from './register.ts'

const framework: Registrars = registrars({
  describe: (name, body) => void describe(name, body),
  test: (name, body, timeout) =>
    void test(name, { timeout }, context => body(reason => context.skip(reason))),
})

/**
 * Registers every case of the store contract as a test.
 *
 * @example
 * describeStore('my store', () => ({ store: myStore() }))
 */
export const describeStore = framework.describeStore

/**
 * Registers every case of the contract of cookie stores as a test.
 *
 * @example
 * describeCookieStore('my cookie store', () => ({ store: myCookieStore({ secrets }) }))
 */
export const describeCookieStore = framework.describeCookieStore

/**
 * Registers every case for adapters as a test.
 *
 * @example
 * describeAdapter('my adapter', options => startProbe(options))
 */
export const describeAdapter = framework.describeAdapter
