import type { Step } from './script.ts'
import { readToken } from './token.ts'
import { canonical } from './values.ts'

/**
 * The steps with everything that has no meaning of its own taken out: keys that were made are numbered in order of
 * appearance, and a token of a cookie session stands as what it holds.
 */
export function normalised(steps: Step[]): Step[] {
  const names = new Map<string, string>()
  return steps.map(step => rename(step, names))
}

function rename(value: any, names: Map<string, string>): any {
  if (typeof value === 'string') return nameOf(value, names)
  if (Array.isArray(value)) return value.map(item => rename(item, names))
  if (typeof value !== 'object' || value === null) return value
  const renamed: Record<string, any> = {}
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue
    const plain = key === 'data' || key === 'stored' || key === '$map'
    const entry = key === 'store' ? renameStore(item as object, names) : plain ? item : rename(item, names)
    Object.defineProperty(renamed, key, {
      value: entry,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return renamed
}

/** A key that was made: as the recordings spell it, or as ours does. */
const MADE = /^(?:@\d+|gk\d{30})$/

/** Sessions that nobody has mentioned yet are told apart by what they hold. */
function renameStore(store: object, names: Map<string, string>): [string, any][] {
  const known = ([key]: [string, any]): string => names.get(key) ?? (MADE.test(key) ? '~' : key)
  const entries = Object.entries(store).sort((a, b) => {
    const [first, second] = [known(a) + canonical(a[1]), known(b) + canonical(b[1])]
    return first < second ? -1 : first > second ? 1 : 0
  })
  return entries
    .map(([key, entry]): [string, any] => [nameOf(key, names), entry])
    .sort((a, b) => (a[0] < b[0] ? -1 : 1))
}

function nameOf(text: string, names: Map<string, string>): string {
  if (MADE.test(text)) {
    if (!names.has(text)) names.set(text, `@${names.size + 1}`)
    return names.get(text)!
  }
  if (text.length < 40 || text.split(':').length < 3) return text
  const content = readToken(text)
  return content ? `a cookie with ${canonical(content.data)} of ${content.signedAt}` : text
}

/** Where two runs part, for people; `undefined` if they do not. */
export function difference(expected: Step[], actual: Step[]): string | undefined {
  const [left, right] = [normalised(expected), normalised(actual)]
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const found = firstDifference(left[index], right[index], '')
    if (found) return `step ${index}${found}`
  }
  return undefined
}

function firstDifference(left: any, right: any, path: string): string | undefined {
  if (canonical(left) === canonical(right)) return undefined
  const isObject = (value: any): boolean => typeof value === 'object' && value !== null
  if (isObject(left) && isObject(right)) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      const found = firstDifference(left[key], right[key], `${path}.${key}`)
      if (found) return found
    }
  }
  return `${path}: expected ${canonical(left)}, got ${canonical(right)}`
}
