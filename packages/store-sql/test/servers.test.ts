/** What PostgreSQL and MariaDB have to say to the same questions. */
import { createSessions } from '@sess/core'
import ddl from '@sess/test-fixtures/django/ddl.json' with { type: 'json' }
import { requireServer, type Server, startMariadb, startPostgres } from '@sess/test-fixtures/servers'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { mysqlStore, postgresStore, type SqlStore, type TableOptions } from '../src/index.ts'
import { start } from './processes/run.ts'

const ID = 'a'.repeat(40)
const TIMED_OUT = expect.objectContaining({ name: 'TimeoutError' })
const later = () => Date.now() + 3_600_000

interface Bench {
  kind: 'postgres' | 'mariadb'
  engine: 'postgres' | 'mysql'
  start(): Promise<Server>
  open(url: string, options?: TableOptions): SqlStore
  /** Makes Django's table of `ddl.json`, with its rows. */
  django: string[]
  /** The columns as `ddl.json` tells them. */
  catalog(db: Database, table: string): Promise<unknown[][]>
  djangoColumns: unknown[][]
  /** Selects the statements that wait for a lock. */
  waiting: string
  /** How many statements the server has executed. */
  statements(db: Database): Promise<number>
}

type Database = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>

function insertRows(rows: { session_key: string; session_data: string; expire_date_text: string }[]): string {
  const values = rows.map(row => `('${row.session_key}', '${row.session_data}', '${row.expire_date_text}')`)
  return `insert into django_session values ${values.join(', ')}`
}

const values = (rows: Record<string, unknown>[]) => rows.map(row => Object.values(row))

const benches: Bench[] = [
  {
    kind: 'postgres',
    engine: 'postgres',
    start: () =>
      startPostgres({
        config: { shared_preload_libraries: 'pg_stat_statements', timezone: 'America/New_York' },
      }),
    open: postgresStore,
    waiting: `select 1 from pg_stat_activity where wait_event_type = 'Lock'`,
    django: [
      ...ddl.postgresql.sqlmigrate.filter(statement => statement.startsWith('CREATE')),
      insertRows(ddl.postgresql.rows),
    ],
    djangoColumns: ddl.postgresql.columns,
    catalog: async (db, table) =>
      values(
        await db(
          `select column_name, udt_name, character_maximum_length, is_nullable, column_default
           from information_schema.columns where table_name = $1 order by ordinal_position`,
          [table],
        ),
      ),
    async statements(db) {
      await db('create extension if not exists pg_stat_statements')
      const [row] = await db(
        `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements where query like '%"sessions"%'`,
      )
      return row?.['calls'] as number
    },
  },
  {
    kind: 'mariadb',
    engine: 'mysql',
    start: () => startMariadb({ config: { 'default-time-zone': '-05:00' } }),
    open: mysqlStore,
    waiting: `select 1 from information_schema.innodb_trx where trx_state = 'LOCK WAIT'`,
    django: [ddl.mysql.show_create.join('\n'), insertRows(ddl.mysql.rows)],
    djangoColumns: ddl.mysql.columns,
    catalog: async (db, table) =>
      values(
        await db(
          `select column_name, column_type, is_nullable, column_default, column_key
           from information_schema.columns where table_name = ? order by ordinal_position`,
          [table],
        ),
      ),
    async statements(db) {
      const rows = await db(
        "show global status where variable_name in ('Com_select', 'Com_insert', 'Com_update', 'Com_delete')",
      )
      return rows.reduce((sum, row) => sum + Number(row['Value']), 0)
    },
  },
]

