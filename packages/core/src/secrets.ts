import { utf8 } from '#crypto'
import { ConfigError } from './errors.ts'
import type { CookieStore } from './store.ts'

const MIN_BYTES = 32

/**
 * Returns the secrets of the option `secret`, the current one first. A cookie store needs at least one. For other stores a
 * good secret is accepted and not used. A secret has 32 bytes of UTF-8 or more, and is none that the store finds weak.
 *
 * @throws ConfigError that names the option, without the secret
 */
export function checkSecrets(
  secret: string | readonly string[] = [],
  store?: Partial<CookieStore>,
): readonly string[] {
  // A missing secret gives the same error as a wrong one.
  const secrets: readonly unknown[] = store && !secret?.length ? [secret] : [secret].flat()
  for (const [index, text] of secrets.entries()) {
    const problem = isLong(text)
      ? store?.weakness?.(text)
      : `must be a string of ${MIN_BYTES} bytes or more, 8 of them different.`
    if (!problem) continue
    const remedy = store
      ? 'Make one with `openssl rand -base64 32`.'
      : 'For sessions on the server a secret is not needed: leave it out.'
    throw new ConfigError(text === secret ? 'secret' : `secret[${index}]`, `${problem} ${remedy}`)
  }
  return Object.freeze(secrets as string[])
}

function isLong(secret: unknown): secret is string {
  return typeof secret === 'string' && utf8(secret).length >= MIN_BYTES && new Set(secret).size >= 8
}

// Made of nothing but the words of other libraries' examples and of old default configurations.
const EXAMPLE =
  /^(?:an?|the|this|is|my|your|please|change|me|very|super|top|long|strong|complex|random|string|secret|key|session|cookie|password|passphrase|keyboard|cat|with|of|at|least|minimum|length|characters|default)+$/

// The beginnings of secrets printed in well-known documentation: h3, Flask.
const PRINTED = /^(?:80d42cfb-1cd2|192b9bdd22ab)/

/**
 * Says what is wrong with a secret that is long enough: it repeats itself, or some documentation prints it. `undefined`: nothing.
 *
 * @example
 * weakness('keyboard cat keyboard cat keyboard cat') // 'is an example that everybody knows.'
 */
export function weakness(secret: string): string | undefined {
  for (let unit = 1; unit <= secret.length / 2; unit++) {
    if (secret.startsWith(secret.slice(unit))) return 'repeats itself.'
  }
  const letters = secret.toLowerCase().replace(/[^a-z]/g, '')
  return EXAMPLE.test(letters) || PRINTED.test(secret) ? 'is an example that everybody knows.' : undefined
}
