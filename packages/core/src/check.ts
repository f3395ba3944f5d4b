import { ConfigError } from './errors.ts'

/** What an option may be, and the words for it. `undefined` stands for the default everywhere. */
export type Check = readonly [holds: (value: any) => unknown, expected: string]

export type Checks<Options> = { readonly [Name in keyof Options]-?: Check }

export function oneOf(...values: (string | boolean)[]): Check {
  return [value => values.includes(value), values.map(value => JSON.stringify(value)).join(' or ')]
}

export function textLike(pattern: RegExp, expected: string): Check {
  return [value => typeof value === 'string' && pattern.test(value), expected]
}

/** Throws a ConfigError that names the option and the remedy; `prefix` goes before the name. */
export function checkOptions<Options extends object>(
  options: Options,
  checks: Checks<Options>,
  prefix = '',
): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) {
      throw new ConfigError(prefix + name, `unknown option; there are ${Object.keys(checks).join(', ')}.`)
    }
    const [holds, expected] = checks[name as keyof Options]
    if (value !== undefined && !holds(value)) throw new ConfigError(prefix + name, `must be ${expected}.`)
  }
}
