import type { ListedSession, Session, Sessions, Store } from '@sess/core'
import { findProduct, inStock, type Product } from './products.ts'
import { type Trace, Traces } from './trace.ts'
import { NOTICES, problemPage, shopPage } from './views.ts'

declare module '@sess/core' {
  interface SessionData {
    name?: string
    cart?: Cart
  }
}

/** How many of each product, by its id. */
export type Cart = Record<string, number>

/** What the shop asks of a request, whatever the framework. */
export interface ShopRequest {
  method: string
  /** Path and query. */
  url: string
  header(name: string): string | undefined
  /** A form, URL-encoded. */
  body: string
}

/** What a framework is asked to send. */
export interface ShopResponse {
  status: number
  headers: Record<string, string>
  body: Iterable<string> | AsyncIterable<string>
}

/** No form here is longer. */
export const BODY_LIMIT = 8192

export const MOST_OF_A_PRODUCT = 999

/** Seconds for which a sign-in, or the password, counts before an account is deleted. */
const FRESH = 600

/** Everybody's in this example. A real shop compares the hash of a password of the user's own. */
export const PASSWORD = 'breakfast'

type Form = URLSearchParams
type Route = (session: Session, input: Form, trace: Trace) => ShopResponse | Promise<ShopResponse>

export class Shop {
  readonly traces = new Traces()
  readonly sessions: Sessions
  /** The engine as a thief finds it who comes half a minute late. Only the demonstration of the panel needs it. */
  readonly #later: Sessions
  /** What runs it, for the page to say. */
  readonly runsOn: string

  constructor({ store, runsOn, clock = Date.now }: { store: Store; runsOn: string; clock?: () => number }) {
    this.runsOn = runsOn
    const options = {
      store,
      // An hour of doing nothing ends a session; looking around is doing something, written down once a minute.
      age: 3600,
      saveEveryRequest: { touchAfter: 60 },
      // At sign-in: the browser and the address, for "Your devices".
      devices: true,
      // A key that was replaced at a sign-in, and is used again later, ends the session.
      reuse: 'end-all' as const,
      clock,
    }
    this.sessions = this.traces.createSessions(options)
    this.#later = this.traces.createSessions({ ...options, clock: () => clock() + 31_000 })
  }

  /** Handles a request. An error that it throws goes to `problem`. */
  async respond(session: Session, request: ShopRequest): Promise<ShopResponse> {
    const [, path, query] = /^([^?]*)\??(.*)/s.exec(request.url)!
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const route = this.#routes[`${method} ${path}`]
    if (!route) throw httpError(404)
    if (method === 'POST') assertSameOrigin(request)
    const input = new URLSearchParams(method === 'POST' ? request.body : query)
    return route(session, input, this.traces.current!)
  }

  /** The page for an error. */
  problem(error: unknown): ShopResponse {
    return problem(error)
  }

  readonly #routes: Record<string, Route> = {
    'GET /': async (session, query, trace) => ({
      status: 200,
      headers: PAGE_HEADERS,
      body: this.#page(session, query, trace, await this.#devicesOf(session)),
    }),

    'POST /sign-in': (session, form, trace) => {
      const name = nameIn(form)
      const subject = name.toLowerCase()
      // Another person at the same browser: nothing of the last one is left.
      if (session.subject !== null && session.subject !== subject) session.flush()
      session.cycleKey()
      session.set('name', name)
      session.subject = subject
      // `{ days: 30 }` is a moment, 30 days from now. `30 * 86_400` would count anew at each save.
      session.setExpiry(form.has('remember') ? { days: 30 } : 0)
      session.flash('notice', `Good morning, ${name}.`)
      return this.#seeShop(trace)
    },

    'POST /sign-out': (session, _form, trace) => {
      session.flush()
      return this.#seeShop(trace, { notice: 'signed-out' })
    },

    'POST /sign-out-everywhere': async (session, _form, trace) => {
      if (session.subject !== null) await this.sessions.removeBySubject(session.subject)
      session.flush()
      return this.#seeShop(trace, { notice: 'signed-out-everywhere' })
    },

    'POST /devices/end': async (session, form, trace) => {
      if (session.subject === null) return this.#seeShop(trace)
      // With `subject` nobody ends the session of somebody else, whatever id the form has.
      const ended = await this.sessions.end(idIn(form), { subject: session.subject })
      session.flash('notice', ended ? 'That device is signed out.' : 'That device was signed out already.')
      return this.#seeShop(trace)
    },

    'POST /delete-account': async (session, _form, trace) => {
      const { subject } = session
      if (subject === null) return this.#seeShop(trace)
      if (!session.isFresh(FRESH)) return this.#seeShop(trace, { confirm: 'password' })
      await this.sessions.removeBySubject(subject)
      session.flush()
      return this.#seeShop(trace, { notice: 'account-deleted' })
    },

