import { ConfigError } from './errors.ts'

/** What an option may be, and the words for it. */
export type Check = readonly [holds: (value: any) => unknown, expected: string]

/** Every option there is: its default, which `undefined` stands for everywhere, and what it may be. */
export type Table<Options> = {
  readonly [Name in keyof Options]-?: readonly [fallback: unknown, check: Check]
}

/** Options with their defaults. Of those in `Absent` some have none. */
export type Read<Options, Absent extends keyof Options> = {
  [Name in keyof Options]-?: Name extends Absent ? Options[Name] : Exclude<Options[Name], undefined>
}

export function oneOf(...values: (string | boolean)[]): Check {
  return [value => values.includes(value), values.map(value => JSON.stringify(value)).join(' or ')]
}

export function textLike(pattern: RegExp, expected: string): Check {
  return [value => typeof value === 'string' && pattern.test(value), expected]
}

export const flag: Check = oneOf(true, false)

/** The options with their defaults. `foreign` has the remedies for names of other libraries. A wrong one is a ConfigError that names it, after `prefix`, and the remedy. */
export function readOptions<Options extends object, Absent extends keyof Options = never>(
  given: Options | undefined,
  table: Table<Options>,
  prefix = '',
  foreign: Record<string, string> = {},
): Read<Options, Absent> {
  const read: Record<string, unknown> = {}
  for (const name of Object.keys({ ...table, ...given }) as (keyof Options & string)[]) {
    if (!Object.hasOwn(table, name)) {
      if (Object.hasOwn(foreign, name)) throw new ConfigError(prefix + name, foreign[name]!)
      throw new ConfigError(prefix + name, `unknown option; there are ${Object.keys(table).join(', ')}.`)
    }
    const [fallback, [holds, expected]] = table[name]
    const value = given?.[name]
    if (value !== undefined && !holds(value)) throw new ConfigError(prefix + name, `must be ${expected}.`)
    read[name] = value ?? fallback
  }
  return read as never
}
