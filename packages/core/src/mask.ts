/** What a masked value looks like. */
export const MASK = '••••••'

// Whole words of a name, however it is written: api_key, apiKey, API-KEY.
const SECRET_WORDS =
  /(^|_)(pass|password|passwd|passphrase|pwd|secret|secrets|token|tokens|apikey|api_key|authorization|bearer|credential|credentials|private|private_key|csrf|xsrf|csrftoken|otp|totp|pin|cvv|cvc|ssn|iban|card|card_number|cardnumber|hash|salt|nonce|signature|jwt|cookie|cookies|session_key|session_id|sessionid|code_verifier|refresh|verifier)(_|$)/

/**
 * Whether a name says that its value is a secret: `password`, `csrfToken`, `_auth_user_hash`.
 *
 * @example
 * looksSecret('apiKey') // true
 */
export function looksSecret(name: string): boolean {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .replace(/[^A-Za-z\d]+/g, '_')
    .toLowerCase()
  return SECRET_WORDS.test(words)
}

// A JSON Web Token, a PEM key, or the user's part of an Authorization header, under whatever name.
const SECRET_VALUE = /^(eyJ[\w-]+\.eyJ[\w-]+\.|-----BEGIN |(Bearer|Basic) \S{8})/

/**
 * Whether the value at a path looks secret, by the name it has or by itself. Flags and empty values are shown under any name.
 *
 * @example
 * isSecret(['user', 'password'], 'hunter2') // true
 */
export function isSecret(path: readonly string[], value: unknown): boolean {
  if (typeof value === 'string' && SECRET_VALUE.test(value)) return true
  if (value === null || value === undefined || value === '' || typeof value === 'boolean') return false
  return looksSecret(path.at(-1) ?? '')
}
