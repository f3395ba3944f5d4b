import { ConfigError } from './errors.ts'

/** A test of an option's value, and what stands after "must be" in the error message. */
export type Check = readonly [holds: (value: any) => unknown, expected: string]

/** Every option that exists: its default, used for `undefined`, and its check. */
export type Table<Options> = {
  readonly [Name in keyof Options]-?: readonly [fallback: unknown, check: Check]
}

/** Options with their defaults. Those named in `Absent` may be `undefined`. */
export type Read<Options, Absent extends keyof Options> = {
  [Name in keyof Options]-?: Name extends Absent ? Options[Name] : Exclude<Options[Name], undefined>
}

/**
 * One of these values.
 *
 * @example
 * const check = oneOf('full', 'normal')
 */
export function oneOf(...values: (string | boolean)[]): Check {
  return [value => values.includes(value), values.map(value => JSON.stringify(value)).join(' or ')]
}

/**
 * A string that matches the pattern.
 *
 * @example
 * const check = textLike(/:$/, "a string that ends in ':'")
 */
export function textLike(pattern: RegExp, expected: string): Check {
  return [value => typeof value === 'string' && pattern.test(value), expected]
}

/** `true` or `false`. */
export const flag: Check = oneOf(true, false)

/**
 * Checks options and fills in the defaults. `prefix` stands before each name in messages. `foreign` has remedies for names
 * that only other libraries know.
 *
 * @throws ConfigError (`CONFIG`) for an unknown name or a wrong value
 * @example
 * const { maxAge } = readOptions(options, { maxAge: [60, [Number.isSafeInteger, 'a whole number of seconds']] })
 */
export function readOptions<Options extends object, Absent extends keyof Options = never>(
  given: Options | undefined,
  table: Table<Options>,
  prefix = '',
  foreign: Record<string, string> = {},
): Read<Options, Absent> {
  // Not its text: a secret passed in place of the options must not appear in the message.
  if (given !== undefined && typeof given !== 'object') throw new ConfigError('options', 'must be an object.')
  const read: Record<string, unknown> = {}
  for (const name of Object.keys({ ...table, ...given }) as (keyof Options & string)[]) {
    if (!Object.hasOwn(table, name)) {
      if (Object.hasOwn(foreign, name)) throw new ConfigError(prefix + name, foreign[name]!)
      throw new ConfigError(
        prefix + name,
        `unknown option; there are ${Object.keys(table).join(', ') || 'none'}.`,
      )
    }
    const [fallback, [holds, expected]] = table[name]
    const value = given?.[name]
    if (value !== undefined && !holds(value)) throw new ConfigError(prefix + name, `must be ${expected}.`)
    read[name] = value ?? fallback
  }
  return read as never
}
