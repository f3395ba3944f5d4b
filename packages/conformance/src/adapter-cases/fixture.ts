import type { MaybePromise, Session, SessionsOptions } from '@sess/core'
import { type Case, DoesNotApply } from '../case.ts'
import { ok } from '../check.ts'
import type { ProbeHook, ProbeStep } from '../probe-hook.ts'
import { CERTIFICATE, type Certificate } from './certificate.ts'
import { findProbe, HttpBrowser, send } from './client.ts'
import { type WatchedStore, watchedStore } from './watched-store.ts'

/** A probe app that listens. */
export interface AdapterSetup {
  /** Such as `http://127.0.0.1:3000`. */
  url: string
  stop(): MaybePromise<void>
  /**
   * Requests with `Upgrade` get their session: the handler of `GET /socket?k=&v=` accepts the upgrade, sets `k` a moment later
   * without saving it, writes the `code` of an error to the connection if it met one, and closes it.
   */
  upgrades?: boolean
  /**
   * Whether something is a request as handlers of this framework get it, such as `request => request instanceof H3Event`. It has to
   * tell it from the request of `node:http` or the `Request` below it.
   */
  isRequest?: (request: unknown) => boolean
}

/** Starts the probe app in this process on a free port of 127.0.0.1, with these options for `createSessions`. */
export type AdapterFactory = (options: Partial<SessionsOptions>) => MaybePromise<AdapterSetup>

/**
 * Starts the probe app with two engines. The middleware of `outer` is mounted first, that of `inner` below it with
 * `{ property: 'inner' }`. Both are options for `createSessions`; the cookie names differ. With `ways.certificate` the app is served
 * over TLS.
 */
export type StartTwoEngines = (
  outer: Partial<SessionsOptions>,
  inner: Partial<SessionsOptions>,
  ways: Pick<ProbeWays, 'certificate'>,
) => MaybePromise<AdapterSetup>

/** How a probe app differs from the usual one. One member is there at a time. */
export interface ProbeWays {
  /** Serve over TLS with this certificate. The address of the app begins with `https://`. */
  certificate?: Certificate
  /** Trust the proxy in front of the app, as by `trust proxy` of Express. The suite is the proxy, at 127.0.0.1. */
  trustProxy?: true
  /** Mount this as a middleware of the app, twice: above that of the session, and between that and the routes. */
  hook?: ProbeHook
  /** Mount the middleware of the session twice, with one engine. */
  twice?: true
  /**
   * Mount the middleware of the session and the routes below this path, as by `app.use('/base', router)`. The address that `start`
   * returns stays that of the server.
   */
  under?: string
  /** Give the two engines of `startTwoEngines` one property, as somebody does who copies a line. The start may fail then. */
  sameProperty?: true
}

/** Starts the probe app as an `AdapterFactory` does, in one of these ways. */
export type StartInAWay = (options: Partial<SessionsOptions>, ways: ProbeWays) => MaybePromise<AdapterSetup>

/** What the author of an adapter can offer besides the factory. The cases without it are skipped, and reported as not proved. */
export interface AdapterOptions {
  /** Starts the probe app with two engines. */
  startTwoEngines?: StartTwoEngines | undefined
  /** Starts the probe app with `ways.certificate`. */
  https?: StartInAWay | undefined
  /** Starts the probe app with `ways.trustProxy`. Leave it out for a framework that never trusts a proxy. */
  proxy?: StartInAWay | undefined
  /** Starts the probe app with `ways.hook`. */
  before?: StartInAWay | undefined
  /** Starts the probe app with `ways.twice`. */
  twice?: StartInAWay | undefined
  /** Starts the probe app with `ways.under`. Leave it out for a framework whose apps cannot be mounted below a path. */
  under?: StartInAWay | undefined
}

/** What a case lets the app's own middleware do. Without a result it does nothing. */
export interface Hooks {
  /** Runs before the middleware of the session. */
  above?: (query: URLSearchParams) => Partial<ProbeStep> | undefined
  /** Runs between the middleware of the session and the routes. */
  below?: (query: URLSearchParams, session: Session) => Partial<ProbeStep> | undefined
}

/** A case for adapters. */
export type AdapterCase = Case<AdapterFixture>

/** A probe app of the case's own, with the store that it was started with. */
export interface StartedApp {
  url: string
  store: WatchedStore
  upgrades: boolean
  isRequest?: AdapterSetup['isRequest']
  browser(): HttpBrowser
}

/** A probe app with two engines, each over a store of its own. */
export interface AppWithTwoEngines {
  outer: WatchedStore
  inner: WatchedStore
  url: string
  browser(): HttpBrowser
}

type StartApp = (options?: Partial<SessionsOptions>) => Promise<StartedApp>

