import { createSessions } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { encryptedCookieStore } from '@sess/store-cookie'
import { probeApp } from '../probe-app.ts'

/** Which store, written in by the bundler. */
declare const STORE: 'cache' | 'encrypted-cookie'

/** The probe app on what runs everywhere. */
export const app = probeApp(
  createSessions(
    STORE === 'cache'
      ? { store: cacheStore() }
      : { store: encryptedCookieStore(), secret: 'a secret of the probe apps, which nobody should use' },
  ),
)
