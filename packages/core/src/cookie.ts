import { flag, oneOf, readOptions, type Table, textLike } from './check.ts'
import { ConfigError, SessionDataError } from './errors.ts'

/** How the session cookie is set; HTTP's words (RFC 6265bis section 4.1). */
export interface CookieOptions {
  /** Default `sessionid`, as in Django. `__Host-` and `__Secure-` names demand what browsers demand of them. */
  name?: string | undefined
  /** Default `/`. */
  path?: string | undefined
  /** Default none: the cookie is for this host alone. */
  domain?: string | undefined
  /** Default `'auto'`: as the framework says of the connection; not told counts as secure. */
  secure?: boolean | 'auto' | undefined
  /** Default true. */
  httpOnly?: boolean | undefined
  /** Default `'lax'`; `false` leaves the attribute out; `'none'` demands `secure: true`. */
  sameSite?: 'lax' | 'strict' | 'none' | false | undefined
  /** CHIPS; demands `secure: true`. */
  partitioned?: boolean | undefined
  /** Chromium's hint for which cookies to evict first. */
  priority?: 'low' | 'medium' | 'high' | undefined
}

/** The cookie options of an engine, checked and made ready for use. */
export interface CookiePolicy {
  name: string
  secure: boolean | 'auto'
  /** All attributes but those that differ from response to response: `; Path=/; HttpOnly; SameSite=Lax`. */
  attributes: string
}

/** A browser keeps no cookie whose name and value have more octets (RFC 6265bis section 5.7), … */
const MAX_PAIR = 4096
/** … and none longer than 400 days. */
const MAX_AGE = 34_560_000
/** Three full cookies leave room for others below the 16 KiB of header that Node accepts. */
const MAX_CHUNKS = 3

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
}

/** Reads the options; what a browser would refuse or ignore is a ConfigError. */
export function cookiePolicy(given?: CookieOptions): CookiePolicy {
  const options = readOptions<CookieOptions, 'domain' | 'priority'>(given, OPTIONS, 'cookie.')
  const { name, path, domain, secure, httpOnly, sameSite, partitioned, priority } = options
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
  const attributes = Object.entries({
    Path: path,
    Domain: domain,
    HttpOnly: httpOnly,
    SameSite: capital(sameSite),
    Priority: capital(priority),
    Partitioned: partitioned,
  })
    .map(([attribute, value]) => (value ? `; ${attribute}${value === true ? '' : `=${value}`}` : ''))
    .join('')
  return { name, secure, attributes }
}

/**
 * The value of the cookie of that name: `undefined` when there is none, `null` when two of them differ, for nobody
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

/**
 * The session's cookie, which may be `split` over `name.0`, `name.1`, …: its value, and the names it came under, for
 * deleting those that are not set again. `null`: chunks that make no token; with no names, two cookies of one name, of
 * which neither is deleted, for one of them may be ours.
 */
export function sentToken(
  header: string,
  name: string,
  split: boolean,
): [token: string | null | undefined, names: string[]] {
  const whole = cookieValue(header, name)
  // Most tokens are whole, and looking for chunks takes longer than all the rest.
  if (!split || !header.includes(`${name}.`)) return [whole, typeof whole === 'string' ? [name] : []]
  const parts = [name]
  // One cookie more than we set: a longer limit of the past may have left it.
  for (let index = 0; index <= MAX_CHUNKS; index++) parts.push(`${name}.${index}`)
  const values = parts.map(part => cookieValue(header, part))
  if (values.includes(null)) return [null, []]
  const names = parts.filter((_, index) => values[index] !== undefined)
  // A whole token wins over chunks that an answer left behind; a chunk without its predecessor is the rest of one.
  if (names[0] === name || !names[0]) return [whole, names]
  return [names.at(-1) === parts[names.length] ? values.join('') : null, names]
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
  const { name } = policy
  if (name.length + token.length <= MAX_PAIR) return [{ name, value: token }]
  const size = MAX_PAIR - name.length - 2
  const parts = []
  for (let at = 0; at < token.length; at += size) {
    parts.push({ name: `${name}.${parts.length}`, value: token.slice(at, at + size) })
  }
  if (parts.length > MAX_CHUNKS) {
    throw new SessionDataError(
      `The session has ${token.length} bytes as a cookie, more than ${size * MAX_CHUNKS}. Keep less in it, or use another store.`,
    )
  }
  return parts
}
