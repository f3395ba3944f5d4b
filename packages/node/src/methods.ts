/** A method of a response; they are overloaded, and their arguments passed on as they came. */
export type Method = (...args: any[]) => any
/** The methods that begin a response or go on with it. */
export type MethodName = 'writeHead' | 'write' | 'end' | 'flushHeaders'
export type Methods = Record<MethodName | 'on', Method>
/** The methods that are of no use once the head has left. HTTP/2 lacks some. */
export const HEAD_METHODS = ['writeHead', 'setHeader', 'setHeaders', 'appendHeader', 'removeHeader'] as const

/**
 * Methods that act on what was written before them: of Node, and `flush`, which compression adds. `writeEarlyHints` and
 * the other 1xx responses are not among them: they belong before the head, and so leave at once. Nor is `setTimeout`,
 * which is about the socket.
 */
export const ACTING_METHODS = ['flush', 'cork', 'uncork', 'addTrailers'] as const

/** The callback of a `write` or `end` that will not happen. */
export function callBack(args: unknown[], error: unknown): void {
  const callback = args.findLast(arg => typeof arg === 'function') as ((error: unknown) => void) | undefined
  if (callback) process.nextTick(callback, error)
}
