import { sha256Hex } from '#crypto'
import type { MaybePromise } from './store.ts'
import { after } from './task.ts'

/** The secret name of a session, as its cookie carries it. Never stored when keys are hashed. */
export type SessionKey = string & { readonly __brand?: 'SessionKey' }

/** What a store sees: the key's digest, or the key itself with `hashKeys: false`. */
export type RecordId = string & { readonly __brand?: 'RecordId' }

/** `size` bytes from a cryptographically secure generator. It throws when the generator fails. */
export type RandomBytes = (size: number) => Uint8Array

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
const LENGTH = 32
// The largest multiple of 36 below 256: bytes from there on would favour the first letters.
const UNBIASED = 252

/** A new key: 32 characters of `[a-z0-9]`, 165 unbiased bits (Django `get_random_string(32, VALID_KEY_CHARS)`). */
export function newKey(random: RandomBytes): SessionKey {
  const codes: number[] = []
  // A generator that only ever gives bytes out of range is broken; better no session than a guessable one.
  for (let round = 0; round < 64; round++) {
    for (const byte of random(LENGTH + 8)) {
      if (byte >= UNBIASED) continue
      codes.push(ALPHABET.charCodeAt(byte % 36))
      if (codes.length === LENGTH) return String.fromCharCode(...codes)
    }
  }
  throw new Error('random: gives no usable bytes.')
}

/** A key made of a digest (64 hex digits): the same for the same digest, with as many bits as a new one. */
export function deriveKey(digest: string): SessionKey {
  return BigInt(`0x${digest}`).toString(36).padStart(LENGTH, '0').slice(-LENGTH)
}

/** Whether this could be a key of ours. Checked before anything is hashed, logged or looked up. */
export function isKey(text: string): text is SessionKey {
  return KEY.test(text)
}

const KEY = /^[a-z0-9]{32}$/

/**
 * The id a store keeps the session under: SHA-256 of `cookiename=key`, its first 160 bits in lower-case hex. With
 * `cookie.isolate` it is that of `cookiename@tenant=key`. So a key is void under another cookie name or tenant, and 40 characters fit Django's `session_key` column in any collation.
 */
export function idOf(key: SessionKey, audience: string): MaybePromise<RecordId> {
  return after(sha256Hex(`${audience}=${key}`), digest => digest.slice(0, 40))
}
