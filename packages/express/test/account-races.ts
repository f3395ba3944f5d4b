import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSessions, type Session, type Sessions, type SessionsOptions, type Store } from '@sess/core'
import { type OpenStore, openStore } from '@sess/test-fixtures/probe-stores.ts'
import { startPostgres, startRedis } from '@sess/test-fixtures/servers'

/** Two connections to one backend, as two processes have them. */
export interface Pair extends AsyncDisposable {
  stores: [Store, Store]
}

type Backend = 'sqlite' | 'postgres' | 'redis'

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

/** One request. Returns the cookie that the browser has afterwards. */
async function request(
  sessions: Sessions,
  cookie: string,
  handle: (session: Session) => unknown,
): Promise<string> {
  try {
    const session = sessions.open(cookie)
    await session.load()
    await handle(session)
    const { setCookies } = await sessions.commit(session, { status: 200 })
    return /^sessionid=[^;]+/.exec(setCookies[0] ?? '')?.[0] ?? cookie
  } catch (error) {
    if (!EXPECTED.includes((error as { code: string }).code)) throw error
    return cookie
  }
}

async function subjectOf(sessions: Sessions, cookie: string): Promise<string | null> {
  const session = sessions.open(cookie)
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

function engines(stores: [Store, Store], options: Omit<SessionsOptions, 'store'>): [Sessions, Sessions] {
  return stores.map(store => createSessions({ ...options, store })) as [Sessions, Sessions]
}

export const RACES: Record<string, Race> = {
  "two logins at the limit, with then: 'end-oldest'": twoLogins('end-oldest'),
  "two logins at the limit, with then: 'refuse'": twoLogins('refuse'),
  'a device that is ended while it works': endedDevice,
  'a rotated key that is used while its owner works': reusedKey,
}
