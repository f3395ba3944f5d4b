/** A method of a response; they are overloaded, and their arguments passed on as they came. */
export type Method = (...args: any[]) => any
/** The methods that begin a response or go on with it. */
export type MethodName = 'writeHead' | 'write' | 'end' | 'flushHeaders'
export type Methods = Record<MethodName | 'on', Method>
/** The methods that are of no use once the head has left. HTTP/2 lacks some. */
export const HEAD_METHODS = ['writeHead', 'setHeader', 'setHeaders', 'appendHeader', 'removeHeader'] as const

/** The callback of a `write` or `end` that will not happen. */
export function callBack(args: unknown[], error: unknown): void {
  const callback = args.findLast(arg => typeof arg === 'function') as ((error: unknown) => void) | undefined
  if (callback) process.nextTick(callback, error)
}
