/** Python's values as the recordings spell them (`{"$datetime": …}` and so on), and JavaScript's. */

/** What stands for Python's timedelta: a duration for `setExpiry`, and nothing that JSON could hold. */
export class Timedelta {
  readonly seconds: number

  constructor(seconds: number) {
    this.seconds = seconds
  }
}

/** A recorded value in JavaScript. A naive time counts as one of `zone`, or as UTC. */
export function toJavaScript(value: any, zone?: string): any {
  if (Array.isArray(value)) return value.map(item => toJavaScript(item, zone))
  if (typeof value !== 'object' || value === null) return value
  if ('$datetime' in value) return new Date(Math.floor(momentOf(value.$datetime, zone) / 1000))
  if ('$timedelta' in value) return new Timedelta(value.$timedelta)
  if ('$float' in value)
    return { nan: Number.NaN, inf: Infinity, '-inf': -Infinity, '-0.0': -0 }[value.$float as string]
  if ('$int' in value) return Number(value.$int)
  if ('$map' in value)
    return Object.fromEntries(
      value.$map.map(([key, item]: any[]) => [keyText(key), toJavaScript(item, zone)]),
    )
  return mapValues(value, item => toJavaScript(item, zone))
}

/** A value in the one spelling in which Django's, the model's and ours are compared. */
export function spell(value: any, zone?: string): any {
  if (value === undefined) return null
  if (value instanceof Date) return { $moment: value.getTime() * 1000 }
  if (value instanceof Timedelta) return { $timedelta: value.seconds }
  if (typeof value === 'number' && !Number.isFinite(value))
    return { $float: { NaN: 'nan', Infinity: 'inf', '-Infinity': '-inf' }[String(value)] }
  if (Array.isArray(value)) return value.map(item => spell(item, zone))
  if (typeof value !== 'object' || value === null) return value
  if ('$int' in value) return Number(value.$int)
  if ('$datetime' in value) {
    const text = value.$datetime as string
    return isNaive(text) && zone === undefined ? { $naive: text } : { $moment: momentOf(text, zone) }
  }
  if ('$map' in value) return { $map: value.$map.map((pair: any[]) => pair.map(item => spell(item, zone))) }
  return mapValues(value, item => spell(item, zone))
}

/** A key of a session as Python's JSON writes it: None is "null", 1 is "1". */
export function keyText(key: any): string {
  const plain = toJavaScript(key)
  return typeof plain === 'string' ? plain : JSON.stringify(plain)
}

/** An object with the same keys, `__proto__` too. */
export function mapValues(object: object, make: (value: any) => any): Record<string, any> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, make(value)]))
}

/** JSON with sorted keys: two values are equal if their texts are. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`
}

const ISO =
  /^(\d{4})-?(\d\d)-?(\d\d)(?:.(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d\d:?\d\d(?::?\d\d)?)?$/

export function isNaive(text: string): boolean {
  return ISO.exec(text)?.[8] === undefined
}

/**
 * Microseconds since the epoch of ISO text, as Python's `datetime.fromisoformat` reads it; NaN for other text. A text
 * without an offset counts as one of `zone`, or as UTC.
 */
export function momentOf(text: string, zone?: string): number {
  const part = ISO.exec(text)
  if (!part) return Number.NaN
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset] = part
  const seconds = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) / 1000
  const wall = seconds * 1e6 + Number(fraction.slice(0, 6).padEnd(6, '0'))
  if (offset === undefined) return zone === undefined ? wall : wall - offsetOfWall(wall, zone)
  if (offset === 'Z') return wall
  const [hours = 0, minutes = 0, rest = 0] = (offset.slice(1).match(/\d\d/g) ?? []).map(Number)
  return wall - (offset[0] === '-' ? -1 : 1) * (hours * 3600 + minutes * 60 + rest) * 1e6
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** What the clocks of a zone are ahead of UTC at a moment, in microseconds. */
export function offsetAt(moment: number, zone: string): number {
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
    formats.set(zone, format)
  }
  const name = format.formatToParts(moment / 1000).find(part => part.type === 'timeZoneName')!.value
  const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(name)!
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60) * 1e6
}

function offsetOfWall(wall: number, zone: string): number {
  return offsetAt(wall - offsetAt(wall, zone), zone)
}

/** `datetime.isoformat()` of a moment in UTC. */
export function isoOf(moment: number): string {
  const micro = ((moment % 1e6) + 1e6) % 1e6
  const text = new Date((moment - micro) / 1000).toISOString().slice(0, 19)
  return `${text}${micro === 0 ? '' : `.${String(micro).padStart(6, '0')}`}+00:00`
}

/** `datetime.isoformat()` of a moment on the clocks of a zone, without an offset. */
export function naiveIsoOf(moment: number, zone: string): string {
  return isoOf(moment + offsetAt(moment, zone)).slice(0, -6)
}
