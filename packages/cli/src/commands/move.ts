import { setImmediate } from 'node:timers/promises'
import { counted, number, printable } from '@sess/core/inspect'
import { finish, Mover, StoreLostSessions, type Walked, walk } from '@sess/store-moving'
import { confirmed } from '../ask.ts'
import { type Console, isInteractive, note, say, sayJson } from '../console.ts'
import { type ExitCode, Failure, failureOf, STOPPED, WRONG } from '../failure.ts'
import { startProgress } from '../progress.ts'
import { type Stop, stoppable } from '../stop.ts'
import { openBoth, type TwoStores, type TwoStoresOptions } from '../two-stores.ts'

export interface MoveOptions extends TwoStoresOptions {
  every?: number
  finish?: boolean
  acceptLoss?: boolean
  yes?: boolean
  quiet?: boolean
  json?: boolean
}

/** Copies live sessions to another store, once or again and again. Ends between two batches after Ctrl-C or SIGTERM. */
export async function move(console: Console, options: MoveOptions): Promise<ExitCode> {
  return stoppable(console, async stop => {
    if (options.every === undefined || options.finish) return moveOnce(console, options, stop, true)
    for (let first = true; !stop.signal.aborted; first = false) {
      const started = performance.now()
      try {
        await moveOnce(console, options, stop, first)
      } catch (error) {
        // A wrong option shows at once; a server that is down for a while must not end a service.
        if (first || error instanceof StoreLostSessions) throw error
        note(console, `sess: ${failureOf(error).message} Trying again later.`)
      }
      await stop.pause(options.every - (performance.now() - started))
    }
    return 0
  })
}

async function moveOnce(
  console: Console,
  options: MoveOptions,
  stop: Stop,
  first: boolean,
): Promise<ExitCode> {
  const stores = await openBoth(options, console.cwd())
  try {
    const { from, to } = stores
    const mover = new Mover({ from: from.store, to: to.store, codec: to.codec })
    if (options.finish && !(await mayFinish(console, stores, options))) return WRONG
    if (first && from.store.scanBySubject && !to.store.scanBySubject) {
      note(console, `${to.label} keeps no subjects, so no session can be found by its user there.`)
    }
    const walked = await walkBoth(console, stores, mover, options, stop, first)
    if (stop.signal.aborted) return STOPPED
    if (!options.finish || walked === undefined) return walked?.unmovable.length ? WRONG : 0
    return await finishMove(console, stores, mover, options, stop)
  } finally {
    await stores.close()
  }
}

async function walkBoth(
  console: Console,
  { from, to }: TwoStores,
  mover: Mover,
  { acceptLoss = false, quiet = false, json = false, every }: MoveOptions,
  stop: Stop,
  first: boolean,
): Promise<Walked | undefined> {
  const show = first && !json && !quiet
  const total = show && console.stderr.isTTY ? await from.sql?.countLive(Date.now()) : undefined
  const progress = show
    ? await startProgress(console, { of: 'sessions', verb: 'compared', total })
    : undefined
  let walked: Walked | undefined
  try {
    for await (walked of walk(mover, { now: Date.now(), believeLoss: acceptLoss })) {
      progress?.update(walked.seen)
      // SQLite leaves no time for signals and the progress bar.
      await setImmediate()
      if (stop.signal.aborted) break
    }
  } catch (error) {
    if (!(error instanceof StoreLostSessions)) throw error
    throw new Failure(
      WRONG,
      `${number(error.gone)} of ${counted(error.of, 'moved session')} are gone from ${from.label}. If it lost its data, the copies are all there is: use ${to.label} alone. If these users did log out, add --accept-loss.`,
    )
  } finally {
    progress?.end()
  }
  if (walked === undefined) return undefined
  const { unmovable, ...counts } = walked
  const done = !stop.signal.aborted
  if (json) sayJson(console, { ...counts, unmovable, done })
  else if (!quiet && (first || hasChanged(walked))) say(console, summary(walked, every !== undefined))
  if (!json) {
    for (const { id, reason } of unmovable) note(console, `${printable(id)} was not copied. ${reason}`)
    if (walked.conflicts > 0) {
      note(
        console,
        `${counted(walked.conflicts, 'session')} had been changed by both sites at the same time. The new site's data were kept.`,
      )
    }
  }
  if (!done && every === undefined && !json) say(console, 'Stopped. Run it again for the rest.')
  return walked
}

function hasChanged({ copied, updated, ended, conflicts }: Walked): boolean {
  return copied + updated + ended + conflicts > 0
}

function summary({ seen, copied, updated, ended }: Walked, stays: boolean): string {
  const time = stays ? `${new Date().toISOString().slice(11, 19)}Z ` : ''
  return `${time}Copied ${number(copied)} of ${counted(seen, 'session')}, updated ${number(updated)}, ended ${number(ended)}.`
}

async function mayFinish(
  console: Console,
  { from, to }: TwoStores,
  { yes = false }: MoveOptions,
): Promise<boolean> {
  if (!yes && isInteractive(console))
    note(
      console,
      `The sessions stay in ${to.label}. A site that still uses ${from.label} logs its users out.`,
    )
  const question = 'Remove what was copied from the old store?'
  if (await confirmed(console, question, yes)) return true
  say(console, 'Nothing was done.')
  return false
}

async function finishMove(
  console: Console,
  { from, to }: TwoStores,
  mover: Mover,
  { quiet = false, json = false }: MoveOptions,
  stop: Stop,
): Promise<ExitCode> {
  const show = !json && !quiet
  const progress = show
    ? await startProgress(console, { of: 'sessions', verb: 'released', total: undefined })
    : undefined
  let released = 0
  try {
    for await (const batch of finish(mover, { now: Date.now() })) {
      released = batch.released
      progress?.update(released)
      await setImmediate()
      if (stop.signal.aborted) break
    }
  } finally {
    progress?.end()
  }
  const done = !stop.signal.aborted
  if (json) sayJson(console, { released, done })
  else if (!done) say(console, 'Stopped. Run it again for the rest.')
  else if (show)
    say(console, `Done: ${counted(released, 'session')} moved from ${from.label} to ${to.label}.`)
  return done ? 0 : STOPPED
}
