import type { MaybePromise } from '@sess/core'
import { settle } from '@sess/core/adapter'

/** What express-session's methods call when they are done. */
export type Callback = (error?: any) => void

/**
 * Calls a method that takes a Node callback. Returns its value at once if the callback is called at once, and a promise
 * otherwise. A second call of the callback has no effect.
 */
export function fromCallback<T>(
  call: (done: (error?: unknown, value?: T) => void) => unknown,
): MaybePromise<T | undefined> {
  let result: { error: unknown; value: T | undefined } | undefined
  let wake: (() => void) | undefined
  call((error, value) => {
    if (result) return
    result = { error, value }
    wake?.()
  })
  const unwrap = ({ error, value }: NonNullable<typeof result>): T | undefined => {
    if (error) throw error
    return value
  }
  if (result) return unwrap(result)
  return new Promise<void>(resolve => {
    wake = resolve
  }).then(() => unwrap(result!))
}

/** Runs `work` for a method of express-session: with a callback it returns `self`, without one a promise. */
export function withCallback<T>(
  self: T,
  callback: Callback | undefined,
  work: () => MaybePromise<unknown>,
): T | Promise<void> {
  if (typeof callback !== 'function') {
    const promise = startWork(work)
    // The caller may not wait for it. Then the response reports the failure, and an unhandled rejection would end Node.
    promise.catch(() => undefined)
    return promise
  }
  // Called at once over a store that calls back at once, so the caller gets what the callback throws.
  let report = (): void => callback()
  const done = settle(
    work,
    () => undefined,
    error => {
      report = () => callback(error)
    },
  )
  if (done) done.then(() => queueMicrotask(report))
  else report()
  return self
}

async function startWork(work: () => MaybePromise<unknown>): Promise<void> {
  await work()
}
