const COOKIE = 'sess_inspector'
/** The cookie with the number of sessions that the last form ended. The next page shows it. An address may be opened again. */
const ENDED = 'sess_inspector_ended'
const RANDOM = /^[\w-]{43}$/

/**
 * The browser that sent a request. Its forms carry a token: an HMAC of what it is logged in by (its session cookie and
 * `Authorization` header), under a random key that is in a cookie of its own. So a page of somebody else, or one from
 * before a new login, has no valid token. No process keeps anything for it.
 */
export class Visitor {
  readonly token: string
  /** The cookie to set, if the browser has none yet. */
  readonly setCookie: string | undefined
  /** How many sessions the form ended that led here. */
  readonly ended: number | undefined
  readonly #attributes: string

  private constructor(token: string, key: string | undefined, ended: string | undefined, attributes: string) {
    this.token = token
    this.setCookie = key && `${COOKIE}=${key}; ${attributes}`
    this.ended = ended !== undefined && /^\d{1,9}$/.test(ended) ? Number(ended) : undefined
    this.#attributes = attributes
  }

  /** The cookie that tells the next page how many sessions a form has ended. `undefined`: the cookie that removes it. */
  endedCookie(count: number | undefined): string {
    return `${ENDED}=${count ?? ''}; ${this.#attributes}; Max-Age=${count === undefined ? 0 : 60}`
  }

  static async of(request: Request, sessionCookie: string, path: string): Promise<Visitor> {
    const cookies = parseCookies(request.headers.get('cookie') ?? '')
    const known = cookies.get(COOKIE)?.find(value => RANDOM.test(value))
    const key = known ?? base64url(crypto.getRandomValues(new Uint8Array(32)))
    const identity = [request.headers.get('authorization') ?? '', ...(cookies.get(sessionCookie) ?? [])]
    const token = await hmac(key, JSON.stringify(identity))
    const isSecure =
      request.url.startsWith('https:') || request.headers.get('x-forwarded-proto')?.trim() === 'https'
    const secure = isSecure ? '; Secure' : ''
    const attributes = `Path=${path || '/'}; HttpOnly; SameSite=Strict${secure}`
    return new Visitor(token, known === undefined ? key : undefined, cookies.get(ENDED)?.[0], attributes)
  }

  /** Whether a form carries this visitor's token. A browser that has no cookie of ours yet has sent none. */
  async isToken(text: string): Promise<boolean> {
    if (this.setCookie !== undefined) return false
    // Under a key of its own, so that the time of the comparison tells nothing about the token.
    const key = base64url(crypto.getRandomValues(new Uint8Array(32)))
    const [own, given] = await Promise.all([hmac(key, this.token), hmac(key, text)])
    return own === given
  }
}

function parseCookies(header: string): Map<string, string[]> {
  const cookies = new Map<string, string[]>()
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, at).trim()
    if (at > 0) cookies.set(name, [...(cookies.get(name) ?? []), pair.slice(at + 1).trim()])
  }
  return cookies
}

async function hmac(key: string, text: string): Promise<string> {
  const encoder = new TextEncoder()
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await crypto.subtle.importKey('raw', encoder.encode(key), algorithm, false, ['sign'])
  return base64url(new Uint8Array(await crypto.subtle.sign('HMAC', imported, encoder.encode(text))))
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
