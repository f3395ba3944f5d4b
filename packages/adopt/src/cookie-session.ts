import { type Adopter, ConfigError } from '@sess/core'
import { readOptions } from '@sess/core/store'
import { type OldCookieOptions, oldCookieTable, placeOf, recordOf } from './old-cookies.ts'
import { type Keys, keygripOf, keysCheck, signedPair } from './signed-pair.ts'
import { base64Json } from './values.ts'

/** The options that `cookieSession()` has had. */
export interface CookieSessionOptions extends OldCookieOptions {
  /** All of its keys; `[secret]` if it had a `secret`. Sessions without a signature are not adopted. */
  keys: Keys
  /** Default `session`. */
  name?: string | undefined
}

/**
 * Takes over sessions of cookie-session (1.x and 2.x). Its cookies have no end in them, so remove this adopter when the
 * longest of them have ended.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const sessions = createSessions({ store, adopt: [cookieSession({ keys: ['key1', 'key2'] })] })
 */
export function cookieSession(options: CookieSessionOptions): Adopter {
  const read = readOptions<CookieSessionOptions, 'domain' | 'convert' | 'subject'>(options, {
    ...oldCookieTable('session'),
    keys: [undefined, keysCheck],
  })
  const { keys, name } = read
  if (!keys) throw new ConfigError('keys', 'is missing: the keys that cookie-session has used.')
  const keygrip = keygripOf(keys)

  return (_, context) => {
    const pair = signedPair(name, keygrip, context)
    const data = pair && base64Json(pair.value)
    if (!pair || !data) return null
    return {
      id: pair.id,
      read: () => recordOf(read, data, undefined),
      ...placeOf(read, [name, `${name}.sig`]),
    }
  }
}
