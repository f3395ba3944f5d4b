import { spawn, spawnSync } from 'node:child_process'
import type { RequestListener } from 'node:http'
import { createInterface } from 'node:readline'
import type { Adopter, MaybePromise } from '@sess/core'
import cookieSession from 'cookie-session'
import express from 'express'
import expressSession from 'express-session'
import { getIronSession } from 'iron-session'
import Koa from 'koa'
import koaSession from 'koa-session'
import * as adopt from '../src/index.ts'

// Apps of the old libraries, unmodified, each with a login and a page that shows the session.

export const SECRET = 'the-secret-of-the-old-app-0123456789'
const OTHER = 'another-secret-of-the-old-app-0123456'

export interface OldApp {
  name: string
  /** Of its cookies, the first has the session or its id. */
  cookies: string[]
  /** `GET /login?user=ann` and `GET /me`. */
  listener: RequestListener
  /** Adopts its sessions, with the right secrets. `calls` has the calls of its store. */
  adopter(options?: { keep?: boolean; secrets?: string[] }): Adopter
  calls: string[]
  /** Milliseconds after the login when the session ends. `undefined`: there is no end in it. */
  life: number | undefined
  /** Ends every session, as a logout on the server does. `undefined`: that is not possible. */
  revoke: (() => MaybePromise<unknown>) | undefined
  stop?(): void
}

const HOUR = 3_600_000

function userOf(url: string | undefined): string {
  return new URL(url ?? '', 'http://app').searchParams.get('user') ?? ''
}

export function expressApp(): OldApp {
  const store = new expressSession.MemoryStore()
  const calls: string[] = []
  const watched: adopt.ExpressStore = {
    get(id, callback) {
      calls.push('get')
      store.get(id, callback)
    },
    destroy(id, callback) {
      calls.push('destroy')
      store.destroy(id, callback)
    },
  }
  const app = express()
  app.use(
    expressSession({
      store,
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: HOUR },
    }),
  )
  app.get('/login', (req, res) => {
    Object.assign(req.session, { user: userOf(req.url), cart: ['té'] })
    res.end('ok')
  })
  app.get('/me', (req, res) => {
    res.end(JSON.stringify({ user: null, ...req.session, cookie: undefined }))
  })
  return {
    name: 'express-session',
    cookies: ['connect.sid'],
    listener: app,
    adopter: ({ secrets = [OTHER, SECRET], ...options } = {}) =>
      adopt.expressSession({ store: watched, secret: secrets, ...options }),
    calls,
    life: HOUR,
    revoke: () => new Promise(resolve => store.clear(resolve)),
  }
}

export function cookieSessionApp(): OldApp {
  const app = express()
  app.use(cookieSession({ keys: [SECRET], maxAge: HOUR }))
  app.get('/login', (req, res) => {
    Object.assign(req, { session: { user: userOf(req.url), cart: ['té'] } })
    res.end('ok')
  })
  app.get('/me', (req, res) => {
    res.end(JSON.stringify({ user: null, ...req.session }))
  })
  return {
    name: 'cookie-session',
    cookies: ['session', 'session.sig'],
    listener: app,
    adopter: ({ secrets = [OTHER, SECRET], ...options } = {}) =>
      adopt.cookieSession({ keys: secrets, ...options }),
    calls: [],
    life: undefined,
    revoke: undefined,
  }
}

export function koaApp(isExternal: boolean): OldApp {
  const records = new Map<string, unknown>()
  const calls: string[] = []
  const store = {
    async get(key: string) {
      calls.push('get')
      return records.get(key)
    },
    async set(key: string, session: unknown) {
      records.set(key, session)
    },
    async destroy(key: string) {
      calls.push('destroy')
      records.delete(key)
    },
  }
  const app = new Koa()
  app.keys = [SECRET]
  app.use(koaSession({ maxAge: HOUR, ...(isExternal && { store }) }, app))
  app.use(ctx => {
    if (ctx.path === '/login')
      Object.assign(ctx['session'] as object, { user: userOf(ctx.url), cart: ['té'] })
    ctx.body = { user: null, ...(ctx['session'] as { toJSON(): object }).toJSON() }
  })
  return {
    name: isExternal ? 'koa-session with a store' : 'koa-session',
    cookies: ['koa.sess', 'koa.sess.sig'],
    listener: app.callback(),
    adopter: ({ secrets = [OTHER, SECRET], ...options } = {}) =>
      adopt.koaSession({ keys: secrets, ...(isExternal && { store }), ...options }),
    calls,
    life: HOUR,
    revoke: isExternal ? () => records.clear() : undefined,
  }
}

