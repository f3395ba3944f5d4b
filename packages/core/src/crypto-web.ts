/**
 * The primitives of `crypto-node.ts` on Web Crypto and the Compression Streams API: same names, same bytes. These
 * APIs are asynchronous, so most functions return promises.
 */
import type { MaybePromise } from './store.ts'

/** See `crypto-node.ts`. */
export const IS_SYNC = false as boolean

export type MacKey = { readonly mac: CryptoKey }
export type AeadKey = { readonly aead: CryptoKey }

const POOL_BYTES = 4096
const pool = new Uint8Array(POOL_BYTES)
let used = POOL_BYTES

/** See `crypto-node.ts`. */
export function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  if (size > POOL_BYTES) throw new RangeError('too many')
  if (used + size > POOL_BYTES) {
    used = POOL_BYTES
    crypto.getRandomValues(pool)
    used = 0
  }
  const bytes = pool.slice(used, used + size)
  pool.fill(0, used, used + size)
  used += size
  return bytes
}

export async function sha256Hex(text: string): Promise<string> {
  let hex = ''
  for (const byte of await sha256(utf8(text))) hex += (byte | 256).toString(16).slice(1)
  return hex
}

export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as BufferSource))
}

const encoder = new TextEncoder()
const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true })

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

export function fromLatin1(bytes: Uint8Array): string {
  let text = '' // TextDecoder('latin1') is windows-1252
  for (let at = 0; at < bytes.length; at += 4096)
    text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}

export async function hkdf(
  secret: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  size: number,
): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey('raw', secret as BufferSource, 'HKDF', false, ['deriveBits'])
  const how = { name: 'HKDF', hash: 'SHA-256', salt: salt as BufferSource, info: info as BufferSource }
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, size * 8))
}

export async function macKey(bytes: Uint8Array): Promise<MacKey> {
  const how = { name: 'HMAC', hash: 'SHA-256' }
  return { mac: await crypto.subtle.importKey('raw', bytes as BufferSource, how, false, ['sign']) }
}

export async function hmac(key: MacKey, data: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign('HMAC', key.mac, data as BufferSource))
}

export async function aeadKey(bytes: Uint8Array): Promise<AeadKey> {
  const uses: KeyUsage[] = ['encrypt', 'decrypt']
  return { aead: await crypto.subtle.importKey('raw', bytes as BufferSource, 'AES-GCM', false, uses) }
}

export async function aeadSeal(
  key: AeadKey,
  nonce: Uint8Array,
  text: Uint8Array,
  bound: Uint8Array,
): Promise<Uint8Array> {
  const sealed = await crypto.subtle.encrypt(gcm(nonce, bound), key.aead, text as BufferSource)
  const token = new Uint8Array(bound.length + nonce.length + sealed.byteLength)
  token.set(bound)
  token.set(nonce, bound.length)
  token.set(new Uint8Array(sealed), bound.length + nonce.length)
  return token
}

export async function aeadOpen(
  key: AeadKey,
  nonce: Uint8Array,
  sealed: Uint8Array,
  bound: Uint8Array,
): Promise<Uint8Array | null> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt(gcm(nonce, bound), key.aead, sealed as BufferSource))
  } catch (error) {
    // OperationError is Web Crypto's word for a tag that does not fit, and for a text too short to have one.
    if ((error as Error).name === 'OperationError') return null
    throw error
  }
}

function gcm(nonce: Uint8Array, bound: Uint8Array): AesGcmParams {
  return { name: 'AES-GCM', iv: nonce as BufferSource, additionalData: bound as BufferSource }
}

export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let index = 0; index < a.length; index++) difference |= (a[index] as number) ^ (b[index] ?? 0)
  return difference === 0
}

export function deflate(bytes: Uint8Array): MaybePromise<Uint8Array> {
  return through(bytes, new CompressionStream('deflate'), Number.POSITIVE_INFINITY)
}

export function inflate(bytes: Uint8Array, maxBytes: number): MaybePromise<Uint8Array> {
  return through(bytes, new DecompressionStream('deflate'), maxBytes)
}

async function through(
  bytes: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  maxBytes: number,
): Promise<Uint8Array> {
  const reader = new Blob([bytes as BufferSource]).stream().pipeThrough(stream).getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > maxBytes) {
      await reader.cancel()
      throw new RangeError(`The data inflates to more than ${maxBytes} bytes.`)
    }
    chunks.push(value)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

// Not in the type library yet; in Chromium, Workers, Bun, Deno and Node 25.
interface NativeBase64 {
  toBase64?(options: { alphabet: 'base64url'; omitPadding: true }): string
}
const native = Uint8Array as unknown as {
  fromBase64?(text: string, options: { alphabet: 'base64url' }): Uint8Array
}

export function toBase64url(bytes: Uint8Array): string {
  const { toBase64 } = bytes as NativeBase64
  if (toBase64) return toBase64.call(bytes, { alphabet: 'base64url', omitPadding: true })
  let binary = ''
  for (let at = 0; at < bytes.length; at += 4096)
    binary += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

export function fromBase64url(text: string): Uint8Array | null {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return null
  let bytes: Uint8Array
  if (native.fromBase64) bytes = native.fromBase64(text, { alphabet: 'base64url' })
  else {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    bytes = Uint8Array.from(binary, char => char.charCodeAt(0))
  }
  return toBase64url(bytes) === text ? bytes : null
}
