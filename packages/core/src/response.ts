import { EXPIRY } from './bookkeeping.ts'
import type { HeaderCarrier } from './carrier.ts'
import { setCookie, splitToken } from './cookie.ts'
import { clearElsewhere, type RequestTarget } from './cookie-scopes.ts'
import { endsWithBrowser, expiryAge } from './expiry.ts'
import { expiresAt } from './lifetime.ts'
import type { Plan } from './plan.ts'
import type { SessionState } from './session-state.ts'
import { isPromise } from './task.ts'

/** What a commit needs to know about the response and the connection. */
export interface ResponseInfo {
  /** The HTTP status that is really sent. */
  status: number
  /**
   * Whether the client's connection is TLS, for `secure: 'auto'`. `undefined` counts as TLS. A function is called when
   * a cookie may be set, which few responses do.
   */
  secure?: boolean | (() => boolean) | undefined
  /**
   * How the browser asked. Called when the request has two different session cookies: with it the response can delete
   * those of other domains and paths. Also when a cookie is set without `Secure`, to notice a proxy that is not trusted.
   */
  target?: (() => RequestTarget) | undefined
  /**
   * The response cannot wait for the store, as that of a WebSocket's upgrade. Then the `save()` before it is enough for the
   * cookie of a new key, which is otherwise sent only for what the store confirms in this commit.
   */
  cannotWait?: boolean | undefined
  /**
   * Called when the session is read after the commit has begun, as when the framework makes JSON of a body that is the
   * session. Merge `Cookie` into `Vary` then. An adapter that adds the headers when the head is sent needs no such function:
   * it finds `vary` true.
   */
  readLate?: (() => void) | undefined
}

/** What one request's commit asks of the response. */
export interface CommitResult {
  /** Whole values for `Set-Cookie`, to be appended. No two have one name, domain and path. The last ones set the session. */
  setCookies: string[]
  /** Merge `varyBy` into `Vary`: the response depends on the session. */
  vary: boolean
  /** `Cookie` by default. With the option `carrier` it is, or has, the header of that. */
  varyBy?: string | undefined
  /** Merge `private` into `Cache-Control`: a cookie is sent. */
  private: boolean
  /** Other fields to set, by their names in lower case: see `fieldValue` of `@sess/core/adapter`. Most responses have none. */
  headers?: Readonly<Record<string, string>> | undefined
}

/** A response without cookies. `updateVary` decides whether it varies. */
export function withoutCookies({ settings }: SessionState): CommitResult {
  const result: CommitResult = { setCookies: [], vary: false, private: false }
  if (settings.carrier) result.varyBy = settings.carrier.varyBy
  return result
}

/** Caches do not know that a response to a header of ours is for one client alone. */
const NOT_STORED = { 'cache-control': 'no-store' }

/** Adds the header that `flush({ clearSiteData })` asks for. */
export function withClearSiteData({ clearSiteData }: SessionState, result: CommitResult): CommitResult {
  if (!clearSiteData) return result
  const value = clearSiteData.map(type => `"${type}"`).join(', ')
  return { ...result, headers: { ...result.headers, 'clear-site-data': value } }
}

/**
 * A response varies if the session was read: before the commit, or between it and the head, as when a body is made of it.
 * `vary` is no getter, because V8 makes a dictionary of each object that gets one of its own: 1 µs a request.
 */
export function updateVary({ outcome, accessed, metadataRead, lookup }: SessionState): void {
  if (!outcome || isPromise(outcome) || outcome.private) return
  outcome.vary ||= accessed || metadataRead
  if (lookup.carrier && outcome.vary) outcome.headers = { ...outcome.headers, ...NOT_STORED }
}

/** A response with the session's cookies, or with their deletion. Names that came and are not set are deleted. */
export function withCookies(
  state: SessionState,
  cookies: Exclude<Plan['cookie'], 'none'>,
  secure: boolean | undefined,
  now: number,
): CommitResult {
  const { settings, lookup } = state
  const { cookie, carrier } = settings
  if (lookup.carrier) return withHeader(state, lookup.carrier, cookies)
  const parts = cookies === 'send' ? splitToken(cookie, state.key!) : []
  const maxAge = cookies === 'send' ? maxAgeOf(state, now) : undefined
  const setCookies = parts.map(({ name, value }) => setCookie(cookie, name, value, secure, maxAge, now))
  for (const name of lookup.cookies.names) {
    if (!parts.some(part => part.name === name)) setCookies.push(setCookie(cookie, name, '', secure, 0, 0))
  }
  const result: CommitResult = { setCookies, vary: true, private: true }
  if (carrier) result.varyBy = carrier.varyBy
  return result
}

