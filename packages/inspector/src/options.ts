import { ConfigError, type MaybePromise } from '@sess/core'
import type { Hides } from '@sess/core/inspect'
import { flag, readOptions, textLike } from '@sess/core/store'

/** Options of `inspector`. */
export interface InspectorOptions {
  /**
   * Decides who may see the sessions, at each request of each page. `true` lets the request in. A `Response`, such as a
   * redirect to the login, is sent instead. Everything else is a 403.
   */
  authorize(request: Request): MaybePromise<boolean | Response>
  /**
   * Masks further values: gets the path of a value in the session's data and the value. Passwords, tokens and the like are
   * masked anyway. If the function throws, the value is masked.
   */
  redact?: Hides | undefined
  /** The path under which the pages are, without a slash at the end. Default `/sessions`. */
  basePath?: string | undefined
  /** What the pages call the site, beside the heading. Default: nothing. */
  label?: string | undefined
  /** A sentence that stands on every page, such as "This is the staging system." Default: none. */
  notice?: string | undefined
  /**
   * Whether this process serves the application, so that the pages can show what happens to sessions. Default true.
   * `sess inspect` does not.
   */
  live?: boolean | undefined
  /**
   * Whether the engine has the `age` that the application has, which tells when a session was last seen. Default true.
   */
  lastSeen?: boolean | undefined
}

const callable = [(value: unknown) => typeof value === 'function', 'a function'] as const

/** The options with their defaults. Nobody is let in by default, so `authorize` is required. */
export function readInspectorOptions(options: InspectorOptions) {
  const { authorize, ...read } = readOptions<InspectorOptions, 'redact' | 'authorize'>(options, {
    authorize: [undefined, callable],
    redact: [undefined, callable],
    basePath: [
      '/sessions',
      textLike(/^(\/[\w.~-]+)*$/, "a path such as '/admin/sessions', without a slash at its end"),
    ],
    label: ['', textLike(/^/, 'a string')],
    notice: ['', textLike(/^/, 'a string')],
    live: [true, flag],
    lastSeen: [true, flag],
  })
  if (authorize !== undefined) return { ...read, authorize }
  throw new ConfigError('authorize', 'must be a function that decides who may see the sessions.')
}
