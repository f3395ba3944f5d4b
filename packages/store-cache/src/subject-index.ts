/** The ids of each subject. Most subjects have one session, so one id is kept as it is and takes no set. */
export interface SubjectIndex {
  add(subject: string, id: string): void
  delete(subject: string, id: string): void
  /** A copy, which may be walked while the index changes. */
  of(subject: string): string[]
  /** How many subjects there are. */
  readonly size: number
}

export function subjectIndex(): SubjectIndex {
  const ids = new Map<string, string | Set<string>>()
  return {
    add(subject, id) {
      const known = ids.get(subject)
      if (known === undefined) ids.set(subject, id)
      else if (typeof known !== 'string') known.add(id)
      else if (known !== id) ids.set(subject, new Set([known, id]))
    },
    delete(subject, id) {
      const known = ids.get(subject)
      if (known === id) ids.delete(subject)
      else if (typeof known === 'object' && known.delete(id) && known.size === 0) ids.delete(subject)
    },
    get size() {
      return ids.size
    },
    of(subject) {
      const known = ids.get(subject)
      return known === undefined ? [] : typeof known === 'string' ? [known] : [...known]
    },
  }
}
