import { flag, oneOf, readOptions, type Table, textLike } from './check.ts'
import { ConfigError, SessionDataError } from './errors.ts'
import { FOREIGN_COOKIE_OPTIONS } from './foreign.ts'

/** How the session cookie is set; HTTP's words (RFC 6265bis section 4.1). */
export interface CookieOptions {
  /** Default `sessionid`, as in Django. A `__Host-` or `__Secure-` name needs the attributes that browsers require for it. */
  name?: string | undefined
  /** Default `/`. */
  path?: string | undefined
  /** Default none: the cookie is for this host alone. */
  domain?: string | undefined
  /** Default `'auto'`: as the framework says of the connection. If it does not say, the connection counts as TLS. */
  secure?: boolean | 'auto' | undefined
  /** Default true. */
  httpOnly?: boolean | undefined
  /** Default `'lax'`; `false` leaves the attribute out; `'none'` needs `secure: true`. */
  sameSite?: 'lax' | 'strict' | 'none' | false | undefined
  /** CHIPS. Needs `secure: true`. */
  partitioned?: boolean | undefined
  /** Chromium's hint for which cookies to evict first. */
  priority?: 'low' | 'medium' | 'high' | undefined
  /**
   * Bytes that the `Set-Cookie` lines of one session take at the most: matters for cookie sessions. Default 3,072, which
   * leaves a quarter of nginx's 4 KiB for a response's other headers. From 4,096 on a long session is split over
   * `name.0`, `name.1` and `name.2`; 12,288 is the limit. Raise it only with the limits of all proxies in front.
   */
  maxBytes?: number | undefined
  /**
   * The name of a tenant. It becomes part of what the key is hashed with, so the key of one tenant opens no session of another,
   * even if both share a store. Default: none. Needs `hashKeys: true`.
   */
  isolate?: string | undefined
  /**
   * Options that depend on the request: the domain of a tenant, `isolate`, `sameSite` for a partner. Gets the framework's
   * request (`req`, Koa's `ctx`, h3's `event`, Hono's `c`). Its result replaces the other options, and cannot contain `name`.
   */
  byRequest?: CookieByRequest | undefined
}

/** The cookie options of one request. It is called once for each request. */
export type CookieByRequest = (request: any) => Omit<CookieOptions, 'name' | 'byRequest'>

/** The cookie options of an engine, checked and made ready for use. */
export interface CookiePolicy {
  name: string
  secure: boolean | 'auto'
  /** Which place of the browser's jar the cookie has. */
  scope: CookieScope
  /** All attributes but those that differ from response to response: `; Path=/; HttpOnly; SameSite=Lax`. */
  attributes: string
  /** The same for a cookie in another place. */
  attributesIn(scope: CookieScope): string
  maxBytes: number
  /** What keys are hashed and tokens sealed for: the name of the cookie, and that of the tenant. */
  audience: string
}

/** A browser keeps two cookies of one name apart by these (RFC 6265 section 5.3, step 11; CHIPS). */
export interface CookieScope {
  path: string
  /** `undefined`: this host alone. */
  domain?: string | undefined
  partitioned?: boolean | undefined
}

/** Octets of a cookie, with its name, value and attributes, that a browser must keep (RFC 6265 section 6.1). */
const MAX_LINE = 4096
/** Seconds: no cookie lives longer than 400 days (RFC 6265bis section 5.5). */
const MAX_AGE = 34_560_000
/** Three full cookies leave room for others below the 16 KiB of header that Node accepts. */
const MAX_CHUNKS = 3
/** nginx passes 4 KiB of response header by default (`proxy_buffer_size`); the app's other headers need room too. */
const MAX_BYTES = 3072
/** What `setCookie` adds at the most to name, value and the fixed attributes. */
const MAX_LIFE = '; Max-Age=-8640000000000; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure'.length

