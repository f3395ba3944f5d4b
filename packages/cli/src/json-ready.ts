/** A copy that JSON can hold, of what any codec may have decoded: `rich()` has dates, maps, sets and big integers. */
export function jsonReady(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof Map) return [...value].map(jsonReady)
  if (value instanceof Set || Array.isArray(value)) return [...value].map(jsonReady)
  const copy: Record<string, unknown> = Object.create(null)
  for (const [key, item] of Object.entries(value)) copy[key] = jsonReady(item)
  return copy
}
