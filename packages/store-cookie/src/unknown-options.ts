import { ConfigError } from '@sess/core'

/** @throws ConfigError that says `problem` of the first option in `unknown`, or, for `secret`, where that one belongs. */
export function refuseOptions(unknown: unknown, problem: string, prefix = ''): void {
  if (unknown === undefined) return
  for (const name of typeof unknown === 'object' ? Object.keys(unknown ?? {}) : ['options']) {
    throw new ConfigError(
      prefix + name,
      name === 'secret' ? 'is an option of session() and createSessions().' : problem,
    )
  }
}
