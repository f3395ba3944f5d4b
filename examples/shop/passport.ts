// The shop as an app of express-session and Passport. Only the import of `session` is new.
import type { RequestListener } from 'node:http'
import type { Store } from '@sess/core'
import session from '@sess/express-session'
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response } from 'express'
import { Passport } from 'passport'
import { Strategy } from 'passport-local'
import { inStock } from './products.ts'
import {
  assertSameOrigin,
  BODY_LIMIT,
  type Cart,
  httpError,
  MOST_OF_A_PRODUCT,
  nameIn,
  PAGE_HEADERS,
  PASSWORD,
  problem,
  productOf,
} from './shop.ts'
import type { Trace, Traces } from './trace.ts'
import { assets, NOTICES, shopPage } from './views.ts'

const RUNS_ON = 'express-session’s API and Passport on Sess, sessions in SQLite'
const THIRTY_DAYS = 30 * 86_400_000

/** What express-session puts on a request, and what the shop keeps there. */
type ShopSession = {
  /** The id of each item. Two requests that each add one are merged, so nothing is lost. */
  items?: string[]
  /** For the next page. Passport puts the reason of a failed login here. */
  messages?: string[]
  cookie: { maxAge: number | null }
  destroy(callback: (error?: unknown) => void): void
}

/** What the session keeps of a user. */
type User = { name: string }

export function passportApp(store: Store, traces: Traces): RequestListener {
  const app = express()
  app.disable('x-powered-by')
  for (const [path, { headers, body }] of Object.entries(assets)) {
    app.get(path, (_req, res) => {
      res.set(headers).send(body)
    })
  }
  app.use((req, _res, next) => {
    if (req.method === 'POST') assertSameOrigin({ header: name => req.get(name) })
    next()
  })
  app.use(express.urlencoded({ extended: false, limit: BODY_LIMIT }))
  app.use(
    session({
      name: 'shop.sid',
      // A real shop has no default here.
      secret: process.env['SHOP_SECRET'] ?? 'only in this demonstration',
      store: traces.watch(store),
      resave: false,
      saveUninitialized: false,
      cookie: { sameSite: 'lax' },
    }),
  )
  const users = passwordUsers()
  app.use(users.session())

  app.get('/', (req, res) => showShop(req, res, traces))
  const signIn: RequestHandler = (req, res, next) => {
    req.body.name = nameIn(new URLSearchParams(req.body))
    // Another person at the same browser: nothing of the last one is left.
    const keepSessionInfo = req.user === undefined || (req.user as User).name === req.body.name
    const options = { failureRedirect: '/', failureMessage: true, keepSessionInfo }
    users.authenticate('local', options)(req, res, next)
  }
  app.post('/sign-in', signIn, (req, res) => {
    if ('remember' in req.body) sessionOf(req).cookie.maxAge = THIRTY_DAYS
    say(req, `Good morning, ${(req.user as User).name}.`)
    seeShop(res, traces)
  })
  app.post('/sign-out', (req, res, next) => {
    sessionOf(req).destroy(error => (error ? next(error) : seeShop(res, traces, { notice: 'signed-out' })))
  })
  app.post('/cart/add', async (req, res) => {
    const product = productOf(new URLSearchParams(req.body))
    await inStock(product)
    const { items = [] } = sessionOf(req)
    if (items.length < MOST_OF_A_PRODUCT) sessionOf(req).items = [...items, product.id]
    say(req, `${product.name}: in your cart.`)
    seeShop(res, traces)
  })
  app.post('/cart/remove', (req, res) => {
    const { id } = productOf(new URLSearchParams(req.body))
    const { items = [] } = sessionOf(req)
    const at = items.lastIndexOf(id)
    if (at >= 0) sessionOf(req).items = items.toSpliced(at, 1)
    seeShop(res, traces)
  })
  app.post('/cart/empty', (req, res) => {
    delete sessionOf(req).items
    seeShop(res, traces)
  })
  app.use(() => {
    throw httpError(404)
  })
  const showProblem: ErrorRequestHandler = (error, _req, res, next) => {
    if (res.headersSent) return next(error)
    const { status, headers, body } = problem(error)
    res
      .status(status)
      .set(headers)
      .send([...(body as Iterable<string>)].join(''))
  }
  app.use(showProblem)
  return app
}

/** Any name signs in, with the password of this example. */
function passwordUsers(): InstanceType<typeof Passport> {
  const users = new Passport()
  users.use(
    new Strategy({ usernameField: 'name' }, (name, password, done) => {
      if (password !== PASSWORD) return done(null, false, { message: 'That is not the password.' })
      done(null, { name } satisfies User)
    }),
  )
  users.serializeUser((user, done) => done(null, user))
  users.deserializeUser((user: User, done) => done(null, user))
  return users
}

function say(req: Request, message: string): void {
  sessionOf(req).messages = [message]
}

/** The page in two pieces: the session is saved before the first one leaves, and the second one tells how. */
function showShop(req: Request, res: Response, traces: Traces): void {
  const trace = traces.current!
  const query = new URLSearchParams(req.query as Record<string, string>)
  const cart: Cart = {}
  for (const id of sessionOf(req).items ?? []) cart[id] = (cart[id] ?? 0) + 1
  const message = sessionOf(req).messages?.at(-1)
  delete sessionOf(req).messages
  const { head, tail } = shopPage({
    name: (req.user as User | undefined)?.name,
    cart,
    devices: [],
    usesPassport: true,
    mustConfirm: false,
    remembered: sessionOf(req).cookie.maxAge !== null,
    notice: message ?? NOTICES[query.get('notice') ?? ''],
    runsOn: RUNS_ON,
    before: traces.find(query.get('after')),
  })
  res.status(200).set(PAGE_HEADERS)
  res.write(head, () => {
    finish(trace, res)
    res.end(tail(trace, trace.recordId !== undefined))
  })
}

function seeShop(res: Response, traces: Traces, query: Record<string, string> = {}): void {
  const trace = traces.current!
  traces.keep(trace)
  res.set(PAGE_HEADERS).redirect(303, `/?${new URLSearchParams({ ...query, after: trace.id })}`)
  res.once('finish', () => finish(trace, res))
}

const EVENTS: Readonly<Record<string, string>> = {
  insert: 'created',
  replace: 'saved',
  touch: 'touched',
  remove: 'destroyed',
}

/** Notes what express-session's API does not tell: it follows from the calls of the store. */
function finish(trace: Trace, res: Response): void {
  const done = trace.calls.filter(({ outcome }) => outcome === 'ok').map(({ method }) => method)
  trace.events.push(...done.flatMap(method => EVENTS[method] ?? []))
  trace.status = res.statusCode
  trace.accessed = true
  trace.modified = done.includes('insert') || done.includes('replace')
  trace.finish({
    setCookies: [res.getHeader('set-cookie') ?? []].flat().map(String),
    vary: false,
    private: false,
  })
}

function sessionOf(req: Request): ShopSession {
  return req.session as unknown as ShopSession
}
