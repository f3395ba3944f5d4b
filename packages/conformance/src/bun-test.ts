import { describe, test } from 'bun:test'
import { registrars } from './register.ts'

// bun test cannot skip a test that runs, so a case that does not apply passes, and says so.
export const { describeStore, describeCookieStore, describeAdapter } = registrars({
  describe: (name, body) => describe(name, body),
  test: (name, body, timeout) =>
    test(name, () => body(reason => void process.stdout.write(`${name}: ${reason}\n`)), timeout),
})
