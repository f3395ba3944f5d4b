import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSessions, type Session, type Sessions, type SessionsOptions, type Store } from '@sess/core'
import { sqliteStore } from '@sess/store-sql'
import { type Inspector, type InspectorOptions, inspector } from '../src/index.ts'
import { onExpress } from '../src/node.ts'

export const ADMIN = 'Basic YWRtaW46aW5zcGVjdA=='

/** Lets in who sends the password of the tests. */
export function authorize(request: Request): boolean {
  return request.headers.get('authorization') === ADMIN
}

export interface Site {
  sessions: Sessions
  store: Store
  inspect: Inspector
  /** Sends a request as the administrator. */
  get(path: string, headers?: Record<string, string>): Promise<Response>
  /** Loads a page for its token and its cookie, and posts a form with them. */
  post(path: string, fields?: Record<string, string>, headers?: Record<string, string>): Promise<Response>
  /** Makes a session and returns its key. */
  login(fill: (session: Session) => void, at?: number): Promise<string>
}

/** An engine with an inspector, without a server. */
export function makeSite(
  options: Partial<InspectorOptions> = {},
  sessionsOptions: Partial<SessionsOptions> = {},
): Site {
  const store = (sessionsOptions.store ?? sqliteStore(':memory:')) as Store
  let clock: number | undefined
  const sessions = createSessions({ ...sessionsOptions, store, clock: () => clock ?? Date.now() })
  const inspect = inspector(sessions, { authorize, ...options })
  const origin = 'http://app.test'
  const get = (path: string, headers: Record<string, string> = {}) =>
    inspect(new Request(origin + path, { headers: { authorization: ADMIN, ...headers } }))
  return {
    sessions,
    store,
    inspect,
    get,
    async post(path, fields = {}, headers = {}) {
      const page = await get(`${inspect.basePath}/`)
      const cookie = page.headers.get('set-cookie')!.split(';')[0]!
      const token = tokenIn(await page.text())
      return inspect(
        new Request(origin + path, {
          method: 'POST',
          headers: { authorization: ADMIN, cookie, origin, ...headers },
          body: new URLSearchParams({ token, ...fields }),
        }),
      )
    },
    async login(fill, at) {
      clock = at
      try {
        const session = sessions.open()
        await session.load()
        fill(session as Session)
        await sessions.commit(session, { status: 200 })
        return session.sessionKey!
      } finally {
        clock = undefined
      }
    },
  }
}

/** The token in the forms of a page. */
export function tokenIn(page: string): string {
  return /name="token" value="([\w-]+)"/.exec(page)![1]!
}

/** The handles of the sessions that a page links to. */
export function handlesIn(page: string): string[] {
  return [...new Set([...page.matchAll(/\/session\/([0-9a-f]{40})["?]/g)].map(([, handle]) => handle!))]
}

export interface Served {
  url: string
  stop(): Promise<void>
}

/** Serves a listener on a free port of 127.0.0.1. */
export async function serve(listener: RequestListener): Promise<Served> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Serves an inspector alone. */
export function serveInspector(inspect: Inspector): Promise<Served> {
  return serve((req, res) => onExpress(inspect)(req, res, () => res.writeHead(404).end()))
}

const HOUR = 3_600_000

/** Sessions as a shop may have them: people with several devices, visitors, big carts, and texts of attackers. */
export async function fill({ login }: Site, count = 60): Promise<void> {
  const names = ['42', 'ada@example.com', 'grace', 'alan', 'édith', 'margaret', '1007', 'linus']
  for (let at = 0; at < count; at++) {
    const born = Date.now() - ((at * at * 7_919) % (40 * 24)) * HOUR * 0.33 - 60_000
    await login(session => {
      if (at % 4 !== 3) session.subject = names[(at * at) % names.length]!
      const data = session as unknown as { set(key: string, value: unknown): void }
      data.set('cart', {
        currency: 'EUR',
        items: Array.from({ length: at % 9 }, (_, item) => ({ sku: `tea-${item}`, count: item + 1 })),
      })
      data.set('csrfToken', 'hunter2hunter2')
      data.set('locale', 'en-GB')
      if (at % 10 === 0) data.set('notes', 'long '.repeat(at * 40))
    }, born)
  }
}
