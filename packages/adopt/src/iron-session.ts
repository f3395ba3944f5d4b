import { type Adopter, ConfigError } from '@sess/core'
import { readOptions } from '@sess/core/store'
import { defaults, unseal } from 'iron-webcrypto'
import { type OldCookieOptions, oldCookieTable, placeOf, recordOf } from './old-cookies.ts'
import { decodedValue, isObject } from './values.ts'

/** The options that iron-session has had. */
export interface IronSessionOptions extends OldCookieOptions {
  /** The option `password`: one of 32 characters or more, or several by their ids. */
  password: string | Readonly<Record<string, string>>
  /** The option `cookieName`. */
  name: string
}

/** iron-session splits a long session over so many cookies at the most. */
const MAX_CHUNKS = 10

/**
 * Takes over sessions of iron-session (8.x and 9.x). Runs on every runtime.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const sessions = createSessions({ store, adopt: [ironSession({ name: 'app', password: process.env.PASSWORD })] })
 */
export function ironSession(options: IronSessionOptions): Adopter {
  const read = readOptions<IronSessionOptions, 'domain' | 'convert' | 'subject'>(options, {
    ...oldCookieTable(undefined),
    password: [undefined, [isPassword, 'a text of 32 characters or more, or an object of them by their ids']],
  })
  const { password, name } = read
  if (!name) throw new ConfigError('name', 'is missing: the option `cookieName` of iron-session.')
  if (!password) throw new ConfigError('password', 'is missing: the password that iron-session has used.')
  const passwords = typeof password === 'string' ? { 1: password } : password
  const chunks = Array.from({ length: MAX_CHUNKS }, (_, index) => `${name}.${index}`)

  return async (_, { cookies, now }) => {
    const whole = cookies(name)
    const parts = chunks.map(chunk => cookies(chunk)[0]).filter(part => part !== undefined)
    const texts = whole[0] ? whole : [parts.join('')]
    const genuine = new Map<string, Record<string, unknown>>()
    for (const text of texts) {
      // The version after `~` is not authenticated.
      const [seal = ''] = decodedValue(text).split('~', 1)
      const data = seal && (await unsealed(seal, passwords, now))
      if (data) genuine.set(authenticated(seal), data)
    }
    const [found, other] = genuine
    if (!found || other) return null
    const [id, data] = found
    return {
      id,
      read: () => recordOf(read, data, endOf(id)),
      ...placeOf(read, whole[0] ? [name] : chunks.slice(0, parts.length)),
    }
  }
}

/** The data in a seal. `null` for a seal that is forged, broken, expired or of another password. */
async function unsealed(
  seal: string,
  passwords: Readonly<Record<string, string>>,
  now: number,
): Promise<Record<string, unknown> | null> {
  try {
    // A seal has its end in it.
    const data = await unseal(seal, passwords, { ...defaults, localtimeOffsetMsec: now - Date.now() })
    return isObject(data) ? data : null
  } catch {
    return null
  }
}

// Fe26.2 * password id * salt * iv * data * end * salt of the mac * mac
/** The part of a seal that its mac is made of. */
function authenticated(seal: string): string {
  return seal.split('*').slice(0, 6).join('*')
}

/** When a seal ends, in milliseconds since the epoch. */
function endOf(seal: string): number | undefined {
  const end = seal.split('*')[5]
  return end ? Number(end) : undefined
}

function isPassword(value: unknown): boolean {
  const passwords = typeof value === 'string' ? [value] : Object.values(Object(value))
  return passwords.length > 0 && passwords.every(text => typeof text === 'string' && text.length >= 32)
}
