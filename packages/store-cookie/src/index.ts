export { encryptedCookieStore } from './encrypted-cookie-store.ts'
export {
  type DjangoCookieOptions,
  type SignedCookieOptions,
  signedCookieStore,
} from './signed-cookie-store.ts'
