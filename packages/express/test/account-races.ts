import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CommitResult,
  createSessions,
  type OpenOptions,
  type Session,
  type Sessions,
  type SessionsOptions,
  type Store,
} from '@sess/core'
import { type OpenStore, openStore } from '@sess/test-fixtures/probe-stores.ts'
import { startPostgres, startRedis } from '@sess/test-fixtures/servers'

/** Two connections to one backend, as two processes have them. */
export interface Pair extends AsyncDisposable {
  stores: [Store, Store]
}

export type Backend = 'sqlite' | 'postgres' | 'redis'

/** Starts a backend, and opens it twice. */
export async function openPair(backend: Backend): Promise<Pair> {
  const ends: (() => unknown)[] = []
  if (backend === 'sqlite') {
    const folder = await mkdtemp(join(tmpdir(), 'sess-races-'))
    ends.push(() => rm(folder, { recursive: true }))
    process.env['SQLITE_URL'] = join(folder, 'sessions.db')
  } else {
    const server = await (backend === 'postgres' ? startPostgres() : startRedis())
    ends.push(() => server.stop())
    process.env[backend === 'postgres' ? 'POSTGRES_URL' : 'REDIS_URL'] = server.url
  }
  const opened: OpenStore[] = []
  for (let n = 0; n < 2; n++) opened.push(await openStore(backend))
  ends.push(...opened.map(({ close }) => close))
  return {
    stores: opened.map(({ store }) => store) as [Store, Store],
    async [Symbol.asyncDispose]() {
      for (const end of ends.reverse()) await end()
    },
  }
}

/** A race: it makes what it needs, lets two requests overlap, and returns what is wrong afterwards. */
type Race = (stores: [Store, Store], loops: number) => Promise<string[]>

/** Loops that run side by side. Each has a subject of its own. */
const AT_ONCE = 16

async function batches(loops: number, run: (subjects: string[]) => Promise<string[]>): Promise<string[]> {
  const wrong: string[] = []
  for (let first = 0; first < loops; first += AT_ONCE) {
    const subjects = Array.from({ length: Math.min(AT_ONCE, loops - first) }, () => crypto.randomUUID())
    wrong.push(...(await run(subjects)))
  }
  return wrong
}

const EXPECTED = ['SESSION_INTERRUPTED', 'SESSION_LIMIT']

/** One request. Returns what the response has for the client; nothing, if the request failed as it may. */
async function exchange(
  sessions: Sessions,
  cookie: string,
  handle: (session: Session) => unknown,
  options?: OpenOptions,
): Promise<Pick<CommitResult, 'setCookies' | 'headers'>> {
  try {
    const session = sessions.open(cookie, options)
    await session.load()
    await handle(session)
    return await sessions.commit(session, { status: 200 })
  } catch (error) {
    if (!EXPECTED.includes((error as { code: string }).code)) throw error
    return { setCookies: [] }
  }
}

/** One request. Returns the cookie that the browser has afterwards. */
async function request(...args: Parameters<typeof exchange>): Promise<string> {
  const [, cookie] = args
  return cookieAfter(cookie, await exchange(...args))
}

function cookieAfter(cookie: string, { setCookies }: Pick<CommitResult, 'setCookies'>): string {
  return /^sessionid=[^;]+/.exec(setCookies[0] ?? '')?.[0] ?? cookie
}

async function subjectOf(sessions: Sessions, cookie: string, options?: OpenOptions): Promise<string | null> {
  const session = sessions.open(cookie, options)
  await session.load()
  return session.subject
}

const login = (subject: string) => (session: Session) => {
  session.cycleKey()
  session.subject = subject
}

const twoLogins =
  (then: 'end-oldest' | 'refuse'): Race =>
  (stores, loops) => {
    const [one, other] = engines(stores, { maxSessions: { count: 2, then }, timeout: 30_000 })
    return batches(loops, async subjects => {
      const outcomes = subjects.map(async (subject, n) => {
        const first = await request(one, '', login(subject))
        const visitors = [
          await request(one, '', session => session.set('cart', 1)),
          await request(one, '', session => session.set('cart', 1)),
        ] as const
        await Promise.all([
          request(one, visitors[0], login(subject)),
          request(other, visitors[1], login(subject)),
          // Every other time the session that is there gets a new key at that moment.
          n % 2 ? request(other, first, session => session.cycleKey()) : undefined,
        ])
        const left = await one.list(subject)
        return left.length === 2 ? [] : [`${left.length} sessions, the limit is 2`]
      })
      return (await Promise.all(outcomes)).flat()
    })
  }

const acts: ((session: Session) => unknown)[] = [
  session => session.update('n', (n = 0) => n + 1),
  session => session.cycleKey(),
  session => session.subject && session.reauthenticated(),
  session => {
    session.update('n', (n = 0) => n + 1)
    return session.save()
  },
]

const endedDevice: Race = (stores, loops) => {
  const [one, other] = engines(stores, { saveEveryRequest: true, timeout: 30_000 })
  return batches(loops, async subjects => {
    const outcomes = subjects.map(async (subject, n) => {
      const before = await request(one, '', login(subject))
      const [{ id } = { id: '' }] = await one.list(subject)
      const [after, ended] = await Promise.all([
        request(one, before, acts[n % acts.length]!),
        other.end(id, { subject }),
      ])
      const answers = await Promise.all([before, after].map(cookie => subjectOf(one, cookie)))
      const left = await other.list(subject)
      const wrong = ended ? [] : ['end() found no session']
      if (answers.includes(subject)) wrong.push('the ended device answers')
      if (left.length > 0) wrong.push('the ended device is listed')
      return wrong
    })
    return (await Promise.all(outcomes)).flat()
  })
}

