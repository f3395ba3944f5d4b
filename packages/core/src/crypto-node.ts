/**
 * Cryptographic and zlib primitives of Node (also Bun and Deno, which follow its `node` condition). `crypto-web.ts`
 * exports the same names with the same bytes for every other platform; here none of them returns a promise.
 */
import * as crypto from 'node:crypto'
import v8 from 'node:v8'
import { deflateSync, inflateSync } from 'node:zlib'
import type { MaybePromise } from './store.ts'

/** The functions here return no promise. */
export const IS_SYNC = true as boolean

// A key is imported once: handing Node the bytes each time costs 20 to 40 µs a call, a KeyObject 4 to 8.
export type MacKey = { readonly mac: crypto.KeyObject }
export type AeadKey = { readonly aead: crypto.KeyObject }

const POOL_BYTES = 4096
const pool = new Uint8Array(POOL_BYTES)
let used = POOL_BYTES

// Every process that starts from a V8 snapshot would hand out what is left in the block. Bun and Deno have none.
if (v8.startupSnapshot?.isBuildingSnapshot()) {
  v8.startupSnapshot.addSerializeCallback(() => {
    pool.fill(0)
    used = POOL_BYTES
  })
}

/**
 * Bytes of the system's CSPRNG, 4096 at most, drawn in blocks (0.2 µs instead of 3.5). Throws when the generator fails;
 * there is no other source.
 */
export function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  if (size > POOL_BYTES) throw new RangeError('too many')
  if (used + size > POOL_BYTES) {
    used = POOL_BYTES // stays so if the generator throws
    crypto.randomFillSync(pool)
    used = 0
  }
  const bytes = pool.slice(used, used + size)
  pool.fill(0, used, used + size) // what was handed out is not kept
  used += size
  return bytes
}

/** 64 lower-case hex digits. */
export function sha256Hex(text: string): MaybePromise<string> {
  return crypto.hash ? crypto.hash('sha256', text) : crypto.createHash('sha256').update(text).digest('hex')
}

export function sha256(bytes: Uint8Array): MaybePromise<Uint8Array> {
  return crypto.createHash('sha256').update(bytes).digest()
}

export function utf8(text: string): Uint8Array {
  return Buffer.from(text)
}

/** For bytes that `utf8` made. */
export function fromUtf8(bytes: Uint8Array): string {
  return asBuffer(bytes).toString()
}

/** Each byte a character. */
export function fromLatin1(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1')
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** HKDF-SHA256 (RFC 5869). */
export function hkdf(
  secret: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  size: number,
): MaybePromise<Uint8Array> {
  return new Uint8Array(crypto.hkdfSync('sha256', secret, salt, info, size))
}

export function macKey(bytes: Uint8Array): MaybePromise<MacKey> {
  return { mac: crypto.createSecretKey(bytes) }
}

/** HMAC-SHA256: 32 bytes. */
export function hmac(key: MacKey, data: Uint8Array): MaybePromise<Uint8Array> {
  return crypto.createHmac('sha256', key.mac).update(data).digest()
}

/** `bytes`: 32. */
export function aeadKey(bytes: Uint8Array): MaybePromise<AeadKey> {
  return { aead: crypto.createSecretKey(bytes) }
}

/**
 * AES-256-GCM with a 12-byte nonce that this key never saw: the bound bytes and the nonce as they are, then ciphertext
 * and the 16-byte tag.
 */
export function aeadSeal(
  key: AeadKey,
  nonce: Uint8Array,
  text: Uint8Array,
  bound: Uint8Array,
): MaybePromise<Uint8Array> {
  const cipher = crypto.createCipheriv('aes-256-gcm', key.aead, nonce)
  cipher.setAAD(bound)
  const body = cipher.update(text)
  cipher.final() // GCM is a stream cipher: no bytes are left, but the tag is not ready before this
  return Buffer.concat([bound, nonce, body, cipher.getAuthTag()])
}

/** The text of what `aeadSeal` put behind its nonce, as UTF-8; `null` for anything else. */
export function aeadOpen(
  key: AeadKey,
  nonce: Uint8Array,
  sealed: Uint8Array,
  bound: Uint8Array,
): MaybePromise<Uint8Array | null> {
  if (sealed.length < 16) return null
  const decipher = crypto.createDecipheriv('aes-256-gcm', key.aead, nonce, { authTagLength: 16 })
  decipher.setAAD(bound)
  decipher.setAuthTag(sealed.subarray(-16))
  const text = decipher.update(sealed.subarray(0, -16))
  try {
    decipher.final()
  } catch {
    return null // the tag does not fit: `text` is not to be looked at
  }
  return text
}

/** Constant in time for equal lengths; lengths are no secret. */
export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && crypto.timingSafeEqual(a, b)
}

/** zlib (RFC 1950), level 6. */
export function deflate(bytes: Uint8Array): MaybePromise<Uint8Array> {
  return deflateSync(bytes)
}

/** The inverse; throws for any other bytes, and as soon as the result would be longer than `maxBytes`. */
export function inflate(bytes: Uint8Array, maxBytes: number): MaybePromise<Uint8Array> {
  return inflateSync(bytes, { maxOutputLength: maxBytes })
}

/** Without padding (RFC 4648 section 5). */
export function toBase64url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url')
}

/** The bytes whose `toBase64url` is exactly this text; `null` if there are none, so that no two texts mean the same. */
export function fromBase64url(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}
