import { counted } from '@sess/core/inspect'
import type { ActivityLog } from './activity.ts'
import { icon } from './assets/icon.ts'
import { script } from './assets/script.ts'
import { style } from './assets/style.ts'
import type { Catalogue, Place } from './catalogue.ts'
import { eventStream } from './event-stream.ts'
import type { Html } from './html.ts'
import type { readInspectorOptions } from './options.ts'
import type { Site } from './pages/layout.ts'
import { href, listPage } from './pages/list.ts'
import { livePage } from './pages/live.ts'
import { overviewPage } from './pages/overview.ts'
import { forbiddenPage, problemPage } from './pages/problem.ts'
import { movedPage, sessionPage } from './pages/session.ts'
import { Rejection, readForm } from './request-check.ts'
import type { Search, SearchBy } from './search.ts'
import { Visitor } from './visitor.ts'

interface Parts {
  options: ReturnType<typeof readInspectorOptions>
  catalogue: Catalogue
  log: ActivityLog
  cookieName: string
  tellError(error: unknown): void
}

/** A request that was let in. */
interface Visit {
  request: Request
  /** The path behind `basePath`. */
  path: string
  query: URLSearchParams
  visitor: Visitor
  site: Site
}

type Route = (visit: Visit, match: RegExpExecArray) => Response | Promise<Response>

/** On every response, those of errors and of files too. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
}

/** Finds the page for a request, after `authorize` has let it in. */
export class Handler {
  readonly #parts: Parts
  /** The first that matches. A path that has only the other method is a 405. */
  readonly #routes: readonly (readonly ['GET' | 'POST', RegExp, Route])[]

