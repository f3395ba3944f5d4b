import type { Console } from './console.ts'

/** Whether the user, or the system, wants the command to end. */
export interface Stop {
  readonly signal: AbortSignal
  /** Which signal it was. */
  readonly by: 'SIGINT' | 'SIGTERM' | undefined
  /** Resolves after `ms`, at once if that is over already, or earlier when it is to end. */
  pause(ms: number): Promise<void>
}

/**
 * Runs `work`, which looks at `stop` between its batches. So Ctrl-C and SIGTERM let the batch that is under way finish.
 * A second Ctrl-C is the system's own: it ends the process at once.
 */
export async function stoppable<T>(console: Console, work: (stop: Stop) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let by: Stop['by']
  const listeners = (['SIGINT', 'SIGTERM'] as const).map(name => {
    const listener = () => {
      by ??= name
      controller.abort()
      console.off(name, listener)
    }
    console.on(name, listener)
    return { name, listener }
  })
  const { signal } = controller
  const stop: Stop = {
    signal,
    get by() {
      return by
    },
    pause: ms =>
      new Promise(resolve => {
        const done = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
        const timer = setTimeout(done, Math.max(0, ms))
        if (signal.aborted) done()
        else signal.addEventListener('abort', done)
      }),
  }
  try {
    return await work(stop)
  } finally {
    for (const { name, listener } of listeners) console.off(name, listener)
  }
}
