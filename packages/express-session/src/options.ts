import { randomBytes } from 'node:crypto'
import type { Store as SessStore } from '@sess/core'
import { Cookie, type CookieOptions } from './cookie.ts'
import { deprecate } from './deprecate.ts'
import type { SessionRequest } from './request.ts'
import type { Secret } from './signature.ts'
import type { Store } from './store.ts'

/** The options of express-session. */
export interface SessionOptions {
  secret?: Secret | readonly Secret[] | undefined
  name?: string | undefined
  /** The older word for `name`. */
  key?: string | undefined
  store?: Store | SessStore | undefined
  cookie?: CookieOptions | ((req: any) => CookieOptions) | undefined
  genid?: ((req: any) => string) | undefined
  proxy?: boolean | undefined
  resave?: boolean | undefined
  rolling?: boolean | undefined
  saveUninitialized?: boolean | undefined
  unset?: 'destroy' | 'keep' | undefined
}

/** The options with their defaults. */
export interface Settings {
  /** Empty: `req.secret` of cookie-parser is used. */
  secrets: readonly Secret[]
  name: string
  cookieOf(req: SessionRequest): CookieOptions
  /** How long a session lives after each request, in ms, if that is one number for all. */
  maxAge: number | undefined
  generateId(req: SessionRequest): string
  proxy: boolean | undefined
  resave: boolean
  rolling: boolean
  saveUninitialized: boolean
  unsetDestroys: boolean
  /** Nobody notices that a session without a cookie begins at its first use, and no earlier. */
  canBeginLater: boolean
}

/** Reads the options. Throws a TypeError where express-session does, and warns of what it deprecates. */
export function readOptions(options: SessionOptions): Settings {
  const { secret, cookie, unset } = options
  const generateId = options.genid || defaultId
  let { resave, saveUninitialized } = options
  if (typeof generateId !== 'function') throw new TypeError('genid option must be a function')
  if (resave === undefined) {
    deprecate('undefined resave option; provide resave option')
    resave = true
  }
  if (saveUninitialized === undefined) {
    deprecate('undefined saveUninitialized option; provide saveUninitialized option')
    saveUninitialized = true
  }
  if (unset && unset !== 'destroy' && unset !== 'keep')
    throw new TypeError('unset option must be "destroy" or "keep"')
  if (Array.isArray(secret) && secret.length === 0)
    throw new TypeError('secret option array must contain one or more strings')
  if (!secret) deprecate('req.secret; provide secret option')
  return {
    secrets: secret ? ([secret].flat() as Secret[]) : [],
    name: options.name || options.key || 'connect.sid',
    cookieOf: typeof cookie === 'function' ? cookie : () => cookie || {},
    maxAge: lifeOf(cookie),
    generateId,
    proxy: options.proxy,
    resave,
    rolling: Boolean(options.rolling),
    saveUninitialized,
    unsetDestroys: unset === 'destroy',
    canBeginLater:
      !saveUninitialized &&
      unset !== 'destroy' &&
      generateId === defaultId &&
      typeof cookie !== 'function' &&
      isValid(cookie),
  }
}

/** Whether the cookie of a new session can be made of these options. If not, each request gets the error. */
function isValid(options: CookieOptions | undefined): boolean {
  // To try it would warn of it, once too often.
  if ((options?.maxAge as unknown) instanceof Date) return false
  try {
    return Boolean(new Cookie(options))
  } catch {
    return false
  }
}

function lifeOf(cookie: SessionOptions['cookie']): number | undefined {
  const maxAge = typeof cookie === 'object' ? cookie?.maxAge : undefined
  return typeof maxAge === 'number' && maxAge > 0 ? maxAge : undefined
}

/** 192 random bits. */
function defaultId(): string {
  return randomBytes(24).toString('base64url')
}
