import { randomBytes } from 'node:crypto'
import { createSessions } from '@sess/core'
import { redisCommand, requireServer, type Server, startRedis } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { redisStore } from '../src/index.ts'
import { type Opened, standaloneClients } from './clients.ts'

/** What a request costs, from the cookie to the committed answer, as Redis itself counts it. */
describe.skipIf(!requireServer('redis')).each(standaloneClients)(
  'round trips of a request, with $name',
  ({ open }) => {
    let server: Server
    let opened: Opened
    beforeAll(async () => {
      server = await startRedis()
      opened = await open(server)
    })
    afterAll(async () => {
      opened?.close()
      await server?.stop()
    })

    /** Commands that came over the network since the counters were reset: those within scripts have other names. */
    async function cost(request: () => Promise<unknown>): Promise<Record<string, number>> {
      await redisCommand(server.port, 'CONFIG', 'RESETSTAT')
      await request()
      const counted: Record<string, number> = {}
      const stats = await redisCommand(server.port, 'INFO', 'commandstats')
      for (const [, name, calls] of stats.matchAll(/cmdstat_(get|evalsha|eval|zrem|scan):calls=(\d+)/g)) {
        counted[name!] = Number(calls)
      }
      return counted
    }

    const visit = async (cookie: string, handler: (session: ReturnType<typeof sessions.open>) => unknown) => {
      const session = sessions.open(cookie)
      await session.load()
      await handler(session)
      await sessions.commit(session, { status: 200 })
      return `sessionid=${session.sessionKey}`
    }
    let sessions: ReturnType<typeof createSessions<{ user: string; count: number }>>
    let cookie: string
    beforeEach(async () => {
      sessions = createSessions({ store: redisStore(opened.client) })
      cookie = await visit('', session => session.set('user', 'ann'))
      // Each script once, so that the server knows it.
      await visit(cookie, session => session.set('count', 1))
      const other = await visit('', session => session.set('user', 'bob'))
      await visit(other, session => session.flush())
    })

    it('one that only reads is one', async () => {
      expect(await cost(() => visit(cookie, session => session.get('user')))).toEqual({ get: 1 })
    })

    it('one that writes is two: a read and a write', async () => {
      const write = () => visit(cookie, session => session.update('count', (count = 0) => count + 1))
      expect(await cost(write)).toEqual({ get: 1, evalsha: 1 })
    })

    it('a login is three: the read, the new record, the marker in the old one’s place', async () => {
      expect(await cost(() => visit(cookie, session => session.cycleKey()))).toEqual({ get: 1, evalsha: 2 })
    })

    it('a logout is two: the read, and the removal at the version read', async () => {
      expect(await cost(() => visit(cookie, session => session.flush()))).toEqual({ get: 1, evalsha: 1 })
    })

    it('a session written ten times a second carries what a resend can need of its past, and no more [F5]', async () => {
      const store = redisStore(opened.client, { subjects: false })
      const id = randomBytes(20).toString('hex')
      const start = Date.now()
      const record = { payload: 'x'.repeat(200), expiresAt: start + 3_600_000 }
      await store.insert(id, record, { now: start })
      const write = async (now: number) => {
        const { version } = (await store.read(id, { now }))!
        expect(await store.replace(id, record, version, { now })).toBe('ok')
      }
      const bytes = async () => Number(await redisCommand(server.port, 'STRLEN', `sess2:${id}`))
      const quiet = await bytes()
      expect(quiet).toBeLessThan(240)
      for (let n = 1; n <= 150; n++) await write(start + n * 100)
      const busy = await bytes()
      console.info(`a read moves ${quiet} bytes, and ${busy} after 15 s of ten writes a second`)
      // All writes of the last 5 seconds, which is how long an engine waits for an answer by default.
      expect(busy - quiet).toBeGreaterThan(5 * 10 * 10)
      expect(busy - quiet).toBeLessThanOrEqual(800)
      // A minute later the past is over, but for the write that the next one replaced.
      await write(start + 75_000)
      expect((await bytes()) - quiet).toBe(10)
      // 1,000 writes in one second: as much as there is room for.
      for (let n = 0; n < 1_000; n++) await write(start + 80_000)
      expect((await bytes()) - quiet).toBeLessThanOrEqual(2_000)
    })

    it('one without a cookie that writes nothing, and one that leaves the session alone, are none [I4]', async () => {
      expect(await cost(() => visit('', session => session.get('user')))).toEqual({})
      expect(await cost(async () => sessions.commit(sessions.open(cookie), { status: 200 }))).toEqual({})
    })
  },
)
