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
  if (!current) return 'private'
  const directives = current.match(/(?:[^,"]|"(?:\\.|[^"\\])*"?)+/g)?.map(directive => directive.trim()) ?? []
  if (directives.some(directive => /^(?:private|no-store)$/i.test(directive))) return current
  const kept = directives.filter(directive => directive && !/^(?:public|s-maxage\s*=.*)$/i.test(directive))
  return [...kept, 'private'].join(', ')
}
