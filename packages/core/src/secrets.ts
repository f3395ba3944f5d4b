import { ConfigError } from './errors.ts'

const MIN_BYTES = 32

// Made of nothing but the words of other libraries' examples and of old default configurations.
const EXAMPLE =
  /^(?:an?|the|this|is|my|your|please|change|me|very|super|top|long|strong|complex|random|string|secret|key|session|cookie|password|passphrase|keyboard|cat|with|of|at|least|minimum|length|characters|default)+$/

// The beginnings of secrets printed in well-known documentation: h3, Flask.
const PRINTED = /^(?:80d42cfb-1cd2|192b9bdd22ab)/

/**
 * The secrets of `secret`, the current one first. Too short (32 bytes of UTF-8), repetitive or printed in some
 * documentation: a `ConfigError` naming the option, without the secret.
 */
export function checkSecrets(secret: string | readonly string[], option = 'secret'): readonly string[] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? [...secret] : [secret]
  if (secrets.length === 0) throw new ConfigError(option, 'needs at least one secret.')
  for (const [index, text] of secrets.entries()) {
    const problem = weakness(text)
    if (problem) {
      const which = Array.isArray(secret) ? `${option}[${index}]` : option
      throw new ConfigError(which, `${problem} Make one with \`openssl rand -base64 32\`.`)
    }
  }
  return Object.freeze(secrets as string[])
}

function weakness(secret: unknown): string | undefined {
  if (typeof secret !== 'string') return 'must be a string.'
  if (new TextEncoder().encode(secret).length < MIN_BYTES) return `must be ${MIN_BYTES} bytes or longer.`
  if (new Set(secret).size < 8) return 'has too few different characters.'
  for (let unit = 1; unit <= secret.length / 2; unit++) {
    if (secret.startsWith(secret.slice(unit))) return 'repeats itself.'
  }
  const letters = secret.toLowerCase().replace(/[^a-z]/g, '')
  return EXAMPLE.test(letters) || PRINTED.test(secret) ? 'is an example that everybody knows.' : undefined
}
