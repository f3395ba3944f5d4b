import { existsSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '@sess/core'
import { fileStore } from '@sess/store-file'
import { redisStore } from '@sess/store-redis'
import { mysqlStore, postgresStore, sqliteStore } from '@sess/store-sql'
import {
  redisCommand,
  requireServer,
  startMariadb,
  startPostgres,
  startRedis,
  startRedisCluster,
} from '@sess/test-fixtures/servers'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { createClient, createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plant, sess, temporaryFolder } from './run.ts'

interface Place {
  /** What `--store` is given. */
  url: string
  /** The store as an application opens it. */
  store: Store
  /** Makes a mistake in the set-up of the store, takes it back, and what the doctor should say meanwhile. */
  harm(): Promise<unknown>
  heal(): Promise<unknown>
  remedy: RegExp
  close(): Promise<unknown>
}

const folder = temporaryFolder()

const places: Record<string, { server?: 'postgres' | 'mariadb' | 'redis'; open(): Promise<Place> }> = {
  sqlite: {
    async open() {
      const file = join(folder, 'sessions.db')
      const url = `sqlite:${file}`
      await sess(['migrate', '--store', url])
      const store = sqliteStore(file)
      return {
        url,
        store,
        harm: () => chmod(file, 0o644),
        heal: () => chmod(file, 0o600),
        remedy: /everybody.*can read.*\n.*chmod -R go=/,
        close: async () => store.close(),
      }
    },
  },
  file: {
    async open() {
      const place = join(folder, 'sessions')
      await sess(['migrate', '--store', `file:${place}`])
      return {
        url: `file:${place}`,
        store: fileStore(place),
        harm: () => chmod(place, 0o777),
        heal: () => chmod(place, 0o700),
        remedy: /everybody.*can read.*\n.*chmod -R go=/,
        close: async () => undefined,
      }
    },
  },
  postgres: {
    server: 'postgres',
    async open() {
      const server = await startPostgres()
      await sess(['migrate', '--store', server.url])
      const store = postgresStore(server.url)
      const close = async () => {
        await store.close()
        await server.stop()
      }
      return {
        url: server.url,
        store,
        harm: () => statement(server.url, 'drop index sessions_expire_date'),
        heal: () => store.migrate(),
        remedy: /an index is missing.*\n.*sess migrate/,
        close,
      }
    },
  },
  mariadb: {
    server: 'mariadb',
    async open() {
      const server = await startMariadb()
      await sess(['migrate', '--store', server.url])
      const store = mysqlStore(server.url)
      const close = async () => {
        await store.close()
        await server.stop()
      }
      const mode = (text: string) => maria(server.url, `set global sql_mode = '${text}'`)
      return {
        url: server.url,
        store,
        harm: () => mode(''),
        heal: () => mode('STRICT_TRANS_TABLES'),
        remedy: /sql_mode is not strict.*\n.*STRICT_TRANS_TABLES/,
        close,
      }
    },
  },
  redis: {
    server: 'redis',
    async open() {
      const server = await startRedis()
      const client = createClient({ url: server.url })
      await client.connect()
      const close = async () => {
        await client.close()
        await server.stop()
      }
      return { url: server.url, store: redisStore(client as never), ...evicting(server.port), close }
    },
  },
  'redis-cluster': {
    server: 'redis',
    async open() {
      const server = await startRedisCluster({ masters: 3, replicas: 0 })
      const urls = server.nodes.map(({ host, port }) => `redis://${host}:${port}`)
      const cluster = createCluster({ rootNodes: urls.map(url => ({ url })) })
      await cluster.connect()
      const close = async () => {
        await cluster.close()
        await server.stop()
      }
      const store = redisStore(cluster as never)
      return { url: urls[1]!, store, ...evicting(server.nodes[2]!.port), close }
    },
  },
}

async function statement(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(sql)
  await client.end()
}

async function maria(url: string, sql: string): Promise<void> {
  const connection = await createConnection(url)
  await connection.query(sql)
  await connection.end()
}

/** A server that throws out keys when its memory is full. */
function evicting(port: number): Pick<Place, 'harm' | 'heal' | 'remedy'> {
  const set = async (policy: string, limit: string) => {
    await redisCommand(port, 'CONFIG', 'SET', 'maxmemory-policy', policy)
    await redisCommand(port, 'CONFIG', 'SET', 'maxmemory', limit)
  }
  return {
    harm: () => set('allkeys-lru', '100mb'),
    heal: () => set('noeviction', '0'),
    remedy: /logs people out.*\n.*noeviction/,
  }
}

const usable = Object.entries(places).filter(
  ([, { server }]) => server === undefined || requireServer(server),
)
const opened = new Map<string, Place>()
// At once, because each waits for its server.
beforeAll(async () => {
  await Promise.all(usable.map(async ([name, { open }]) => opened.set(name, await open())))
})
afterAll(() => Promise.all([...opened.values()].map(place => place.close())))

describe.each(usable)('%s', name => {
  let env: Record<string, string>
  let keys: string[]
  beforeAll(async () => {
    const place = opened.get(name)!
    env = { SESS_STORE: place.url }
    keys = await plant({ store: place.store }, [
      { data: { cart: { currency: 'EUR' }, password: 'hunter2' }, subject: 42 },
      { data: { cart: { currency: 'USD' } }, subject: 42 },
      { data: { cart: { currency: 'EUR' } }, subject: 'ada' },
      { data: { note: '\u001b]0;owned\u0007' } },
      { data: { old: true }, expiry: -60 },
      { data: { old: true }, expiry: -60 },
    ])
  })
  const json = async (...args: string[]) => {
    const { code, out, err } = await sess([...args, '--json'], { env })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    return JSON.parse(out)
  }

  test('migrate finds nothing missing the second time', async () => {
    const { code, out } = await sess(['migrate', '--dry-run'], { env })
    expect(code).toBe(0)
    expect(out).toMatch(/Nothing is missing|needs nothing/)
  })

  test('list shows live sessions, and those of a subject or with a value', async () => {
    const all = await json('list')
    expect(all.map((each: { subject: string }) => each.subject).sort()).toEqual(['42', '42', 'ada', null])
    expect(all[0].id).toMatch(/^[0-9a-f]{40}$/)
    expect(await json('list', '--subject', '42')).toHaveLength(2)
    expect(await json('list', '--where', 'cart.currency=EUR')).toHaveLength(2)
    expect(await json('list', '--subject', '42', '--where', 'cart.currency=EUR')).toHaveLength(1)
    expect(await json('list', '--limit', '3')).toHaveLength(3)
    const { out } = await sess(['list'], { env })
    expect(out).toContain(all[0].id)
  })

  test('show takes an id or a key, masks what looks secret, and escapes what a terminal obeys', async () => {
    const [first, , , fourth] = keys
    const byKey = await json('show', first!)
    expect(byKey).toMatchObject({ subject: '42', data: { cart: { currency: 'EUR' }, password: '••••••' } })
    expect(await json('show', byKey.id, '--reveal')).toMatchObject({ data: { password: 'hunter2' } })
    const { out } = await sess(['show', fourth!], { env })
    expect(out).toContain('owned')
    expect(out).not.toContain('\u001b]')
  })

  test('stats counts, and clear-expired removes what has expired and nothing else', async () => {
    const hasWaiting = ['sqlite', 'postgres', 'mariadb'].includes(name)
    const before = await json('stats')
    expect(before).toMatchObject({
      live: 4,
      subjects: 2,
      withoutSubject: 1,
      expiredWaiting: hasWaiting ? 2 : null,
    })
    const { code, out } = await sess(['clear-expired'], { env })
    expect(code).toBe(0)
    expect(out).toMatch(
      name.startsWith('redis') ? /removes expired sessions by itself/ : /^Removed 2 expired sessions\.$/m,
    )
    const after = await json('stats')
    expect(after).toMatchObject({ live: 4, expiredWaiting: hasWaiting ? 0 : null })
  })

  test('doctor finds nothing bad, and what was broken', async () => {
    const { ok, findings } = await json('doctor')
    expect(findings.filter((each: { level: string }) => each.level === 'bad')).toEqual([])
    expect(ok).toBe(true)
    const { harm, heal, remedy } = opened.get(name)!
    await harm()
    expect(await sess(['doctor'], { env })).toEqual({ code: 1, out: expect.stringMatching(remedy), err: '' })
    await heal()
    expect(await sess(['doctor'], { env })).toMatchObject({ code: 0 })
  })

  test('end ends a session, or all of a subject, and nothing if one of several is wrong', async () => {
    const [first, , , fourth] = keys
    const nobody = 'z'.repeat(32)
    expect(await sess(['end', fourth!, nobody, fourth!, '--yes'], { env })).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(
        /^sess: Nothing was ended\. Number 2 of 3 \(zzzzzzzz…\): There is no live session/,
      ),
    })
    expect(await sess(['show', fourth!], { env })).toMatchObject({ code: 0 })
    expect(await sess(['end', fourth!], { env })).toMatchObject({ code: 2 })
    expect(await json('end', fourth!, '--yes')).toEqual({ ended: 1 })
    expect(await sess(['end', fourth!, '--yes'], { env })).toMatchObject({ code: 1 })
    expect(await json('end', '--subject', '42', '--yes')).toEqual({ ended: 2 })
    expect(await sess(['show', first!], { env })).toMatchObject({ code: 1 })
    expect(await sess(['end', '--subject', '42', '--yes'], { env })).toMatchObject({ code: 1 })
    expect(await json('list')).toHaveLength(1)
  })
})

