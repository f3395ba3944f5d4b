import type { CookiePolicy, CookieScope } from './cookie.ts'
import { setCookie } from './cookie.ts'

/** How the browser asked, by the request's own headers. */
export interface RequestTarget {
  /** The `Host` that the browser sent, with or without a port. */
  host?: string | undefined
  /** The path of the URL, with or without a query, before any router or proxy shortens it. */
  path?: string | undefined
  /** The header `X-Forwarded-Proto` as it came, whether the proxy is trusted or not. */
  forwardedProto?: string | readonly string[] | null | undefined
}

/** Enough for a host of four labels and a path of two parts. */
const MAX_SCOPES = 12

/**
 * `Set-Cookie` lines that delete cookies of these names everywhere but in the configured place: an earlier version of the
 * app, or a neighbour domain, may have set them. A browser tells a server neither the domain nor the path of a cookie, so
 * all that could have come with this request are deleted, at most `room` bytes of lines.
 */
export function clearElsewhere(
  policy: CookiePolicy,
  names: readonly string[],
  target: RequestTarget,
  secure: boolean | undefined,
  room: number,
): string[] {
  const lines: string[] = []
  for (const scope of otherScopes(policy, target, secure).slice(0, MAX_SCOPES)) {
    for (const name of names) {
      const line = setCookie({ ...policy, attributes: policy.attributesIn(scope) }, name, '', secure, 0, 0)
      room -= line.length
      if (room >= 0) lines.push(line)
    }
  }
  return lines
}

function otherScopes(
  policy: CookiePolicy,
  target: RequestTarget,
  secure: boolean | undefined,
): CookieScope[] {
  const own = policy.scope
  // A name with this prefix has one domain and one path.
  const isHost = /^__host-/i.test(policy.name)
  const domains = isHost ? [undefined] : unique([plain(own.domain), undefined, ...domainsOf(target.host)])
  const paths = isHost ? ['/'] : unique([own.path, '/', ...pathsOf(target.path)])
  const scopes: CookieScope[] = []
  // Only a Secure cookie can be partitioned.
  const tls = policy.secure === true || (policy.secure === 'auto' && secure !== false)
  if (tls) scopes.push({ ...own, partitioned: !own.partitioned })
  for (const domain of domains) {
    for (const path of paths) {
      const isOwn = domain === plain(own.domain) && path === own.path
      if (!isOwn) scopes.push({ path, domain, partitioned: own.partitioned })
    }
  }
  return scopes
}

/** Browsers drop the dot that RFC 2109 wanted. */
function plain(domain: string | undefined): string | undefined {
  return domain?.replace(/^\./, '').toLowerCase()
}

/** The host and the domains above it, the nearest first. No cookie is set for a single label or for an address. */
function domainsOf(host = ''): string[] {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  if (!/^(?=.{1,253}$)(?:[a-z\d_-]{1,63}\.)+[a-z][a-z\d-]*$/.test(name)) return []
  const labels = name.split('.')
  return labels.slice(0, -1).map((_, index) => labels.slice(index).join('.'))
}

/** `/app/users` for `/app/users/7?page=2`, and `/app`: where an app may be mounted. */
function pathsOf(path = ''): string[] {
  const [, first, second] =
    /^(\/[!-:<>@-~]{1,200}?)(?=[/?]|$)(?:(\/[!-:<>@-~]{1,200}?)(?=[/?]|$))?/.exec(path) ?? []
  if (!first) return []
  return second ? [first, first + second] : [first]
}

function unique<T>(list: readonly T[]): T[] {
  return [...new Set(list)]
}