  constructor(parts: Parts) {
    this.#parts = parts
    const live: readonly (readonly ['GET' | 'POST', RegExp, Route])[] = [
      ['GET', /^\/live$/, visit => this.#live(visit)],
      ['GET', /^\/events$/, visit => this.#events(visit)],
    ]
    this.#routes = [
      ['GET', /^\/?$/, visit => this.#overview(visit)],
      ['GET', /^\/list$/, visit => this.#list(visit)],
      ['POST', /^\/find$/, visit => this.#find(visit)],
      ['GET', /^\/session\/([^/]+)$/, (visit, [, handle]) => this.#session(visit, handle!)],
      ['POST', /^\/session\/([^/]+)\/end$/, (visit, [, handle]) => this.#end(visit, handle!)],
      ['POST', /^\/end-subject$/, visit => this.#endSubject(visit)],
      ['GET', /^\/style\.css$/, () => file('text/css; charset=utf-8', style)],
      ['GET', /^\/script\.js$/, () => file('text/javascript; charset=utf-8', script)],
      ['GET', /^\/icon\.svg$/, () => file('image/svg+xml', icon)],
      ...(parts.options.live ? live : []),
    ]
  }

  async respond(request: Request): Promise<Response> {
    const { options, tellError } = this.#parts
    try {
      const allowed = await options.authorize(request)
      if (allowed instanceof Response || isResponse(allowed)) return unstored(allowed)
      if (allowed !== true) return this.#answer(request, document(forbiddenPage(), 403))
    } catch (error) {
      tellError(error)
      return this.#answer(request, document(forbiddenPage(), 500))
    }
    const visit = await this.#visit(request)
    let response: Response
    try {
      response = await this.#route(visit)
    } catch (error) {
      response = this.#problem(visit.site, error)
    }
    if (visit.visitor.setCookie !== undefined) response.headers.append('set-cookie', visit.visitor.setCookie)
    return this.#answer(request, response)
  }

  async #visit(request: Request): Promise<Visit> {
    const { options, catalogue, cookieName } = this.#parts
    const { basePath, label, notice, live } = options
    const { pathname, searchParams } = new URL(request.url)
    // Some frameworks hand on the path without the prefix of a mounted app.
    const isWhole = pathname === basePath || pathname.startsWith(`${basePath}/`)
    const visitor = await Visitor.of(request, cookieName, basePath)
    return {
      request,
      path: isWhole ? pathname.slice(basePath.length) : pathname,
      query: searchParams,
      visitor,
      site: { basePath, label, notice, live, token: visitor.token, now: catalogue.now },
    }
  }

  #route(visit: Visit): Response | Promise<Response> {
    const method = visit.request.method === 'HEAD' ? 'GET' : visit.request.method
    const here = this.#routes.filter(([, pattern]) => pattern.test(visit.path))
    const [, pattern, route] = here.find(([of]) => of === method) ?? []
    if (pattern && route) return route(visit, pattern.exec(visit.path)!)
    if (here.length === 0) throw new Rejection(404, 'There is no such page.')
    const response = this.#problem(visit.site, new Rejection(405, 'This page does not work that way.'))
    response.headers.set('allow', here.map(([of]) => (of === 'GET' ? 'GET, HEAD' : of)).join(', '))
    return response
  }

  /** Completes a response: what every response has, and nothing of a body for HEAD. */
  #answer(request: Request, response: Response): Response {
    for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value)
    if (request.method !== 'HEAD') return response
    void response.body?.cancel()
    return new Response(null, response)
  }

  #problem(site: Site, error: unknown): Response {
    if (error instanceof Rejection) {
      return document(problemPage(site, { title: error.message, advice: error.advice }), error.status)
    }
    this.#parts.tellError(error)
    // The message may hold an address or data. It goes to the hook `error` alone.
    const { code } = (error ?? {}) as { code?: unknown }
    const isOfConfig = code === 'CONFIG'
    const title = isOfConfig ? 'This store cannot do that.' : 'The store did not respond as it should.'
    const advice = 'Nothing is known to have changed. Try again; the error hook of the engine got the reason.'
    return document(problemPage(site, { title, advice }), isOfConfig ? 501 : 503)
  }

  async #overview({ site }: Visit): Promise<Response> {
    const { catalogue, log } = this.#parts
    if (catalogue.isInCookies) throw inCookies()
    const expiresItself = !catalogue.can('clearExpired')
    const [sample, counts] = await Promise.all([catalogue.sample(), catalogue.counts()])
    return document(
      overviewPage(site, { sample, counts, expiresItself, hours: log.hours(), since: log.since }),
    )
  }

  async #list({ site, query, visitor }: Visit): Promise<Response> {
    const { catalogue } = this.#parts
    if (catalogue.isInCookies) throw inCookies()
    const search = searchOf(query)
    const place = placeOf(query)
    const found = await catalogue.list(search, place)
    const { ended } = visitor
    const done = ended === undefined ? '' : `Ended ${counted(ended, 'session')}.`
    const response = document(listPage(site, { search, place, found, done }))
    if (ended !== undefined) response.headers.append('set-cookie', visitor.endedCookie(undefined))
    return response
  }

