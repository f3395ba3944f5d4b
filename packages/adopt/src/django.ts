import { type Adopter, ConfigError } from '@sess/core'
import { COOKIE_SALT, expiryMoment, loadJson } from '@sess/core/django'
import { readOptions, textLike } from '@sess/core/store'
import { type OldCookieOptions, oldCookieTable, placeOf, recordOf } from './old-cookies.ts'
import { objectIn } from './values.ts'

/** The settings of the Django site. */
export interface DjangoSignedCookiesOptions extends OldCookieOptions {
  /** `SECRET_KEY`, then `SECRET_KEY_FALLBACKS`. */
  secret: string | readonly string[]
  /** `SESSION_COOKIE_NAME`. Default `sessionid`. */
  name?: string | undefined
  /** `SESSION_COOKIE_AGE`, in seconds. Default 1,209,600: two weeks. */
  age?: number | undefined
  /** Default `django.contrib.sessions.backends.signed_cookies`, as in Django. */
  salt?: string | undefined
}

/**
 * Takes over sessions of Django's backend `signed_cookies`. The data stay as they are, with `_session_expiry`. The subject is
 * `_auth_user_id`, unless the option `subject` says something else. Runs on every runtime.
 *
 * A site whose sessions are in a table needs no adoption: the package `@sess/store-sql` shares the table.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const sessions = createSessions({ store, adopt: [djangoSignedCookies({ secret: process.env.SECRET_KEY })] })
 */
export function djangoSignedCookies(options: DjangoSignedCookiesOptions): Adopter {
  const read = readOptions<DjangoSignedCookiesOptions, 'domain' | 'convert'>(options, {
    ...oldCookieTable('sessionid'),
    subject: [userId, [value => typeof value === 'function', 'a function']],
    secret: [
      undefined,
      [
        value => [value].flat().every(text => text && typeof text === 'string'),
        "Django's SECRET_KEY, or a list",
      ],
    ],
    age: [1_209_600, [value => Number.isFinite(value) && value > 0, 'seconds: a number above 0']],
    salt: [COOKIE_SALT, textLike(/./, 'a text')],
  })
  const { name, age, salt } = read
  const [secret, ...fallbacks] = [read.secret ?? []].flat()
  if (!secret) throw new ConfigError('secret', "is missing: Django's SECRET_KEY.")

  return async (_, { cookies, now }) => {
    const genuine: { id: string; json: string; signedAt: number }[] = []
    for (const id of cookies(name)) {
      const found = await loaded(id, { secret, fallbacks, salt, maxAge: age, now })
      if (found) genuine.push({ id, ...found })
    }
    const [found, other] = genuine
    const data = found && !other && objectIn(found.json)
    if (!data) return null
    const signedAt = found.signedAt * 1000
    return {
      id: found.id,
      read: () => recordOf(read, data, endOf(data['_session_expiry'], signedAt, age)),
      ...placeOf(read, [name]),
    }
  }
}

type Loaded = { json: string; signedAt: number }

/** `null` for a token that is forged, broken, too old or of another format. */
async function loaded(token: string, options: Parameters<typeof loadJson>[1]): Promise<Loaded | null> {
  try {
    return await loadJson(token, options)
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === 'BAD_SIGNATURE' || code === 'SIGNATURE_EXPIRED' || code === 'SESSION_DATA') return null
    throw error
  }
}

/** Django forgets a signed cookie after `age`, and earlier if the session has asked for it. */
function endOf(expiry: unknown, signedAt: number, age: number): number {
  const limit = signedAt + age * 1000
  try {
    return Math.min(limit, expiryMoment(expiry, signedAt, age))
  } catch {
    // Django reads such a session, and fails only when it is asked for the expiry.
    return limit
  }
}

function userId(data: Record<string, unknown>): string | undefined {
  const id = data['_auth_user_id']
  return typeof id === 'string' ? id : undefined
}
