import { counted, printable, relative, type SessionView } from '@sess/core/inspect'
import { confirmed } from '../ask.ts'
import { type Console, say, sayJson } from '../console.ts'
import { type ExitCode, Failure, MISUSED, WRONG } from '../failure.ts'
import { findSession } from '../find.ts'
import { scanLive } from '../scan.ts'
import { engineOf, openTarget, type StoreOptions, type Target } from '../target.ts'

export interface EndOptions extends StoreOptions {
  subject?: string
  yes?: boolean
  json?: boolean
}

/** Ends the sessions of these ids or keys, or all of a subject. Asks first. */
export async function end(console: Console, names: string[], options: EndOptions): Promise<ExitCode> {
  const { subject, yes = false, json = false } = options
  if ((subject === undefined) === (names.length === 0)) {
    throw new Failure(MISUSED, 'Give ids or keys of sessions, or --subject: one of both.')
  }
  const target = await openTarget(options, { cwd: console.cwd() })
  try {
    const views = subject === undefined ? await all(target, names) : await ofSubject(target, subject)
    if (views.length === 0) {
      throw new Failure(
        WRONG,
        'This subject has no live session: it has logged out everywhere, its sessions have expired, or there is no such subject. `sess list` shows those that live.',
      )
    }
    const engine = engineOf(target, 'end')
    if (!(await confirmed(console, question(views, subject), yes))) {
      say(console, 'Nothing was done.')
      return WRONG
    }
    const ended =
      subject === undefined || !hasIndex(target) ? await endEach() : await engine.removeBySubject(subject)
    if (json) sayJson(console, { ended })
    else say(console, `Ended ${counted(ended, 'session')}.`)
    return 0

    async function endEach(): Promise<number> {
      let ended = 0
      for (const { id } of views) if (await engine.end(id)) ended += 1
      return ended
    }
  } finally {
    await target.close()
  }
}

/** All are found before one is ended, so that a wrong id ends nothing. */
async function all(target: Target, names: string[]): Promise<SessionView[]> {
  const views: SessionView[] = []
  for (const name of new Set(names)) {
    try {
      views.push(await findSession(target, name, 'end'))
    } catch (error) {
      if (!(error instanceof Failure) || names.length === 1) throw error
      // A key is secret, so not all of it is shown.
      const which = `Number ${names.indexOf(name) + 1} of ${names.length} (${name.slice(0, 8)}…)`
      throw new Failure(error.exitCode, `Nothing was ended. ${which}: ${error.message}`, { cause: error })
    }
  }
  return views
}

async function ofSubject(target: Target, subject: string): Promise<SessionView[]> {
  const views: SessionView[] = []
  for await (const view of scanLive(target, 'end', { subject })) views.push({ ...view, data: {} })
  return views
}

function hasIndex({ store }: Target): boolean {
  return typeof store?.removeBySubject === 'function'
}

function question(views: SessionView[], subject: string | undefined): string {
  if (subject !== undefined)
    return `End ${counted(views.length, 'session')} of subject ${printable(subject)}?`
  const [view] = views
  if (views.length > 1 || !view) return `End ${counted(views.length, 'session')}?`
  const whose =
    view.subject === undefined ? 'that nobody logged in to' : `of subject ${printable(view.subject)}`
  const since = view.createdAt === undefined ? '' : `, created ${relative(view.createdAt, Date.now())}`
  return `End the session ${whose}${since}?`
}
