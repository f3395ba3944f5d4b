import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { CookieStore, SessionRecord } from '@sess/core'

const keyOf = (secret: string, name: string) => Buffer.from(hkdfSync('sha256', secret, 'reference', name, 32))

/** AES-256-GCM over JSON: as plain as a right cookie store can be. */
export function referenceCookieStore(): CookieStore {
  return {
    seal({ payload, expiresAt, subject }, { name, secrets }) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', keyOf(secrets[0] ?? '', name), nonce)
      const text = JSON.stringify([payload, expiresAt, subject])
      return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString(
        'base64url',
      )
    },
    unseal(token, { name, secrets, now }) {
      const bytes = Buffer.from(token, 'base64url')
      if (bytes.length < 28 || bytes.toString('base64url') !== token) return null
      for (const secret of secrets) {
        const decipher = createDecipheriv('aes-256-gcm', keyOf(secret, name), bytes.subarray(0, 12))
        decipher.setAuthTag(bytes.subarray(-16))
        const opened = decipher.update(bytes.subarray(12, -16))
        try {
          decipher.final()
        } catch {
          continue // not this secret's, or nobody's
        }
        const [payload, expiresAt, subject] = JSON.parse(opened.toString()) as [string, number, string | null]
        const record: SessionRecord = { payload, expiresAt, ...(subject === null ? {} : { subject }) }
        return expiresAt > now ? record : null
      }
      return null
    },
  }
}
