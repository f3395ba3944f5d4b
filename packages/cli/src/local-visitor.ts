import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

const COOKIE = 'sess_inspect'

/**
 * The one browser that may see a page on this machine. Its URL carries a token, which is exchanged for a cookie and works
 * once. So neither another user of the machine, who may see the port, nor a URL in the browser's history gets in.
 */
export class LocalVisitor {
  /** Nobody else knows the path, so no other server on this machine gets the cookie: cookies do not tell ports apart. */
  readonly basePath = `/${randomBytes(8).toString('hex')}`
  readonly token = randomBytes(24).toString('base64url')
  readonly #cookie = randomBytes(32).toString('base64url')
  #isTokenUsed = false

  /** Takes the token, which is void from then on. Returns the cookie to set, or `undefined` for a wrong or used token. */
  exchange(token: string): string | undefined {
    if (this.#isTokenUsed || !isEqual(token, this.token)) return undefined
    this.#isTokenUsed = true
    return `${COOKIE}=${this.#cookie}; Path=${this.basePath}; HttpOnly; SameSite=Strict`
  }

  /** Whether a `Cookie` header has the cookie. */
  isKnown(cookies: string): boolean {
    return cookies.split(';').some(pair => isEqual(pair.trim(), `${COOKIE}=${this.#cookie}`))
  }
}

function isEqual(a: string, b: string): boolean {
  const [first, second] = [a, b].map(text => createHash('sha256').update(text).digest())
  return timingSafeEqual(first!, second!)
}
