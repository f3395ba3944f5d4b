import { isObject } from './codec.ts'

/**
 * Where a client keeps the key of its session:
 *
 * - `'cookie'`: in the session cookie. This is the default.
 * - `{ header }`: in a header of its requests, as apps without a cookie jar do. Responses have new keys in the same header.
 * - `{ header, cookie: true }`: both. A request with the header is answered by the header, any other by the cookie.
 */
export type Carrier = 'cookie' | { header: 'authorization' | `x-${string}`; cookie?: boolean | undefined }

/** The option `carrier`, checked. `undefined` stands for cookies alone. */
export interface HeaderCarrier {
  /** The header's name in lower case. */
  name: string
  /** What is before the key: `Bearer `, or nothing. */
  prefix: string
  /** Requests without the header are answered by cookies. */
  allowsCookies: boolean
  /** What a response that depends on the session has in `Vary`. */
  varyBy: string
}

/**
 * Reads a header of the request: `undefined` or `null` if it is absent. The empty text is a header without a key, whose request
 * is answered by the header. An array, or values joined by commas, is no key.
 */
export type ReadHeader = (name: string) => string | readonly string[] | null | undefined

export function isCarrier(value: unknown): boolean {
  if (value === 'cookie') return true
  if (!isObject(value)) return false
  const { header, cookie = false, ...unknown } = value as Record<string, unknown>
  const isHeader = typeof header === 'string' && /^(?:authorization|x-[a-z\d]+(?:-[a-z\d]+)*)$/i.test(header)
  return isHeader && typeof cookie === 'boolean' && Object.keys(unknown).length === 0
}

export function headerCarrier(carrier: Carrier): HeaderCarrier | undefined {
  if (carrier === 'cookie') return
  const name = carrier.header.toLowerCase()
  const allowsCookies = carrier.cookie === true
  const words = name.replace(/(?:^|-)[a-z]/g, first => first.toUpperCase())
  return {
    name,
    prefix: name === 'authorization' ? 'Bearer ' : '',
    allowsCookies,
    varyBy: allowsCookies ? `Cookie, ${words}` : words,
  }
}

/**
 * The key in the header, or the empty text if there is none: the header is empty or `new`, or cookies are not allowed.
 * `undefined`: the request is one for cookies.
 */
export function carriedKey(carrier: HeaderCarrier, read: ReadHeader): string | undefined {
  const { name, prefix, allowsCookies } = carrier
  const text = read(name)?.toString().trim()
  // A header with another scheme, such as Basic, is not ours.
  const isOurs = text !== undefined && `${text} `.toLowerCase().startsWith(prefix.toLowerCase())
  if (!isOurs) return allowsCookies ? undefined : ''
  const key = text.slice(prefix.length).trim()
  return key === 'new' ? '' : key
}
