import type { CookieStore } from '@sess/core'
import { seal, type TokenUse, unseal, weakness } from '@sess/core/crypto'
import { after, readOptions } from '@sess/core/store'
import { recordOf, textOf } from './record-text.ts'
import { SECRET_BELONGS } from './secret-belongs.ts'

const PURPOSE = 'sess encrypted session cookie'

/**
 * Keeps each session in its cookie, encrypted: only the server can read or change it. The cipher is AES-256-GCM. The key is
 * derived from the `secret` of `session()` and from the cookie's name.
 *
 * @throws ConfigError (`CONFIG`) for any option, because there are none
 * @example
 * app.use(session({ store: encryptedCookieStore(), secret: process.env.SESSION_SECRET }))
 */
export function encryptedCookieStore(options?: never): CookieStore {
  readOptions(options, {}, '', SECRET_BELONGS)
  return {
    weakness,
    seal: (record, context) => seal(textOf(record), use(context)),
    unseal: (token, context) => after(unseal(token, use(context)), text => recordOf(text, context.now)),
  }
}

function use({ secrets, name }: { secrets: readonly string[]; name: string }): TokenUse {
  return { secrets, purpose: PURPOSE, name }
}
