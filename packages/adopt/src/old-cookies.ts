import type { OldCookie, OldRecord, OldSession } from '@sess/core'
import { type Check, flag, type Table, textLike } from '@sess/core/store'

/** What every adopter takes. */
export interface OldCookieOptions {
  /** The name of the old cookie. */
  name?: string | undefined
  /** The path of the old cookie. It cannot be deleted without. Default `/`. */
  path?: string | undefined
  /** The domain of the old cookie, if it had that attribute. */
  domain?: string | undefined
  /** The old cookie was `Partitioned`. Default `false`. */
  partitioned?: boolean | undefined
  /**
   * The old record and the old cookie stay, so that the old app can take over again, or runs beside the new one. A logout
   * removes both. Default `false`.
   */
  keep?: boolean | undefined
  /** Makes the data of the new session from the old ones. Default: they stay as they are. */
  convert?: ((data: Record<string, any>) => Record<string, unknown>) | undefined
  /** Whose session it is, from the old data: for "log out everywhere". Default: nobody's. */
  subject?: ((data: Record<string, any>) => string | number | undefined) | undefined
}

const isFunction: Check = [value => typeof value === 'function', 'a function']

/** The checks of `OldCookieOptions`, for `readOptions`. */
export function oldCookieTable(defaultName: string | undefined): Table<OldCookieOptions> {
  return {
    name: [
      defaultName,
      textLike(/^[\w!#$%&'*+.^`|~:-]+$/, "the name of the old cookie, such as 'connect.sid'"),
    ],
    path: ['/', textLike(/^\//, "the path of the old cookie, such as '/'")],
    domain: [undefined, textLike(/./, 'the domain of the old cookie')],
    partitioned: [false, flag],
    keep: [false, flag],
    convert: [undefined, isFunction],
    subject: [undefined, isFunction],
  }
}

/** The cookies of these names in the old place, and whether they stay. */
export function placeOf(
  options: OldCookieOptions,
  names: readonly string[],
): Pick<OldSession, 'cookies' | 'keep'> {
  const { path, domain, partitioned, keep } = options
  const cookies = names.map((name): OldCookie => ({ name, path, domain, partitioned }))
  return { cookies, keep }
}

/** The old data as the new session begins with them. */
export function recordOf(
  { convert, subject }: OldCookieOptions,
  data: Record<string, unknown>,
  expiresAt: number | undefined,
): OldRecord {
  return {
    data: convert ? convert(data) : data,
    expiresAt: Number.isFinite(expiresAt) ? expiresAt : undefined,
    subject: subject?.(data),
  }
}
