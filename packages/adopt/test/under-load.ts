import { createSessions } from '@sess/core'
import { session } from '@sess/express'
import facadeSession from '@sess/express-session'
import { redisStore } from '@sess/store-redis'
import { type Running, serve } from '@sess/test-fixtures/http.ts'
import { RedisStore } from 'connect-redis'
import express from 'express'
import expressSession from 'express-session'
import { createClient } from 'redis'
import { expressSession as adoptExpressSession } from '../src/index.ts'

// An app on express-session and connect-redis is replaced by two processes' worth of Sess while its visitors send requests.

const SECRET = 'the-secret-of-the-old-app-0123456789'

export interface LoadOptions {
  redisUrl: string
  visitors: number
  /** So many visitors send requests at the same time, three each. */
  concurrency: number
  /** The option `keep` of the adopter. */
  keep?: boolean
  /** Replace it by `@sess/express-session` on the same store, instead of `@sess/express` with `adopt`. */
  facade?: boolean
}

/** What is wrong, in words, and what was counted. Nothing is wrong if `problems` is empty. */
export interface LoadReport {
  problems: string[]
  requests: { old: number; new: number }
  sessions: number
  oldRecords: number
  /** Milliseconds between the last response of the old app and the first of the new one. */
  pause: number
  /** Visitors who are logged in after the old app has taken over again, where that is possible. */
  loggedInAfterRollback?: number
}

/** A browser: its cookies, and what it was told was saved. */
interface Visitor {
  name: string
  cookies: Map<string, string>
  saved: string[]
  /** Its session was ended on the old server before the change. */
  isRevoked: boolean
}

export async function replaceUnderLoad(options: LoadOptions): Promise<LoadReport> {
  const { redisUrl, visitors: count, concurrency, keep = false, facade = false } = options
  const client = clientOf(redisUrl)
  await client.connect()
  const report: LoadReport = {
    problems: [],
    requests: { old: 0, new: 0 },
    sessions: 0,
    oldRecords: 0,
    pause: 0,
  }
  const complain = (problem: string): void => {
    if (report.problems.length < 20) report.problems.push(problem)
  }
  const oldApp = await serve(oldListener(client))
  // Two engines that share nothing but Redis, as two processes do.
  const newApps = [await serve(newListener(client, keep)), await serve(newListener(client, keep))]
  // A store for express-session has no versions, so only one process can merge.
  if (facade) newApps.push(await serve(facadeListener(client)))

  let where: 'old' | 'new' = 'old'
  let isOpen = Promise.resolve()
  let underWay = 0
  let turn = 0
  const send = async (visitor: Visitor, path: string): Promise<{ user: string | null; keys: string[] }> => {
    await isOpen
    const at = where
    report.requests[at]++
    underWay++
    const url = at === 'old' ? oldApp.url : newApps[facade ? 2 : turn++ % 2]!.url
    const cookie = [...visitor.cookies].map(pair => pair.join('=')).join('; ')
    const response = await fetch(url + path, { headers: { cookie } })
    keepCookies(visitor, response.headers.getSetCookie())
    const text = await response.text()
    underWay--
    if (response.status !== 200) complain(`${path} of ${visitor.name}: ${response.status} ${text}`)
    return response.status === 200 ? JSON.parse(text) : { user: null, keys: [] }
  }

  /** The old app ends what it has begun before the new one takes requests, as in a deployment that drains. */
  const change = async (to: 'old' | 'new'): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    isOpen = promise
    const started = performance.now()
    while (underWay > 0) await new Promise(done => setTimeout(done, 1))
    where = to
    report.pause = Math.round(performance.now() - started)
    resolve()
  }

  try {
    const visitors = Array.from({ length: count }, (_, index): Visitor => {
      return { name: `visitor-${index}`, cookies: new Map(), saved: [], isRevoked: index % 50 === 49 }
    })
    await eachOf(visitors, concurrency, async visitor => {
      await send(visitor, `/login/${visitor.name}`)
      const [id] = /s%3A([^.]+)/.exec(visitor.cookies.get('connect.sid') ?? '')?.slice(1) ?? []
      if (visitor.isRevoked) await client.del(`sess:${id}`)
    })

    let done = 0
    let changing: Promise<void> | undefined
    await eachOf(visitors, concurrency, async visitor => {
      if (++done > count / 3) changing ??= change('new')
      const expected = visitor.isRevoked ? null : visitor.name
      for (let round = 0; round < 3; round++) {
        await Promise.all(
          [0, 1, 2].map(async part => {
            // The old app would lose one of two parallel changes, so there they only read.
            const key = `key-${round}-${part}`
            const isNew = where === 'new' && !visitor.isRevoked
            const { user } = await send(visitor, isNew ? `/add/${key}` : '/me')
            if (user !== expected) complain(`${visitor.name} is ${user} in round ${round}`)
            if (isNew) visitor.saved.push(key)
          }),
        )
      }
    })
    await changing

    await eachOf(visitors, concurrency, async visitor => {
      const { user, keys } = await send(visitor, '/me')
      const { name, saved, isRevoked, cookies } = visitor
      if (user !== (isRevoked ? null : name)) complain(`${name} is ${user} in the end`)
      const lost = isRevoked ? [] : ['first', ...saved].filter(key => !keys.includes(key))
      if (lost.length > 0) complain(`${name} has lost ${lost}`)
      const names = [...cookies.keys()].sort().join()
      const wanted = isRevoked ? '' : facade ? 'connect.sid' : keep ? 'connect.sid,sessionid' : 'sessionid'
      if (names !== wanted && !(isRevoked && (keep || facade))) complain(`${name} has the cookies ${names}`)
    })

    const live = visitors.filter(({ isRevoked }) => !isRevoked).length
    report.oldRecords = await countKeys(client, 'sess:*')
    report.sessions = await countSessions(client)
    if (report.sessions !== (facade ? 0 : live)) complain(`${report.sessions} sessions for ${live} visitors`)
    if (report.oldRecords !== (keep || facade ? live : 0)) complain(`${report.oldRecords} old records`)

    if (keep || facade) {
      await change('old')
      let loggedIn = 0
      await eachOf(visitors, concurrency, async visitor => {
        const { user } = await send(visitor, '/me')
        if (user === visitor.name) loggedIn++
      })
      report.loggedInAfterRollback = loggedIn
      if (loggedIn !== live) complain(`${loggedIn} of ${live} are logged in after the rollback`)
    }
    return report
  } finally {
    await Promise.all([oldApp, ...newApps].map((server: Running) => server.stop()))
    await client.close()
  }
}

