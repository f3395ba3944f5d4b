/** Writes that find the file busy wait in order, and go together [issue 12, fsync of SQLite]. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { percentile, writeTogether } from '../campaign/sqlite-writers.ts'
import { sqliteStore } from '../src/index.ts'

const record = (payload = '') => ({ payload, expiresAt: Date.now() + 3_600_000 })

/** A store whose statements are counted, and another connection that has the file locked. */
function lockedStore() {
  const folder = mkdtempSync(join(tmpdir(), 'sess-queue-'))
  const file = join(folder, 's.db')
  const db = new DatabaseSync(file, { timeout: 0 })
  db.exec('pragma journal_mode = wal')
  const commits: string[] = []
  const begins: string[] = []
  const store = sqliteStore({
    get isTransaction() {
      return db.isTransaction
    },
    exec(sql) {
      if (sql.startsWith('begin')) begins.push(sql)
      db.exec(sql)
      if (sql === 'commit') commits.push(sql)
    },
    prepare: sql => db.prepare(sql),
    close: () => db.close(),
  })
  const other = new DatabaseSync(file)
  onTestFinished(() => {
    other.close()
    db.close()
    rmSync(folder, { recursive: true })
  })
  commits.length = 0
  other.exec('begin immediate')
  return { db, store, commits, begins, unlock: () => other.exec('commit') }
}

test('50 writes that wait are one transaction, in their order', async () => {
  const { store, commits, unlock } = lockedStore()
  const writes = [store.insert('a', record('0'))]
  const replaced = []
  for (let n = 0; n < 49; n++) replaced.push(store.replace('a', record(String(n + 1)), String(n)))
  unlock()
  expect(await Promise.all(writes)).toEqual([true])
  expect(new Set(await Promise.all(replaced))).toEqual(new Set(['ok']))
  expect(store.read('a')).toMatchObject({ payload: '49' })
  expect(commits).toHaveLength(1)
})

test('one that fails leaves the others alone, and one that was given up is not written', async () => {
  const { db, store, unlock } = lockedStore()
  const signal = AbortSignal.abort(new Error('gone'))
  const controller = new AbortController()
  const first = store.insert('first', record())
  const refused = store.insert('refused', record('refuse'))
  const late = store.insert('late', record(), { signal: controller.signal })
  expect(() => store.insert('never', record(), { signal })).toThrow('gone')
  const last = store.insert('last', record())
  const given = expect(late).rejects.toThrow('given up')
  controller.abort(new Error('given up'))
  unlock()
  db.exec(
    `create temp trigger refuse before insert on sessions when new.session_data = 'refuse'
     begin select raise(abort, 'not wanted'); end`,
  )
  await expect(refused).rejects.toThrow('not wanted')
  await given
  expect([await first, await last]).toEqual([true, true])
  expect([store.read('late'), store.read('refused'), store.read('never')]).toEqual([null, null, null])
})

test('writes that were all given up leave no second poll behind', async () => {
  const { store, begins, unlock } = lockedStore()
  for (let n = 0; n < 200; n++) {
    const controller = new AbortController()
    const given = expect(store.insert(`late ${n}`, record(), { signal: controller.signal })).rejects.toThrow()
    controller.abort(new Error('given up'))
    await given
  }
  const last = store.insert('last', record())
  await new Promise(resolve => setTimeout(resolve, 50))
  unlock()
  expect(await last).toBe(true)
  // Each poll begins every 1 to 3 ms.
  expect(begins.length).toBeLessThan(100)
})

test('a full disk rejects all that went together, and nothing of them is stored', async () => {
  const { db, store, unlock } = lockedStore()
  const writes = Array.from({ length: 20 }, (_, n) => store.insert(String(n), record('x'.repeat(3_000))))
  const { page_count: pages } = db.prepare('pragma page_count').get() as { page_count: number }
  db.exec(`pragma max_page_count = ${pages + 5}`)
  unlock()
  const outcomes = await Promise.allSettled(writes)
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']))
  expect(outcomes[19]).toMatchObject({ reason: { message: expect.stringContaining('full') } })
  for (let n = 0; n < 20; n++) expect(store.read(String(n))).toBe(null)
})

test('several processes write all the time, and no write fails (short form of `pnpm campaign sqlite-writers`)', async () => {
  // Without an fsync a write, so that a busy disk does not decide.
  const outcome = await writeTogether({ processes: 3, rate: 60, seconds: 1, synchronous: 'normal' })
  expect(outcome).toMatchObject({ writes: 180, failures: 0 })
  expect(percentile(outcome.times, 0.5)).toBeLessThan(5_000)
})

test('a write that only an open transaction of the application held up fails with that reason', async () => {
  const { db, store, unlock } = lockedStore()
  unlock()
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  db.exec('begin')
  const saved = store.insert('a', record())
  vi.setSystemTime(Date.now() + 6_000)
  await expect(saved).rejects.toMatchObject({
    code: 'SESSION_STORE',
    message: expect.stringContaining('a connection of its own'),
  })
  db.exec('rollback')
})
