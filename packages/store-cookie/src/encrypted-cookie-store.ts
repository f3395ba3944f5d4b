import type { CookieStore } from '@sess/core'
import { seal, type TokenUse, unseal, weakness } from '@sess/core/crypto'
import { recordOf, textOf } from './record-text.ts'
import { refuseOptions } from './unknown-options.ts'

const PURPOSE = 'sess encrypted session cookie'

/**
 * Sessions in their cookie, which only the server can read or change: AES-256-GCM, under a key derived from the
 * engine's `secret` for this cookie name alone. There are no options.
 */
export function encryptedCookieStore(options?: never): CookieStore {
  refuseOptions(options, 'encryptedCookieStore takes no options.')
  return {
    weakness,
    seal: (record, context) => seal(textOf(record), use(context)),
    unseal(token, context) {
      const text = unseal(token, use(context))
      if (text === null || typeof text === 'string') return recordOf(text, context.now)
      return text.then(opened => recordOf(opened, context.now))
    },
  }
}

function use({ secrets, name }: { secrets: readonly string[]; name: string }): TokenUse {
  return { secrets, purpose: PURPOSE, name }
}