    'POST /confirm-password': (session, form, trace) => {
      if (session.subject === null) return this.#seeShop(trace)
      if (form.get('password') !== PASSWORD) {
        session.flash('notice', 'That is not the password.')
        return this.#seeShop(trace, { confirm: 'password' })
      }
      session.reauthenticated()
      session.flash('notice', 'Thank you. Now you can delete your account.')
      return this.#seeShop(trace)
    },

    /** A thief copies the key in the cookie. The visitor gets another one, and half a minute later the thief uses the old one. */
    'POST /replay-stolen-key': async (session, _form, trace) => {
      const stolen = session.sessionKey
      if (session.subject === null || stolen === null) return this.#seeShop(trace)
      session.cycleKey()
      await session.save()
      const thief = this.#later.open(`${this.#later.cookieName}=${stolen}`)
      await thief.load()
      const isEmpty = thief.subject === null
      // The session of the visitor has ended with the thief's request. This removes the cookie.
      session.flush()
      return this.#seeShop(trace, { notice: isEmpty ? 'key-reused' : 'key-worked' })
    },

    'POST /cart/add': async (session, form, trace) => {
      const product = productOf(form)
      await inStock(product)
      session.update('cart', (cart = {}) => withCount(cart, product, (cart[product.id] ?? 0) + 1))
      session.flash('notice', `${product.name}: in your cart.`)
      return this.#seeShop(trace)
    },

    'POST /cart/remove': (session, form, trace) => {
      const product = productOf(form)
      if (session.has('cart')) {
        session.update('cart', (cart = {}) => withCount(cart, product, (cart[product.id] ?? 0) - 1))
      }
      return this.#seeShop(trace)
    },

    'POST /cart/empty': (session, _form, trace) => {
      session.delete('cart')
      return this.#seeShop(trace)
    },
  }

  /**
   * The page in two pieces. With the first the session is committed, before a byte leaves; the second tells what that
   * was like.
   */
  #page(
    session: Session,
    query: URLSearchParams,
    trace: Trace,
    devices: ListedSession[],
  ): AsyncIterable<string> {
    const [flash] = session.flash<string>('notice')
    const { head, tail } = shopPage({
      name: session.get('name'),
      cart: session.get('cart', {}),
      devices,
      usesPassport: false,
      mustConfirm: query.get('confirm') === 'password',
      remembered: !session.getExpireAtBrowserClose(),
      notice: flash ?? NOTICES[query.get('notice') ?? ''],
      runsOn: this.runsOn,
      before: this.traces.find(query.get('after')),
    })
    return (async function* () {
      yield head
      await trace.committed
      yield tail(trace, session.sessionKey !== null)
    })()
  }

  async #devicesOf(session: Session): Promise<ListedSession[]> {
    if (session.subject === null) return []
    return await this.sessions.list(session.subject, { current: session })
  }

  #seeShop(trace: Trace, query: Record<string, string> = {}): ShopResponse {
    this.traces.keep(trace)
    const location = `/?${new URLSearchParams({ ...query, after: trace.id })}`
    return { status: 303, headers: { ...PAGE_HEADERS, location }, body: [] }
  }
}

/** The page for an error. */
export function problem(error: unknown): ShopResponse {
  // Fastify and h3 1 have `statusCode`.
  const { statusCode, status: said = statusCode } = (error ?? {}) as {
    status?: unknown
    statusCode?: unknown
  }
  const status = typeof said === 'number' && said >= 400 && said <= 599 ? said : 500
  if (status >= 500) console.error(error)
  return { status, headers: PAGE_HEADERS, body: [problemPage(status)] }
}

/** No page is kept: after a logout the back button has nothing to show. */
export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
}

/**
 * Rejects the forms of other sites. `SameSite=Lax` keeps the cookie from them. It does not keep it from other ports and
 * subdomains of this site, and does not stop a form that signs the visitor in as somebody else. A client that is no browser
 * sends neither header.
 */
export function assertSameOrigin({ header }: Pick<ShopRequest, 'header'>): void {
  const site = header('sec-fetch-site')
  const origin = header('origin')
  if (site === 'same-origin' || site === 'none') return
  if (site === undefined && (origin === undefined || URL.parse(origin)?.host === header('host'))) return
  throw httpError(403)
}

export function nameIn(form: Form): string {
  const name = (form.get('name') ?? '').normalize('NFC').replace(/\s+/g, ' ').trim()
  if (name === '' || name.length > 40) throw httpError(422)
  return name
}

function idIn(form: Form): string {
  const id = form.get('id') ?? ''
  if (!/^[0-9a-f]{40}$/.test(id)) throw httpError(422)
  return id
}

export function productOf(form: Form): Product {
  const product = findProduct(form.get('product'))
  if (!product) throw httpError(422)
  return product
}

function withCount(cart: Cart, { id }: Product, count: number): Cart {
  const { [id]: _, ...others } = cart
  if (count <= 0) return others
  return { ...cart, [id]: Math.min(count, MOST_OF_A_PRODUCT) }
}

export function httpError(status: number): Error {
  return Object.assign(new Error(`HTTP ${status}`), { status })
}
