import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionRecord, Store, StoredRecord } from '@sess/core'
import type { StoreSetup } from '../../src/index.ts'
import {
  correctStore,
  type Database,
  entryOf,
  isLive,
  PAGE,
  type Row,
  rowOf,
  setupOn,
} from './fresh-backend.ts'

/**
 * The third zoo: written by somebody who had read only the guide and the contract, neither the cases nor the other zoos.
 * Before any case was written for them, the suite rejected 40 of these 53.
 */

/** A store that somebody could ship. */
export interface FreshStore {
  /** What is wrong, and whom it hurts. */
  mistake: string
  setup: () => StoreSetup
}

type Make = (db: Database) => Store
const on = (mistake: string, make: Make): FreshStore => ({ mistake, setup: () => setupOn(make) })

/** The correct store with some methods of another. */
const but = (db: Database, change: (store: ReturnType<typeof correctStore>) => Partial<Store>): Store => {
  const store = correctStore(db)
  return { ...store, ...change(store) }
}

/** The correct store, with another form of each record inside the database. */
const kept =
  (encode: (record: SessionRecord) => SessionRecord, decode: (record: StoredRecord) => StoredRecord): Make =>
  db =>
    but(db, store => ({
      read: async (id, context) => {
        const found = await store.read(id, context)
        return found && decode(found)
      },
      insert: (id, record, context) => store.insert(id, encode(record), context),
      replace: (id, record, version, context) => store.replace(id, encode(record), version, context),
      scan: async function* (options) {
        for await (const { id, ...record } of store.scan(options)) yield { id, ...decode(record) }
      },
      scanBySubject: async function* (subject, options) {
        const wanted = encode({ payload: '', expiresAt: 0, subject }).subject
        if (wanted === undefined) return
        for await (const { id, ...record } of store.scanBySubject(wanted, options))
          yield { id, ...decode(record) }
      },
      removeBySubject: (subject, options) =>
        store.removeBySubject(encode({ payload: '', expiresAt: 0, subject }).subject ?? subject, options),
    }))

/** Everything with the version made by `version`. */
const versioned =
  (version: (record: SessionRecord, old: Row | undefined, db: Database) => string): Make =>
  db =>
    but(db, () => ({
      insert: (id, record, { now } = {}) =>
        db.write(rows => {
          if (isLive(rows.get(id), now)) return false
          rows.set(id, { ...record, version: version(record, undefined, db) })
          return true
        }),
      replace: (id, record, expected, { now } = {}) =>
        db.write(rows => {
          const row = rows.get(id)
          if (!isLive(row, now)) return 'gone'
          if (row.version !== expected) return 'stale'
          rows.set(id, { ...record, version: version(record, row, db) })
          return 'ok'
        }),
    }))

const javaHash = (text: string): string => {
  let hash = 0
  for (let n = 0; n < text.length; n++) hash = (Math.imul(hash, 31) + text.charCodeAt(n)) | 0
  return String(hash)
}

/** A mutex as people write it: a chain of promises for each name. */
class Locks {
  readonly #tails = new Map<string, Promise<void>>()
  async take(name: string): Promise<() => void> {
    const before = this.#tails.get(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#tails.set(name, promise)
    await before
    return resolve
  }
}

const locksOf = (db: Database): Locks => {
  const known = db.extra.get('locks') as Locks | undefined
  const locks = known ?? new Locks()
  db.extra.set('locks', locks)
  return locks
}

const indexOf = <T>(db: Database, make: () => T, name = 'index'): T => {
  if (!db.extra.has(name)) db.extra.set(name, make())
  return db.extra.get(name) as T
}