for (const bench of benches) {
  describe.skipIf(!requireServer(bench.kind))(bench.kind, () => {
    let server: Server
    let db: Database
    let closeDb: () => Promise<void>
    let store: SqlStore

    beforeAll(async () => {
      server = await bench.start()
      if (bench.engine === 'postgres') {
        const pool = new pg.Pool({ connectionString: server.url })
        // The server is killed here, and this is the application's to hear.
        pool.on('error', () => undefined)
        db = async (sql, values) => (await pool.query(sql, values)).rows
        closeDb = () => pool.end()
      } else {
        const pool = mysql.createPool({ uri: server.url, multipleStatements: true })
        db = async (sql, values) => (await pool.query(sql, values))[0] as Record<string, unknown>[]
        closeDb = () => pool.end()
      }
      store = bench.open(server.url)
    })
    afterAll(async () => {
      await store?.close()
      await closeDb?.()
      await server?.stop()
    })

    test('a missing table is an error that says what to do, never "no session" [F10]', async () => {
      const told = {
        code: 'SESSION_STORE',
        message: expect.stringContaining('Run `await store.migrate()` once'),
      }
      await expect(store.read(ID)).rejects.toMatchObject(told)
      await expect(store.insert(ID, { payload: '', expiresAt: later() })).rejects.toMatchObject(told)
      await expect(store.scan().next()).rejects.toMatchObject(told)
    })

    test('migrate() is safe at once in several stores, and twice', async () => {
      const stores = Array.from({ length: 8 }, () => bench.open(server.url))
      await Promise.all(stores.map(each => each.migrate()))
      await stores[0]?.migrate()
      await Promise.all(stores.map(each => each.close()))
      expect(await store.read(ID)).toBe(null)
    })

    test("makes Django's columns, and ours", async () => {
      const columns = await bench.catalog(db, 'sessions')
      expect(columns.slice(0, -1)).toEqual(bench.djangoColumns)
      expect(columns.at(-1)?.[0]).toBe('subject')
    })

    test("uses Django's table as it is, reads Django's rows, and upgrades it when asked", async () => {
      for (const statement of bench.django) await db(statement)
      const before = await bench.catalog(db, 'django_session')
      const asIs = bench.open(server.url, { table: 'django_session', subject: false })
      await asIs.migrate()
      expect(await bench.catalog(db, 'django_session')).toEqual(before)
      const context = { now: ddl.now * 1000 }
      const expiries = []
      for (const { session_key } of ddl.sqlite.rows)
        expiries.push((await asIs.read(session_key, context))?.expiresAt)
      expect(expiries).toEqual([
        Date.UTC(2023, 10, 28, 22, 13, 20),
        Date.UTC(2023, 10, 28, 22, 13, 20, 124),
        Date.UTC(2023, 10, 14, 22, 14, 20, 500),
      ])
      await asIs.insert(ID, { payload: '{}', expiresAt: later(), subject: 'ann' })
      expect(await asIs.read(ID)).not.toHaveProperty('subject')
      await asIs.close()

      const upgraded = bench.open(server.url, { table: 'django_session' })
      await expect(upgraded.read(ID)).rejects.toMatchObject({
        message: expect.stringContaining('subject: false'),
      })
      await upgraded.migrate()
      expect(await upgraded.read(ID)).toMatchObject({ payload: '{}' })
      await upgraded.close()
    })

    test('writes the instant, whatever the time zone of the server', async () => {
      const expiresAt = Date.UTC(2099, 0, 2, 3, 4, 5, 67)
      await store.insert('t'.repeat(40), { payload: '', expiresAt })
      const text =
        bench.engine === 'postgres' ? "(expire_date at time zone 'UTC')::text" : 'cast(expire_date as char)'
      const [row] = await db(`select ${text} as utc from sessions where session_key like 't%'`)
      expect(String(row?.['utc']).replace(/0+$/, '')).toBe('2099-01-02 03:04:05.067')
      expect(await store.read('t'.repeat(40))).toMatchObject({ expiresAt })
    })

    test('far expiries are kept within the years that the column can hold [F23]', async () => {
      const id = 'f'.repeat(40)
      await store.insert(id, { payload: '', expiresAt: Number.POSITIVE_INFINITY })
      expect(await store.read(id)).toMatchObject({ expiresAt: Date.UTC(9999, 11, 31, 23, 59, 59, 999) })
      expect(await store.touch(id, -1e17, '')).toBe(true)
      expect(await store.read(id)).toBe(null)
    })

    test('a read is one statement, an insert, a replace, a touch and a remove one each', async () => {
      const id = 'c'.repeat(40)
      await store.read(id)
      await store.insert('w'.repeat(40), { payload: '', expiresAt: later() })
      const cost = async (call: () => unknown) => {
        const before = await bench.statements(db)
        // The question itself may count.
        const own = (await bench.statements(db)) - before
        const start = await bench.statements(db)
        await call()
        return (await bench.statements(db)) - start - own
      }
      expect(await cost(() => store.insert(id, { payload: 'one', expiresAt: later() }))).toBe(1)
      expect(await cost(() => store.read(id))).toBe(1)
      expect(await cost(() => store.replace(id, { payload: 'two', expiresAt: later() }, 'one'))).toBe(1)
      expect(await cost(() => store.touch(id, later(), 'two'))).toBe(1)
      expect(await cost(() => store.remove(id, 'two'))).toBe(1)
    })

    test('four processes append to one session, and nothing is lost [F16]', async () => {
      await store.insert(ID, { payload: '[]', expiresAt: later() })
      const processes = ['a', 'b', 'c', 'd'].map(name =>
        start('appender.ts', bench.engine, server.url, ID, name, '25'),
      )
      expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual([0, 0, 0, 0])
      const stored = JSON.parse((await store.read(ID))!.payload) as string[]
      expect(stored.toSorted()).toEqual(processes.flatMap(({ lines }) => lines).toSorted())
      expect(stored).toHaveLength(100)
    })

    test.each(['read committed', 'repeatable read'])(
      'sessions that get new keys while removeBySubject waits for a lock end as well, %s [A24]',
      async isolation => {
        const removing = await isolated(isolation)
        const [slow, fast, rotated] = ['5', '6', '3'].map(digit => digit.repeat(40)) as [
          string,
          string,
          string,
        ]
        const record = { payload: 'a session', expiresAt: later(), subject: 'ann' }
        for (const id of [slow, fast]) await store.insert(id, record)
        await removing.read(fast)
        // Another server is about to save that this session is nobody's any more.
        const other = await transaction(`update sessions set subject = null where session_key = '${slow}'`)
        const removed = removing.removeBySubject!('ann')
        // MariaDB shows what was so at the last look, unless that is more than 100 ms ago.
        const looks = { timeout: 5_000, interval: 200 }
        await vi.waitUntil(async () => (await db(bench.waiting)).length > 0, looks)
        // Meanwhile the other session gets a new key.
        const rotation = (async () => {
          await store.insert(rotated, record)
          const marker = { payload: 'a marker', expiresAt: later() }
          // As the engine does if the session has ended.
          if ((await store.replace(fast, marker, record.payload)) === 'gone') await store.remove(rotated)
        })()
        await Promise.race([rotation, new Promise(resolve => setTimeout(resolve, 300))])
        await other.commit()
        await Promise.all([removed, rotation])
        const left: string[] = []
        for await (const { id } of store.scanBySubject!('ann')) left.push(id)
        for (const id of [slow, fast, rotated]) await store.remove(id)
        expect(left).toEqual([])
      },
    )

    /** A store whose connections have that isolation. */
    async function isolated(isolation: string): Promise<SqlStore> {
      if (bench.engine === 'postgres') {
        const options = `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`
        const pool = new pg.Pool({ connectionString: server.url, options })
        pool.on('error', () => undefined)
        onTestFinished(() => pool.end())
        return postgresStore(pool)
      }
      const pool = mysql.createPool({ uri: server.url, connectionLimit: 1 })
      onTestFinished(() => pool.end())
      await pool.query(`set session transaction isolation level ${isolation}`)
      return mysqlStore(pool)
    }

    /** A transaction that has executed this statement, and holds its locks. */
    async function transaction(sql: string): Promise<{ commit(): Promise<void> }> {
      if (bench.engine === 'postgres') {
        const client = new pg.Client(server.url)
        await client.connect()
        onTestFinished(() => client.end())
        await client.query(`begin; ${sql}`)
        return { commit: async () => void (await client.query('commit')) }
      }
      const connection = await mysql.createConnection(server.url)
      onTestFinished(() => connection.end())
      await connection.query('begin')
      await connection.query(sql)
      return { commit: async () => void (await connection.query('commit')) }
    }

    test('an open pool of ours keeps no process alive [F29]', async () => {
      const child = start('reader.ts', bench.engine, server.url)
      expect(await child.ended).toBe(0)
      expect(child.lines).toEqual(['null'])
    })

    test('with every connection taken, a call ends with its signal and takes none away [F8]', async () => {
      const busy = bench.open(server.url)
      const lock = await lockTable()
      const holders = Array.from({ length: 10 }, (_, n) =>
        busy.insert(String(n).repeat(40), { payload: '', expiresAt: later() }),
      )
      await new Promise(resolve => setTimeout(resolve, 200))
      const signal = AbortSignal.timeout(100)
      await expect(busy.read(ID, { signal })).rejects.toThrow(TIMED_OUT)
      await lock.release()
      expect(await Promise.all(holders)).toEqual(Array(10).fill(true))
      expect(await busy.read(ID)).not.toBe(null)
      await busy.close()
    })

    /** Keeps every write to the table waiting. */
    async function lockTable() {
      let release: () => Promise<void>
      if (bench.engine === 'postgres') {
        const client = new pg.Client(server.url)
        await client.connect()
        await client.query('begin; lock table sessions in access exclusive mode')
        release = () => client.end()
      } else {
        const connection = await mysql.createConnection(server.url)
        await connection.query('lock tables sessions write')
        release = () => connection.end()
      }
      let held = true
      const lock = {
        async release() {
          if (held) await release()
          held = false
        },
      }
      onTestFinished(lock.release)
      return lock
    }

    test('a call that is given up gives its connection up, too', async () => {
      const few = bench.open(server.url)
      const lock = await lockTable()
      // Three times the pool: if an abandoned call kept its connection, the last twenty would find none.
      for (let round = 0; round < 3; round++) {
        const signal = AbortSignal.timeout(100)
        const calls = Array.from({ length: 10 }, () => few.read(ID, { signal }))
        await Promise.all(calls.map(call => expect(call).rejects.toThrow(TIMED_OUT)))
      }
      await lock.release()
      expect(await few.read(ID, { signal: AbortSignal.timeout(3_000) })).not.toBe(null)
      await few.close()
    })

    /** A pool of the application's, whose queries are followed by a computation of `ms`: the answer waits meanwhile. */
    function stallingPool(ms: { now: number }) {
      const stall = <T>(work: T): T => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms.now)
        return work
      }
      let thrownAway = 0
      if (bench.engine === 'postgres') {
        const pool = new pg.Pool({ connectionString: server.url, max: 1 })
        pool.on('error', () => undefined)
        pool.on('remove', () => thrownAway++)
        onTestFinished(() => pool.end())
        pool.on('connect', client => {
          const query = client.query.bind(client) as (...args: unknown[]) => unknown
          client.query = ((...args: unknown[]) => stall(query(...args))) as never
        })
        return { store: postgresStore(pool), thrownAway: () => thrownAway }
      }
      const pool = mysql.createPool({ uri: server.url, connectionLimit: 1 })
      onTestFinished(() => pool.end())
      const wrapped = {
        async getConnection() {
          const connection = await pool.getConnection()
          return {
            execute: (...args: [{ sql: string; rowsAsArray: boolean }, never]) =>
              stall(connection.execute(...args)),
            release: () => connection.release(),
            destroy() {
              thrownAway++
              connection.destroy()
            },
          }
        },
      }
      return { store: mysqlStore(wrapped), thrownAway: () => thrownAway }
    }

    test('a result that arrived while the process stood still wins over the signal, and its connection stays [issue 11, 5]', async () => {
      const stall = { now: 0 }
      const { store: stalled, thrownAway } = stallingPool(stall)
      const id = 's'.repeat(40)
      await stalled.insert(id, { payload: 'there', expiresAt: later() })
      // Prepared, so that the next is one round trip.
      await stalled.read(id)
      stall.now = 150
      expect(await stalled.read(id, { signal: AbortSignal.timeout(50) })).toMatchObject({ payload: 'there' })
      expect(thrownAway()).toBe(0)
    })

    test('requests that keep every connection of a shared pool: the error says so [issue 11]', async () => {
      const uri = server.url
      let shared: SqlStore
      const held: { release(): void }[] = []
      if (bench.engine === 'postgres') {
        const pool = new pg.Pool({ connectionString: uri, max: 2 })
        onTestFinished(() => pool.end())
        shared = postgresStore(pool)
        for (let n = 0; n < 2; n++) held.push(await pool.connect())
      } else {
        const pool = mysql.createPool({ uri, connectionLimit: 2 })
        onTestFinished(() => pool.end())
        shared = mysqlStore(pool)
        for (let n = 0; n < 2; n++) held.push(await pool.getConnection())
      }
      onTestFinished(() => {
        for (const connection of held) connection.release()
      })
      const session = createSessions({ store: shared, timeout: 50 }).open(`sessionid=${'a'.repeat(32)}`)
      await session.load()
      expect(() => session.get('a')).toThrow(
        expect.objectContaining({
          code: 'SESSION_STORE',
          cause: expect.objectContaining({
            message: expect.stringMatching(/^No connection .* pool of its own/),
          }),
        }),
      )
    })

    test('a frozen server ends calls by their signal, and the store works on when the server does [F3]', async () => {
      await store.read(ID)
      await server.kill('SIGSTOP')
      try {
        for (let n = 0; n < 15; n++) {
          const signal = AbortSignal.timeout(50)
          await expect(store.read(ID, { signal })).rejects.toThrow(TIMED_OUT)
        }
      } finally {
        await server.kill('SIGCONT')
      }
      expect(await store.read(ID, { signal: AbortSignal.timeout(3_000) })).not.toBe(null)
    })

    test('a read on a connection that broke while idle is answered by another [F4]', async () => {
      const other = bench.open(server.url)
      await other.read(ID)
      if (bench.engine === 'postgres') {
        await db(
          'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like $1',
          ['%"sessions"%'],
        )
      } else {
        const processes = await db(
          'select id from information_schema.processlist where id <> connection_id()',
        )
        for (const { id } of processes) await db(`kill ${id}`)
      }
      expect(await other.read(ID)).not.toBe(null)
      await other.close()
    })

    if (bench.engine === 'postgres') {
      test('a connection that came back to the pool in a transaction is not used [M4]', async () => {
        const single = new pg.Pool({ connectionString: server.url, max: 1 })
        single.on('error', () => undefined)
        onTestFinished(() => single.end())
        const other = postgresStore(single)
        const id = 'm'.repeat(40)
        await other.insert(id, { payload: '', expiresAt: later() })
        await single.query('begin')
        expect(await other.remove(id)).toBe('ok')
        await single.query('rollback')
        expect(await store.read(id)).toBe(null)
        // One that failed would make every call on it fail.
        await single.query('begin')
        await expect(single.query('select 1/0')).rejects.toThrow()
        expect(await other.read(id)).toBe(null)
      })
    }

    test('SIGKILL under load loses no answered write, fails in time, and the store recovers by itself [F6]', {
      timeout: 60_000,
    }, async () => {
      const ids = ['0', '1', '2', '3'].map(digit => digit.padEnd(40, 'k')) as string[]
      const answered = new Map<string, string>()
      for (const id of ids) {
        await store.insert(id, { payload: '0', expiresAt: later() })
        answered.set(id, '0')
      }
      let running = true
      const failures: { error: unknown; ms: number }[] = []
      const writer = async (id: string) => {
        while (running) {
          const started = performance.now()
          try {
            const signal = AbortSignal.timeout(1_000)
            const version = (await store.read(id, { signal }))!.version
            expect(Number(version)).toBeGreaterThanOrEqual(Number(answered.get(id)))
            const next = String(Number(version) + 1)
            expect(await store.replace(id, { payload: next, expiresAt: later() }, version, { signal })).toBe(
              'ok',
            )
            answered.set(id, next)
          } catch (error) {
            if ((error as Error).name === 'AssertionError') throw error
            failures.push({ error, ms: performance.now() - started })
            await new Promise(resolve => setTimeout(resolve, 20))
          }
        }
      }
      const writers = ids.map(writer)
      for (let round = 0; round < 3; round++) {
        await new Promise(resolve => setTimeout(resolve, 200))
        await server.kill('SIGKILL')
        await new Promise(resolve => setTimeout(resolve, 200))
        await server.restart()
        const restarted = performance.now()
        await expect
          .poll(() => Promise.resolve(store.read(ids[0]!)), { timeout: 5_000, interval: 20 })
          .not.toBe(null)
        expect(performance.now() - restarted).toBeLessThan(5_000)
      }
      running = false
      await Promise.all(writers)
      expect(failures.length).toBeGreaterThan(0)
      for (const { ms } of failures) expect(ms).toBeLessThan(1_600)
      for (const id of ids)
        expect(Number((await store.read(id))?.payload)).toBeGreaterThanOrEqual(Number(answered.get(id)))
    })

    test('close() twice is once, and a closed store rejects [F2]', async () => {
      const other = bench.open(server.url)
      await other.read(ID)
      await other.close()
      await other.close()
      await expect(other.read(ID)).rejects.toThrow('closed')
    })
  })
}