  /** A session key is secret, and an address is logged: so what is searched for is posted. */
  async #find({ request, visitor, site }: Visit): Promise<Response> {
    const form = await readForm(request, token => visitor.isToken(token))
    const search = searchOf(form)
    const { catalogue } = this.#parts
    const isName = search.by === 'any' || search.by === 'id'
    const handle = isName ? await catalogue.handleFor(search.text) : undefined
    if (handle !== undefined) return redirect(`${site.basePath}/session/${handle}`)
    if (
      isName &&
      mayBeKey(search.text) &&
      (search.by === 'id' || !(await catalogue.isSubject(search.text)))
    ) {
      throw new Rejection(
        404,
        'There is no live session with this key.',
        'It has ended or expired, or there was none. If that is no session key but the name of a user, or data, look in “Subjects” or “Data”.',
      )
    }
    return redirect(href(site, search))
  }

  async #session({ site, query }: Visit, handle: string): Promise<Response> {
    const found = await this.#parts.catalogue.find(handle)
    if (found === undefined) throw noSession()
    const from = { search: searchOf(query), place: placeOf(query) }
    if (found.view === undefined) return document(movedPage(site, handle, found.successor, from))
    return document(sessionPage(site, { handle, from, ...found }))
  }

  async #end({ request, visitor, site }: Visit, handle: string): Promise<Response> {
    await readForm(request, token => visitor.isToken(token))
    const found = await this.#parts.catalogue.end(handle)
    if (found === undefined) throw noSession()
    if (found.view === undefined) return document(movedPage(site, handle, found.successor), 409)
    const { subject } = found.view
    const list = href(site, { text: subject ?? '', by: subject === undefined ? 'any' : 'subject' })
    return redirect(list, visitor.endedCookie(1))
  }

  async #endSubject({ request, visitor, site }: Visit): Promise<Response> {
    const form = await readForm(request, token => visitor.isToken(token))
    const subject = form.get('subject') ?? ''
    if (subject === '' || subject.length > 255) throw new Rejection(422, 'Name a subject.')
    const { ended, isReported } = await this.#parts.catalogue.endAll(subject)
    if (!isReported) this.#parts.log.addEnded(ended)
    return redirect(href(site, { text: subject, by: 'subject' }), visitor.endedCookie(ended))
  }

  #live({ site }: Visit): Response {
    const { log } = this.#parts
    return document(livePage(site, log.recent(), log.since))
  }

  #events({ request, query }: Visit): Response {
    const last = wholeNumber(request.headers.get('last-event-id') ?? query.get('after')) ?? 0
    if (request.method === 'HEAD') return new Response(null)
    const stream = eventStream(this.#parts.log, last, request.signal)
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
  }
}

function document(page: Html, status = 200): Response {
  return new Response(String(page), { status, headers: { 'content-type': 'text/html; charset=utf-8' } })
}

function file(type: string, text: string): Response {
  return new Response(text, { headers: { 'content-type': type } })
}

function redirect(location: string, cookie?: string): Response {
  return new Response(null, { status: 303, headers: { location, ...(cookie && { 'set-cookie': cookie }) } })
}

function noSession(): Rejection {
  return new Rejection(404, 'There is no such session.', 'It has ended or expired, or there was none.')
}

function inCookies(): Rejection {
  return new Rejection(
    501,
    'The sessions of this site are in the browsers alone.',
    'A cookie store keeps no list of them, so there is nothing to see or to end here. The option `notBefore` logs a user out everywhere.',
  )
}

/** By its members: a runtime or a bridge may have a `Response` of its own. */
function isResponse(value: unknown): value is Response {
  const { status, headers } = Object(value) as Partial<Response>
  return typeof status === 'number' && typeof headers?.append === 'function'
}

/** The application's own response, such as a redirect to its login, which must not be stored either. */
function unstored(response: Response): Response {
  const own = new Response(response.body, response)
  own.headers.set('cache-control', 'no-store')
  return own
}

const SEARCHES: readonly string[] = ['any', 'subject', 'id', 'value'] satisfies SearchBy[]

function searchOf(fields: URLSearchParams): Search {
  const text = (fields.get('q') ?? '').trim().slice(0, 300)
  const by = fields.get('by') ?? 'any'
  return { text, by: SEARCHES.includes(by) ? (by as SearchBy) : 'any' }
}

function placeOf(query: URLSearchParams): Place {
  const after = wholeNumber(query.get('after'))
  const skip = wholeNumber(query.get('skip'))
  return { ...(after !== undefined && { after }), ...(skip !== undefined && { skip }) }
}

/**
 * Whether a text may be a session key, and not the hexadecimal id of something else: a key of 32 random characters without a
 * letter after f does not occur.
 */
function mayBeKey(text: string): boolean {
  return /^[0-9a-z]{32}$/.test(text) && /[g-z]/.test(text)
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
