import {
  bytes,
  isoMoment,
  isSecret,
  jsonReady,
  moment,
  printable,
  relative,
  type SessionView,
} from '@sess/core/inspect'
import { AGE_HINT } from '../age.ts'
import { type Console, note, say, sayJson, styled } from '../console.ts'
import { Failure, WRONG } from '../failure.ts'
import { findSession } from '../find.ts'
import { printableLines } from '../printable-lines.ts'
import { openTarget, type StoreOptions } from '../target.ts'

export interface ShowOptions extends StoreOptions {
  reveal?: boolean
  json?: boolean
}

/** Shows one session with its data. */
export async function show(console: Console, name: string, options: ShowOptions): Promise<void> {
  const now = Date.now()
  const target = await openTarget(options, { cwd: console.cwd() })
  try {
    const view = await findSession(target, name, 'show')
    const ready = jsonReady(view.data)
    const data = options.reveal ? ready : jsonReady(view.data, isSecret)
    if (options.json) {
      return sayJson(
        console,
        {
          id: view.id,
          subject: view.subject ?? null,
          createdAt: isoMoment(view.createdAt),
          authenticatedAt: isoMoment(view.authenticatedAt),
          lastSeenAt: isoMoment(view.lastSeenAt),
          expiresAt: isoMoment(view.expiresAt),
          device: view.device ?? null,
          bytes: view.bytes,
          ...(!view.verified && { signatureChecked: false }),
          ...(view.problem === undefined ? { data } : { problem: view.problem }),
        },
        2,
      )
    }
    const when = (ms: number | undefined) =>
      ms === undefined ? '-' : `${moment(ms)}  (${relative(ms, now)})`
    const isForAge = view.lastSeenAt === undefined && target.age === undefined
    const facts: [string, string][] = [
      ['id', printable(view.id)],
      ['subject', printable(view.subject ?? '-')],
      ['created', when(view.createdAt)],
      ['logged in', when(view.authenticatedAt)],
      ['last seen', isForAge ? `-  (give ${AGE_HINT})` : when(view.lastSeenAt)],
      ['ends', when(view.expiresAt)],
      ['size', bytes(view.bytes)],
      ['device', view.device === undefined ? '-' : deviceOf(view.device)],
    ]
    for (const [name, value] of facts) say(console, `${styled(console, 'bold', name.padEnd(10))} ${value}`)
    if (view.problem !== undefined) {
      throw new Failure(
        WRONG,
        `The data cannot be decoded: ${view.problem} ${
          options.django
            ? "Give Django's SECRET_KEY in SESS_SECRET."
            : "Name the codec in a --config, or use --django for Django's table."
        }`,
      )
    }
    say(console)
    say(console, printableLines(JSON.stringify(data, null, 2)))
    if (!view.verified) {
      note(console, "The signature was not checked. Give Django's SECRET_KEY in SESS_SECRET to check it.")
    }
    if (!options.reveal && JSON.stringify(data) !== JSON.stringify(ready)) {
      note(console, 'Values that look secret are masked. --reveal shows them.')
    }
  } finally {
    await target.close()
  }
}

function deviceOf({ label, userAgent, ip }: NonNullable<SessionView['device']>): string {
  const known = [label, userAgent, ip].filter(text => text !== undefined && text !== '')
  return printable(known.join(', '))
}
