/** What a masked value looks like. */
export const MASK = '••••••'

// Whole words of a name, however it is written: api_key, apiKey, API-KEY.
const SECRET_WORDS =
  /(^|_)(pass|password|passwd|passphrase|pwd|secret|secrets|token|tokens|apikey|api_key|authorization|bearer|credential|credentials|private|private_key|csrf|xsrf|csrftoken|otp|totp|pin|cvv|cvc|ssn|iban|card|card_number|cardnumber|hash|salt|nonce|signature|jwt|cookie|cookies|session_key|session_id|sessionid|code_verifier|refresh|verifier)(_|$)/

/** Whether a name says that its value is a secret: `password`, `csrfToken`, `_auth_user_hash`. */
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

/** A copy in which each value that looks secret, by its name or by itself, is masked. */
export function masked(value: unknown): unknown {
  if (typeof value === 'string') return SECRET_VALUE.test(value) ? MASK : value
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== 'object' || value === null) return value
  const plain = Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null
  if (!plain) return value
  const copy: Record<string, unknown> = Object.create(null)
  for (const [key, item] of Object.entries(value)) {
    const hide = looksSecret(key) && item !== null && item !== '' && typeof item !== 'boolean'
    copy[key] = hide ? MASK : masked(item)
  }
  return copy
}
