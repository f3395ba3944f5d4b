import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ProbeRoute,
  type ProbeWays,
  probeRoutes,
  type ProbeOptions as RouteOptions,
} from '@sess/conformance'
import {
  type ClearSiteData,
  createSessions,
  type Session,
  type Sessions,
  type SessionsOptions,
} from '@sess/core'
import { openStore } from './probe-stores.ts'

/** A probe app that runs. */
export interface Probe {
  url: string
  stop(): Promise<void>
  upgrades?: boolean
  isRequest?: (request: unknown) => boolean
}

/** What a probe app is started with: what `createSessions` takes; without a store it is one in memory. */
export type ProbeOptions = Partial<SessionsOptions>

/** Starts an adapter's probe app on 127.0.0.1; port 0 is a free one. */
export type StartProbe = (options?: ProbeOptions, port?: number, ways?: OwnWays) => Promise<Probe>

/** How a probe app differs from the usual one. */
export interface OwnWays extends ProbeWays {
  /** The options of a second engine, mounted below. */
  inner?: ProbeOptions
}

export interface ProbeRequest {
  session: Session
  sessions: Sessions
  query: URLSearchParams
}

/** What the session says of itself, told without looking at its data. */
export function stateOf(session: Session): object {
  const { sessionKey, accessed, modified, isEmpty } = session
  return { sessionKey, accessed, modified, isEmpty }
}

/** Does what `/set` and the routes like it begin with. */
export function setFrom(session: Session, query: URLSearchParams): void {
  session.set(givenKey(query), parsedValue(query))
}

/** What `GET /itself` responds with: the session as an object of the application, which nobody has looked at yet. */
export function sessionAs(session: Session, query: URLSearchParams): object {
  const as = query.get('as')
  if (as === 'part') return { me: session }
  return as === 'data' ? { me: session.data } : session
}

/** The headers of the app's own that `/own-headers` answers with. */
export function ownHeaders(query: URLSearchParams): Record<'set-cookie' | 'vary' | 'cache-control', string> {
  return {
    'set-cookie': 'own=1',
    vary: query.get('vary') ?? 'Accept',
    'cache-control': query.get('cache') ?? 'max-age=60',
  }
}

/** The headers of the app's own that `/own-several` answers with: several of one name, and one with a comma in a date. */
export const OWN_SEVERAL: Readonly<Record<'set-cookie' | 'vary', string[]>> = {
  'set-cookie': [
    'one=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/',
    'two=a=b; Path=/',
    'one=2; Path=/other',
  ],
  vary: ['Accept', 'Origin, Accept-Encoding'],
}

/** `{ method, path, run }` of every route that answers JSON and is the same in any framework. */
export const jsonRoutes: readonly JsonRoute[] = [
  route('GET', '/get', ({ session, query }) => ({ value: session.get(givenKey(query)) })),
  route('GET', '/open-streams', () => ({ open: openStreams })),
  route('GET', '/all', ({ session }) => ({ data: session.toJSON() })),
  ...(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const).map(method =>
    route(method, '/set', ({ session, query }) => setFrom(session, query)),
  ),
  ...['/set.css', '/assets/set.json', '/a/b/c/set', '/favicon.ico', '/api/health'].map(path =>
    route('POST', path, ({ session, query }) => setFrom(session, query)),
  ),
  route('POST', '/delete', ({ session, query }) => ({ deleted: session.delete(givenKey(query)) })),
  route('POST', '/pop', ({ session, query }) => ({ value: session.pop(givenKey(query)) })),
  route('POST', '/clear', ({ session }) => session.clear()),
  route('POST', '/flush', ({ session, query }) => {
    const clear = query.get('clear') as ClearSiteData | null
    session.flush(clear === null ? undefined : { clearSiteData: [clear] })
  }),
  route('POST', '/cycle', ({ session }) => session.cycleKey()),
  route('POST', '/push', ({ session, query }) => {
    session.get(givenKey(query)).push(parsedValue(query))
  }),
  route('POST', '/append', async ({ session, query }) => {
    session.get(givenKey(query))
    await pause(query)
    const value = parsedValue(query)
    session.update(givenKey(query), (list = []) => [...list, value])
  }),
  route('POST', '/setslow', async ({ session, query }) => {
    session.get(givenKey(query))
    await pause(query)
    setFrom(session, query)
  }),
  route('POST', '/expiry', ({ session, query }) => {
    const date = query.get('date')
    if (date !== null) session.setExpiry(new Date(date))
    else session.setExpiry(query.has('reset') ? null : Number(query.get('seconds')))
    return {
      age: session.getExpiryAge(),
      date: session.getExpiryDate(),
      atBrowserClose: session.getExpireAtBrowserClose(),
    }
  }),
  route('POST', '/login', ({ session, query }) => {
    const user = query.get('user') ?? ''
    session.cycleKey()
    session.set('user', user)
    session.subject = user
  }),
  route('POST', '/logout-everywhere', async ({ session, sessions, query }) => {
    const { subject } = session
    const removed = subject === null ? 0 : await sessions.removeBySubject(subject)
    if (query.has('k')) setFrom(session, query)
    else session.flush()
    return { removed }
  }),
  route('GET', '/who', () => undefined),
  suiteRoute('POST', '/as-object'),
  suiteRoute('GET', '/left'),
  route('POST', '/flash', ({ session, query }) => session.flash('notice', parsedValue(query))),
  route('GET', '/flash', ({ session }) => ({ value: session.flash('notice') })),
]