const reusedKey: Race = (stores, loops) => {
  const reported: (string | undefined)[] = []
  let late = 0
  const [one, other] = engines(stores, {
    reuse: 'end-all',
    timeout: 30_000,
    clock: () => Date.now() + late,
    hooks: { reused: ({ subject }) => void reported.push(subject) },
  })
  return batches(loops, async subjects => {
    late = 0
    const owners = await Promise.all(
      subjects.map(async subject => {
        const stolen = await request(one, '', login(subject))
        const own = await request(one, stolen, session => session.cycleKey())
        return { subject, stolen, own }
      }),
    )
    late = 31_000
    const outcomes = owners.map(async ({ subject, stolen, own }, n) => {
      const [after] = await Promise.all([
        request(one, own, acts[n % acts.length]!),
        request(other, stolen, session => session.get('n')),
      ])
      const answers = await Promise.all([own, after].map(cookie => subjectOf(one, cookie)))
      const wrong = reported.includes(subject) ? [] : ['the reuse was not reported']
      if (answers.includes(subject)) wrong.push('the family lives on')
      return wrong
    })
    return (await Promise.all(outcomes)).flat()
  })
}

const HEADER = 'x-session'

/** The header of a client without a cookie jar. Its key changes with a response that has a new one. */
const carried = (key: string): OpenOptions => ({ header: name => (name === HEADER ? key : null) })
const WITHOUT: OpenOptions = { header: () => null }

const carriers: Race = (stores, loops) => {
  const [one, other] = engines(stores, {
    carrier: { header: HEADER, cookie: true },
    saveEveryRequest: true,
    timeout: 30_000,
  })
  return batches(loops, async subjects => {
    const outcomes = subjects.map(async (subject, n) => {
      const byHeader: Exchanged[] = [await exchange(one, '', login(`${subject} app`), carried('new'))]
      const byCookie: Exchanged[] = [await exchange(one, '', login(`${subject} browser`), WITHOUT)]
      const key = byHeader[0]!.headers?.[HEADER] ?? ''
      const cookie = cookieAfter('', byCookie[0]!)
      const act = acts[n % acts.length]!
      // The app sends the browser's cookie too, as a client with a jar would.
      const [first, second, third] = await Promise.all([
        exchange(one, cookie, act, carried(key)),
        exchange(other, cookie, acts[(n + 1) % acts.length]!, carried(key)),
        exchange(other, cookie, act, WITHOUT),
      ])
      byHeader.push(first, second)
      byCookie.push(third)
      const wrong: string[] = []
      if (byHeader.some(({ setCookies }) => setCookies.length > 0))
        wrong.push('a header session got a cookie')
      if (byCookie.some(({ headers }) => headers && HEADER in headers))
        wrong.push('a cookie session got a header')
      const keys = [key, ...byHeader.map(({ headers }) => headers?.[HEADER] ?? key)]
      const apps = await Promise.all(keys.map(key => subjectOf(one, cookie, carried(key))))
      if (!apps.includes(`${subject} app`)) wrong.push('the app is logged out')
      if (apps.some(who => who !== null && who !== `${subject} app`))
        wrong.push("the header opens the cookie's session")
      const browser = await subjectOf(one, cookieAfter(cookie, third), WITHOUT)
      if (browser !== `${subject} browser`) wrong.push(`the cookie opens the session of ${browser}`)
      return wrong
    })
    return (await Promise.all(outcomes)).flat()
  })
}

type Exchanged = Awaited<ReturnType<typeof exchange>>

const tenants: Race = (stores, loops) => {
  const [one, other] = engines(stores, {
    cookie: { byRequest: (tenant: string) => ({ isolate: tenant }) },
    saveEveryRequest: true,
    timeout: 30_000,
  })
  const [a, b] = [{ request: 'a' }, { request: 'b' }]
  return batches(loops, async subjects => {
    const outcomes = subjects.map(async (subject, n) => {
      const wrong: string[] = []
      const stranger = (session: Session): void => {
        if (session.subject !== null || !session.isEmpty) wrong.push("tenant b opens tenant a's session")
      }
      const before = await request(one, '', login(subject), a)
      const [after, planted] = await Promise.all([
        request(one, before, acts[n % acts.length]!, a),
        // At b the key is nothing, so a write there begins a session of its own.
        request(
          other,
          before,
          session => {
            stranger(session)
            session.set('n', -1)
            if (n % 2) login(`${subject} at b`)(session)
          },
          b,
        ),
        request(
          other,
          before,
          session => {
            stranger(session)
            session.flush()
          },
          b,
        ),
      ])
      await Promise.all([before, after].map(cookie => request(other, cookie, stranger, b)))
      await request(one, planted, stranger, a)
      if (planted === before) wrong.push('tenant b kept the key of tenant a')
      if ((await subjectOf(one, after, a)) !== subject) wrong.push('tenant a lost its session')
      if ((await one.list(subject)).length !== 1)
        wrong.push('there is another session of the user of tenant a')
      return wrong
    })
    return (await Promise.all(outcomes)).flat()
  })
}

function engines(stores: [Store, Store], options: Omit<SessionsOptions, 'store'>): [Sessions, Sessions] {
  return stores.map(store => createSessions({ ...options, store })) as [Sessions, Sessions]
}

export const RACES: Record<string, Race> = {
  "two logins at the limit, with then: 'end-oldest'": twoLogins('end-oldest'),
  "two logins at the limit, with then: 'refuse'": twoLogins('refuse'),
  'a device that is ended while it works': endedDevice,
  'a rotated key that is used while its owner works': reusedKey,
  'an app by header beside a browser by cookie': carriers,
  'the key of one tenant at another': tenants,
}
