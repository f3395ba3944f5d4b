import type { MaybePromise, SessionsOptions } from '@sess/core'
import { type Case, DoesNotApply } from '../case.ts'
import { ok } from '../check.ts'
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
}

/** Starts the probe app in this process on a free port of 127.0.0.1, with these options for `createSessions`. */
export type AdapterFactory = (options: Partial<SessionsOptions>) => MaybePromise<AdapterSetup>

/**
 * Starts the probe app with two engines. The middleware of `outer` is mounted first, that of `inner` below it with
 * `{ property: 'inner' }`. Both arguments are options for `createSessions`; the cookie names differ.
 */
export type StartTwoEngines = (
  outer: Partial<SessionsOptions>,
  inner: Partial<SessionsOptions>,
) => MaybePromise<AdapterSetup>

/** What the author of an adapter can offer besides the factory. */
export interface AdapterOptions {
  /** Without it the cases about two engines on one app are skipped, and reported as not proved. */
  startTwoEngines?: StartTwoEngines | undefined
}

/** A case for adapters. */
export type AdapterCase = Case<AdapterFixture>

/** A probe app of the case's own, with the store that it was started with. */
export interface StartedApp {
  url: string
  store: WatchedStore
  upgrades: boolean
  browser(): HttpBrowser
}

/** A probe app with two engines, each over a store of its own. */
export interface AppWithTwoEngines {
  outer: WatchedStore
  inner: WatchedStore
  browser(): HttpBrowser
}

/** What a case gets. */
export interface AdapterFixture {
  /** A probe app with the options it comes with. */
  url(): Promise<string>
  browser(): Promise<HttpBrowser>
  /** A probe app with options, over a store that the case can watch and disturb; only with a factory. */
  start(options?: Partial<SessionsOptions>): Promise<StartedApp>
  /** A probe app with two engines, whose cookies are `OUTER_COOKIE` and `INNER_COOKIE`. */
  startTwoEngines?: (() => Promise<AppWithTwoEngines>) | undefined
  /** Whether `start` works. A process that listens already has its options. */
  inProcess: boolean
  /** Whether the session is kept in the cookie itself. */
  inCookie: boolean
  /** What the session cookie is called. */
  cookieName: string
}

/** Why a case is left out that gives options, or disturbs the store. */
export const NEEDS_START = 'the process that listens cannot be given options or a store by the suite'

/** For `skip`: the case gives options, or disturbs the store. */
export const needsStart = (f: AdapterFixture) => (f.inProcess ? undefined : NEEDS_START)

/** Why a case about two engines is left out. */
export const NEEDS_TWO_ENGINES = 'no `startTwoEngines` was given, which starts the probe app with two engines'

/** For `skip`: the case is about two engines on one app. */
export const needsTwoEngines = (f: AdapterFixture) =>
  needsStart(f) ?? (f.startTwoEngines ? undefined : NEEDS_TWO_ENGINES)

/** For `skip`: the case is about sessions that are kept on the server. */
export const needsServerSide = (f: AdapterFixture) =>
  f.inCookie
    ? 'sessions are kept in the cookie, where the last response wins and a copied token lives on'
    : undefined

export const OUTER_COOKIE = 'sessionid'
export const INNER_COOKIE = 'innerid'

export async function openAdapter(
  factory: AdapterFactory,
  { startTwoEngines }: AdapterOptions = {},
): Promise<{
  fixture: AdapterFixture
  close(): Promise<void>
}> {
  const running: AdapterSetup[] = []
  const start = async (options: Partial<SessionsOptions> = {}): Promise<StartedApp> => {
    const store = watchedStore()
    const setup = await factory({ store, ...options })
    running.push(setup)
    const url = setup.url.replace(/\/$/, '')
    return { url, store, upgrades: setup.upgrades === true, browser: () => new HttpBrowser(url) }
  }
  const startBoth =
    startTwoEngines &&
    (async (): Promise<AppWithTwoEngines> => {
      const [outer, inner] = [watchedStore(), watchedStore()]
      const setup = await startTwoEngines({ store: outer }, { store: inner, cookie: { name: INNER_COOKIE } })
      running.push(setup)
      const url = setup.url.replace(/\/$/, '')
      return { outer, inner, browser: () => new HttpBrowser(url) }
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
      inProcess: true,
      inCookie: false,
      cookieName: OUTER_COOKIE,
    },
    close: async () => {
      for (const setup of running) await setup.stop()
    },
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
  }
}