export function ironApp(): OldApp {
  const listener: RequestListener = async (req, res) => {
    const session = await getIronSession(req, res, {
      cookieName: 'app',
      password: { 1: SECRET },
      ttl: HOUR / 1000,
      cookieOptions: { secure: false },
    })
    if (req.url?.startsWith('/login')) {
      Object.assign(session, { user: userOf(req.url), cart: ['té'] })
      await session.save()
    }
    res.end(JSON.stringify({ user: null, ...session }))
  }
  return {
    name: 'iron-session',
    cookies: ['app'],
    listener,
    adopter: ({ secrets = [SECRET, OTHER], ...options } = {}) =>
      adopt.ironSession({
        name: 'app',
        password: Object.fromEntries(secrets.map((secret, index) => [String(index + 1), secret])),
        ...options,
      }),
    calls: [],
    // It allows a minute of difference between clocks.
    life: HOUR + 60_000,
    revoke: undefined,
  }
}

const PYTHON = process.env['PYTHON_DJANGO'] ?? '/usr/bin/python3'

export function hasDjango(): boolean {
  if (spawnSync(PYTHON, ['-c', 'import django']).status === 0) return true
  const problem = `${PYTHON} has no Django: apt-get install python3-django, or say where it is in PYTHON_DJANGO`
  if (process.env['SESS_REQUIRE_SERVERS'] === '1') throw new Error(problem)
  console.warn(`SKIPPED, sessions of a real Django: ${problem}`)
  return false
}

const DJANGO = `
import json, sys
from django.conf import settings
settings.configure(SECRET_KEY=sys.argv[1], USE_TZ=True, SESSION_COOKIE_AGE=3600)
import django
django.setup()
from django.contrib.sessions.backends.signed_cookies import SessionStore
for line in sys.stdin:
    op, value = json.loads(line)
    if op == "login":
        session = SessionStore(None)
        session.update({"user": value, "cart": ["té"], "_auth_user_id": "7"})
        session.save()
        print(session.session_key, flush=True)
    else:
        print(json.dumps({"user": None, **dict(SessionStore(value).items())}), flush=True)
`

/** One process for all requests, which writes one line for each. It ends with its input. */
function djangoProcess(): { ask(op: string, value: string): Promise<string>; stop(): void } {
  const peer = spawn(PYTHON, ['-c', DJANGO, SECRET], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]()
  return {
    async ask(op, value) {
      peer.stdin.write(`${JSON.stringify([op, value])}\n`)
      const { value: line, done } = await lines.next()
      if (done) throw new Error('Django ended; see the error above.')
      return line
    },
    stop: () => peer.stdin.end(),
  }
}

/** Django's SessionStore behind a few lines of HTTP: its own middleware does no more with these cookies. */
export function djangoApp(): OldApp {
  let peer: ReturnType<typeof djangoProcess> | undefined
  const listener: RequestListener = async (req, res) => {
    peer ??= djangoProcess()
    if (req.url?.startsWith('/login')) {
      res.setHeader('set-cookie', `sessionid=${await peer.ask('login', userOf(req.url))}; Path=/`)
      res.end('ok')
      return
    }
    const value = /sessionid=([^;]*)/.exec(req.headers.cookie ?? '')?.[1] ?? ''
    res.end(await peer.ask('me', value))
  }
  return {
    name: 'Django signed_cookies',
    cookies: ['sessionid'],
    listener,
    adopter: ({ secrets = [OTHER, SECRET], ...options } = {}) =>
      adopt.djangoSignedCookies({ secret: secrets, age: 3600, ...options }),
    calls: [],
    life: HOUR,
    revoke: undefined,
    stop: () => peer?.stop(),
  }
}