type Redis = ReturnType<typeof clientOf>

function clientOf(url: string) {
  return createClient({ url })
}

function oldListener(client: Redis) {
  const app = express()
  const store = new RedisStore({ client })
  app.use(expressSession({ store, secret: SECRET, resave: false, saveUninitialized: false }))
  const dataOf = (req: unknown): Record<string, unknown> =>
    (req as { session: Record<string, unknown> }).session
  app.get('/login/:user', (req, res) => {
    Object.assign(dataOf(req), { user: req.params.user, first: true })
    res.json({ user: req.params.user, keys: [] })
  })
  app.get('/me', (req, res) => {
    res.json({ user: dataOf(req)['user'] ?? null, keys: Object.keys(dataOf(req)) })
  })
  return app
}

function facadeListener(client: Redis) {
  const app = express()
  const store = new RedisStore({ client })
  app.use(facadeSession({ store, secret: SECRET, resave: false, saveUninitialized: false }))
  const dataOf = (req: unknown): Record<string, unknown> =>
    (req as { session: Record<string, unknown> }).session
  app.get('/me', (req, res) => {
    res.json({ user: dataOf(req)['user'] ?? null, keys: Object.keys(dataOf(req)) })
  })
  app.get('/add/:key', (req, res) => {
    dataOf(req)[req.params.key] = true
    res.json({ user: dataOf(req)['user'] ?? null, keys: [] })
  })
  return app
}

function newListener(client: Redis, keep: boolean) {
  const sessions = createSessions<Record<string, unknown>>({
    store: redisStore(client as never),
    adopt: [adoptExpressSession({ store: new RedisStore({ client }), secret: SECRET, keep })],
  })
  const app = express()
  app.use(session(sessions))
  app.get('/me', (req, res) => {
    const data = req.session.toJSON() as Record<string, unknown>
    res.json({ user: data['user'] ?? null, keys: Object.keys(data) })
  })
  app.get('/add/:key', (req, res) => {
    const at = req.session as unknown as { get(key: string): unknown; set(key: string, value: unknown): void }
    at.set(req.params.key, true)
    res.json({ user: at.get('user') ?? null, keys: [] })
  })
  return app
}

function keepCookies(visitor: Visitor, lines: string[]): void {
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) visitor.cookies.delete(name)
    else visitor.cookies.set(name, value)
  }
}

async function eachOf<T>(
  items: readonly T[],
  concurrency: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) await run(item)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

async function countKeys(client: Redis, pattern: string): Promise<number> {
  const keys = new Set<string>()
  for await (const found of client.scanIterator({ MATCH: pattern, COUNT: 1000 })) {
    for (const key of [found].flat()) keys.add(key)
  }
  return keys.size
}

/** Live sessions of Sess, without the markers that claim old ones. */
async function countSessions(client: Redis): Promise<number> {
  let sessions = 0
  const seen = new Set<string>()
  for await (const entry of redisStore(client as never).scan!()) {
    if (seen.has(entry.id) || entry.payload.includes('_session_superseded')) continue
    seen.add(entry.id)
    sessions++
  }
  return sessions
}
