import { isObject } from './codec.ts'

/** What a browser can be asked to delete (W3C Clear Site Data, section 3.1, and its later additions). */
export type ClearSiteData =
  | 'cache'
  | 'clientHints'
  | 'cookies'
  | 'executionContexts'
  | 'prefetchCache'
  | 'prerenderCache'
  | 'storage'
  | '*'

/** What `flush` may do besides ending the session. */
export interface FlushOptions {
  /**
   * What the browser deletes of this site, by the header `Clear-Site-Data`. Browsers follow it over https only. `'cookies'` and
   * `'*'` delete all cookies of the domain and its subdomains, also that of a session which you begin after `flush`.
   */
  clearSiteData?: readonly ClearSiteData[] | undefined
}

const TYPES: readonly unknown[] = [
  'cache',
  'clientHints',
  'cookies',
  'executionContexts',
  'prefetchCache',
  'prerenderCache',
  'storage',
  '*',
] satisfies ClearSiteData[]

/** Reads the options of `flush`. Throws a TypeError for wrong ones, before the session is touched. */
export function clearSiteDataOf(options: FlushOptions | undefined): readonly ClearSiteData[] | undefined {
  if (options === undefined) return
  const { clearSiteData: types, ...unknown } = isObject(options) ? options : { none: options }
  if (Object.keys(unknown).length > 0) {
    throw new TypeError("flush() takes nothing, or { clearSiteData: ['storage', …] }.")
  }
  if (types === undefined) return
  if (Array.isArray(types) && types.length > 0 && types.every(type => TYPES.includes(type))) return [...types]
  throw new TypeError(`\`clearSiteData\` must be a list of: '${TYPES.join("', '")}'.`)
}
