import { inflateSync } from 'node:zlib'
import { type Codec, json, SessionDataError } from '@sess/core'
import { djangoCodec } from '@sess/core/django'
import type { Decode } from '@sess/core/inspect'

/** As the codec decodes. */
export function decodeWith(codec: Codec = json()): Decode {
  return async payload => ({ data: await codec.decode(payload), verified: true })
}

/**
 * Reads what Django's db backend stores. Without a secret the signature is not checked, and results say so; nothing can
 * be written then.
 */
export function djangoReader(secrets: readonly string[]): { codec: Codec; decode: Decode } {
  const [secret, ...fallbacks] = secrets
  if (secret !== undefined) {
    const codec = djangoCodec({ secret, fallbacks })
    return { codec, decode: decodeWith(codec) }
  }
  const read = (payload: string) => parseObject(unsignedJson(payload))
  const encode = () => {
    throw new SessionDataError("Writing needs Django's SECRET_KEY. Give it in SESS_SECRET.")
  }
  return {
    codec: { encode, decode: read },
    decode: async payload => ({ data: read(payload), verified: false }),
  }
}

/** What Django may inflate at the most before we call it hostile. */
const MAX_BYTES = 4_194_304

/**
 * The JSON text in what `django.core.signing.dumps` wrote: `[.]base64url:timestamp:signature`, deflated behind a dot.
 * The signature is not checked.
 */
export function unsignedJson(text: string): string {
  const [body = '', stamp, signature, ...more] = text.split(':')
  if (stamp === undefined || signature === undefined || more.length > 0 || !/^\.?[\w=-]+$/.test(body)) {
    throw new SessionDataError('The payload is not what Django signs.')
  }
  const bytes = Buffer.from(body.replace(/^\./, ''), 'base64url')
  if (!body.startsWith('.')) return bytes.toString('latin1')
  try {
    return inflateSync(bytes, { maxOutputLength: MAX_BYTES }).toString('latin1')
  } catch {
    throw new SessionDataError('The payload is not zlib data, or inflates to over 4 MiB.')
  }
}

/** Python's JSON, which has NaN, too. The codec's `parse` reads it, whatever its secret. */
const python = djangoCodec({ secret: 'of no use: only parse() is called' })

export function parseObject(text: string): Record<string, unknown> {
  const value = python.parse!(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SessionDataError('The payload is not a JSON object.')
  }
  return value as Record<string, unknown>
}