test.each([
  ['postgres', () => postgresStore(undefined as never), 'pool'],
  ['postgres', () => postgresStore('postgres://x', { schema: 'a.b' }), 'schema'],
  ['postgres', () => postgresStore(''), 'pool'],
  ['postgres', () => postgresStore('localhost:5432/db'), 'pool'],
  ['postgres', () => postgresStore('mysql://ann:hunter2@host/db'), 'pool'],
  ['postgres', () => postgresStore('ann:hunter2@host/db'), 'pool'],
  ['mysql', () => mysqlStore({} as never), 'pool'],
  ['mysql', () => mysqlStore(''), 'pool'],
  ['mysql', () => mysqlStore('localhost:3306/db'), 'pool'],
  ['mysql', () => mysqlStore('postgres://ann:hunter2@host/db'), 'pool'],
  ['mysql', () => mysqlStore('mysql://ann:hunter2#@host/db'), 'pool'],
  ['mysql', () => mysqlStore('mysql://x', { table: "x'; --" }), 'table'],
])('%s refuses a wrong option at start-up [C25, F35]', (_, open, option) => {
  expect(open).toThrow(expect.objectContaining({ code: 'CONFIG', option }))
  expect(open).not.toThrow('hunter2')
})

test('every scheme that a driver knows is taken', () => {
  const urls = [
    'postgres://x',
    'postgresql://x',
    'POSTGRES://x',
    'postgres:///db?host=/run',
    'socket:/run?db=x',
  ]
  for (const url of urls) expect(() => postgresStore(url)).not.toThrow()
  for (const url of ['mysql://x', 'mariadb://x']) expect(() => mysqlStore(url)).not.toThrow()
})
