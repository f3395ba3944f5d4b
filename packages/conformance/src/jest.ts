import { registrars } from './register.ts'

/** The globals of a Jest test file, from which these functions are called. */
interface JestGlobals {
  describe(name: string, body: () => void): void
  test(name: string, body: () => Promise<void>, timeout: number): void
}

const jest = globalThis as unknown as JestGlobals

// Jest cannot skip a test that runs, so a case that does not apply passes, and says so.
export const { describeStore, describeCookieStore, describeAdapter } = registrars({
  describe: (name, body) => jest.describe(name, body),
  test: (name, body, timeout) =>
    jest.test(name, () => body(reason => void process.stdout.write(`${name}: ${reason}\n`)), timeout),
})
