import { type SetCookie, stringifySetCookie } from 'cookie'
import { ConfigError, SessionDataError } from './errors.ts'

/** How the session cookie is set; HTTP's words (RFC 6265bis section 4.1). */
export interface CookieOptions {
  /** Default `sessionid`, as in Django. `__Host-` and `__Secure-` names demand what browsers demand of them. */
  name?: string
  /** Default `/`. */
  path?: string
  /** Default none: the cookie is for this host alone. */
  domain?: string | undefined
  /** Default `'auto'`: as the framework says of the connection; not told counts as secure. */
  secure?: boolean | 'auto'
  /** Default true. */
  httpOnly?: boolean
  /** Default `'lax'`; `false` leaves the attribute out; `'none'` demands `secure: true`. */
  sameSite?: 'lax' | 'strict' | 'none' | false
  /** CHIPS; demands `secure: true`. */
  partitioned?: boolean
  /** Chromium's hint for which cookies to evict first. */
  priority?: 'low' | 'medium' | 'high' | undefined
}

/** The cookie options of an engine, defaults filled in and checked. */
export type CookiePolicy = Required<Omit<CookieOptions, 'domain' | 'priority'>> &
  Pick<CookieOptions, 'domain' | 'priority'>

/** A browser keeps no cookie whose name and value have more octets (RFC 6265bis section 5.7), … */
const MAX_PAIR = 4096
/** … ignores an attribute with more, … */
const MAX_ATTRIBUTE = 1024
/** … and none longer than 400 days. */
const MAX_AGE = 34_560_000
/** Three full cookies leave room for others below the 16 KiB of header that Node accepts. */
const MAX_CHUNKS = 3

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/
const DOMAIN = /^\.?[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/i
const PATH = /^\/[\x20-\x3a\x3c-\x7e]*$/

/** Checks the options; what a browser would refuse or ignore is a ConfigError. */
export function cookiePolicy(options: CookieOptions): CookiePolicy {
  const policy: CookiePolicy = {
    name: 'sessionid',
    path: '/',
    secure: 'auto',
    httpOnly: true,
    sameSite: 'lax',
    partitioned: false,
    domain: undefined,
    priority: undefined,
  }
  const allowed: Record<string, (value: unknown) => unknown> = {
    name: value => typeof value === 'string' && TOKEN.test(value),
    path: value => typeof value === 'string' && PATH.test(value) && value.length <= MAX_ATTRIBUTE,
    domain: value => typeof value === 'string' && DOMAIN.test(value) && value.length <= 254,
    secure: value => typeof value === 'boolean' || value === 'auto',
    httpOnly: value => typeof value === 'boolean',
    sameSite: value => ['lax', 'strict', 'none', false].includes(value as string),
    partitioned: value => typeof value === 'boolean',
    priority: value => ['low', 'medium', 'high'].includes(value as string),
  }
  const expected: Record<string, string> = {
    name: 'a cookie name (letters, digits, and - _ . and the like)',
    path: "a path that starts with '/'",
    domain: 'a host name such as example.com',
    secure: "true, false or 'auto'",
    sameSite: "'lax', 'strict', 'none' or false",
    priority: "'low', 'medium' or 'high'",
  }
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(allowed, option)) {
      throw new ConfigError(
        `cookie.${option}`,
        `unknown option; there are ${Object.keys(allowed).join(', ')}.`,
      )
    }
    if (value === undefined) continue
    if (!allowed[option]!(value)) {
      throw new ConfigError(`cookie.${option}`, `must be ${expected[option] ?? 'true or false'}.`)
    }
    Object.assign(policy, { [option]: value })
  }
  const demand = (option: keyof CookieOptions, wanted: unknown, by: string): void => {
    if (policy[option] !== wanted) {
      throw new ConfigError(
        `cookie.${option}`,
        `must be ${wanted === undefined ? 'left out' : wanted} with ${by}.`,
      )
    }
  }
  if (policy.sameSite === 'none') demand('secure', true, "sameSite 'none'")
  if (policy.partitioned) demand('secure', true, 'partitioned')
  const [prefix] = /^__(host-http|host|secure|http)-/i.exec(policy.name) ?? ['']
  if (prefix) {
    demand('secure', true, `a ${prefix} name`)
    if (/host/i.test(prefix)) {
      demand('domain', undefined, `a ${prefix} name`)
      demand('path', '/', `a ${prefix} name`)
    }
    if (/http/i.test(prefix)) demand('httpOnly', true, `a ${prefix} name`)
  }
  return policy
}

/**
 * The value of the cookie of that name: `undefined` when there is none, `null` when two of them differ, for nobody
 * can tell which one is ours (RFC 6265 section 8.6). Linear in the header's length. Names are compared as they are,
 * undecoded; only spaces and tabs around names and values are trimmed, and one pair of double quotes.
 */
