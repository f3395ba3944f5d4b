import { fail, show } from '../check.ts'

/** Fails if this error, or one that it caused, reaches the process while `run` runs, and somewhat later. */
export async function withNothingUncaught(
  error: Error,
  what: string,
  run: () => Promise<void>,
): Promise<void> {
  const uncaught: unknown[] = []
  const listeners = (['uncaughtException', 'unhandledRejection'] as const).map(event => {
    const listener = (reason: unknown) => {
      if (isOf(reason, error)) uncaught.push(reason)
      // It is somebody else's. Without this listener it would have ended the process.
      else if (process.listenerCount(event) === 1) throw reason
    }
    process.on(event, listener)
    return () => void process.off(event, listener)
  })
  try {
    await run()
    await new Promise(resolve => setTimeout(resolve, 20))
  } finally {
    for (const off of listeners) off()
  }
  if (uncaught.length > 0)
    fail(`${what} to go to the error handling`, `it reached the process, which ends it: ${show(uncaught[0])}`)
}

function isOf(reason: unknown, error: Error): boolean {
  return reason === error || (reason instanceof Error && isOf(reason.cause, error))
}
