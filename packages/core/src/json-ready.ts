import { MASK } from './mask.ts'

/** Whether the value at a path is masked. The path has a step for each key and index. */
export type Hides = (path: readonly string[], value: unknown) => boolean

/** Data nested deeper than this are not shown: whatever walks through them would run out of stack. */
const MAX_DEPTH = 64
/** Values in one session that are shown. A codec that knows references can make a few bytes into any number of values. */
const MAX_VALUES = 200_000

/**
 * A copy that JSON can hold, of what any codec may have decoded: `rich()` has dates, maps, sets and big integers. Values
 * that `hides` are replaced by `MASK`. Data that are nested too deep or contain themselves are cut.
 *
 * @example
 * JSON.stringify(jsonReady(view.data, isSecret), null, 2)
 */
export function jsonReady(value: unknown, hides: Hides = () => false): unknown {
  const path: string[] = []
  const around = new Set<object>()
  let left = MAX_VALUES
  return copyOf(value)

  function inner(step: unknown, item: unknown): unknown {
    path.push(typeof step === 'object' ? '' : String(step))
    const copy = hides(path, item) ? MASK : copyOf(item)
    path.pop()
    return copy
  }

  function copyOf(value: unknown): unknown {
    if (typeof value === 'bigint') return `${value}n`
    if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
    if (typeof value !== 'object' || value === null) return value
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
    if (around.has(value)) return '… (contains itself)'
    if (path.length >= MAX_DEPTH) return `… (nested deeper than ${MAX_DEPTH} levels)`
    if (left-- <= 0) return `… (more than ${MAX_VALUES} values)`
    around.add(value)
    const copy = copyOfObject(value)
    around.delete(value)
    return copy
  }

  function copyOfObject(value: object): unknown {
    if (value instanceof Map) return [...value].map(([key, item]) => [inner('', key), inner(key, item)])
    if (value instanceof Set || Array.isArray(value)) return [...value].map((item, at) => inner(at, item))
    const copy: Record<string, unknown> = Object.create(null)
    for (const [key, item] of Object.entries(value)) copy[key] = inner(key, item)
    return copy
  }
}
