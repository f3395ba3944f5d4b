import {
  type AeadKey,
  aeadKey,
  aeadOpen,
  aeadSeal,
  fromBase64url,
  fromUtf8,
  hkdf,
  hmac,
  type MacKey,
  macKey,
  randomBytes,
  timingSafeEqual,
  toBase64url,
  utf8,
} from '#crypto'
import { ConfigError } from './errors.ts'
import type { MaybePromise } from './store.ts'
import { after, isPromise } from './task.ts'

export { weakness } from './secrets.ts'

/** Whose token it is. A token made for one purpose or name is void for every other. */
export interface TokenUse {
  /** The first seals, all unseal; one that is not in the list any more is retired. 32 bytes or more each. */
  secrets: readonly string[]
  /** What the token is for, such as `session-cookie`. Without NUL, as the name. */
  purpose: string
  /** The cookie's name. */
  name: string
}

// A token begins with its format (which fixes every algorithm) and the id of its key, so nothing is negotiated and
// nothing is tried. Formats are never reused.
const SEALED = 1 // AES-256-GCM
const SIGNED = 2 // HMAC-SHA256
const ID_BYTES = 4
const HEAD_BYTES = 1 + ID_BYTES
const NONCE_BYTES = 12

/**
 * Encrypts and authenticates a text: AES-256-GCM, a random 96-bit nonce, a key derived from the first secret for this
 * use alone. The token is base64url.
 *
 * Random nonces allow 2^32 tokens for one secret, purpose and name (NIST SP 800-38D section 8.3): rotate the secret
 * before that, at 1,000 tokens a second every six weeks.
 *
 * @example
 * const token = await seal('text', { secrets, purpose: 'invitation', name: 'invite' })
 */
export function seal(text: string, use: TokenUse): MaybePromise<string> {
  return after(derive(aead, use.secrets[0] as string, use), ({ id, key }) =>
    after(aeadSeal(key, randomBytes(NONCE_BYTES), utf8(text), headOf(SEALED, id)), toBase64url),
  )
}

/**
 * Returns the text that was sealed for this use, or `null` for any other token. It never throws for a bad token.
 *
 * @example
 * const text = await unseal(token, { secrets, purpose: 'invitation', name: 'invite' })
 */
export function unseal(token: string, use: TokenUse): MaybePromise<string | null> {
  const bytes = fromBase64url(token)
  if (bytes === null || bytes.length < HEAD_BYTES + NONCE_BYTES || bytes[0] !== SEALED) return null
  const head = bytes.subarray(0, HEAD_BYTES)
  return after(find(aead, head, use, 0), derived => {
    if (derived === null) return null
    const nonce = bytes.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES)
    const text = aeadOpen(derived.key, nonce, bytes.subarray(HEAD_BYTES + NONCE_BYTES), head)
    return after(text, opened => opened && fromUtf8(opened))
  })
}

/**
 * Authenticates a text that anyone may read: `head.text.HMAC-SHA256`, each part base64url.
 *
 * @example
 * const token = await sign('text', { secrets, purpose: 'invitation', name: 'invite' })
 */
export function sign(text: string, use: TokenUse): MaybePromise<string> {
  return after(derive(mac, use.secrets[0] as string, use), ({ id, key }) => {
    const signed = `${toBase64url(headOf(SIGNED, id))}.${toBase64url(utf8(text))}`
    return after(hmac(key, utf8(signed)), signature => `${signed}.${toBase64url(signature)}`)
  })
}

/**
 * Returns the text that was signed for this use, or `null` for any other token. The text is decoded only after its signature
 * was found good.
 *
 * @example
 * const text = await verify(token, { secrets, purpose: 'invitation', name: 'invite' })
 */
export function verify(token: string, use: TokenUse): MaybePromise<string | null> {
  const [first = '', body = '', last = '', ...rest] = token.split('.', 4)
  const head = fromBase64url(first)
  const given = fromBase64url(last)
  if (rest.length > 0 || head?.length !== HEAD_BYTES || head[0] !== SIGNED || given === null) return null
  return after(find(mac, head, use, 0), derived => {
    if (derived === null) return null
    return after(hmac(derived.key, utf8(`${first}.${body}`)), signature => {
      if (!timingSafeEqual(signature, given)) return null
      const text = fromBase64url(body)
      return text && fromUtf8(text)
    })
  })
}

function headOf(format: number, id: Uint8Array): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES)
  head[0] = format
  head.set(id, 1)
  return head
}

interface Derived<K> {
  /** Names the key in a token and tells nothing about it. */
  id: Uint8Array
  key: K
}

/** A kind of key. Kinds share no key material, so a secret may serve both. */
interface Kind<K> {
  label: string
  import(bytes: Uint8Array): MaybePromise<K>
  cache: Map<string, MaybePromise<Derived<K>>>
  /** The last one found in the cache: most apps have one, and making its place's name takes as long as a hash. */
  last: { secret: string; purpose: string; name: string; derived: Derived<K> } | undefined
}

const aead: Kind<AeadKey> = { label: 'AES-256-GCM', import: aeadKey, cache: new Map(), last: undefined }
const mac: Kind<MacKey> = { label: 'HMAC-SHA256', import: macKey, cache: new Map(), last: undefined }

// An app has a handful; the bound is for one that makes cookie names or secrets up as it goes.
const CACHE_LIMIT = 256

/** HKDF-SHA256 takes 25 µs: once for each secret and use, not once for each token. */
function derive<K>(kind: Kind<K>, secret: string, use: TokenUse): MaybePromise<Derived<K>> {
  const { purpose, name } = use
  const { last } = kind
  if (last?.secret === secret && last.purpose === purpose && last.name === name) return last.derived
  // NUL separates the two below: `a NUL b` for `c` would get the key of `a` for `b NUL c`.
  for (const [option, text] of Object.entries({ purpose, name })) {
    if (text.includes('\0')) throw new ConfigError(option, 'must not contain NUL.')
  }
  const info = `${purpose}\0${name}\0`
  const slot = info + secret
  const cached = kind.cache.get(slot)
  if (cached !== undefined) {
    if (!isPromise(cached)) kind.last = { secret, purpose, name, derived: cached }
    return cached
  }
  const bytes = hkdf(utf8(secret), utf8('sess'), utf8(`${kind.label}\0${info}`), 32 + ID_BYTES)
  const derived = after(bytes, okm =>
    after(kind.import(okm.subarray(0, 32)), (key): Derived<K> => ({ id: okm.slice(32), key })),
  )
  if (kind.cache.size >= CACHE_LIMIT) kind.cache.delete(kind.cache.keys().next().value as string)
  kind.cache.set(slot, derived)
  if (isPromise(derived)) {
    derived.then(
      value => kind.cache.set(slot, value),
      () => kind.cache.delete(slot),
    )
  }
  return derived
}

/** The key a token's head names, if one of the secrets has it. */
function find<K>(
  kind: Kind<K>,
  head: Uint8Array,
  use: TokenUse,
  index: number,
): MaybePromise<Derived<K> | null> {
  const secret = use.secrets[index]
  if (secret === undefined) return null
  return after(derive(kind, secret, use), derived =>
    derived.id.every((byte, at) => byte === head[1 + at]) ? derived : find(kind, head, use, index + 1),
  )
}
