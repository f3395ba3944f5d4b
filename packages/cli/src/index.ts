import type { CookieStore, MaybePromise, Sessions, SessionsOptions, Store } from '@sess/core'

/** What a `sess.config.ts` exports: a store, an engine, the options of `createSessions()`, or a function that makes one. */
export type SessConfig =
  | Store
  | CookieStore
  | Sessions
  | SessionsOptions
  | (() => MaybePromise<Store | CookieStore | Sessions | SessionsOptions>)

/**
 * Types the default export of a `sess.config.ts`, by which the command `sess` finds the store of an application. Returns
 * what it was given.
 *
 * Export the options of `createSessions()` where you can: then the command has the codec and the cookie's name, too.
 *
 * @example
 * export default defineConfig({ store: postgresStore(process.env.DATABASE_URL), codec: rich() })
 */
export function defineConfig<Config extends SessConfig>(config: Config): Config {
  return config
}
