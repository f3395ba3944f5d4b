import {
  deflate,
  fromBase64url,
  fromLatin1,
  hmac,
  inflate,
  type MacKey,
  macKey,
  sha256,
  timingSafeEqual,
  toBase64url,
  utf8,
} from '#crypto'
import { flag, readOptions, type Table, textLike } from './check.ts'
import { type Codec, encodeJson, isPlainProto, MAX_DEPTH } from './codec.ts'
import { ConfigError, SessionDataError, SessionError } from './errors.ts'
import type { MaybePromise } from './store.ts'
import { after, isPromise } from './task.ts'

export { expiryMoment } from './expiry.ts'

/** The salt of session data that Django's db, file and cached_db backends store: the store class's path and name. */
export const STORE_SALT = 'django.contrib.sessions.SessionStore'

/** The salt of Django's signed_cookies backend. */
export const COOKIE_SALT = 'django.contrib.sessions.backends.signed_cookies'

/** Options of everything that signs or reads a signature. */
export interface SigningOptions {
  /** Django's `SECRET_KEY`, of any length: Django decides. */
  secret: string
  /** `SECRET_KEY_FALLBACKS` (Django 4.1): retired secrets that still read. */
  fallbacks?: readonly string[] | undefined
  /** Default `django.core.signing`; `''` means `django.core.signing.TimestampSigner`, as in Django. */
  salt?: string | undefined
  /**
   * Bytes of JSON at the most (default 4 MiB): inflating stops there, and more is not written either, because nobody
   * could read it.
   */
  maxBytes?: number | undefined
}

/** Options of `dumps`. */
export interface DumpOptions extends SigningOptions {
  /** Deflate if that saves two bytes or more. Default false. */
  compress?: boolean | undefined
  /** Milliseconds since the epoch. Default `Date.now()`. */
  now?: number | undefined
}

/** Options of `loads`. */
export interface LoadOptions extends SigningOptions {
  /** Seconds; an older signature is a `SignatureExpiredError`. Default (and `null`): any age. */
  maxAge?: number | null | undefined
  /** Milliseconds since the epoch. Default `Date.now()`. */
  now?: number | undefined
}

/** Options of `djangoCodec`. */
export interface DjangoCodecOptions extends SigningOptions {
  /** Default true, as Django does for sessions. */
  compress?: boolean
  /** Milliseconds since the epoch, for the timestamp that Django keeps but does not look at. Default `Date.now`. */
  clock?: () => number
}

/** The text was not signed with this secret and salt, or was changed since (Django BadSignature). */
export class BadSignatureError extends SessionError {
  constructor() {
    super('BadSignature', 400, 'The text was not signed with this secret and salt, or it was changed.')
  }
}

/** The signature is good, but older than `maxAge` (Django SignatureExpired). */
export class SignatureExpiredError extends SessionError {
  constructor() {
    super('SignatureExpired', 400, 'The signature is older than `maxAge`.')
  }
}

/**
 * Session data as Django's db, file and cached_db backends store it (`SessionBase.encode` and `decode`, with the JSON
 * serializer), so that a live Django reads what is written here and the other way round.
 *
 * Holds what `json()` holds, and NaN and the infinities, which Python's JSON has. Integers beyond 2^53 that Django
 * wrote lose digits in JavaScript, and `1.0` comes back as `1`.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const sessions = createSessions({ store, codec: djangoCodec({ secret: SECRET_KEY }), hashKeys: false })
 */
export function djangoCodec(options: DjangoCodecOptions): Codec {
  const { clock, compress, ...signing } = readOptions<DjangoCodecOptions>(options, OPTIONS)
  if (!signing.secret) throw new ConfigError('secret', "must be Django's SECRET_KEY.")
  return {
    encode: (data, limits) =>
      dumps(data, {
        ...signing,
        maxBytes: Math.min(signing.maxBytes, limits?.maxBytes ?? Infinity),
        compress,
        now: clock(),
      }),
    decode: payload =>
      after(loads(payload, signing), data => {
        if (typeof data !== 'object' || data === null || Array.isArray(data)) {
          throw new SessionDataError('The payload is not a JSON object.')
        }
        return data as Record<string, unknown>
      }),
    stringify: value => pythonJson(value),
    parse: parseJson,
  }
}

/**
 * `django.core.signing.dumps` for any JSON value. The text is the same byte for byte, except for compressed text: zlib
 * libraries write different bytes, and each reads those of the others.
 *
 * @throws SessionDataError (`SESSION_DATA`) for what JSON cannot hold, or if the text is longer than `maxBytes`
 * @example
 * const token = await dumps({ userId: 42 }, { secret: SECRET_KEY })
 */
export function dumps(value: unknown, options: DumpOptions): MaybePromise<string> {
  return dumpJson(pythonJson(value), options)
}

/**
 * `django.core.signing.loads`. Errors are thrown or rejected.
 *
 * @throws BadSignatureError (`BAD_SIGNATURE`) or SignatureExpiredError (`SIGNATURE_EXPIRED`)
 * @throws SessionDataError (`SESSION_DATA`) for a text that is well signed and broken inside
 * @example
 * const data = await loads(token, { secret: SECRET_KEY, maxAge: 3600 })
 */