export const freshStores = {
  // Redis
  'redis-shared-watch': on(
    'WATCH and MULTI on one connection for all requests: the EXEC of one request ends the WATCH of another, whose update is lost',
    db => {
      const watched = new Map<string, Row | undefined>()
      const exec = (run: (rows: Map<string, Row>) => void): Promise<boolean> =>
        db.write(rows => {
          const changed = [...watched].some(([id, row]) => rows.get(id) !== row)
          watched.clear()
          if (!changed) run(rows)
          return !changed
        })
      const watch = (id: string): Promise<Row | undefined> =>
        db.read(rows => {
          watched.set(id, rows.get(id))
          return rows.get(id)
        })
      return but(db, () => ({
        async replace(id, record, version, { now } = {}) {
          for (;;) {
            const row = await watch(id)
            if (!isLive(row, now)) return 'gone'
            if (row.version !== version) return 'stale'
            if (await exec(rows => rows.set(id, rowOf(record)))) return 'ok'
          }
        },
      }))
    },
  ),
  'redis-two-reads': on(
    'payload and version are fetched by two commands: a write between them gives the old data the new version, and the next save undoes it',
    db =>
      but(db, () => ({
        async read(id, { now } = {}) {
          const row = await db.read(rows => rows.get(id))
          if (!isLive(row, now)) return null
          const version = await db.read(rows => rows.get(id)?.version)
          if (version === undefined) return null
          const { id: _, ...record } = entryOf(id, { ...row, version })
          return record
        },
      })),
  ),
  'redis-keepttl': on(
    'replace keeps the TTL of the key (SET … KEEPTTL): a session that was made longer dies at its first expiry',
    db =>
      but(db, () => ({
        insert: (id, record, { now } = {}) =>
          db.write(rows => {
            if (isLive(rows.get(id), now)) return false
            rows.set(id, { ...rowOf(record), ttl: record.expiresAt + 60_000 })
            return true
          }),
        replace: (id, record, version, { now } = {}) =>
          db.write(rows => {
            const row = rows.get(id)
            if (!isLive(row, now)) return 'gone'
            if (row.version !== version) return 'stale'
            rows.set(id, { ...rowOf(record), ttl: row.ttl ?? 0 })
            return 'ok'
          }),
        touch: (id, expiresAt, version, { now } = {}) =>
          db.write(rows => {
            const row = rows.get(id)
            if (!isLive(row, now) || row.version !== version) return false
            rows.set(id, { ...row, expiresAt, ttl: expiresAt + 60_000 })
            return true
          }),
      })),
  ),
  'redis-expire-gt': on(
    'touch uses EXPIRE … GT: a life is never made shorter, and "stay signed in" cannot be taken back',
    db =>
      but(db, () => ({
        touch: (id, expiresAt, version, { now } = {}) =>
          db.write(rows => {
            const row = rows.get(id)
            if (!isLive(row, now) || row.version !== version) return false
            rows.set(id, { ...row, expiresAt: Math.max(row.expiresAt, expiresAt) })
            return true
          }),
      })),
  ),
  'redis-ex-zero': on(
    'the TTL is rounded down to seconds: the last second of a life is "ERR invalid expire time", an error page',
    db => {
      const ttl = (expiresAt: number, now = Date.now()): void => {
        if (Math.floor((expiresAt - now) / 1_000) < 1)
          throw new Error("ERR invalid expire time in 'set' command")
      }
      return but(db, store => ({
        async insert(id, record, context = {}) {
          ttl(record.expiresAt, context.now)
          return await store.insert(id, record, context)
        },
        async replace(id, record, version, context = {}) {
          ttl(record.expiresAt, context.now)
          return await store.replace(id, record, version, context)
        },
      }))
    },
  ),
  'redis-subject-set-expires': on(
    'the set of a subject gets the TTL of the session written last: after a short session "log out everywhere" misses the long ones',
    db => {
      const sets = indexOf(db, () => new Map<string, { ids: Set<string>; until: number }>())
      const add = (id: string, { subject, expiresAt }: SessionRecord): void => {
        if (subject === undefined) return
        const ids = sets.get(subject)?.ids ?? new Set()
        sets.set(subject, { ids: ids.add(id), until: expiresAt })
      }
      return but(db, store => ({
        async insert(id, record, context) {
          const done = await store.insert(id, record, context)
          if (done) add(id, record)
          return done
        },
        async replace(id, record, version, context) {
          const done = await store.replace(id, record, version, context)
          if (done === 'ok') add(id, record)
          return done
        },
        async *scanBySubject(subject, context = {}) {
          const set = sets.get(subject)
          if (!set || set.until <= (context.now ?? Date.now())) return
          for (const id of set.ids) {
            const record = await store.read(id, context)
            if (record?.subject === subject) yield { id, ...record }
          }
        },
        async removeBySubject(subject, options = {}) {
          const set = sets.get(subject)
          if (!set || set.until <= (options.now ?? Date.now())) return await db.read(() => 0)
          return await store.removeBySubject(subject, options)
        },
      }))
    },
  ),
  'upstash-parses-values': on(
    'the client makes JSON of what it reads: the subject "42" comes back as a number, and "null" as none',
    kept(
      record => record,
      ({ subject, ...rest }) => {
        if (subject === undefined) return rest
        try {
          return { ...rest, subject: JSON.parse(subject) }
        } catch {
          return { ...rest, subject }
        }
      },
    ),
  ),
  'redis-pipeline-of-removals': on(
    'removeBySubject counts what fulfilled and drops the errors: a phone stays signed in, and nobody hears of it',
    db =>
      but(db, store => ({
        async removeBySubject(subject, { except, now } = {}) {
          const entries = await Array.fromAsync(store.scanBySubject(subject, { now }))
          const results = await Promise.allSettled(
            entries
              .filter(({ id }) => id !== except)
              .map(({ id, version }) => store.remove(id, version, { now })),
          )
          return results.filter(each => each.status === 'fulfilled' && each.value === 'ok').length
        },
      })),
  ),

  // MongoDB and other documents
  'sql-updated-at': on(
    'the version is `updated_at`, a DATETIME in seconds: of two saves in one second the second overwrites the first',
    versioned(() => String(Math.floor(Date.now() / 1_000))),
  ),
  'mongo-schema-trim': on(
    '`trim: true` in the schema: a payload that ends with a line feed comes back without it, and its signature breaks',
    kept(
      record => ({ ...record, payload: record.payload.trim() }),
      record => record,
    ),
  ),
  'mongo-find-limit': on(
    'removeBySubject reads the first 1,000 sessions once and removes those: a bot account keeps the rest',
    db =>
      but(db, store => ({
        async removeBySubject(subject, { except, now } = {}) {
          const ids = await db.read(rows =>
            [...rows].flatMap(([id, row]) =>
              row.subject === subject && isLive(row, now) && id !== except ? [id] : [],
            ),
          )
          let removed = 0
          for (const id of ids.slice(0, 1_000))
            if ((await store.remove(id, undefined, { now })) === 'ok') removed += 1
          return removed
        },
      })),
  ),
  'mongo-remove-by-id': on(
    'removeBySubject looks for ids and then removes by id alone: who signs in as somebody else meanwhile is logged out',
    db =>
      but(db, store => ({
        async removeBySubject(subject, { except, now } = {}) {
          let removed = 0
          for (let found = true; found; ) {
            found = false
            for await (const { id } of store.scanBySubject(subject, { now })) {
              if (id === except) continue
              found = true
              if ((await store.remove(id, undefined, { now })) === 'ok') removed += 1
            }
          }
          return removed
        },
      })),
  ),
  'mongo-stale-without-expiry': on(
    'after a lost comparison it looks for the id alone: an expired session is "stale", and its user gets a conflict instead of a login page',
    db =>
      but(db, () => ({
        replace: (id, record, version, { now } = {}) =>
          db.write(rows => {
            const row = rows.get(id)
            if (isLive(row, now) && row.version === version) {
              rows.set(id, rowOf(record))
              return 'ok'
            }
            return row ? 'stale' : 'gone'
          }),
      })),
  ),

  // DynamoDB
  'dynamo-empty-page': on(
    'scan ends at the first page without a match: filtered pages are empty, and later sessions are not listed',
    db =>
      but(db, store => {
        async function* pages(now: number | undefined, matches: (row: Row) => boolean) {
          for (let last = ''; ; ) {
            const page = await db.read(rows =>
              [...rows]
                .filter(([id]) => id > last)
                .sort(([a], [b]) => (a < b ? -1 : 1))
                .slice(0, PAGE),
            )
            const items = page.filter(([, row]) => isLive(row, now) && matches(row))
            if (items.length === 0) return
            for (const [id, row] of items) yield entryOf(id, row)
            last = page.at(-1)?.[0] ?? ''
          }
        }
        return {
          scan: ({ now } = {}) => pages(now, () => true),
          scanBySubject: store.scanBySubject,
        }
      }),
  ),
  'dynamo-retry-meets-itself': on(
    'a write whose answer was lost is sent again and meets its own first time: "stale", though it was saved',
    db =>
      but(db, store => ({
        async replace(id, record, version, context) {
          try {
            return await store.replace(id, record, version, context)
          } catch (error) {
            if ((error as { code?: string }).code !== 'ECONNRESET') throw error
            return await store.replace(id, record, version, context)
          }
        },
      })),
  ),
  'dynamo-retry-insert-taken': on(
    'an insert whose answer was lost is sent again and finds its own record: "taken", and the login fails',
    db =>
      but(db, store => ({
        async insert(id, record, context) {
          try {
            return await store.insert(id, record, context)
          } catch (error) {
            if ((error as { code?: string }).code !== 'ECONNRESET') throw error
            return await store.insert(id, record, context)
          }
        },
      })),
  ),
  'dynamo-index-later': on(
    'removeBySubject asks a secondary index that follows a second later: the newest login stays',
    db => {
      const index = indexOf(db, () => new Map<string, string>())
      const follow = (id: string, subject: string | undefined): void => {
        setTimeout(() => (subject === undefined ? index.delete(id) : index.set(id, subject)), 1_000).unref()
      }
      return but(db, store => ({
        async insert(id, record, context) {
          const done = await store.insert(id, record, context)
          if (done) follow(id, record.subject)
          return done
        },
        async replace(id, record, version, context) {
          const done = await store.replace(id, record, version, context)
          if (done === 'ok') follow(id, record.subject)
          return done
        },
        async removeBySubject(subject, { except, now } = {}) {
          let removed = 0
          for (const [id, known] of await db.read(() => [...index])) {
            if (known !== subject || id === except) continue
            const record = await store.read(id, { now })
            if (record?.subject !== subject) continue
            if ((await store.remove(id, record.version, { now })) === 'ok') removed += 1
          }
          return removed
        },
      }))
    },
  ),
  'dynamo-replica-read': on(
    'reads are not consistent: a replica some milliseconds behind still knows the session that was just logged out',
    db => {
      const sticky = new Map<string, number>()
      const replica = indexOf(db, () => ({ rows: new Map<string, Row>() }), 'replica')
      const copy = (): void => {
        const rows = new Map(db.rows)
        setTimeout(() => (replica.rows = rows), 3).unref()
      }
      return but(db, store => ({
        // One's own writes are seen for some time, as with a causal session of the driver.
        async read(id, context = {}) {
          if ((sticky.get(id) ?? 0) > Date.now()) return await store.read(id, context)
          const row = await db.read(() => replica.rows.get(id))
          if (!isLive(row, context.now)) return await store.read(id, context)
          const { id: _, ...record } = entryOf(id, row)
          return record
        },
        async insert(id, record, context) {
          sticky.set(id, Date.now() + 1_000)
          const done = await store.insert(id, record, context)
          copy()
          return done
        },
        async replace(id, record, version, context) {
          sticky.set(id, Date.now() + 1_000)
          const done = await store.replace(id, record, version, context)
          copy()
          return done
        },
        async remove(id, version, context) {
          sticky.set(id, Date.now() + 1_000)
          const done = await store.remove(id, version, context)
          copy()
          return done
        },
      }))
    },
  ),

  // SQL
  'sqlite-string-column': {
    mistake:
      'the column is declared STRING, which SQLite takes for a number: the subject "007" becomes "7", whose sessions are another user\'s',
    setup() {
      const sql = new DatabaseSync(':memory:')
      sql.exec('CREATE TABLE subjects (subject STRING)')
      const insert = sql.prepare('INSERT INTO subjects VALUES (?) RETURNING subject')
      const same = sql.prepare('SELECT CAST(subject AS TEXT) AS subject FROM subjects WHERE rowid = ?')
      const affinity = (subject: string | undefined): string | undefined => {
        if (subject === undefined) return undefined
        insert.get(subject)
        const { id } = sql.prepare('SELECT last_insert_rowid() AS id').get() as { id: number }
        return (same.get(id) as { subject: string }).subject
      }
      const make = kept(
        ({ subject, ...record }) => {
          const stored = affinity(subject)
          return stored === undefined ? record : { ...record, subject: stored }
        },
        record => record,
      )
      return { ...setupOn(make), cleanup: () => sql.close() }
    },
  },
  'sql-offset-cleanup': on(
    'clearExpired pages with OFFSET while it deletes: every second batch stays, and the table grows',
    db =>
      but(db, () => ({
        async *clearExpired({ now, batchSize = 1_000 } = {}) {
          for (let offset = 0; ; offset += batchSize) {
            const ids = await db.read(rows =>
              [...rows.keys()].filter(id => !isLive(rows.get(id), now)).slice(offset, offset + batchSize),
            )
            if (ids.length === 0) return
            const removed = await db.write(
              rows => ids.filter(id => !isLive(rows.get(id), now) && rows.delete(id)).length,
            )
            yield { removed }
          }
        },
      })),
  ),
  'sql-offset-scan': on(
    'scan pages with OFFSET: a session removed meanwhile moves the others up, and one that lives throughout is not listed',
    db =>
      but(db, () => ({
        async *scan({ now } = {}) {
          for (let offset = 0; ; offset += PAGE) {
            const page = await db.read(rows =>
              [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).slice(offset, offset + PAGE),
            )
            if (page.length === 0) return
            for (const [id, row] of page) if (isLive(row, now)) yield entryOf(id, row)
          }
        },
      })),
  ),
  'sql-keyset-by-expiry': on(
    'scan continues after the last expiry, which is not unique: sessions of one millisecond at a page boundary are not listed',
    db =>
      but(db, () => ({
        async *scan({ now = Date.now() } = {}) {
          for (let last = now; ; ) {
            const page = await db.read(rows =>
              [...rows]
                .filter(([, row]) => row.expiresAt > last)
                .sort(([, a], [, b]) => a.expiresAt - b.expiresAt)
                .slice(0, PAGE),
            )
            for (const [id, row] of page) yield entryOf(id, row)
            if (page.length < PAGE) return
            last = page.at(-1)?.[1].expiresAt ?? now
          }
        },
      })),
  ),
  'sql-keyset-subject-by-expiry': on(
    'removeBySubject pages by expiry, which is not unique, and does so once: sessions of one millisecond at a page boundary stay signed in',
    db =>
      but(db, store => ({
        async removeBySubject(subject, { except, now = Date.now() } = {}) {
          let removed = 0
          for (let last = now; ; ) {
            const page = await db.read(rows =>
              [...rows]
                .filter(([, row]) => row.subject === subject && row.expiresAt > last)
                .sort(([, a], [, b]) => a.expiresAt - b.expiresAt)
                .slice(0, PAGE),
            )
            for (const [id, row] of page) {
              if (id !== except && (await store.remove(id, row.version, { now })) === 'ok') removed += 1
            }
            if (page.length < PAGE) return removed
            last = page.at(-1)?.[1].expiresAt ?? now
          }
        },
      })),
  ),
  'sql-real-seconds': on(
    'the expiry is kept in seconds as a floating-point number and cut off: some records end a millisecond early',
    kept(
      record => ({
        ...record,
        expiresAt: Math.floor((record.expiresAt / 1_000) * 1_000 * (1 - Number.EPSILON)),
      }),
      record => record,
    ),
  ),
  'sql-varbinary-255': on(
    'the subject is VARBINARY(255), without strict mode: a long one in Greek is cut, and its sessions are not found again',
    db =>
      but(db, store => {
        const cut = <R extends SessionRecord>(record: R): R =>
          record.subject === undefined
            ? record
            : { ...record, subject: Buffer.from(record.subject).subarray(0, 255).toString() }
        return {
          insert: (id, record, context) => store.insert(id, cut(record), context),
          replace: (id, record, version, context) => store.replace(id, cut(record), version, context),
        }
      }),
  ),
  'sql-joined-transaction': on(
    'all calls share a connection and join a transaction that is open: the rollback of one undoes the save of another, which was "ok"',
    db => {
      let undo: Map<string, Row> | undefined
      let depth = 0
      const transaction = async <T>(run: () => Promise<T>, isFailure: (result: T) => boolean): Promise<T> => {
        if (depth === 0) undo = new Map(db.rows)
        depth += 1
        try {
          const result = await run()
          if (isFailure(result) && undo) db.rows = new Map(undo)
          return result
        } finally {
          depth -= 1
        }
      }
      return but(db, store => ({
        replace: (id, record, version, context) =>
          transaction(
            async () => await store.replace(id, record, version, context),
            result => result !== 'ok',
          ),
      }))
    },
  ),
  'sql-retry-takes-newest': on(
    '"could not serialize" is repeated with the version read anew: under load two tabs overwrite each other',
    db => {
      const busy = indexOf(db, () => new Map<string, number>())
      return but(db, store => ({
        async replace(id, record, version, context) {
          for (let expected = version; ; ) {
            if (busy.has(id)) {
              await sleep(1)
              const newest = await store.read(id, context)
              if (!newest) return 'gone'
              expected = newest.version
              if (busy.has(id)) continue
            }
            busy.set(id, 1)
            try {
              return await store.replace(id, record, expected, context)
            } finally {
              busy.delete(id)
            }
          }
        },
      }))
    },
  ),
  'json-column': on(
    'the payload is in a JSON column if it parses: 1.0 becomes 1, keys change their order, and a signed payload is void',
    kept(
      record => {
        try {
          return { ...record, payload: JSON.stringify(JSON.parse(record.payload)) }
        } catch {
          return record
        }
      },
      record => record,
    ),
  ),

  // Files
  'file-fields-by-bar': on(
    'a file is `expiry|subject|payload`, split at each bar: data with a "|" is cut',
    kept(
      record => record,
      record => ({ ...record, payload: record.payload.split('|')[0] ?? '' }),
    ),
  ),
  'file-mtime-etag': on(
    'the version is size and modification time, which holds the expiry: of two saves of one size and expiry the second overwrites the first',
    versioned(({ payload, expiresAt }) => `${payload.length.toString(16)}-${expiresAt.toString(16)}`),
  ),
  'file-written-in-place': on(
    'a file is written in place: who reads meanwhile finds half of it, takes it for no session, and logs its user out',
    db => {
      const writing = indexOf(db, () => new Set<string>())
      return but(db, store => ({
        async read(id, context) {
          const found = await store.read(id, context)
          return writing.has(id) ? null : found
        },
        async replace(id, record, version, context) {
          const found = await store.read(id, context)
          if (found?.version === version && record.payload.length > 65_536) {
            writing.add(id)
            await sleep(1)
          }
          try {
            return await store.replace(id, record, version, context)
          } finally {
            writing.delete(id)
          }
        },
      }))
    },
  ),
  'file-enoent-is-none': on(
    'ENOENT is "no session", also when the whole directory is gone: an unmounted volume logs everybody out',
    db =>
      but(db, store => ({
        async read(id, context) {
          try {
            return await store.read(id, context)
          } catch (error) {
            if ((error as { code?: string }).code === 'ECONNREFUSED') return null
            throw error
          }
        },
      })),
  ),
  'file-lock-freed-by-another': on(
    'the lock is released in `finally`, also by a call that gave up waiting for it: the next two writers run at once',
    db => {
      const held = indexOf(db, () => new Set<string>())
      return but(db, store => ({
        async replace(id, record, version, context) {
          try {
            for (let tries = 0; held.has(id); tries++) {
              if (tries > 3) break
              await sleep(1)
            }
            held.add(id)
            const found = await store.read(id, context)
            if (!found) return 'gone'
            if (found.version !== version) return 'stale'
            await db.write(rows => rows.set(id, rowOf(record)))
            return 'ok'
          } finally {
            held.delete(id)
          }
        },
      }))
    },
  ),
  'lock-kept-by-aborted': on(
    'a call whose signal aborts while it waits leaves its place in the queue of the lock: nobody behind it is ever served',
    db => {
      const locks = locksOf(db)
      return but(db, store => ({
        async replace(id, record, version, context = {}) {
          const release = await locks.take(id)
          if (context.signal?.aborted) throw context.signal.reason
          try {
            return await store.replace(id, record, version, context)
          } finally {
            release()
          }
        },
      }))
    },
  ),
  'scan-holds-lock': on(
    'scan holds the lock of the file while its caller looks at a record: a caller that removes it waits forever',
    db => {
      const locks = locksOf(db)
      const locked = async <T>(run: () => PromiseLike<T> | T): Promise<T> => {
        const release = await locks.take('file')
        try {
          return await run()
        } finally {
          release()
        }
      }
      return but(db, store => ({
        insert: (...args) => locked(() => store.insert(...args)),
        replace: (...args) => locked(() => store.replace(...args)),
        remove: (...args) => locked(() => store.remove(...args)),
        async *scan(options) {
          const release = await locks.take('file')
          try {
            yield* store.scan(options)
          } finally {
            release()
          }
        },
      }))
    },
  ),
  'scan-cursor-of-store': on(
    'the cursor of scan belongs to the store object: of two scans at once each lists half of the sessions',
    db => {
      let cursor = ''
      return but(db, () => ({
        async *scan({ now } = {}) {
          cursor = ''
          for (;;) {
            const page = await db.read(rows =>
              [...rows]
                .filter(([id]) => id > cursor)
                .sort(([a], [b]) => (a < b ? -1 : 1))
                .slice(0, PAGE),
            )
            cursor = page.at(-1)?.[0] ?? cursor
            for (const [id, row] of page) if (isLive(row, now)) yield entryOf(id, row)
            if (page.length < PAGE) return
          }
        },
      }))
    },
  ),

  // memcached
  'memcached-chunks-by-unit': on(
    'a long payload is cut into chunks of UTF-16 units: an emoji at a boundary comes back as two question marks',
    kept(
      record => ({
        ...record,
        payload: (record.payload.match(/.{1,250000}/gs) ?? [])
          .map(part => Buffer.from(part).toString())
          .join(''),
      }),
      record => record,
    ),
  ),
  'memcached-old-chunks': on(
    'chunks are read until one is missing, and a shorter payload leaves the old ones: its end is that of the one before',
    db => {
      const SIZE = 1_000
      const chunks = indexOf(db, () => new Map<string, string>(), 'chunks')
      const put = (id: string, payload: string): void => {
        for (let n = 0; n * SIZE < payload.length; n++)
          chunks.set(`${id}.${n}`, payload.slice(n * SIZE, (n + 1) * SIZE))
      }
      const get = (id: string): string => {
        let text = ''
        for (let n = 0; chunks.has(`${id}.${n}`); n++) text += chunks.get(`${id}.${n}`)
        return text
      }
      return but(db, store => ({
        async read(id, context) {
          const found = await store.read(id, context)
          return found && { ...found, payload: get(id) }
        },
        insert: (id, record, { now } = {}) =>
          db.write(rows => {
            if (isLive(rows.get(id), now)) return false
            rows.set(id, rowOf(record))
            put(id, record.payload)
            return true
          }),
        replace: (id, record, version, { now } = {}) =>
          db.write(rows => {
            const row = rows.get(id)
            if (!isLive(row, now)) return 'gone'
            if (row.version !== version) return 'stale'
            rows.set(id, rowOf(record))
            put(id, record.payload)
            return 'ok'
          }),
      }))
    },
  ),
  'memcached-touch-without-cas': on(
    'touch compares first and then sends `touch`, which compares nothing: it undoes the shorter life that another request has just set',
    db =>
      but(db, store => ({
        async touch(id, expiresAt, version, context) {
          const found = await store.read(id, context)
          if (found?.version !== version) return false
          return await db.write(rows => {
            const row = rows.get(id)
            if (row) rows.set(id, { ...row, expiresAt })
            return row !== undefined
          })
        },
      })),
  ),

  // Key-value stores with ranges
  'kv-prefix-of-subject': on(
    'the index is `subject:id` and its range begins with `subject:`: to log out "ann" logs out "ann:work", too',
    db =>
      but(db, store => ({
        async *scanBySubject(subject, options) {
          for await (const entry of store.scan(options)) {
            if (entry.subject !== undefined && `${entry.subject}:${entry.id}`.startsWith(`${subject}:`))
              yield entry
          }
        },
        async removeBySubject(subject, { except, now } = {}) {
          let removed = 0
          for await (const { id, subject: of, version } of store.scan({ now })) {
            if (of === undefined || id === except || !`${of}:${id}`.startsWith(`${subject}:`)) continue
            if ((await store.remove(id, version, { now })) === 'ok') removed += 1
          }
          return removed
        },
      })),
  ),
  'nats-token-of-subject': on(
    'characters that a NATS key may not have become "_": "ann@example.org" and "ann.example.org" share their sessions',
    db => {
      const token = (subject: string | undefined) => subject?.replace(/[^\w=/\\-]/g, '_')
      return but(db, store => ({
        async *scanBySubject(subject, options) {
          for await (const entry of store.scan(options))
            if (token(entry.subject) === token(subject)) yield entry
        },
        async removeBySubject(subject, { except, now } = {}) {
          let removed = 0
          for await (const { id, subject: of, version } of store.scan({ now })) {
            if (of === undefined || id === except || token(of) !== token(subject)) continue
            if ((await store.remove(id, version, { now })) === 'ok') removed += 1
          }
          return removed
        },
      }))
    },
  ),
  'http-kv-path': on(
    'the subject goes into a URL as it is: "ann#1" and "ann#2" are one path, and one logs the other out',
    db => {
      const path = (subject: string) => new URL(`http://kv/by/${subject}/`).pathname
      return but(db, store => ({
        async *scanBySubject(subject, options) {
          for await (const entry of store.scan(options)) {
            if (entry.subject !== undefined && path(entry.subject) === path(subject)) yield entry
          }
        },
      }))
    },
  ),

  // Caches and batches in front of a database
  'lru-default-max': on(
    'an LRU cache of at most 2,000 records is the whole store: on a busy day visitors are logged out at random',
    db => {
      const evict = (): void => {
        for (const id of [...db.rows.keys()].slice(0, Math.max(0, db.rows.size - 2_000))) db.rows.delete(id)
      }
      return but(db, store => ({
        async insert(id, record, context) {
          const done = await store.insert(id, record, context)
          evict()
          return done
        },
      }))
    },
  ),
  'timer-not-cleared': on(
    'a timer removes each record, and replace and touch forget the old timer: an active user is logged out at the first expiry',
    db => {
      return but(db, store => ({
        async insert(id, record, context = {}) {
          const done = await store.insert(id, record, context)
          const life = record.expiresAt - (context.now ?? Date.now())
          if (done && life < 2 ** 31) setTimeout(() => db.rows.delete(id), Math.max(life, 0)).unref()
          return done
        },
      }))
    },
  ),
  'negative-cache': on(
    'that an id is absent is remembered for a second: a session that another process makes meanwhile is not found',
    db => {
      const absent = new Map<string, number>()
      return but(db, store => ({
        async read(id, context) {
          if ((absent.get(id) ?? 0) > Date.now()) return null
          const found = await store.read(id, context)
          if (found) absent.delete(id)
          else absent.set(id, Date.now() + 1_000)
          return found
        },
        async insert(id, record, context) {
          absent.delete(id)
          return await store.insert(id, record, context)
        },
      }))
    },
  ),
  'single-flight-forgets-insert': on(
    'reads of one id at once share one promise, which replace and remove forget, and insert does not: the session just made is not found',
    db => {
      const flying = new Map<string, Promise<StoredRecord | null>>()
      return but(db, store => ({
        read(id, context) {
          const known = flying.get(id)
          if (known) return known
          const read = Promise.resolve(store.read(id, context)).finally(() => flying.delete(id))
          flying.set(id, read)
          return read
        },
        async replace(id, record, version, context) {
          const done = await store.replace(id, record, version, context)
          flying.delete(id)
          return done
        },
        async remove(id, version, context) {
          const done = await store.remove(id, version, context)
          flying.delete(id)
          return done
        },
      }))
    },
  ),
  'single-flight-stale': on(
    'a read joins one that began before a save: the next page of the same tab shows the old data',
    db => {
      const flying = new Map<string, Promise<StoredRecord | null>>()
      return but(db, store => ({
        async read(id, context) {
          const known = flying.get(id)
          const read = known ?? Promise.resolve(store.read(id, context)).finally(() => flying.delete(id))
          flying.set(id, read)
          return structuredClone(await read)
        },
      }))
    },
  ),
  'single-flight-abort': on(
    'a joined read has the signal of the first caller: a client that leaves fails the request of another',
    db => {
      const flying = new Map<string, Promise<StoredRecord | null>>()
      const cut = async (
        id: string,
        context: Parameters<Store['read']>[1] = {},
      ): Promise<StoredRecord | null> => {
        const found = await correct.read(id, context)
        const signal = context.signal as AbortSignal | undefined
        signal?.throwIfAborted()
        return found
      }
      const correct = correctStore(db)
      const forget =
        <A extends [string, ...unknown[]], R>(call: (...args: A) => R) =>
        async (...args: A): Promise<Awaited<R>> => {
          const result = await call(...args)
          flying.delete(args[0])
          return result
        }
      return {
        ...correct,
        async read(id, context) {
          const known = flying.get(id)
          const read = known ?? cut(id, context).finally(() => flying.get(id) === read && flying.delete(id))
          flying.set(id, read)
          return structuredClone(await read)
        },
        insert: forget(correct.insert),
        replace: forget(correct.replace),
        touch: forget(correct.touch),
        remove: forget(correct.remove),
      }
    },
  ),
  'batched-reads-by-position': on(
    'reads of one tick become `WHERE id IN (…)`, and the rows are given out by position: with one id missing a user gets the session of another',
    db => {
      let batch: { id: string; give: (row: Row | undefined) => void; fail: (error: unknown) => void }[] = []
      const flush = async (): Promise<void> => {
        const asked = batch
        batch = []
        try {
          const rows = await db.read(rows =>
            asked.map(({ id }) => rows.get(id)).filter(row => row !== undefined),
          )
          const each = asked.length === 1 ? [rows[0]] : rows
          for (const [n, { give }] of asked.entries()) give(each[n])
        } catch (error) {
          for (const { fail } of asked) fail(error)
        }
      }
      return but(db, () => ({
        async read(id, { now } = {}) {
          const row = await new Promise<Row | undefined>((give, fail) => {
            if (batch.push({ id, give, fail }) === 1) queueMicrotask(flush)
          })
          if (!isLive(row, now)) return null
          const { id: _, ...record } = entryOf(id, row)
          return record
        },
      }))
    },
  ),
  'version-java-hash': on(
    'the version is a hash of 32 bits, as of Java: payloads with "Aa" and "BB" are one version, and a save overwrites another',
    versioned(record => javaHash(record.payload)),
  ),
  'version-short-digest': on(
    'the version is a digest of the first kilobyte: changes at the end of a long payload overwrite each other',
    versioned(record => createHash('md5').update(record.payload.slice(0, 1_024)).digest('hex')),
  ),
  'connection-promise-kept': on(
    'the promise of the first connection is kept, also when it was rejected: after an outage at the start every request fails until a restart',
    db => {
      let connected: Promise<void> | undefined
      const connect = () => (connected ??= db.read(() => undefined))
      return but(db, store => ({
        async read(id, context) {
          await connect()
          return await store.read(id, context)
        },
      }))
    },
  ),
  'scan-ends-quietly': on(
    'an error amid a scan ends it, as if there were no more: "who is logged in" shows the first page and no error',
    db =>
      but(db, store => ({
        async *scan(options) {
          let listed = 0
          try {
            for await (const entry of store.scan(options)) {
              listed += 1
              yield entry
            }
          } catch (error) {
            if (listed === 0) throw error
          }
        },
      })),
  ),
} satisfies Record<string, FreshStore>

