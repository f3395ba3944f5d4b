/** MySQL must not change a value silently (CVE-2015-8562, CVE-2016-3171) [C22]. */
import { requireServer, type Server, startMariadb } from '@sess/test-fixtures/servers'
import { Kysely, MysqlDialect } from 'kysely'
import mysql from 'mysql2'
import mysqlPromise from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { mysqlStore, sqlStore } from '../src/index.ts'
import { expectNoMoreTexts } from './batch-texts.ts'

const ID = 'a'.repeat(40)
const later = () => Date.now() + 3_600_000

describe.skipIf(!requireServer('mariadb'))('a server that cuts what does not fit (sql_mode empty)', () => {
  let server: Server
  let pool: mysqlPromise.Pool
  beforeAll(async () => {
    server = await startMariadb({ config: { 'sql-mode': '' } })
    pool = mysqlPromise.createPool(server.url)
    for (const [table, rest] of [
      ['narrow', 'session_data text not null, expire_date datetime(6) not null) charset utf8mb4'],
      ['latin', 'session_data longtext not null, expire_date datetime(6) not null) charset latin1'],
      ['three_byte', 'session_data longtext not null, expire_date datetime(6) not null) charset utf8mb3'],
    ]) {
      await pool.query(`create table ${table} (session_key varchar(40) not null primary key, ${rest}`)
    }
    await mysqlStore(pool).migrate()
  })
  afterAll(async () => {
    await pool.end()
    await server.stop()
  })

  test('stores everything in a table of ours', async () => {
    const store = mysqlStore(pool)
    const payload = '😀'.repeat(70_000)
    await store.insert(ID, { payload, expiresAt: later(), subject: '😀' })
    expect(await store.read(ID)).toMatchObject({ payload, subject: '😀' })
  })

  test.each(['narrow', 'latin', 'three_byte'])(
    'refuses to write to the table %s, and says why [C22]',
    async table => {
      const store = mysqlStore(pool, { table, subject: false })
      const told = { code: 'SESSION_STORE', message: expect.stringContaining('STRICT_ALL_TABLES') }
      const record = { payload: 'x', expiresAt: later() }
      await expect(store.insert(ID, record)).rejects.toMatchObject(told)
      await expect(store.replace(ID, record, 'old')).rejects.toMatchObject(told)
      expect(await store.read(ID)).toBe(null)
    },
  )

  test('extends and ends the sessions of such a table, because that writes no text', async () => {
    const store = mysqlStore(pool, { table: 'narrow', subject: false })
    await pool.query('insert into narrow values (?, ?, date_add(utc_timestamp(6), interval 1 hour))', [
      ID,
      'x',
    ])
    expect(await store.touch(ID, later(), 'x')).toBe(true)
    expect(await store.remove(ID, 'x')).toBe('ok')
  })

  test.each([
    ['narrow', 'x'.repeat(70_000)],
    ['latin', 'Ж'],
    ['three_byte', '😀'],
  ])(
    'in strict mode, as in a pool of ours, the table %s refuses only what does not fit [C22]',
    async (table, payload) => {
      const store = mysqlStore(server.url, { table, subject: false })
      onTestFinished(() => store.close())
      const id = table.padEnd(40, '0')
      await store.insert(id, { payload: 'fits', expiresAt: later() })
      await expect(store.replace(id, { payload, expiresAt: later() }, 'fits')).rejects.toThrow()
      expect(await store.read(id)).toMatchObject({ payload: 'fits' })
    },
  )

  test('rejects a connection that does not speak utf8mb4 [C22]', async () => {
    const narrow = mysqlPromise.createPool({ uri: server.url, charset: 'latin1' })
    onTestFinished(() => narrow.end())
    await expect(mysqlStore(narrow).insert(ID, { payload: '', expiresAt: later() })).rejects.toMatchObject({
      code: 'SESSION_STORE',
      message: expect.stringContaining('Connect with charset utf8mb4'),
    })
  })

  test('clearExpired with batches of other sizes leaves no further prepared statement on the server [M6]', async () => {
    const single = mysqlPromise.createPool({ uri: server.url, connectionLimit: 1 })
    onTestFinished(() => single.end())
    const store = mysqlStore(single, { table: 'batches' })
    await store.migrate()
    await expectNoMoreTexts(store, async () => {
      const [rows] = await single.query("show global status like 'Prepared_stmt_count'")
      return Number((rows as { Value: string }[])[0]?.Value)
    })
  })

  test('a Kysely instance is checked alike', async () => {
    const callbackPool = mysql.createPool(server.url)
    const kysely = new Kysely<unknown>({ dialect: new MysqlDialect({ pool: callbackPool }) })
    onTestFinished(() => kysely.destroy())
    const store = sqlStore(kysely, { dialect: 'mysql', table: 'narrow', subject: false })
    await expect(store.insert(ID, { payload: '', expiresAt: later() })).rejects.toMatchObject({
      code: 'SESSION_STORE',
    })
  })

  describe('autocommit is off', () => {
    const told = { code: 'SESSION_STORE', message: expect.stringContaining('autocommit') }

    test('a pool that was handed in is rejected, for reads as well, because they would see an old state [M4]', async () => {
      const pool = mysqlPromise.createPool(server.url)
      onTestFinished(() => pool.end())
      pool.pool.on('connection', connection => connection.query('set autocommit = 0'))
      const store = mysqlStore(pool)
      await expect(store.insert('b'.repeat(40), { payload: '', expiresAt: later() })).rejects.toMatchObject(
        told,
      )
      await expect(store.read(ID)).rejects.toMatchObject(told)
      await expect(store.remove(ID)).rejects.toMatchObject(told)
      await expect(store.clearExpired().next()).rejects.toMatchObject(told)
    })

    test('a Kysely instance is rejected [M4]', async () => {
      const callbackPool = mysql.createPool(server.url)
      callbackPool.on('connection', connection => connection.query('set autocommit = 0'))
      const kysely = new Kysely<unknown>({ dialect: new MysqlDialect({ pool: callbackPool }) })
      onTestFinished(() => kysely.destroy())
      await expect(sqlStore(kysely, { dialect: 'mysql' }).read(ID)).rejects.toMatchObject(told)
    })

    test('for the whole server: a pool of ours commits all the same [M4]', async () => {
      await pool.query('set global autocommit = 0')
      onTestFinished(() => pool.query('set global autocommit = 1').then(() => undefined))
      const [one, two] = [mysqlStore(server.url), mysqlStore(server.url)]
      onTestFinished(async () => {
        await one.close()
        await two.close()
      })
      const id = 'c'.repeat(40)
      expect(await two.read(id)).toBe(null)
      expect(await one.insert(id, { payload: 'kept', expiresAt: later() })).toBe(true)
      expect(await two.read(id)).toMatchObject({ payload: 'kept' })
      expect(await one.remove(id)).toBe('ok')
      expect(await two.read(id)).toBe(null)
    })
  })

  test('a write on a connection that came back to the pool in a transaction is an error, and the next one works [M4]', async () => {
    const single = mysqlPromise.createPool({ uri: server.url, connectionLimit: 1 })
    onTestFinished(() => single.end())
    const store = mysqlStore(single)
    const id = 'd'.repeat(40)
    await store.insert(id, { payload: '', expiresAt: later() })
    await single.query('begin')
    await expect(store.remove(id)).rejects.toMatchObject({
      code: 'SESSION_STORE',
      message: expect.stringContaining('not committed'),
    })
    expect(await store.remove(id)).toBe('ok')
    expect(await mysqlStore(pool).read(id)).toBe(null)
  })
})