/** What a case gets. */
export interface AdapterFixture {
  /** A probe app with the options it comes with. */
  url(): Promise<string>
  browser(): Promise<HttpBrowser>
  /** A probe app with options, over a store that the case can watch and disturb; only with a factory. */
  start(options?: Partial<SessionsOptions>): Promise<StartedApp>
  /** A probe app with two engines, whose cookies are `OUTER_COOKIE` and `INNER_COOKIE`. */
  startTwoEngines?:
    | ((ways?: Pick<ProbeWays, 'certificate' | 'sameProperty'>) => Promise<AppWithTwoEngines>)
    | undefined
  /** As `start`, over TLS. */
  https?: StartApp | undefined
  /** As `start`, where the app trusts the proxy. */
  proxy?: StartApp | undefined
  /** As `start`, with middleware of the app's own. */
  before?: ((hooks: Hooks, options?: Partial<SessionsOptions>) => Promise<StartedApp>) | undefined
  /** As `start`, with one engine that is mounted twice. */
  twice?: StartApp | undefined
  /** As `start`, below the path `UNDER`. `url` has it. */
  under?: StartApp | undefined
  /** Whether `start` works. A process that listens already has its options. */
  inProcess: boolean
  /** Whether the session is kept in the cookie itself. */
  inCookie: boolean
  /** What the session cookie is called. */
  cookieName: string
  /** Whether the slow cases are shorter. */
  quick: boolean
}

/** Why a case is left out that gives options, or disturbs the store. */
export const NEEDS_START = 'the process that listens cannot be given options or a store by the suite'

/** For `skip`: the case gives options, or disturbs the store. */
export const needsStart = (f: AdapterFixture) => (f.inProcess ? undefined : NEEDS_START)

/** For `skip`: the case is about sessions that are kept on the server. */
export const needsServerSide = (f: AdapterFixture) =>
  f.inCookie
    ? 'sessions are kept in the cookie, where the last response wins and a copied token lives on'
    : undefined

export const OUTER_COOKIE = 'sessionid'
export const INNER_COOKIE = 'innerid'
/** Where an app is that is mounted below a path. */
export const UNDER = '/base'

export async function openAdapter(
  factory: AdapterFactory,
  {
    startTwoEngines,
    https,
    proxy,
    before,
    twice,
    under,
    quick = false,
  }: AdapterOptions & { quick?: boolean | undefined } = {},
): Promise<{
  fixture: AdapterFixture
  close(): Promise<void>
}> {
  const running: AdapterSetup[] = []
  const startBy = async (
    begin: StartInAWay,
    ways: ProbeWays,
    options: Partial<SessionsOptions> = {},
  ): Promise<StartedApp> => {
    const store = watchedStore()
    const setup = await begin({ store, ...options }, ways)
    running.push(setup)
    const url = setup.url.replace(/\/$/, '') + (ways.under ?? '')
    const { upgrades = false, isRequest } = setup
    return { url, store, upgrades, browser: () => new HttpBrowser(url), ...(isRequest && { isRequest }) }
  }
  const start: StartApp = options => startBy(own => factory(own), {}, options)
  const startIn = (begin: StartInAWay | undefined, ways: ProbeWays): StartApp | undefined =>
    begin && (options => startBy(begin, ways, options))
  const startBoth =
    startTwoEngines &&
    (async (ways: Pick<ProbeWays, 'certificate' | 'sameProperty'> = {}): Promise<AppWithTwoEngines> => {
      const [outer, inner] = [watchedStore(), watchedStore()]
      const options = { store: inner, cookie: { name: INNER_COOKIE } }
      const setup = await startTwoEngines({ store: outer }, options, ways)
      running.push(setup)
      const url = setup.url.replace(/\/$/, '')
      return { outer, inner, url, browser: () => new HttpBrowser(url) }
    })
  let app: Promise<StartedApp> | undefined
  const url = async () => {
    app ??= start()
    return (await app).url
  }
  return {
    fixture: {
      url,
      browser: async () => new HttpBrowser(await url()),
      start,
      startTwoEngines: startBoth,
      https: startIn(https, { certificate: CERTIFICATE }),
      proxy: startIn(proxy, { trustProxy: true }),
      before: before && ((hooks, options) => startBy(before, { hook: hookOf(hooks) }, options)),
      twice: startIn(twice, { twice: true }),
      under: startIn(under, { under: UNDER }),
      inProcess: true,
      inCookie: false,
      cookieName: OUTER_COOKIE,
      quick,
    },
    close: async () => {
      for (const setup of running) await setup.stop()
    },
  }
}

/** One function for both places. The one above has no session yet. */
function hookOf({ above, below }: Hooks): ProbeHook {
  return (query, session) => {
    const step = session ? below?.(query, session) : above?.(query)
    return { headers: [], ...step }
  }
}

/** The fixture for a process that listens. Looks once what kind of session it has. */
export async function openUrl(address: string): Promise<AdapterFixture> {
  const url = address.replace(/\/$/, '')
  await findProbe(url)
  const response = await send(`${url}/set?k=probe&v=1`, { method: 'POST' })
  const [cookie] = response.setCookies
  ok(
    cookie !== undefined,
    'a session cookie in the response to POST /set?k=probe&v=1',
    `the response was ${response.status} without one; is the probe app listening at ${url}?`,
  )
  const split = response.setCookies.length > 1 || cookie.name.endsWith('.0')
  return {
    url: async () => url,
    browser: async () => new HttpBrowser(url),
    start: () => Promise.reject(new DoesNotApply('the process that listens cannot be given options')),
    inProcess: false,
    inCookie: split || !/^[a-z0-9]{32}$/.test(cookie.value),
    cookieName: cookie.name.replace(/\.0$/, ''),
    // The slow cases need a store of the suite's.
    quick: false,
  }
}