export function cookieValue(header: string, name: string): string | null | undefined {
  let found: string | undefined
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + 1)) {
    let before = at - 1
    while (isBlank(header.charCodeAt(before))) before--
    if (before !== -1 && header[before] !== ';') continue
    let start = at + name.length
    while (isBlank(header.charCodeAt(start))) start++
    if (header[start] !== '=') continue
    const semicolon = header.indexOf(';', start)
    let end = semicolon === -1 ? header.length : semicolon
    at = end
    start++
    while (isBlank(header.charCodeAt(start))) start++
    while (end > start && isBlank(header.charCodeAt(end - 1))) end--
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

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** What came under the session's name, for a token that may be split over `name.0`, `name.1`, …. */
export interface SentToken {
  token: string | null | undefined
  /** The names that came, for deleting those that are not set again. */
  names: string[]
}

export function sentToken(header: string, name: string): SentToken {
  const names: string[] = []
  let token = cookieValue(header, name)
  if (token !== undefined) names.push(name)
  // Look for one cookie more than we set: a longer limit of the past may have left it.
  for (let index = 0, parts = ''; index <= MAX_CHUNKS; index++) {
    const chunk = cookieValue(header, `${name}.${index}`)
    if (chunk === undefined) continue
    names.push(`${name}.${index}`)
    if (names.length === index + 1 && chunk !== null) token = parts += chunk
    else token = null
  }
  return { token, names }
}

/** `Set-Cookie` for the session. `maxAge` in seconds, `undefined` until the browser closes; `now` in ms. */
export function setCookie(
  policy: CookiePolicy,
  name: string,
  value: string,
  secure: boolean | undefined,
  maxAge: number | undefined,
  now: number,
): string {
  const cookie: SetCookie = { ...attributes(policy, secure), name, value }
  if (maxAge !== undefined) {
    const seconds = Math.min(maxAge, MAX_AGE)
    cookie.maxAge = Math.trunc(seconds)
    // No cookie date has a year below 1601 (RFC 6265 section 5.1.1).
    cookie.expires = new Date(Math.max(now + seconds * 1000, 0))
  }
  return stringifySetCookie(cookie, { encode: text => text })
}

/** `Set-Cookie` that deletes it, with the attributes that set it, or browsers ignore the deletion. */
export function deleteCookie(policy: CookiePolicy, name: string, secure: boolean | undefined): string {
  return stringifySetCookie({
    ...attributes(policy, secure),
    name,
    value: '',
    maxAge: 0,
    expires: new Date(0),
  })
}

function attributes(policy: CookiePolicy, secure: boolean | undefined): Omit<SetCookie, 'name' | 'value'> {
  const { path, httpOnly, partitioned, sameSite, domain, priority } = policy
  return {
    path,
    httpOnly,
    partitioned,
    secure: policy.secure === 'auto' ? secure !== false : policy.secure,
    ...(sameSite && { sameSite }),
    ...(domain && { domain }),
    ...(priority && { priority }),
  }
}

/** The cookies that hold a token: one of the session's own name, or `name.0`, `name.1`, … of a long one. */
export function splitToken(policy: CookiePolicy, token: string): { name: string; value: string }[] {
  const { name } = policy
  if (name.length + token.length <= MAX_PAIR) return [{ name, value: token }]
  const size = MAX_PAIR - name.length - 2
  const count = Math.ceil(token.length / size)
  if (count > MAX_CHUNKS) {
    throw new SessionDataError(
      `The session takes ${token.length} bytes as a cookie, and ${size * MAX_CHUNKS} is the most that ${MAX_CHUNKS} cookies hold. Keep less in it, or use a store with a server side.`,
    )
  }
  return Array.from({ length: count }, (_, index) => ({
    name: `${name}.${index}`,
    value: token.slice(index * size, (index + 1) * size),
  }))
}

/** The value of `Vary` with `Cookie` in it; `*` and what is there stay. */
export function varyByCookie(current: string | undefined): string {
  if (!current) return 'Cookie'
  return /(?:^|,)\s*(?:\*|cookie)\s*(?:,|$)/i.test(current) ? current : `${current}, Cookie`
}

/**
 * The value of `Cache-Control` that keeps the response out of shared caches. `no-store` and `private` stay as they
 * are; `public` and `s-maxage`, which say the contrary, give way.
 */
export function privateCache(current: string | undefined): string {
  const directives =
    current?.match(/(?:[^,"]|"(?:\\.|[^"\\])*"?)+/g)?.map(directive => directive.trim()) ?? []
  if (directives.some(directive => /^(?:private|no-store)$/i.test(directive))) return current!
  const kept = directives.filter(directive => directive && !/^(?:public|s-maxage\s*=.*)$/i.test(directive))
  return [...kept, 'private'].join(', ')
}
