import cookie from 'cookie'
import { debug } from './debug.ts'
import { deprecate } from './deprecate.ts'
import type { SessionRequest } from './request.ts'
import type { Session } from './session.ts'
import { type Secret, signatureOf } from './signature.ts'

/** The session ID that the request's cookie holds, if one of the secrets has signed it. */
export function readSessionId(
  req: SessionRequest,
  name: string,
  secrets: readonly Secret[],
): string | undefined {
  const { cookie: header } = req.headers
  return (
    (header && verified(cookie.parse(header)[name], secrets)) ||
    fromSignedCookies(req, name) ||
    fromCookies(req, name, secrets)
  )
}

/** What cookie-parser has verified with the same secret. */
function fromSignedCookies({ signedCookies }: SessionRequest, name: string): string | undefined {
  const id = signedCookies?.[name]
  if (id) deprecate('cookie should be available in req.headers.cookie')
  return id
}

function fromCookies(
  { cookies }: SessionRequest,
  name: string,
  secrets: readonly Secret[],
): string | undefined {
  const id = verified(cookies?.[name], secrets)
  if (id) deprecate('cookie should be available in req.headers.cookie')
  return id
}

function verified(value: string | undefined, secrets: readonly Secret[]): string | undefined {
  if (!value) return
  if (!value.startsWith('s:')) {
    debug('cookie unsigned')
    return
  }
  for (const secret of secrets) {
    const id = signatureOf(secret).verify(value.slice(2))
    if (id !== undefined) return id
  }
  debug('cookie signature invalid')
  return
}

/** The line of `Set-Cookie` that gives the browser this session. */
export function sessionCookie(session: Session, id: string, name: string, secret: Secret): string {
  const { data } = session.cookie
  return cookie.serialize(name, `s:${signatureOf(secret).sign(id)}`, data as cookie.CookieSerializeOptions)
}

/** Whether the client's connection is TLS. `proxy` is the option of that name. */
export function isSecure(req: SessionRequest, proxy: boolean | undefined): boolean {
  if ((req.socket as { encrypted?: boolean } | undefined)?.encrypted) return true
  if (proxy === false) return false
  // Express follows `trust proxy`.
  if (proxy !== true) return req.secure === true
  const forwarded = String(req.headers['x-forwarded-proto'] ?? '')
  return forwarded.split(',', 1)[0]!.trim().toLowerCase() === 'https'
}