const OPTIONS: Table<CookieOptions> = {
  name: ['sessionid', textLike(/^[\w!#$%&'*+.^`|~-]+$/, 'a cookie name: letters, digits, - or _')],
  // Browsers ignore an attribute of more than 1024 octets.
  path: ['/', textLike(/^\/[ -:<-~]{0,1023}$/, "a path that starts with '/'")],
  domain: [undefined, textLike(/^\.?[a-z\d](([_-]*|\.)[a-z\d])*$/i, 'a host name such as example.com')],
  secure: ['auto', oneOf(true, false, 'auto')],
  httpOnly: [true, flag],
  sameSite: ['lax', oneOf('lax', 'strict', 'none', false)],
  partitioned: [false, flag],
  priority: [undefined, oneOf('low', 'medium', 'high')],
  maxBytes: [
    MAX_BYTES,
    [
      value => Number.isInteger(value) && value > 0 && value <= MAX_LINE * MAX_CHUNKS,
      `bytes: a whole number up to ${MAX_LINE * MAX_CHUNKS}`,
    ],
  ],
  isolate: [undefined, textLike(/^.+$/su, 'the name of a tenant: a text that is not empty')],
  byRequest: [undefined, [value => typeof value === 'function', 'a function']],
}

/** Reads the options. Throws a ConfigError for a cookie that a browser would reject or ignore. */
export function cookiePolicy(given?: CookieOptions): CookiePolicy {
  const options = readOptions<CookieOptions, 'domain' | 'priority' | 'isolate' | 'byRequest'>(
    given,
    OPTIONS,
    'cookie.',
    FOREIGN_COOKIE_OPTIONS,
  )
  const { name, path, domain, secure, httpOnly, sameSite, partitioned, priority, maxBytes } = options
  if (/\.\d+$/.test(name)) {
    throw new ConfigError(
      'cookie.name',
      'must not end in a dot and digits: a long session is split over such names.',
    )
  }
  const prefix = /^__(host-http|host|secure|http)-/i.exec(name)?.[1] ?? ''
  const demands: CookieOptions = {
    ...((prefix || partitioned || sameSite === 'none') && { secure: true }),
    ...(/^host/i.test(prefix) && { domain: undefined, path: '/' }),
    ...(/http$/i.test(prefix) && { httpOnly: true }),
  }
  const cause = prefix ? 'this name' : partitioned ? 'partitioned' : "sameSite 'none'"
  for (const [option, value] of Object.entries(demands)) {
    if (options[option as keyof CookieOptions] === value) continue
    throw new ConfigError(`cookie.${option}`, `must be ${value} with ${cause}.`)
  }
  const capital = (word: string | false | undefined): unknown =>
    word && word[0]!.toUpperCase() + word.slice(1)
  const attributesIn = (scope: CookieScope): string =>
    Object.entries({
      Path: scope.path,
      Domain: scope.domain,
      HttpOnly: httpOnly,
      SameSite: capital(sameSite),
      Priority: capital(priority),
      Partitioned: scope.partitioned,
    })
      .map(([attribute, value]) => (value ? `; ${attribute}${value === true ? '' : `=${value}`}` : ''))
      .join('')
  const scope = { path, domain, partitioned }
  const audience = audienceOf(name, options.isolate)
  const policy = { name, secure, scope, attributes: attributesIn(scope), attributesIn, maxBytes, audience }
  if (roomOf(policy, Math.min(maxBytes, MAX_LINE)) < MIN_ROOM) {
    throw new ConfigError(
      'cookie.maxBytes',
      `leaves no room for a session: name and attributes take most of it.`,
    )
  }
  return policy
}

/** For a session key, or a tenth of a kilobyte of data. */
const MIN_ROOM = 128

/** What keys are hashed and tokens sealed for. No cookie name has an @, so no other name and tenant have the same text. */
export function audienceOf(name: string, isolate: string | undefined): string {
  return isolate === undefined ? name : `${name}@${encodeURIComponent(isolate)}`
}

/** Bytes of value that fit into so many of a `Set-Cookie` line; the number of a chunk has room in it. */
function roomOf({ name, attributes }: CookiePolicy, line: number): number {
  return line - name.length - '.0='.length - attributes.length - MAX_LIFE
}

/**
 * The value of the cookie of that name: `undefined` when there is none, `null` when two of them differ, because nobody
 * can tell which one is ours (RFC 6265 section 8.6). Linear in the header's length. Names are compared as they are,
 * undecoded; only spaces and tabs around names and values are trimmed, and one pair of double quotes.
 */
export function cookieValue(header: string, name: string): string | null | undefined {
  let found: string | undefined
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + 1)) {
    const before = skipBlanks(header, at - 1, -1)
    if (before !== -1 && header[before] !== ';') continue
    let start = skipBlanks(header, at + name.length, 1)
    if (header[start] !== '=') continue
    const semicolon = header.indexOf(';', start)
    at = semicolon === -1 ? header.length : semicolon
    start = skipBlanks(header, start + 1, 1)
    let end = skipBlanks(header, at - 1, -1) + 1
    if (end - start > 1 && header[start] === '"' && header[end - 1] === '"') {
      start++
      end--
    }
    const value = header.slice(start, end)
    if (found !== undefined && found !== value) return null
    found = value
  }
  return found
}

/** From `at` on, in either direction. Not `text[at]`: -1 is a property to look up, which takes longer than all the rest. */
function skipBlanks(text: string, at: number, step: 1 | -1): number {
  while (text.charAt(at) === ' ' || text.charAt(at) === '\t') at += step
  return at
}

/** The cookies that came under the names of the session's cookie. */
export interface ReceivedCookies {
  /** What may be the session's token. More than one: whole and chunks together, or chunks that may be too many. */
  tokens: ReceivedToken[]
  /** The names that came: what is not set again is deleted. */
  names: string[]
  /** Those that came with different values. Then there is no token: nobody can tell which one is ours. */
  contested: string[]
}

export const NO_COOKIES: ReceivedCookies = { tokens: [], names: [], contested: [] }

export interface ReceivedToken {
  text: string
  /** The cookies it is made of. */
  names: string[]
}

/** The session's cookie, which may be `split` over `name.0`, `name.1`, …. */
export function receivedCookies(header: string, name: string, split: boolean): ReceivedCookies {
  const whole = cookieValue(header, name)
  // Most tokens are whole, and looking for chunks takes longer than all the rest.
  if (!split || !header.includes(`${name}.`)) {
    if (whole === undefined) return NO_COOKIES
    if (whole === null) return { tokens: [], names: [name], contested: [name] }
    return { tokens: [{ text: whole, names: [name] }], names: [name], contested: [] }
  }
  const parts = [name]
  // One cookie more than we set: a longer limit of the past may have left it.
  for (let index = 0; index <= MAX_CHUNKS; index++) parts.push(`${name}.${index}`)
  const values = parts.map(part => cookieValue(header, part))
  const names = parts.filter((_, index) => values[index] !== undefined)
  const contested = parts.filter((_, index) => values[index] === null)
  if (contested[0]) return { tokens: [], names, contested }
  const tokens: ReceivedToken[] = []
  // The longest first: a cookie may have been added to the chunks, but a part of a token is none.
  let text = ''
  // An empty cookie is no part of a token. Somebody else has set it.
  for (let index = 1; values[index]; index++) {
    text += values[index]
    tokens.unshift({ text, names: parts.slice(1, index + 1) })
  }
  if (whole) tokens.unshift({ text: whole, names: [name] })
  return { tokens, names, contested }
}

/** What came in a header in place of the cookies. */
export function receivedHeader(name: string, text: string): ReceivedCookies {
  return { tokens: [{ text, names: [name] }], names: [name], contested: [] }
}

/**
 * `Set-Cookie` for the session; with `''` as its value, the one that deletes it: with the attributes that set it, or
 * browsers ignore the deletion. `maxAge` in seconds, `undefined` until the browser closes; `now` in ms.
 */
export function setCookie(
  { attributes, secure: configured }: CookiePolicy,
  name: string,
  value: string,
  secure: boolean | undefined,
  maxAge: number | undefined,
  now: number,
): string {
  let life = ''
  if (maxAge !== undefined) {
    const seconds = Math.min(maxAge, MAX_AGE)
    // The `+ 0` makes 0 of -0. No cookie date has a year below 1601 (RFC 6265 section 5.1.1).
    const expires = httpDate(Math.max(now + seconds * 1000, 0))
    life = `; Max-Age=${Math.trunc(seconds) + 0}; Expires=${expires}`
  }
  const tls = configured === 'auto' ? secure !== false : configured
  return `${name}=${value}${life}${attributes}${tls ? '; Secure' : ''}`
}

let lastSecond: number | undefined
let lastDate = ''

/** The cookies that are set within a second mostly end within one, and a date takes longer to write than the cookie. */
function httpDate(ms: number): string {
  const second = Math.trunc(ms / 1000)
  if (second !== lastSecond) lastDate = new Date(ms).toUTCString()
  lastSecond = second
  return lastDate
}

/** The cookies that hold a token: one of the session's own name, or `name.0`, `name.1`, … of a long one. */
export function splitToken(policy: CookiePolicy, token: string): { name: string; value: string }[] {
  const { name, maxBytes } = policy
  const room = roomOf(policy, MAX_LINE)
  // The part of a line that is no token is needed once for each cookie.
  const around = MAX_LINE - room
  const count = Math.ceil(token.length / room)
  const bytes = token.length + count * around
  if (bytes > maxBytes || count > MAX_CHUNKS) {
    throw new SessionDataError(
      `The session would take ${bytes} bytes of Set-Cookie, more than \`cookie.maxBytes\` (${maxBytes}). Keep less in it, or use another store. Raise the option only if all proxies in front pass such headers.`,
    )
  }
  if (count <= 1) return [{ name, value: token }]
  return Array.from({ length: count }, (_, index) => {
    return { name: `${name}.${index}`, value: token.slice(index * room, (index + 1) * room) }
  })
}
