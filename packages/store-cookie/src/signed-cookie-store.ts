import type { CookieStore } from '@sess/core'
import { sign, type TokenUse, verify, weakness } from '@sess/core/crypto'
import { after, readOptions } from '@sess/core/store'
import { type DjangoCookieOptions, djangoCookieStore } from './django-cookie-store.ts'
import { recordOf, textOf } from './record-text.ts'
import { SECRET_BELONGS } from './secret-belongs.ts'

export type { DjangoCookieOptions }

/** Options of `signedCookieStore`. */
export interface SignedCookieOptions {
  /**
   * Uses the format of Django's `signed_cookies` backend, so that a Django site can share the cookie. `true` means Django's
   * defaults. Give `session()` as `secret` Django's `SECRET_KEY` followed by `SECRET_KEY_FALLBACKS`, as cookie name
   * Django's, and as codec `json()`. Default `false`.
   */
  django?: boolean | DjangoCookieOptions
}

const PURPOSE = 'sess signed session cookie'

/**
 * Keeps each session in its cookie, signed: everybody can read it, only the server can change it. The signature is
 * HMAC-SHA256. The key is derived from the `secret` of `session()` and from the cookie's name.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * app.use(session({ store: signedCookieStore(), secret: process.env.SESSION_SECRET }))
 */
export function signedCookieStore(options: SignedCookieOptions = {}): CookieStore {
  const isChoice = (value: unknown) => typeof value === 'boolean' || typeof value === 'object'
  const { django } = readOptions<SignedCookieOptions>(
    options,
    { django: [false, [isChoice, 'true, false or options']] },
    '',
    SECRET_BELONGS,
  )
  if (django) return djangoCookieStore(django === true ? {} : django)
  return {
    weakness,
    seal: (record, context) => sign(textOf(record), use(context)),
    unseal: (token, context) => after(verify(token, use(context)), text => recordOf(text, context.now)),
  }
}

function use({ secrets, name }: { secrets: readonly string[]; name: string }): TokenUse {
  return { secrets, purpose: PURPOSE, name }
}
