import cookie from 'cookie'
import { deprecate } from './deprecate.ts'

/** What `cookie` of the options may be, and what a store returns. */
export interface CookieOptions {
  maxAge?: number | null | undefined
  originalMaxAge?: number | null | undefined
  expires?: Date | string | boolean | null | undefined
  path?: string | undefined
  domain?: string | undefined
  httpOnly?: boolean | undefined
  secure?: boolean | 'auto' | undefined
  sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto' | undefined
  partitioned?: boolean | undefined
  priority?: 'low' | 'medium' | 'high' | undefined
}

/** The attributes of a session's cookie, as they are stored and sent. */
export type CookieData = Record<string, unknown> & CookieOptions

/** The cookie of one session. Its members are those of express-session's `Cookie`, times in milliseconds. */
export class Cookie {
  declare path: string
  declare httpOnly: boolean
  declare domain?: string
  declare secure?: boolean | 'auto'
  declare sameSite?: CookieOptions['sameSite']
  declare partitioned?: boolean
  declare priority?: CookieOptions['priority']
  declare originalMaxAge: any
  declare _expires: any

  constructor(options?: CookieOptions | null) {
    this.path = '/'
    this.maxAge = null
    this.httpOnly = true
    if (options) {
      if (typeof options !== 'object') throw new TypeError('argument options must be a object')
      // In their order: of `expires` and `maxAge` the last one counts. Inherited options count, too.
      for (const name in options) if (name !== 'data') (this as any)[name] = (options as any)[name]
    }
    this.originalMaxAge ??= this.maxAge
  }

  /** When the cookie ends. `null` or `false`: with the browser. */
  get expires(): any {
    return this._expires
  }

  set expires(date: any) {
    this._expires = date
    this.originalMaxAge = this.maxAge
  }

  /** The milliseconds until the cookie ends. `null` or `false`: it ends with the browser. */
  get maxAge(): any {
    return this._expires instanceof Date ? this._expires.valueOf() - Date.now() : this._expires
  }

  set maxAge(ms: any) {
    if (ms && typeof ms !== 'number' && !(ms instanceof Date))
      throw new TypeError('maxAge must be a number or Date')
    if (ms instanceof Date) deprecate('maxAge as Date; pass number of milliseconds instead')
    this.expires = typeof ms === 'number' ? new Date(Date.now() + ms) : ms
    // The clock may have moved on since, and the age must not get shorter with each request.
    if (typeof ms === 'number') this.originalMaxAge = ms
  }

  /** The attributes as a new object, which is what stores keep. */
  get data(): CookieData {
    const { originalMaxAge, partitioned, priority, secure, httpOnly, domain, path, sameSite } = this
    const expires = this._expires
    return { originalMaxAge, partitioned, priority, expires, secure, httpOnly, domain, path, sameSite }
  }

  /** The line of `Set-Cookie` for a value. */
  serialize(name: string, value: string): string {
    return cookie.serialize(name, value, this.data as cookie.CookieSerializeOptions)
  }

  toJSON(): CookieData {
    return this.data
  }
}

// Enumerable, as in express-session: code that copies a cookie with `for in` finds them.
for (const name of ['expires', 'maxAge', 'data', 'serialize', 'toJSON']) {
  Object.defineProperty(Cookie.prototype, name, { enumerable: true })
}

/** The attributes that the application sets. `expires` is not one of them, because every request moves it. */
export function attributesOf(of: Cookie | CookieData): string {
  const { originalMaxAge, partitioned, priority, secure, httpOnly, domain, path, sameSite } = of
  return JSON.stringify([originalMaxAge, partitioned, priority, secure, httpOnly, domain, path, sameSite])
}
