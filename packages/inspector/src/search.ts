import type { MaybePromise } from '@sess/core'
import { type Hides, hasValue, type Inspectable, jsonReady, type SessionView } from '@sess/core/inspect'

/** How a text is searched for. */
export type SearchBy = 'any' | 'subject' | 'id' | 'value'

export interface Search {
  text: string
  by: SearchBy
}

export type Matches = (view: SessionView) => MaybePromise<boolean>

/** Whether a session is one that is searched for. Only what `hides` lets be shown is searched. */
export function matcher(
  { text, by }: Search,
  { hides, handleOf }: { hides: Hides; handleOf: Inspectable['handleOf'] },
): Matches {
  if (text === '') return () => true
  const [, path, wanted = ''] = /^([^=\s]+)=(.*)$/s.exec(text) ?? []
  const lower = text.toLowerCase()
  const ofSubject = ({ subject }: SessionView) => subject === text
  const ofId = async ({ id }: SessionView) =>
    /^[0-9a-z]+$/.test(text) && (await handleOf(id)).startsWith(text)
  // Only what the page may show is searched. Otherwise a search could find out what a masked value is.
  const ofValue = ({ data }: SessionView) => {
    const shown = jsonReady(data, hides) as Record<string, unknown>
    return path === undefined ? contains(shown, lower) : hasValue(shown, path, wanted)
  }
  if (by === 'subject') return ofSubject
  if (by === 'id') return ofId
  if (by === 'value') return ofValue
  return async view => ofSubject(view) || (await ofId(view)) || ofValue(view)
}

function contains(value: unknown, text: string): boolean {
  if (Array.isArray(value)) return value.some(item => contains(item, text))
  if (typeof value === 'object' && value !== null) {
    return Object.values(value).some(item => contains(item, text))
  }
  return String(value).toLowerCase().includes(text)
}
