import { describe, test } from 'bun:test'
import { type Registrars, registrars } from './register.ts'

// bun test cannot skip a test that runs, so a case that does not apply passes, and says so.
const framework: Registrars = registrars({
  describe: (name, body) => describe(name, body),
  test: (name, body, timeout) =>
    test(name, () => body(reason => void process.stdout.write(`${name}: ${reason}\n`)), timeout),
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
