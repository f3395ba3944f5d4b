/** What a request costs, from the cookie to the committed answer, as the server itself counts it. */
import { createSessions } from '@sess/core'
import { requireServer, type Server, startMariadb, startPostgres } from '@sess/test-fixtures/servers'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mysqlStore, postgresStore, type SqlStore } from '../src/index.ts'

interface Engine {
  kind: 'postgres' | 'mariadb'
  start(): Promise<Server>
  open(url: string): SqlStore
  /** A counter of the statements on sessions that the server has executed, on a connection of its own. */
  counter(url: string): Promise<{ statements(): Promise<number>; end(): Promise<void> }>
}

const engines: Engine[] = [
  {
    kind: 'postgres',
    start: () => startPostgres({ config: { shared_preload_libraries: 'pg_stat_statements' } }),
    open: postgresStore,
    async counter(url) {
      const client = new pg.Client(url)
      await client.connect()
      await client.query('create extension pg_stat_statements')
      return {
        async statements() {
          const { rows } = await client.query(
            `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements where query like '%"sessions"%'`,
          )
          return rows[0].calls
        },
        end: () => client.end(),
      }
    },
  },
  {
    kind: 'mariadb',
    start: () => startMariadb(),
    open: mysqlStore,
    async counter(url) {
      const connection = await mysql.createConnection(url)
      return {
        async statements() {
          const [rows] = await connection.query(
            "show global status where variable_name in ('Com_select', 'Com_insert', 'Com_update', 'Com_delete')",
          )
          return (rows as { Value: string }[]).reduce((sum, { Value }) => sum + Number(Value), 0)
        },
        end: () => connection.end(),
      }
    },
  },
]

for (const { kind, start, open, counter } of engines) {
  describe.skipIf(!requireServer(kind))(`round trips of a request on ${kind}`, () => {
    let server: Server
    let store: SqlStore
    let counted: Awaited<ReturnType<Engine['counter']>>
    let sessions: ReturnType<typeof createSessions<{ user: string; count: number }>>
    let cookie: string
    beforeAll(async () => {
      server = await start()
      store = open(server.url)
      await store.migrate()
      counted = await counter(server.url)
      sessions = createSessions({ store })
      cookie = await visit('', session => session.set('user', 'ann'))
    })
    afterAll(async () => {
      await counted?.end()
      await store?.close()
      await server?.stop()
    })

    async function visit(cookie: string, handler: (session: ReturnType<typeof sessions.open>) => unknown) {
      const session = sessions.open(cookie)
      await session.load()
      await handler(session)
      await sessions.commit(session, { status: 200 })
      return `sessionid=${session.sessionKey}`
    }
    async function cost(request: () => Promise<unknown>): Promise<number> {
      const before = await counted.statements()
      await request()
      return (await counted.statements()) - before
    }

    test('one that only reads is one', async () => {
      expect(await cost(() => visit(cookie, session => session.get('user')))).toBe(1)
    })

    test('one that writes is two, and two when it writes the same again', async () => {
      const write = () => visit(cookie, session => session.update('count', (count = 0) => count + 1))
      expect(await cost(write)).toBe(2)
      expect(await cost(() => visit(cookie, session => session.set('user', 'ann')))).toBe(2)
    })

    test('a session is made by one', async () => {
      expect(await cost(() => visit('', session => session.set('user', 'bob')))).toBe(1)
    })

    test('one without a cookie that writes nothing, and one that leaves the session alone, are none [I4]', async () => {
      expect(await cost(() => visit('', session => session.get('user')))).toBe(0)
      expect(await cost(async () => sessions.commit(sessions.open(cookie), { status: 200 }))).toBe(0)
    })
  })
}
