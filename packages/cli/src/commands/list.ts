import {
  bytes,
  counted,
  hasValue,
  isoMoment,
  newestFirst,
  number,
  printable,
  relative,
  type SessionView,
} from '@sess/core/inspect'
import { AGE_HINT } from '../age.ts'
import { type Console, note, say, sayJson, styled } from '../console.ts'
import { type ExitCode, STOPPED } from '../failure.ts'
import { table } from '../format.ts'
import { scanLive } from '../scan.ts'
import { stoppable } from '../stop.ts'
import { openTarget, type StoreOptions } from '../target.ts'

/** `--where admin=true`, `--where 'roles=["a","b"]'`. */
export interface Condition {
  path: string
  value: string
}

export interface ListOptions extends StoreOptions {
  subject?: string
  where?: Condition[]
  limit: number
  json?: boolean
}

/** Lists live sessions, newest first where it is known when they were created. */
export async function list(console: Console, options: ListOptions): Promise<ExitCode> {
  const { where = [] } = options
  const now = Date.now()
  const target = await openTarget(options, { cwd: console.cwd() })
  try {
    return await stoppable(console, async stop => {
      const newest = new Newest(options.limit)
      let unreadable = 0
      for await (const view of scanLive(target, 'list', { subject: options.subject })) {
        if (stop.signal.aborted) break
        if (!where.every(({ path, value }) => hasValue(view.data, path, value))) continue
        if (view.problem !== undefined) unreadable += 1
        newest.add(view)
      }
      const views = newest.sorted()
      if (options.json) sayJson(console, views.map(asJson), 2)
      else if (views.length === 0) say(console, emptiness(options))
      else show(console, views, newest.count, now)
      // A script that reads a table needs no advice.
      if (
        console.stdout.isTTY &&
        !options.json &&
        target.age === undefined &&
        views.some(view => view.lastSeenAt === undefined)
      ) {
        note(console, `LAST SEEN needs ${AGE_HINT}.`)
      }
      if (unreadable > 0) {
        note(
          console,
          `${counted(unreadable, 'session')} cannot be decoded: ${printable(views.find(view => view.problem)?.problem ?? 'see `sess show`')}`,
        )
      }
      if (stop.signal.aborted) note(console, 'Stopped: the list is of a part of the sessions.')
      return stop.signal.aborted ? STOPPED : 0
    })
  } finally {
    await target.close()
  }
}

function show(console: Console, views: SessionView[], count: number, now: number): void {
  const [heading = '', ...rows] = table(
    ['ID', 'SUBJECT', 'CREATED', 'LAST SEEN', 'ENDS', 'SIZE'],
    views.map(view => [
      printable(view.id),
      shortened(printable(view.subject ?? '-')),
      relative(view.createdAt, now),
      relative(view.lastSeenAt, now),
      relative(view.expiresAt, now),
      bytes(view.bytes),
    ]),
  )
  say(console, styled(console, 'bold', heading))
  for (const row of rows) say(console, row)
  const isCut = count > views.length
  // A script that reads a whole table needs no advice.
  if (isCut || (count > 1 && console.stdout.isTTY)) {
    note(
      console,
      `${isCut ? `${number(views.length)} of ` : ''}${counted(count, 'live session')}, ${orderOf(views)}.${isCut ? ' --limit 0 lists all.' : ''}`,
    )
  }
}

/** The order of `newestFirst`. */
function orderOf(views: readonly SessionView[]): string {
  const known = views.filter(({ createdAt }) => createdAt !== undefined).length
  if (known === views.length) return 'newest first'
  const others = 'the last to end first'
  return known === 0 ? others : `newest first, then those of unknown age, ${others}`
}

function emptiness({ subject, where = [] }: ListOptions): string {
  if (where.length > 0) return 'No live session has that.'
  if (subject === undefined) return 'No live session.'
  return 'No live session is of this subject: there may be no such subject, or it is logged out.'
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}

function asJson(view: SessionView) {
  return {
    id: view.id,
    subject: view.subject ?? null,
    createdAt: isoMoment(view.createdAt),
    authenticatedAt: isoMoment(view.authenticatedAt),
    lastSeenAt: isoMoment(view.lastSeenAt),
    expiresAt: isoMoment(view.expiresAt),
    bytes: view.bytes,
    ...(view.problem !== undefined && { problem: view.problem }),
  }
}

/** Keeps the newest `limit` of many, so that memory does not grow with the store. 0: all. */
class Newest {
  count = 0
  #kept: SessionView[] = []
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit === 0 ? Number.POSITIVE_INFINITY : limit
  }

  add(view: SessionView): void {
    this.count += 1
    // A list shows no data.
    this.#kept.push({ ...view, data: {} })
    if (this.#kept.length >= 2 * this.#limit + 1_000) this.#kept = this.sorted()
  }

  sorted(): SessionView[] {
    return this.#kept.sort(newestFirst).slice(0, this.#limit)
  }
}