/** A route whose words the conformance suite has. */
function suiteRoute(method: 'GET' | 'POST', path: string): JsonRoute {
  return {
    method,
    path,
    async run({ session, sessions, query }) {
      const { run } = probeRoutes(sessions).find(each => each.method === method && each.path === path)!
      const { body } = await run(session, query)
      return JSON.parse(String(body)) as object
    },
  }
}

/** The routes that only the suite has words for. A probe app registers them besides `jsonRoutes`. */
export function suiteRoutes(sessions: Sessions, options: RouteOptions = {}): ProbeRoute[] {
  return probeRoutes(sessions, options).filter(({ path }) => OF_SUITE.test(path))
}

const OF_SUITE = /^\/(?:raw|throw-|then-fails|bytes|failing-body|both)/

/** What `GET /socket` does once the upgrade is accepted: a change that it does not save. */
export function changeOverSocket(session: Session, query: URLSearchParams, socket: Duplex): void {
  setTimeout(() => {
    try {
      setFrom(session, query)
      socket.end()
    } catch (error) {
      socket.end(String((error as { code?: unknown }).code))
    }
  }, 20)
}

/** The chunks of `/stream`, with pauses between them. */
export async function* streamed(query: URLSearchParams): AsyncGenerator<string> {
  const count = Number(query.get('chunks') ?? 3)
  openStreams += 1
  try {
    for (let index = 0; index < count; index++) {
      if (index > 0) await pause(query)
      yield `chunk ${index}\n`
    }
  } finally {
    openStreams -= 1
  }
}

/** Streams that somebody began to read, and that are neither at their end nor closed. */
let openStreams = 0

/** The chunks of `/latestream`: between them a change that comes too late, and the second is the code of its error. */
export async function* changedLate(session: Session, query: URLSearchParams): AsyncGenerator<string> {
  yield 'chunk 0\n'
  // The first chunk is on its way, and with it the headers.
  await sleep(20)
  try {
    setFrom(session, query)
    yield 'no error'
  } catch (error) {
    yield String((error as { code?: unknown }).code)
  }
}

/** The engine of a probe app. */
export async function probeSessions({ store, ...options }: ProbeOptions): Promise<Sessions> {
  return createSessions({ secret: SECRET, ...options, store: store ?? (await openStore('cache')).store })
}

/**
 * Runs a probe app as a program: `STORE=sqlite PORT=3000 node packages/express/test/probe.ts`. SESS_OPTIONS is a JSON
 * object of engine options; SIGTERM and SIGINT stop it.
 */
export async function runProbe(start: StartProbe): Promise<void> {
  const { PORT = '3000', STORE = 'cache', SESS_OPTIONS = '{}' } = process.env
  const { store, close } = await openStore(STORE)
  const probe = await start({ ...JSON.parse(SESS_OPTIONS), store }, Number(PORT))
  console.log(`listening on ${probe.url}`)
  const stop = async (): Promise<void> => {
    await probe.stop()
    await close()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

interface JsonRoute {
  method: Method
  path: string
  /** The answer: the route's own words and, after it ran, the session's state. */
  run(request: ProbeRequest): Promise<object>
}

function route(method: Method, path: string, run: (request: ProbeRequest) => unknown): JsonRoute {
  return {
    method,
    path,
    async run(request) {
      const own = (await run(request)) as object | undefined
      return { ...own, ...stateOf(request.session) }
    },
  }
}

// Only cookie stores use it, and only here.
const SECRET = 'a secret of the probe apps, which nobody else should use'

function givenKey(query: URLSearchParams): string {
  const key = query.get('k')
  if (key === null) throw new TypeError('The query lacks `k`.')
  return key
}

/** `v`: JSON if it parses, else a string. */
function parsedValue(query: URLSearchParams): unknown {
  const text = query.get('v') ?? ''
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function pause(query: URLSearchParams): Promise<void> {
  return sleep(Number(query.get('wait') ?? 0))
}