export function loads(text: string, options: LoadOptions): MaybePromise<unknown> {
  return after(loadJson(text, options), ({ json }) => parseJson(json))
}

/**
 * `dumps` of a value whose JSON is at hand.
 *
 * @throws SessionDataError (`SESSION_DATA`) if the text is longer than `maxBytes`
 * @example
 * const token = await dumpJson('{"userId":42}', { secret: SECRET_KEY })
 */
export function dumpJson(json: string, options: DumpOptions): MaybePromise<string> {
  const ascii = json.replace(BEYOND_ASCII, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
  if (ascii.length > maxBytesOf(options)) {
    throw new SessionDataError(`The data is ${ascii.length} bytes of JSON, more than \`maxBytes\`.`)
  }
  const plain = utf8(ascii)
  const body = options.compress
    ? after(deflate(plain), packed =>
        packed.length < plain.length - 1 ? `.${toBase64url(packed)}` : toBase64url(plain),
      )
    : toBase64url(plain)
  const now = options.now ?? Date.now()
  return after(body, text => {
    const value = `${text}:${base62(Math.floor(now / 1000))}`
    return after(signature(value, options.secret, options.salt), signed => `${value}:${signed}`)
  })
}

/**
 * Like `loads`, without parsing. Returns the JSON text, and when it was signed, in seconds since the epoch.
 *
 * @throws BadSignatureError (`BAD_SIGNATURE`) or SignatureExpiredError (`SIGNATURE_EXPIRED`)
 * @example
 * const { json, signedAt } = await loadJson(token, { secret: SECRET_KEY })
 */
export function loadJson(
  text: string,
  options: LoadOptions,
): MaybePromise<{ json: string; signedAt: number }> {
  const end = text.lastIndexOf(':')
  if (end < 0) throw new BadSignatureError()
  const value = text.slice(0, end)
  const secrets = [options.secret, ...(options.fallbacks ?? [])]
  return after(anySigned(value, utf8(text.slice(end + 1)), secrets, options.salt), good => {
    if (!good) throw new BadSignatureError()
    const colon = value.lastIndexOf(':')
    if (colon < 0) throw new BadSignatureError()
    const signedAt = fromBase62(value.slice(colon + 1))
    const maxAge = options.maxAge ?? Number.POSITIVE_INFINITY
    if ((options.now ?? Date.now()) / 1000 - signedAt > maxAge) throw new SignatureExpiredError()
    return after(unpack(value.slice(0, colon), maxBytesOf(options)), bytes => ({
      json: fromLatin1(bytes), // so does Django; `dumps` writes ASCII alone
      signedAt,
    }))
  })
}

/**
 * Removes from JSON text the escapes that only make it ASCII. If `dumpJson` was given a text of `JSON.stringify`, the result
 * is that text again.
 *
 * @example
 * unescapeJson('"\\u00e9"') // '"é"'
 */
export function unescapeJson(json: string): string {
  if (!json.includes('\\u')) return json
  return json.replace(ESCAPE, (found, high?: string, low?: string, single?: string) => {
    if (high && low) return String.fromCharCode(Number.parseInt(high, 16), Number.parseInt(low, 16))
    const code = single ? Number.parseInt(single, 16) : 0
    return code >= 0x7f && (code & 0xf800) !== 0xd800 ? String.fromCharCode(code) : found
  })
}

// DEL too, as Python does.
const BEYOND_ASCII = /[\x7f-\uffff]/g
const ESCAPE = /\\u(d[89ab][\da-f]{2})\\u(d[c-f][\da-f]{2})|\\u([\da-f]{4})|\\./gi

/** JSON as Python's `json` writes it: with NaN and the infinities, and -0.0. Errors as those of `json()`. */
function pythonJson(value: unknown): string {
  const standard = withoutSpecials(value, 0)
  const text = encodeJson(standard as Record<string, unknown>)
  return standard === value ? text : write(value)
}

const isSpecial = (value: unknown): boolean =>
  typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value))

/** The value itself; or, if it has numbers in it that JSON has not, a copy with 0 in their place. */
function withoutSpecials(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return isSpecial(value) ? 0 : value
  if (depth > MAX_DEPTH || !(Array.isArray(value) || isPlainProto(Object.getPrototypeOf(value)))) return value
  const entries = Object.entries(value)
  const standard = entries.map(([key, item]) => [key, withoutSpecials(item, depth + 1)] as const)
  if (standard.every(([, item], index) => Object.is(item, entries[index]![1]))) return value
  return Array.isArray(value) ? standard.map(([, item]) => item) : Object.fromEntries(standard)
}

