import type { CookieStore } from '@sess/core'
import { sign, type TokenUse, verify, weakness } from '@sess/core/crypto'
import { type DjangoCookieOptions, djangoCookieStore } from './django-cookie-store.ts'
import { recordOf, textOf } from './record-text.ts'
import { refuseOptions } from './unknown-options.ts'

export type { DjangoCookieOptions }

export interface SignedCookieOptions {
  /**
   * Write and read what Django's signed_cookies backend does, so that both sites share the cookie. The engine's
   * `secret` is then Django's `SECRET_KEY` followed by `SECRET_KEY_FALLBACKS`, its codec `json()`, its cookie
   * Django's. `true` is Django's defaults.
   */
  django?: boolean | DjangoCookieOptions
}

const PURPOSE = 'sess signed session cookie'

/**
 * Sessions in their cookie, which everybody can read and only the server can change: HMAC-SHA256, under a key derived
 * from the engine's `secret` for this cookie name alone.
 */
export function signedCookieStore(options: SignedCookieOptions = {}): CookieStore {
  const { django = false, ...unknown } = options
  refuseOptions(unknown, 'signedCookieStore has no such option; there is django.')
  if (django) return djangoCookieStore(django === true ? {} : django)
  return {
    weakness,
    seal: (record, context) => sign(textOf(record), use(context)),
    unseal(token, context) {
      const text = verify(token, use(context))
      if (text === null || typeof text === 'string') return recordOf(text, context.now)
      return text.then(opened => recordOf(opened, context.now))
    },
  }
}

function use({ secrets, name }: { secrets: readonly string[]; name: string }): TokenUse {
  return { secrets, purpose: PURPOSE, name }
}
