import { createSessions, type Sessions } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { encryptedCookieStore } from '@sess/store-cookie'

/** Which store, written in by the bundler. */
declare const STORE: 'cache' | 'encrypted-cookie'

/** The engine of a probe app on what runs everywhere. */
export const sessions: Sessions = createSessions(
  STORE === 'cache'
    ? { store: cacheStore() }
    : { store: encryptedCookieStore(), secret: 'a secret of the probe apps, which nobody should use' },
)
