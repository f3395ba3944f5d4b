import type { BareHeaders } from './platform.ts'
import type { CommitResult } from './response.ts'

/**
 * The value of `Vary` with `Cookie` in it; `*` and what is there stay. `null` and `undefined` mean no header.
 *
 * @example
 * headers.set('vary', varyByCookie(headers.get('vary')))
 */
export function varyByCookie(current: string | null | undefined): string {
  return varyBy(current)
}

/**
 * The value of `Vary` with what a commit says in it; `*` and what is there stay. `null` and `undefined` mean no header.
 *
 * @param names `varyBy` of the commit's result
 * @example
 * if (committed.vary) headers.set('vary', varyBy(headers.get('vary'), committed.varyBy))
 */
export function varyBy(current: string | null | undefined, names = 'Cookie'): string {
  const listed = (current ?? '')
    .toLowerCase()
    .split(',')
    .map(name => name.trim())
  if (listed.includes('*')) return current!
  const missing = names.split(', ').filter(name => !listed.includes(name.toLowerCase()))
  return [...(current ? [current] : []), ...missing].join(', ')
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
 * The value of a field of `CommitResult.headers`, beside what the application has set. It replaces the application's value.
 * Only `Clear-Site-Data` is a list to which it is added.
 *
 * @param current the field's value so far. `null` and `undefined` mean no header
 * @example
 * for (const [name, value] of Object.entries(committed.headers ?? {})) {
 *   res.setHeader(name, fieldValue(name, res.getHeader(name), value))
 * }
 */
export function fieldValue(name: string, current: string | null | undefined, value: string): string {
  return current && name === 'clear-site-data' ? `${current}, ${value}` : value
}

/**
 * Applies what `commit()` returned to the headers of a response, for frameworks that respond with a web `Response`:
 * appends the cookies, sets the other fields, merges `Cookie` into `Vary` and `private` into `Cache-Control`.
 *
 * The headers of a response that came from `fetch()`, `Response.redirect()` or `Response.error()` cannot be changed
 * (they throw a `TypeError`). Make a response of your own first: `new Response(theirs.body, theirs)`.
 *
 * @example
 * const response = new Response(given.body, given)
 * applyTo(response.headers, await sessions.commit(session, { status: response.status }))
 */
export function applyTo(
  headers: BareHeaders,
  { setCookies, vary, private: isPrivate, headers: others, varyBy: names }: CommitResult,
): void {
  for (const cookie of setCookies) headers.append('set-cookie', cookie)
  for (const name in others) headers.set(name, fieldValue(name, headers.get(name), others[name]!))
  if (vary) headers.set('vary', varyBy(headers.get('vary'), names))
  if (isPrivate) headers.set('cache-control', privateCache(headers.get('cache-control')))
}
