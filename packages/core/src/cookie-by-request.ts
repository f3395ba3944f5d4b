import { isObject } from './codec.ts'
import { audienceOf, type CookieOptions, cookiePolicy } from './cookie.ts'
import { ConfigError } from './errors.ts'
import type { Settings } from './options.ts'

/** The settings of so many different results of `cookie.byRequest` are kept. A result is usually a tenant. */
const KEPT = 1000

/**
 * Makes the function that gives the settings of one request, if there is `cookie.byRequest`. They differ from those of the
 * engine in the cookie alone, so nothing else has to know of it.
 */
export function settingsOfRequest(
  settings: Settings,
  { byRequest, ...common }: CookieOptions,
): Settings['ofRequest'] {
  if (!byRequest) return
  const known = new Map<string, Settings>()
  return request => {
    if (request === undefined) {
      throw new ConfigError(
        'cookie.byRequest',
        'needs the request: sessions.open(cookieHeader, { request }). An adapter passes it as `request` to begin().',
      )
    }
    const own: CookieOptions = byRequest(request)
    assertOptions(own)
    const name = JSON.stringify(own)
    const kept = known.get(name)
    if (kept) return kept
    const options = { ...common, ...own }
    assertCanIsolate(settings, options)
    const made = { ...settings, cookie: cookiePolicy(options) }
    if (known.size >= KEPT) known.delete(known.keys().next().value as string)
    known.set(name, made)
    return made
  }
}

/** What `JSON.stringify` would not show, and what cannot differ from request to request. */
function assertOptions(own: CookieOptions): void {
  if (!isObject(own) || typeof (own as { then?: unknown }).then === 'function') {
    throw new ConfigError('cookie.byRequest', 'must return an object of cookie options, and no promise.')
  }
  for (const name of ['name', 'byRequest']) {
    if (name in own) throw new ConfigError(`cookie.${name}`, 'cannot depend on the request.')
  }
  if ('isolate' in own && typeof own.isolate !== 'string') {
    throw new ConfigError(
      'cookie.isolate',
      'is not a text for this request. Respond with 404 to a host that is no tenant, before the session middleware.',
    )
  }
}

/** The settings for the keys of one tenant. */
export function isolated(settings: Settings, isolate: string): Settings {
  assertCanIsolate(settings, { isolate })
  return { ...settings, cookie: { ...settings.cookie, audience: audienceOf(settings.cookie.name, isolate) } }
}

export function assertCanIsolate({ hashKeys }: Pick<Settings, 'hashKeys'>, { isolate }: CookieOptions): void {
  if (isolate === undefined || hashKeys) return
  throw new ConfigError(
    'cookie.isolate',
    'needs `hashKeys: true`: the tenant is part of the hash of the key.',
  )
}