function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).join()}]`
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}:${write(item)}`)
      .join()}}`
  }
  if (!isSpecial(value)) return JSON.stringify(value)
  return Object.is(value, -0) ? '-0.0' : String(value)
}

/** JSON as Python's `json` reads it: with NaN and the infinities. */
function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    // The error quotes session data, so it goes no further.
  }
  if (/NaN|Infinity/.test(json)) {
    const mark = freeMark(json)
    const words: Record<string, string> = { NaN: `"${mark}"`, Infinity: '1e999', '-Infinity': '-1e999' }
    const standard = json.replace(TOKENS, token => words[token] ?? token)
    try {
      return JSON.parse(standard, (_, value) => (value === mark ? Number.NaN : value))
    } catch {
      // As above.
    }
  }
  throw new SessionDataError('The signed text is not JSON.')
}

// A string ends with its quote or with the text, so that a missing quote does not begin a search at each quote before it.
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|-?Infinity|NaN/gs

/** `NaN` and a number: the first such text that no string of the JSON text spells. Linear in the text's length. */
function freeMark(json: string): string {
  const taken = new Set<string>()
  for (const [token] of json.matchAll(TOKENS)) {
    // A string with escapes may spell a mark too; a text that is not JSON fails later.
    const isText = token[0] === '"' && (token.startsWith('NaN', 1) || token.includes('\\u'))
    if (isText) taken.add(unescapeMark(token.slice(1, -1)))
  }
  let count = 0
  while (taken.has(`NaN${count}`)) count++
  return `NaN${count}`
}

/** Marks are ASCII, and a string spells them as they are or by `\u` escapes. */
function unescapeMark(text: string): string {
  return text.replace(/\\u([\da-f]{4})/gi, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  )
}

function unpack(body: string, maxBytes: number): MaybePromise<Uint8Array> {
  const packed = body.startsWith('.')
  // Django reads the standard alphabet and padding too.
  const text = (packed ? body.slice(1) : body).replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')
  const bytes = fromBase64url(text)
  if (bytes === null) throw new SessionDataError('The signed text is not base64.')
  if (!packed) {
    if (bytes.length > maxBytes) throw new SessionDataError('The signed text is longer than `maxBytes`.')
    return bytes
  }
  try {
    const inflated = inflate(bytes, maxBytes)
    return isPromise(inflated) ? inflated.then(undefined, cannotInflate) : inflated
  } catch {
    return cannotInflate()
  }
}

function cannotInflate(): never {
  throw new SessionDataError('The signed text is not zlib data, or it inflates to more than `maxBytes`.')
}

function anySigned(
  value: string,
  given: Uint8Array,
  secrets: readonly string[],
  salt: string | undefined,
): MaybePromise<boolean> {
  const [secret, ...others] = secrets
  if (secret === undefined) return false
  return after(signature(value, secret, salt), expected => {
    // Compared as text, as Django does: one signature has one spelling.
    return timingSafeEqual(utf8(expected), given) || anySigned(value, given, others, salt)
  })
}

function signature(value: string, secret: string, salt: string | undefined): MaybePromise<string> {
  return after(keyOf(secret, salt ?? 'django.core.signing'), key =>
    after(hmac(key, utf8(value)), toBase64url),
  )
}

const keys = new Map<string, MaybePromise<MacKey>>()
const CACHE_LIMIT = 256

/** Django's `salted_hmac` key; made once. */
function keyOf(secret: string, salt: string): MaybePromise<MacKey> {
  const text = `${salt || 'django.core.signing.TimestampSigner'}signer${secret}`
  const cached = keys.get(text)
  if (cached !== undefined) return cached
  const key = after(sha256(utf8(text)), macKey)
  if (keys.size >= CACHE_LIMIT) keys.delete(keys.keys().next().value as string)
  keys.set(text, key)
  if (isPromise(key)) {
    key.then(
      made => keys.set(text, made),
      () => keys.delete(text),
    )
  }
  return key
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function base62(whole: number): string {
  let rest = Math.abs(whole)
  let text = ''
  do {
    text = DIGITS[rest % 62] + text
    rest = Math.floor(rest / 62)
  } while (rest > 0)
  return whole < 0 ? `-${text}` : text
}

/** Without an upper bound, as Python's integers; beyond 2^53 the last digits are lost, some million years from now. */
function fromBase62(text: string): number {
  if (!/^-?[\dA-Za-z]*$/.test(text) || text === '')
    throw new SessionDataError('The timestamp is not base 62.')
  const negative = text.startsWith('-')
  let whole = 0
  for (const digit of negative ? text.slice(1) : text) whole = whole * 62 + DIGITS.indexOf(digit)
  return negative ? -whole : whole
}

const MAX_BYTES = 4_194_304

function maxBytesOf(options: SigningOptions): number {
  return options.maxBytes ?? MAX_BYTES
}

const OPTIONS: Table<DjangoCodecOptions> = {
  secret: [undefined, textLike(/./s, "Django's SECRET_KEY")],
  fallbacks: [
    [],
    [
      value => Array.isArray(value) && value.every(text => typeof text === 'string' && text !== ''),
      'a list of retired secrets',
    ],
  ],
  salt: [STORE_SALT, textLike(/^/, 'a string')],
  maxBytes: [MAX_BYTES, [value => value > 0, 'a number of bytes']],
  compress: [true, flag],
  clock: [Date.now, [value => typeof value === 'function', 'a function that gives milliseconds']],
}
