import { bytes, number, printable } from '@sess/core/inspect'
import { type Console, note, say, sayJson, styled } from '../console.ts'
import { type ExitCode, STOPPED } from '../failure.ts'
import { table } from '../format.ts'
import { scanLive } from '../scan.ts'
import { stoppable } from '../stop.ts'
import { openTarget, type StoreOptions } from '../target.ts'

export interface StatsOptions extends StoreOptions {
  json?: boolean
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const AGES: [name: string, below: number][] = [
  ['under 1 hour', HOUR],
  ['under 1 day', DAY],
  ['under 1 week', 7 * DAY],
  ['under 30 days', 30 * DAY],
  ['older', Number.POSITIVE_INFINITY],
]
/** Subjects that are shown. */
const TOP = 5

/** How many sessions there are, how large, how old, whose. */
export async function stats(console: Console, options: StatsOptions): Promise<ExitCode> {
  const now = Date.now()
  const target = await openTarget(options, { cwd: console.cwd() })
  try {
    return await stoppable(console, async stop => {
      const counts = { live: 0, bytes: 0, largest: 0, withoutSubject: 0, unreadable: 0, unknownAge: 0 }
      const ages = new Map(AGES.map(([name]) => [name, 0]))
      const subjects = new Map<string, number>()
      for await (const view of scanLive(target, 'stats')) {
        if (stop.signal.aborted) break
        counts.live += 1
        counts.bytes += view.bytes
        counts.largest = Math.max(counts.largest, view.bytes)
        if (view.problem !== undefined) counts.unreadable += 1
        if (view.subject === undefined) counts.withoutSubject += 1
        else subjects.set(view.subject, (subjects.get(view.subject) ?? 0) + 1)
        const { createdAt } = view
        if (createdAt === undefined) counts.unknownAge += 1
        else {
          const [name] = AGES.find(([, below]) => now - createdAt < below)!
          ages.set(name, ages.get(name)! + 1)
        }
      }
      const waiting = await target.sql?.countExpired(now)
      const top = [...subjects].sort((a, b) => b[1] - a[1]).slice(0, TOP)
      if (options.json) {
        sayJson(
          console,
          {
            ...counts,
            expiredWaiting: waiting ?? null,
            subjects: subjects.size,
            ages: Object.fromEntries(ages),
            top: top.map(([subject, sessions]) => ({ subject, sessions })),
          },
          2,
        )
      } else {
        const mean = counts.live === 0 ? 0 : Math.round(counts.bytes / counts.live)
        const facts: [string, string][] = [
          ['live sessions', number(counts.live)],
          ['expired, waiting', waiting === undefined ? expiredWord(target.kind) : number(waiting)],
          ['subjects', number(subjects.size)],
          ['without subject', number(counts.withoutSubject)],
          ['size', `${bytes(counts.bytes)} (mean ${bytes(mean)}, largest ${bytes(counts.largest)})`],
          ...(counts.unreadable > 0 ? [['unreadable', number(counts.unreadable)] as [string, string]] : []),
        ]
        for (const [name, value] of facts)
          say(console, `${styled(console, 'bold', name.padEnd(17))} ${value}`)
        if (counts.live > 0) {
          const rows = [...ages, ['unknown', counts.unknownAge] as [string, number]]
          say(console)
          for (const line of table(
            ['AGE', 'SESSIONS'],
            rows.filter(([, n]) => n > 0).map(([name, n]) => [name, number(n)]),
          ))
            say(console, line)
        }
        if (top.length > 0) {
          say(console)
          for (const line of table(
            ['SUBJECT', 'SESSIONS'],
            top.map(([subject, n]) => [printable(subject), number(n)]),
          ))
            say(console, line)
        }
      }
      if (stop.signal.aborted) note(console, 'Stopped: the figures are of a part of the sessions.')
      return stop.signal.aborted ? STOPPED : 0
    })
  } finally {
    await target.close()
  }
}

function expiredWord(kind: string): string {
  return kind === 'redis' ? 'none (Redis removes them)' : 'not known (the store does not count them)'
}
