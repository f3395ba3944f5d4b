import { describe, test } from 'node:test'
import { registrars } from './register.ts'

export const { describeStore, describeCookieStore, describeAdapter } = registrars({
  describe: (name, body) => void describe(name, body),
  test: (name, body, timeout) =>
    void test(name, { timeout }, context => body(reason => context.skip(reason))),
})
