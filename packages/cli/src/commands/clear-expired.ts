import { counted } from '@sess/core/inspect'
import { type Console, note, say, sayJson } from '../console.ts'
import { type ExitCode, Failure, failureOf, MISUSED, STOPPED } from '../failure.ts'
import { startProgress } from '../progress.ts'
import { type Stop, stoppable } from '../stop.ts'
import { openTarget, type StoreOptions, type Target } from '../target.ts'

export interface ClearExpiredOptions extends StoreOptions {
  every?: number
  batch?: number
  quiet?: boolean
  json?: boolean
}

/** Removes expired sessions, once or again and again. Ends between two batches after Ctrl-C or SIGTERM. */
export async function clearExpired(console: Console, options: ClearExpiredOptions): Promise<ExitCode> {
  return stoppable(console, async stop => {
    if (options.every === undefined) return clearOnce(console, options, stop)
    for (let first = true; !stop.signal.aborted; first = false) {
      const started = performance.now()
      try {
        await clearOnce(console, options, stop)
      } catch (error) {
        // A wrong option shows at once; a server that is down for a while must not end a service.
        if (first) throw error
        note(console, `sess: ${failureOf(error).message} Trying again later.`)
      }
      await stop.pause(options.every - (performance.now() - started))
    }
    // To be stopped is how a service ends.
    return 0
  })
}

async function clearOnce(console: Console, options: ClearExpiredOptions, stop: Stop): Promise<ExitCode> {
  const { json = false, quiet = false } = options
  const target = await openTarget(options, { cwd: console.cwd() })
  try {
    const batches = batchesOf(target, options.batch)
    if (batches === undefined) {
      if (json) sayJson(console, { removed: 0, done: true })
      else if (!quiet) say(console, `${target.label} removes expired sessions by itself. Nothing to do.`)
      return 0
    }
    let removed = 0
    const show = !json && !quiet
    const total = show && console.stderr.isTTY ? await target.sql?.countExpired(Date.now()) : undefined
    const progress = show
      ? await startProgress(console, { of: 'expired sessions', verb: 'removed', total })
      : undefined
    try {
      for await (const batch of batches) {
        removed += batch.removed
        progress?.update(removed)
        if (json) sayJson(console, { removed, done: false })
        if (stop.signal.aborted) break
      }
    } finally {
      progress?.end()
    }
    const stopped = stop.signal.aborted
    if (json) sayJson(console, { removed, done: !stopped })
    else if (stopped)
      say(console, `Stopped: removed ${counted(removed, 'expired session')}. Run again for the rest.`)
    else if (!quiet) say(console, `Removed ${counted(removed, 'expired session')}.`)
    return stopped ? STOPPED : 0
  } finally {
    await target.close()
  }
}

/** `undefined`: the backend expires by itself. */
function batchesOf(
  target: Target,
  batchSize: number | undefined,
): AsyncIterable<{ removed: number }> | undefined {
  const { store } = target
  if (store === undefined) {
    throw new Failure(
      MISUSED,
      'Sessions of a cookie store are in the browsers alone: there is nothing to clear.',
    )
  }
  return store.clearExpired?.({ batchSize, now: Date.now() })
}