describe('a person who looks for one of several sessions', () => {
  const place = join(folder, 'devices')
  const run = (...args: string[]) => sess([...args, '--store', `file:${place}`])
  const device = { label: 'Ada’s phone', userAgent: 'Phone/7 \u001b[2J', ip: '203.0.113.7' }
  let keys: string[]
  beforeAll(async () => {
    const planted = [
      { data: {}, subject: 42, device },
      { data: {}, subject: 42 },
    ]
    keys = await plant({ store: fileStore(place) }, planted)
  })

  test('sees the device, or that none is known, and the exact times', async () => {
    const [known, unknown] = keys
    const shown = await run('show', known!)
    expect(shown.out).toContain('device     Ada’s phone, Phone/7 \\u001b[2J, 203.0.113.7\n')
    expect(shown.out).toMatch(/^created {4}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?Z {2}\(.*(now|ago)\)$/m)
    expect(JSON.parse((await run('show', known!, '--json')).out)).toMatchObject({ device })
    expect((await run('show', unknown!)).out).toMatch(/^device {5}-$/m)
  })

  test('learns what tells when it was last seen', async () => {
    const hint = "--age, the app's `age` in seconds: 1209600 if it sets none"
    expect((await run('show', keys[0]!)).out).toContain(`last seen  -  (give ${hint})\n`)
    for (const command of ['list', 'show', 'inspect']) {
      expect((await run(command, '--help')).out.replace(/\s+/g, ' ')).toContain(
        "the app's `age`, to tell when a session was last seen; 1209600 if it sets none",
      )
    }
    const known = await run('show', keys[0]!, '--age', '1209600')
    expect(known.out).toMatch(/^last seen {2}\d{4}-.* ago\)$|^last seen {2}\d{4}-.*\(now\)$/m)
  })

  test('is told the order of a list, and when nothing is of a subject', async () => {
    expect((await run('list')).err).toBe('')
    expect((await run('list', '--limit', '1')).err).toBe(
      '1 of 2 live sessions, newest first. --limit 0 lists all.\n',
    )
    expect(await run('list', '--subject', '43')).toEqual({
      code: 0,
      out: 'No live session is of this subject: there may be no such subject, or it is logged out.\n',
      err: '',
    })
    expect((await run('list', '--where', 'a=1')).out).toBe('No live session has that.\n')
  })
})