/** The case that rejects each of them. */
export const rejectedBy: Record<keyof typeof freshStores, string> = {
  'redis-shared-watch': 'store/no-lost-update',
  'redis-two-reads': 'store/read-while-replaced-small',
  'redis-keepttl': 'store/life-text-plain',
  'redis-expire-gt': 'store/arrives-expired',
  'redis-ex-zero': 'store/arrives-expired',
  'redis-subject-set-expires': 'store/everywhere-lives-short-last',
  'upstash-parses-values': 'store/subject-is-text',
  'redis-pipeline-of-removals': 'store/remove-by-subject-races-replace',
  'sql-updated-at': 'store/no-lost-update',
  'mongo-schema-trim': 'store/payload-unicode',
  'mongo-find-limit': 'store/everywhere-pages',
  'mongo-remove-by-id': 'store/remove-by-subject-races-switch',
  'mongo-stale-without-expiry': 'store/replace-expired',
  'dynamo-empty-page': 'store/few-among-expired',
  'dynamo-retry-meets-itself': 'store/lost-replace',
  'dynamo-retry-insert-taken': 'store/lost-insert',
  'dynamo-index-later': 'store/remove-by-subject',
  'dynamo-replica-read': 'store/life-text-plain',
  'sqlite-string-column': 'store/subject-is-text',
  'sql-offset-cleanup': 'store/clear-expired-batches',
  'sql-offset-scan': 'store/scan-while-removing',
  'sql-keyset-by-expiry': 'store/scan-pages',
  'sql-keyset-subject-by-expiry': 'store/remove-by-subject-races-replace',
  'sql-real-seconds': 'store/read-what-was-inserted',
  'sql-varbinary-255': 'store/subject-exact',
  'sql-joined-transaction': 'store/replace-race',
  'sql-retry-takes-newest': 'store/replace-race',
  'json-column': 'store/version-byte-for-byte',
  'file-fields-by-bar': 'store/life-text-query',
  'file-mtime-etag': 'store/replace-stale',
  'file-written-in-place': 'store/read-while-replaced-big',
  'file-enoent-is-none': 'store/down-read',
  'file-lock-freed-by-another': 'store/replace-races-remove',
  'lock-kept-by-aborted': 'store/signal-in-flight',
  'scan-holds-lock': 'store/scan-while-removing',
  'scan-cursor-of-store': 'store/scans-at-once',
  'memcached-chunks-by-unit': 'store/life-text-four-bytes',
  'memcached-old-chunks': 'store/life-text-plain',
  'memcached-touch-without-cas': 'store/touch-races-replace',
  'kv-prefix-of-subject': 'store/subject-separators',
  'nats-token-of-subject': 'store/subject-exact',
  'http-kv-path': 'store/everywhere-name-address',
  'lru-default-max': 'store/few-among-expired',
  'timer-not-cleared': 'store/renewed-outlives-first-life',
  'negative-cache': 'store/read-expired-writes-nothing',
  'single-flight-forgets-insert': 'store/fresh-after-insert',
  'single-flight-stale': 'store/fresh-after-replace',
  'single-flight-abort': 'store/abort-read',
  'batched-reads-by-position': 'store/overlap-read-read',
  'version-java-hash': 'store/version-equal-hashes',
  'version-short-digest': 'store/version-byte-for-byte',
  'connection-promise-kept': 'store/down-at-first',
  'scan-ends-quietly': 'store/down-amid-scan',
}
