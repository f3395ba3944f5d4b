import { describeCookieStore } from '../src/vitest.ts'
import { referenceCookieStore } from './zoo/reference-cookie-store.ts'

describeCookieStore('the reference cookie store', () => ({ store: referenceCookieStore() }))