describe('what is not there is not made', () => {
  test.each(['sqlite', 'file'])('%s', async kind => {
    const place = join(folder, `nobody-${kind}`)
    for (const command of [
      ['list'],
      ['stats'],
      ['clear-expired'],
      ['show', 'a'.repeat(40)],
      ['end', 'a'.repeat(40), '--yes'],
    ]) {
      const { code, err } = await sess([...command, '--store', `${kind}:${place}`])
      expect(code).toBe(3)
      expect(err).toContain('sess migrate')
    }
    expect(existsSync(place)).toBe(false)
  })

  test('migrate says that it makes the folder of a file store, and then that nothing is missing', async () => {
    const place = join(folder, 'new')
    const args = ['migrate', '--store', `file:${place}`]
    const missing = { code: 0, out: `-- The folder is missing: ${place}.\n` }
    expect(await sess([...args, '--dry-run'])).toMatchObject(missing)
    expect(existsSync(place)).toBe(false)
    expect(await sess(args)).toMatchObject({ code: 0, out: `Done: file ${place}.\n` })
    expect(existsSync(place)).toBe(true)
    expect(await sess(args)).toMatchObject({ code: 0, out: `Nothing is missing: file ${place}.\n` })
  })

  test('the dry run of migrate makes no file', async () => {
    const place = join(folder, 'dry.db')
    const { code, out } = await sess(['migrate', '--dry-run', '--store', `sqlite:${place}`])
    expect(code).toBe(0)
    expect(out).toMatch(/^create table "sessions"/)
    expect(existsSync(place)).toBe(false)
  })
})
