import { type CookieStore, SessionDataError, type SessionRecord } from '@sess/core'
import { weakness } from '@sess/core/crypto'
import { COOKIE_SALT, dumpJson, expiryMoment, loadJson, unescapeJson } from '@sess/core/django'
import { flag, readOptions, settle } from '@sess/core/store'
import { SECRET_BELONGS } from './secret-belongs.ts'

/** The settings of the Django site that shares the cookie. */
export interface DjangoCookieOptions {
  /** Django's salt. Default `django.contrib.sessions.backends.signed_cookies`, as Django has it. */
  salt?: string
  /** Seconds: Django's `SESSION_COOKIE_AGE`. Default 1,209,600 (two weeks). */
  age?: number
  /** Compresses if that makes the token shorter, as Django does. Default `true`. */
  compress?: boolean
}

type Data = Record<string, unknown>

/**
 * Django's format holds the data and the second in which they were signed, but no expiry and no subject. So:
 *
 * - The session ends `age` after that second, or earlier if the data ask for it (`_session_expiry`).
 * - Its subject is `_session_subject` in the data.
 * - A token is dated so that it ends when the record does. With Django's own lifetimes that is the current second, and the
 *   token is the one that Django would write. Otherwise the date is earlier, or later for a life beyond `age`.
 */
export function djangoCookieStore(options: DjangoCookieOptions): CookieStore {
  const { salt, age, compress } = readOptions<DjangoCookieOptions>(
    options,
    {
      salt: [COOKIE_SALT, [value => typeof value === 'string', 'a string']],
      age: [
        1_209_600,
        [value => Number.isFinite(value) && value > 0, 'a number of seconds, as SESSION_COOKIE_AGE is'],
      ],
      compress: [true, flag],
    },
    'django.',
    SECRET_BELONGS,
  )
  const limit = age * 1000

  return {
    weakness,

    seal({ payload, expiresAt, subject }, { secrets, now }) {
      const data = parse(payload)
      if (data === null) {
        throw new SessionDataError('A cookie for Django must hold a JSON object. Use the codec json().')
      }
      if (subject !== undefined && subjectOf(data) !== subject) {
        throw new SessionDataError(
          'A cookie for Django keeps the subject in its data. Set `_session_subject` there as well.',
        )
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
      return settle(() => loadJson(token, { secret, fallbacks, salt }), open, nullIfBad)
    },
  }
}

/** The data, or `null` if the text is no JSON object. Python's NaN, for example, is no JSON. */
function parse(json: string): Data | null {
  let data: unknown
  try {
    data = JSON.parse(json)
  } catch {
    return null
  }
  return typeof data === 'object' && !Array.isArray(data) ? (data as Data | null) : null
}

/** The life in ms from the signature on, or the moment of the end. Neither if `_session_expiry` is malformed. */
function lifeOf(data: Data, age: number): { span?: number; moment?: number } {
  const expiry = data['_session_expiry']
  try {
    const end = expiryMoment(expiry, 0, age)
    return typeof expiry === 'string' ? { moment: end } : { span: end }
  } catch (error) {
    // Django reads such a cookie too, and fails only when asked for its expiry.
    if (codeOf(error) === 'SESSION_DATA') return {}
    throw error
  }
}

function subjectOf(data: Data): string | undefined {
  const subject = Object.hasOwn(data, '_session_subject') ? data['_session_subject'] : undefined
  return typeof subject === 'string' ? subject : undefined
}

/** A token that is forged, broken or of another format is no session. */
function nullIfBad(error: unknown): null {
  const code = codeOf(error)
  if (code === 'BAD_SIGNATURE' || code === 'SESSION_DATA') return null
  throw error
}

// `instanceof` would fail in the CommonJS build, where each entry of core has its own classes.
function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}