/** A response with the key in the header that the request came by. An empty header says that there is no session. */
function withHeader(
  { key, settings, lookup }: SessionState,
  { name, prefix, varyBy }: HeaderCarrier,
  cookies: Exclude<Plan['cookie'], 'none'>,
): CommitResult {
  // Throws for a token of a cookie session that is too long.
  if (cookies === 'send') splitToken(settings.cookie, key!)
  const isKnown = cookies === 'send' && lookup.cookies.tokens[0]?.text === key
  const value = cookies === 'send' ? `${prefix}${key}` : ''
  const headers = isKnown ? NOT_STORED : { ...NOT_STORED, [name]: value }
  return { setCookies: [], vary: true, private: false, varyBy, headers }
}

/** Seconds. `undefined`: the cookie ends with the browser. */
function maxAgeOf(state: SessionState, now: number): number | undefined {
  const { age, absoluteAge, expireAtBrowserClose } = state.settings
  const expiry = state.changes!.data[EXPIRY]
  if (endsWithBrowser(expiry, expireAtBrowserClose)) return
  const idle = expiryAge(expiry, now, age)
  return absoluteAge || !state.isActivity ? Math.min(idle, (expiresAt(state, now) - now) / 1000) : idle
}

/** Whether cookies came that are not the session's, or may be another's. */
export function hasStrayCookies({ lookup }: SessionState): boolean {
  return lookup.strays.length > 0 || lookup.cookies.contested.length > 0
}

/**
 * Adds the deletion of those cookies. It comes first, because a proxy or a test that knows cookies by their name alone
 * keeps the last.
 */
export function clearStrayCookies(
  { settings: { cookie }, lookup }: SessionState,
  response: ResponseInfo,
  result: CommitResult,
): CommitResult {
  const { setCookies } = result
  const { strays } = lookup
  const secure = isSecure(response)
  const left = strays.filter(name => !setCookies.some(line => line.startsWith(`${name}=`)))
  const own = [...left.map(name => setCookie(cookie, name, '', secure, 0, 0)), ...setCookies]
  const room = cookie.maxBytes - own.join('').length
  const names = [...lookup.cookies.contested, ...strays]
  const others = clearElsewhere(cookie, names, response.target?.() ?? {}, secure, room)
  const all = [...others, ...own]
  return all[0] ? { ...result, setCookies: all, vary: true, private: true } : result
}

/** Whether cookies of another library came that nobody needs any more. */
export function hasOldCookies(state: SessionState): boolean {
  const { old, failed } = state.lookup
  // After a failed load it is not known whether the old session lives on.
  return mustEndOldSessions(state) || (old.length > 0 && !failed)
}

/** A logout ends old sessions that came with the request, too (the option `adopt`). */
export function mustEndOldSessions({ flushed, lookup }: SessionState): boolean {
  return flushed && lookup.adoptableHeader !== ''
}

/** Adds the deletion of those cookies, which comes first. Those that stay for the old app are not deleted. */
export function clearOldCookies(
  { settings: { cookie }, lookup }: SessionState,
  response: ResponseInfo,
  result: CommitResult,
): CommitResult {
  const secure = isSecure(response)
  const lines: string[] = []
  for (const old of lookup.old) {
    if (old.keep) continue
    for (const { name, path = '/', domain, partitioned } of old.cookies) {
      const attributes = cookie.attributesIn({ path, domain, partitioned })
      const line = setCookie({ ...cookie, attributes }, name, '', secure, 0, 0)
      // A new session may have the name and the place of the old one.
      const isReplaced = name === cookie.name && attributes === cookie.attributes && result.setCookies[0]
      if (!isReplaced && !lines.includes(line)) lines.push(line)
    }
  }
  return lines[0]
    ? { ...result, setCookies: [...lines, ...result.setCookies], vary: true, private: true }
    : result
}

export function isSecure({ secure }: ResponseInfo): boolean | undefined {
  return typeof secure === 'function' ? secure() : secure
}
