/** What a case throws when the rule is broken. Any other error that leaves a case is the store's own. */
export class CaseFailure extends Error {
  readonly expected: string
  readonly happened: string
  /** What to change, where the check knows better than the case. */
  readonly remedy: string | undefined

  constructor(expected: string, happened: string, remedy?: string) {
    super(`expected ${expected}, but ${happened}`)
    this.name = 'CaseFailure'
    this.expected = expected
    this.happened = happened
    this.remedy = remedy
  }
}

/** Fails with two sentences: "expected …, but …". `remedy`: what to change, where this check knows better than its case. */
export function fail(expected: string, happened: string, remedy?: string): never {
  throw new CaseFailure(expected, happened, remedy)
}

export function ok(
  condition: boolean,
  expected: string,
  happened: string,
  remedy?: string,
): asserts condition {
  if (!condition) fail(expected, happened, remedy)
}

/** Strict equality of scalars, structural equality of plain objects and arrays. `what` is the subject of the sentence. */
export function equal(happened: unknown, expected: unknown, what: string, remedy?: string): void {
  if (!same(happened, expected)) fail(`${what} to be ${show(expected)}`, `it was ${show(happened)}`, remedy)
}

export function oneOf(happened: unknown, expected: readonly unknown[], what: string): void {
  if (!expected.includes(happened)) {
    fail(`${what} to be ${expected.map(show).join(' or ')}`, `it was ${show(happened)}`)
  }
}

/** Equality of long texts: tells where they part instead of printing both. */
export function sameText(happened: unknown, expected: string, what: string): void {
  if (happened === expected) return
  if (typeof happened !== 'string') fail(`${what} to be a string`, `it was ${show(happened)}`)
  let at = 0
  while (at < happened.length && happened[at] === expected[at]) at++
  const around = (text: string) => show(text.slice(at, at + 12))
  fail(
    `${what} to come back unchanged (${expected.length} UTF-16 units)`,
    `${happened.length} units came back, different from unit ${at} on: ${around(happened)} instead of ${around(expected)}`,
  )
}

/** A call that a case has begun and waits for later. If it rejects before that, it is not an error that nobody catches. */
export function begun<T>(call: () => Promise<T>): Promise<T> {
  const result = call()
  result.catch(() => 'The case gets it when it waits.')
  return result
}

/** What a call came to: `{ value }` or `{ error }`. A store may throw or reject, which is the same to a caller. */
export async function outcome<T>(
  call: () => T | PromiseLike<T>,
): Promise<{ value: T; error?: undefined } | { value?: undefined; error: unknown }> {
  try {
    return { value: await call() }
  } catch (error) {
    return { error: error ?? new Error('thrown without an error') }
  }
}

/** A value as a short piece of one line. */
export function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  if (typeof value === 'string') return JSON.stringify(shorten(value))
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return shorten(JSON.stringify(value, (_, inner) => (typeof inner === 'string' ? shorten(inner) : inner)))
  } catch {
    return Object.prototype.toString.call(value)
  }
}

function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 160)}… (${text.length} characters)`
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const key of keys) {
    if (!same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false
  }
  return true
}
