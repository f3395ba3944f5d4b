import { ConfigError } from './errors.ts'

/**
 * What each option may be: its values; or a test (a pattern for text) and the words for it. `undefined` stands for the
 * default everywhere.
 */
export type Checks<Options> = {
  readonly [Name in keyof Options]-?:
    | readonly (string | boolean)[]
    | readonly [test: RegExp | ((value: any) => unknown), expected: string]
}

/** Throws a ConfigError that names the option and the remedy; `prefix` goes before the name. */
export function checkOptions<Options extends object>(
  options: Options,
  checks: Checks<Options>,
  prefix: string,
): void {
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name)
      ? (checks as Record<string, readonly unknown[]>)[name]
      : undefined
    if (!check)
      throw new ConfigError(prefix + name, `unknown option; there are ${Object.keys(checks).join(', ')}.`)
    if (value === undefined) continue
    const [test, expected] = check
    if (
      test instanceof RegExp
        ? typeof value === 'string' && test.test(value)
        : typeof test === 'function' && test(value)
    )
      continue
    if (check.includes(value)) continue
    throw new ConfigError(
      prefix + name,
      `must be ${test instanceof Object ? expected : check.map(one => JSON.stringify(one)).join(' or ')}.`,
    )
  }
}
