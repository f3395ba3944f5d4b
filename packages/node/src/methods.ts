import type { ServerResponse } from 'node:http'

/** A method of a response. They are overloaded, so their arguments are passed on as they came. */
export type Method = (...args: any[]) => any
/** The methods that begin a response or continue it. */
export type MethodName = 'writeHead' | 'write' | 'end' | 'flushHeaders'
export type Methods = Record<MethodName | 'on', Method>
/** The methods that are useless once the head is sent. HTTP/2 lacks some. */
export const HEAD_METHODS = ['writeHead', 'setHeader', 'setHeaders', 'appendHeader', 'removeHeader'] as const

/**
 * Methods that act on what was written before them: Node's, and `flush`, which compression adds. The 1xx responses
 * (`writeEarlyHints`) are not among them, because they belong before the head and are sent at once. `setTimeout` is about
 * the socket.
 */
export const ACTING_METHODS = ['flush', 'cork', 'uncork', 'addTrailers'] as const

/** Replaces those of the methods that the response has. Returns the replaced ones, by name. */
export function replaceMethods<Name extends string>(
  res: ServerResponse,
  names: readonly Name[],
  replacement: (method: Method, name: Name) => Method,
): Record<string, Method> {
  const methods = res as unknown as Record<string, Method | undefined>
  const replaced: Record<string, Method> = {}
  for (const name of names) {
    const method = methods[name]
    if (!method) continue
    replaced[name] = method
    methods[name] = replacement(method, name)
  }
  return replaced
}

/** Calls the callback of a `write` or `end` that will not happen, with the reason. */
export function failCallback(args: unknown[], error: unknown): void {
  const callback = args.findLast(arg => typeof arg === 'function') as ((error: unknown) => void) | undefined
  if (callback) process.nextTick(callback, error)
}
