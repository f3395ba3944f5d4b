import type { BareHeaders } from './platform.ts'
import type { CommitResult } from './response.ts'

/**
 * The value of `Vary` with `Cookie` in it; `*` and what is there stay. `null` and `undefined` mean no header.
 *
 * @example
 * headers.set('vary', varyByCookie(headers.get('vary')))
 */
export function varyByCookie(current: string | null | undefined): string {
  if (!current) return 'Cookie'
  return /(?:^|,)\s*(?:\*|cookie)\s*(?:,|$)/i.test(current) ? current : `${current}, Cookie`
}

/**
 * The value of `Cache-Control` that keeps the response out of shared caches. `no-store` and `private` stay as they
 * are; `public` and `s-maxage` say the contrary and are removed. `null` and `undefined` mean no header.
 *
 * @example
 * headers.set('cache-control', privateCache(headers.get('cache-control')))
 */
export function privateCache(current: string | null | undefined): string {
  if (!current) return 'private'
  const directives = current.match(/(?:[^,"]|"(?:\\.|[^"\\])*"?)+/g)?.map(directive => directive.trim()) ?? []
  if (directives.some(directive => /^(?:private|no-store)$/i.test(directive))) return current
  const kept = directives.filter(directive => directive && !/^(?:public|s-maxage\s*=.*)$/i.test(directive))
  return [...kept, 'private'].join(', ')
}

/**
 * Applies what `commit()` returned to the headers of a response, for frameworks that respond with a web `Response`:
 * appends the cookies, merges `Cookie` into `Vary` and `private` into `Cache-Control`.
 *
 * The headers of a response that came from `fetch()`, `Response.redirect()` or `Response.error()` cannot be changed
 * (they throw a `TypeError`). Make a response of your own first: `new Response(theirs.body, theirs)`.
 *
 * @example
 * const response = new Response(given.body, given)
 * applyTo(response.headers, await sessions.commit(session, { status: response.status }))
 */
export function applyTo(headers: BareHeaders, { setCookies, vary, private: isPrivate }: CommitResult): void {
  for (const cookie of setCookies) headers.append('set-cookie', cookie)
  if (vary) headers.set('vary', varyByCookie(headers.get('vary')))
  if (isPrivate) headers.set('cache-control', privateCache(headers.get('cache-control')))
}
