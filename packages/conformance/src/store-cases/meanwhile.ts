import type { MaybePromise } from '@sess/core'

/**
 * Does `work` and, while it lasts, each of `others` at a moment of its own: spread evenly over `ms` milliseconds; with 0
 * each a microtask after the other, for stores that answer from memory.
 */
export async function meanwhile<T>(
  work: () => MaybePromise<unknown>,
  others: readonly (() => MaybePromise<T>)[],
  ms: number,
): Promise<T[]> {
  const started = performance.now()
  const moment = async (n: number) => {
    if (ms === 0) for (let passed = 0; passed < n; passed++) await null
    else while (performance.now() - started < (ms * n) / others.length) await turn()
  }
  const [, ...answers] = await Promise.all([
    (async () => await work())(),
    ...others.map(async (other, n) => {
      await moment(n)
      return await other()
    }),
  ])
  return answers as T[]
}

/**
 * The spreads that meet what a store does between its steps, whatever a step takes there: nothing, or as long as `work`
 * has just taken undisturbed, and around that.
 */
export async function spreads(work: () => MaybePromise<unknown>): Promise<number[]> {
  const started = performance.now()
  await work()
  const took = performance.now() - started
  return [0, took / 2, took, 2 * took]
}

/** One turn of the event loop: what is ready runs. */
export function turn(): Promise<void> {
  // Not everywhere; a timer is slower, and else the same.
  const { setImmediate: next = setTimeout } = globalThis as { setImmediate?: (run: () => void) => unknown }
  return new Promise(resolve => void next(resolve))
}
