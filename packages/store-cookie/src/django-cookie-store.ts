import { ConfigError, type CookieStore, SessionDataError, type SessionRecord } from '@sess/core'
import { weakness } from '@sess/core/crypto'
import { COOKIE_SALT, dumpJson, expiryMoment, loadJson, unescapeJson } from '@sess/core/django'
import { refuseOptions } from './unknown-options.ts'

export interface DjangoCookieOptions {
  /** Default `django.contrib.sessions.backends.signed_cookies`, which is what Django's backend uses. */
  salt?: string
  /** Seconds; Django's `SESSION_COOKIE_AGE` (default 1209600, two weeks). */
  age?: number
  /** Deflate where that makes it shorter, as Django does (default true). */
  compress?: boolean
}

type Data = Record<string, unknown>

/**
 * Django's format has room for the data and the second they were signed in. So the end of a session's life is that
 * second plus the life that the data ask for (`_session_expiry`) or `age`, whichever is shorter; and its subject is
 * the data's `_session_subject`.
 *
 * What is written here is dated to end when the record does. With Django's own lifetimes that is the current second,
 * byte for byte as Django; otherwise an earlier one, or for a life beyond `age` a later one, which Django accepts.
 */
export function djangoCookieStore(options: DjangoCookieOptions): CookieStore {
  const { salt = COOKIE_SALT, age = 1_209_600, compress = true, ...unknown } = options
  refuseOptions(unknown, 'signedCookieStore has no such option; there are salt, age, compress.', 'django.')
  if (typeof salt !== 'string') throw new ConfigError('django.salt', 'must be a string.')
  if (!(Number.isFinite(age) && age > 0)) {
    throw new ConfigError('django.age', 'must be a number of seconds, as SESSION_COOKIE_AGE is.')
  }
  const limit = age * 1000

  return {
    weakness,

    seal({ payload, expiresAt, subject }, { secrets, now }) {
      const data = parse(payload)
      if (data === null) {
        throw new SessionDataError('A cookie for Django holds a JSON object: use the codec json().')
      }
      if (subject !== undefined && subjectOf(data) !== subject) {
        throw new SessionDataError('A cookie for Django has its subject in the data, as `_session_subject`.')
      }
      const life = lifeOf(data, age)
      let signedAt = expiresAt - Math.min(life.span ?? limit, limit)
      if (life.moment !== undefined && life.moment <= expiresAt && life.moment <= now + limit) signedAt = now
      return dumpJson(payload, { secret: secrets[0] as string, salt, compress, now: signedAt })
    },

    unseal(token, { secrets, now }) {
      const [secret = '', ...fallbacks] = secrets
      const open = ({ json, signedAt }: { json: string; signedAt: number }): SessionRecord | null => {
        const data = parse(json)
        if (data === null) return null
        const life = lifeOf(data, age)
        const expiresAt = Math.min(
          life.moment ?? Number.POSITIVE_INFINITY,
          signedAt * 1000 + Math.min(life.span ?? limit, limit),
        )
        if (!(expiresAt > now)) return null
        const record = { payload: unescapeJson(json), expiresAt }
        const subject = subjectOf(data)
        return subject === undefined ? record : { ...record, subject }
      }
      try {
        const loaded = loadJson(token, { secret, fallbacks, salt })
        return 'then' in loaded ? loaded.then(open).then(undefined, refuse) : open(loaded)
      } catch (error) {
        return refuse(error)
      }
    },
  }
}

/** Not an object, or not what JavaScript takes for JSON (Python's NaN): `null`. */
function parse(json: string): Data | null {
  let data: unknown
  try {
    data = JSON.parse(json)
  } catch {
    return null
  }
  return typeof data === 'object' && !Array.isArray(data) ? (data as Data | null) : null
}

/** Milliseconds from the signature on, or the moment of the end. Neither where the expiry is none: `age` it is. */
function lifeOf(data: Data, age: number): { span?: number; moment?: number } {
  const expiry = data['_session_expiry']
  try {
    const end = expiryMoment(expiry, 0, age)
    return typeof expiry === 'string' ? { moment: end } : { span: end }
  } catch (error) {
    // Django reads such a cookie, and fails only when asked for its expiry.
    if (codeOf(error) === 'SESSION_DATA') return {}
    throw error
  }
}

function subjectOf(data: Data): string | undefined {
  const subject = Object.hasOwn(data, '_session_subject') ? data['_session_subject'] : undefined
  return typeof subject === 'string' ? subject : undefined
}

/** For a bad token: forged, broken or not ours, it is no session. */
function refuse(error: unknown): null {
  const code = codeOf(error)
  if (code === 'BAD_SIGNATURE' || code === 'SESSION_DATA') return null
  throw error
}

// Not instanceof: in the CommonJS build each entry of core has classes of its own.
function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}
