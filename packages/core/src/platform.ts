// The declarations of core are also read by programs without the DOM library and without the types of Node, where
// `AbortSignal` and `Headers` are unknown names.

/** The platform's `AbortSignal` where its type is known, because functions such as `fetch` take no less. */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer Global } }
  ? Global
  : BareSignal

/** What is used of an `AbortSignal`. */
export interface BareSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** What is used of `Headers`. */
export interface BareHeaders {
  get(name: string): string | null
  set(name: string, value: string): void
  append(name: string, value: string): void
}
