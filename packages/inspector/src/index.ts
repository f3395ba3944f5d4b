import type { Sessions } from '@sess/core'
import { inspect } from '@sess/core/inspect'
import { ActivityLog } from './activity.ts'
import { Catalogue } from './catalogue.ts'
import { Handler } from './handler.ts'
import { type InspectorOptions, readInspectorOptions } from './options.ts'

export type { InspectorOptions } from './options.ts'

/** The pages: a function from a request to its response, and where they are. */
export interface Inspector {
  (request: Request): Promise<Response>
  /** The path under which the pages are. */
  readonly basePath: string
}

/**
 * Makes pages on which people who run a site see its sessions and end them.
 *
 * There is an overview, a list with a search, one session with its data, and what happens live.
 *
 * - Every request, that of a style sheet too, is shown to `authorize` first.
 * - Values that look secret are masked, as by `sess show`, and a search does not find them.
 * - Sessions are ended by forms that this visitor got from these pages, and by nothing else.
 *
 * @param sessions the engine of the application, whose hooks run when a session is ended here.
 * @param options who may come in, and where the pages are
 * @throws ConfigError (`CONFIG`) for a wrong option, a missing `authorize`, or something else than an engine
 * @example
 * const inspect = inspector(sessions, { authorize: request => isAdmin(request), basePath: '/admin/sessions' })
 * app.all('/admin/sessions/*', c => inspect(c.req.raw)) // Hono; the README has the line for other frameworks
 */
export function inspector(sessions: Sessions<any>, options: InspectorOptions): Inspector {
  const read = readInspectorOptions(options)
  const handler = new Handler({
    options: read,
    catalogue: new Catalogue(sessions, read),
    log: new ActivityLog(inspect(sessions)),
    cookieName: sessions.cookieName,
    tellError: error => inspect(sessions).tellError(error, 'inspector'),
  })
  return Object.assign((request: Request) => handler.respond(request), { basePath: read.basePath })
}
