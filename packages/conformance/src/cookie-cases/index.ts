import type { CookieStoreCase } from '../cookie-fixture.ts'
import { cookieExpiryCases } from './expiry.ts'
import { refuseCases } from './refuse.ts'
import { sealCases } from './seal.ts'

/** The contract of stores that keep the session in its cookie. */
export const cookieStoreCases: readonly CookieStoreCase[] = [
  ...sealCases,
  ...refuseCases,
  ...cookieExpiryCases,
]
