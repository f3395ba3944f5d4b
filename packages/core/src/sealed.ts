import { IS_SYNC } from '#crypto'
import { flag, readOptions } from './check.ts'
import type { Codec } from './codec.ts'
import { seal, unseal } from './crypto.ts'
import { ConfigError, SessionDataError } from './errors.ts'
import { checkSecrets, weakness } from './secrets.ts'
import { after } from './task.ts'

/** What `sealed` needs to know. */
export interface SealedOptions {
  /** 32 bytes or more each, other ones than for cookie sessions. The first one seals, and all of them unseal. */
  secret: string | readonly string[]
  /**
   * Payloads that are not sealed are read as well. Only while you introduce sealing: until all old sessions have ended,
   * somebody who can write into the store can add sessions that are not sealed. Default false.
   */
  acceptUnsealed?: boolean | undefined
}

/** Keys of this use are derived from the secret for this use alone. */
const USE = { purpose: 'session-payload', name: 'codec' }

/**
 * Encrypts and authenticates what another codec encodes, for any store: a stolen backup or a reader of the database learns
 * no data. It uses AES-256-GCM with a random nonce, so equal data give different payloads. `expiresAt`, the subject and the
 * length of the data stay visible to the store.
 *
 * - A payload that was changed, or whose secret is not in the list any more, is an empty session and a `corrupt` event.
 * - A payload is not bound to its record: somebody who can write into the store can copy one session's payload into another.
 * - It takes a third more bytes, plus 44. `maxBytes` counts those.
 *
 * @param codec what encodes the data, such as `json()`
 * @throws ConfigError (`CONFIG`) for a weak secret or a wrong option
 * @example
 * const codec = sealed(json(), { secret: [process.env.SESSION_SECRET!] })
 * const sessions = createSessions({ store, codec })
 */
export function sealed(codec: Codec, options: SealedOptions): Codec {
  if (typeof codec?.encode !== 'function' || typeof codec.decode !== 'function') {
    throw new ConfigError('codec', 'of sealed() must be a codec, such as json().')
  }
  const { secret, acceptUnsealed } = readOptions<SealedOptions, 'secret'>(options, {
    secret: [undefined, [() => true, '']],
    acceptUnsealed: [false, flag],
  })
  const use = { ...USE, secrets: checkSecrets(secret, { weakness }) }
  return {
    ...(codec.stringify && { stringify: value => codec.stringify!(value) }),
    ...(codec.parse && { parse: text => codec.parse!(text) }),
    ...(codec.sync && IS_SYNC && { sync: true }),
    encode: (data, limits) => after(codec.encode(data, limits), text => seal(text, use)),
    decode: payload =>
      after(unseal(payload, use), text => {
        if (text !== null) return codec.decode(text)
        if (acceptUnsealed) return codec.decode(payload)
        throw new SessionDataError('The payload was not sealed with one of these secrets, or was changed.')
      }),
  }
}
