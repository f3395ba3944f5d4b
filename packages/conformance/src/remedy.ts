/** What to change in an implementation that fails a case whose id matches. */
export type Remedy = readonly [cases: RegExp, remedy: string]

/** The first remedy whose pattern matches. */
export function remedyFrom(remedies: readonly Remedy[], id: string): string {
  const found = remedies.find(([cases]) => cases.test(id))
  if (!found) throw new Error(`no remedy for ${id}`)
  return found[1]
}
