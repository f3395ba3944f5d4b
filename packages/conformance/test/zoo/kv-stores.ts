import type { SessionRecord, Store, StoreContext, StoredEntry } from '@sess/core'
import { memoryStore, type StoreSetup } from '../../src/index.ts'
import { correctStore, Database, entryOf, isLive, PAGE, type Row, setupOn } from './fresh-backend.ts'

/**
 * The fourth zoo: stores as people write them who know a key-value database well. Each keeps an index of subjects beside the
 * records, which are written in two steps. The suite accepted all of them before there were cases for them.
 */

/** What is wrong, as `mistake`, and one of the cases that reject it. */
export interface KvStore {
  by: string
  mistake: string
  setup: () => StoreSetup
}

/** An entry of the index: the expiry as the index knows it, and when it was written. */
interface Entry {
  expiresAt: number
  /** In real time. */
  at: number
}
interface Index {
  entries: Map<string, Entry>
  /** When the database drops the whole index, in real time. */
  dropped: number
}

const GRACE = 60_000

/** What can be done wrong. */
interface Ways {
  /** The entry is written after the record. */
  indexedLate?: boolean
  /** The index takes the life of the session that was written last, not the longest. */
  lifeOfLast?: boolean
  /** The index takes the life of the session that was written first, and a minute more. */
  lifeOfFirst?: boolean
  /** touch() leaves the entry as it is, and each write drops entries that have expired. */
  touchForgets?: boolean
  /** A list removes the entries that lead to no record, however new they are. */
  listTidies?: boolean
  /** An error of the record is ignored once its entry is written. */
  ignoresRecord?: boolean
  /** The results of removals are taken without their errors. */
  settles?: boolean
  /** A later page of a list that fails is the end. */
  endsAtError?: boolean
  /** The database returns no more than so many characters at once, and what it leaves out is not asked for. */
  answerLimit?: number
}

/** The right store, on a database that writes an index in a step of its own. */
function indexedStore(db: Database, ways: Ways = {}): Store {
  const store = correctStore(db)
  const indexes = (db.extra.get('indexes') as Map<string, Index> | undefined) ?? new Map<string, Index>()
  db.extra.set('indexes', indexes)

  const link = (id: string, { subject, expiresAt }: SessionRecord, now: number) =>
    subject === undefined
      ? undefined
      : db.write(() => {
          const index = indexes.get(subject) ?? { entries: new Map(), dropped: 0 }
          indexes.set(subject, index)
          index.entries.set(id, { expiresAt, at: Date.now() })
          if (ways.touchForgets) {
            for (const [each, entry] of index.entries)
              if (entry.expiresAt <= now - GRACE) index.entries.delete(each)
          }
          if (ways.lifeOfFirst && index.dropped > 0) return
          const dropped = Date.now() + (expiresAt - now) + (ways.lifeOfLast ? 0 : GRACE)
          index.dropped = ways.lifeOfLast ? dropped : Math.max(dropped, index.dropped)
        })
  const unlink = (id: string, subject: string | undefined) =>
    subject === undefined ? undefined : db.write(() => void indexes.get(subject)?.entries.delete(id))
  const timeOf = (context: StoreContext | undefined) => context?.now ?? Date.now()

  async function* scanBySubject(subject: string, context?: StoreContext): AsyncGenerator<StoredEntry> {
    const ids = await db.read(() => {
      const index = indexes.get(subject)
      if (index && index.dropped <= Date.now()) indexes.delete(subject)
      return [...(indexes.get(subject)?.entries ?? [])]
    })
    for (let from = 0; from < ids.length; from += PAGE) {
      const batch = ids.slice(from, from + PAGE)
      let found: (Row | undefined)[]
      try {
        found = await db.read(rows => batch.map(([id]) => rows.get(id)))
      } catch (error) {
        if (ways.endsAtError && from > 0) return
        throw error
      }
      let length = 0
      for (const [n, [id, entry]] of batch.entries()) {
        const row = found[n]
        if (row?.subject !== subject) {
          const isOld = ways.listTidies || entry.at < Date.now() - GRACE
          if (isOld && !row) await unlink(id, subject)
          continue
        }
        length += row.payload.length
        if (ways.answerLimit !== undefined && length > ways.answerLimit) return
        if (isLive(row, context?.now)) yield entryOf(id, row)
      }
    }
  }

  /** A write with a subject: the entry first, so that no session is without one. */
  async function indexed<T>(
    id: string,
    record: SessionRecord,
    context: StoreContext | undefined,
    write: () => Promise<T>,
    done: T,
  ) {
    if (!ways.indexedLate) await link(id, record, timeOf(context))
    const before = await db.read(rows => rows.get(id)?.subject)
    // The record is bigger than its entry, so it arrives later.
    if (ways.listTidies) for (let trip = 0; trip < 6; trip++) await db.read(() => undefined)
    const answer = await write().catch(error => {
      if (ways.ignoresRecord && record.subject !== undefined) return done
      throw error
    })
    if (answer !== done) return answer
    if (ways.indexedLate) await link(id, record, timeOf(context))
    if (before !== record.subject) await unlink(id, before)
    return answer
  }

  return {
    ...store,
    insert: (id, record, context) =>
      indexed(id, record, context, async () => await store.insert(id, record, context), true),
    replace: (id, record, version, context) =>
      indexed(id, record, context, async () => await store.replace(id, record, version, context), 'ok'),
    async touch(id, expiresAt, version, context) {
      const done = await store.touch(id, expiresAt, version, context)
      const subject = await db.read(rows => rows.get(id)?.subject)
      if (done && subject !== undefined && !ways.touchForgets)
        await link(id, { payload: '', expiresAt, subject }, timeOf(context))
      return done
    },
    scanBySubject,
    async removeBySubject(subject, { except, ...context } = {}) {
      let removed = 0
      for (let found = true; found; ) {
        found = false
        for await (const { id, version } of scanBySubject(subject, context)) {
          if (id === except) continue
          found = !ways.settles
          const removal = Promise.resolve(store.remove(id, version, context))
          const [settled] = await Promise.allSettled([removal])
          if (settled?.status === 'rejected' && !ways.settles) throw settled.reason
          if (settled?.status === 'fulfilled' && settled.value === 'ok') removed += 1
        }
      }
      return removed
    },
  }
}

/** The size of an item, above which a payload is cut. */
const ITEM = 500_000

/** A store that keeps the rest of a long payload in an item of its own, which it writes before the head and without a comparison. */
function chunkedStore(db: Database): Store {
  const store = correctStore(db)
  const rests = (db.extra.get('rests') as Map<string, string> | undefined) ?? new Map<string, string>()
  db.extra.set('rests', rests)
  const head = async (id: string, record: SessionRecord) => {
    if (record.payload.length <= ITEM) return record
    await db.write(() => void rests.set(id, record.payload.slice(ITEM)))
    return { ...record, payload: record.payload.slice(0, ITEM) }
  }
  const whole = async <Found extends SessionRecord>(id: string, found: Found): Promise<Found> => {
    if (found.payload.length < ITEM) return found
    const rest = await db.read(() => rests.get(id) ?? '')
    return { ...found, payload: found.payload + rest }
  }
  async function* wholeOnes(entries: AsyncIterable<StoredEntry>) {
    for await (const entry of entries) yield await whole(entry.id, entry)
  }
  return {
    ...store,
    async read(id, context) {
      const found = await store.read(id, context)
      return found && (await whole(id, found))
    },
    insert: async (id, record, context) => await store.insert(id, await head(id, record), context),
    replace: async (id, record, version, context) =>
      await store.replace(id, await head(id, record), version, context),
    scan: options => wholeOnes(store.scan(options)),
    scanBySubject: (subject, options) => wholeOnes(store.scanBySubject(subject, options)),
  }
}

const on =
  (ways: Ways): (() => StoreSetup) =>
  () => {
    const db = new Database()
    const expiryOfSubject = (subject: string) =>
      (db.extra.get('indexes') as Map<string, Index>).get(subject)?.dropped
    return { ...setupOn(() => indexedStore(db, ways), db), expiryOfSubject }
  }

/** The right store of this zoo. */
export const rightKvStore = on({})

/** Each by a name of its own. */
export const kvStores: Record<string, KvStore> = {
  'indexed-after-insert': {
    by: 'store/lost-index-insert',
    mistake: 'the record is written first and the index after it: a login whose reply is lost is in no index',
    setup: on({ indexedLate: true }),
  },
  'indexed-after-login': {
    by: 'store/lost-index-login',
    mistake: 'the same, for a session that gets its subject',
    setup: on({ indexedLate: true }),
  },
  'indexed-after-switch': {
    by: 'store/lost-index-switch',
    mistake: 'the same, for a session that gets another subject',
    setup: on({ indexedLate: true }),
  },
  'errors-of-the-second-write': {
    by: 'store/fails-partly-write',
    mistake:
      'the entry of the index is written, and the error of the record ignored: a login that is not stored',
    setup: on({ ignoresRecord: true }),
  },
  'errors-of-a-pipeline': {
    by: 'store/fails-partly-remove-by-subject',
    mistake:
      'removals that failed count as "nothing there": "log out everywhere" is done and the phone signed in',
    setup: on({ settles: true }),
  },
  'errors-of-a-clean-up': {
    by: 'store/fails-partly-clear-expired',
    mistake: 'a clean-up that may not write ends without an error',
    setup: () =>
      setupOn(db => {
        const store = correctStore(db)
        async function* clearExpired(options: Parameters<typeof store.clearExpired>[0]) {
          try {
            yield* store.clearExpired(options)
          } catch (error) {
            // "The next run does the rest."
            await db.read(() => error)
          }
        }
        return { ...store, clearExpired }
      }),
  },
  'scan-ends-at-an-error': {
    by: 'store/fails-partly-scan',
    mistake: 'a page that fails is the last one',
    setup: () =>
      setupOn(db => {
        const store = correctStore(db)
        async function* scan(options: StoreContext | undefined) {
          let given = 0
          try {
            for await (const entry of store.scan(options)) {
              given++
              yield entry
            }
          } catch (error) {
            if (given === 0) throw error
          }
        }
        return { ...store, scan }
      }),
  },
  'list-ends-at-an-error': {
    by: 'store/fails-partly-scan-by-subject',
    mistake: 'a page of the index that fails is the last one',
    setup: on({ endsAtError: true }),
  },
  'touch-leaves-the-index': {
    by: 'store/everywhere-after-touch',
    mistake:
      'touch() does not move the entry in the index, and each login drops the entries that have expired',
    setup: on({ touchForgets: true }),
  },
  'index-lives-as-the-last': {
    by: 'store/everywhere-after-short',
    mistake: 'the index takes the life of the session that was written last',
    setup: on({ lifeOfLast: true }),
  },
  'index-lives-as-the-first': {
    by: 'store/life-of-index',
    mistake: 'the index gets its life once, from the first session, with a minute of slack',
    setup: on({ lifeOfFirst: true }),
  },
  'removes-by-one-command': {
    by: 'store/everywhere-thousands',
    mistake: 'all ids of a subject are arguments of one command, which takes 7,999 at the most',
    // In memory: the case has so many sessions where a call is quick alone.
    setup() {
      const store = memoryStore()
      const removeBySubject: Store['removeBySubject'] = async (subject, options) => {
        const { length } = await Array.fromAsync(store.scanBySubject?.(subject, options) ?? [])
        if (length > 7_999) throw new Error('ERR too many results to unpack')
        return (await store.removeBySubject?.(subject, options)) ?? 0
      }
      return { store: { ...store, removeBySubject } }
    },
  },
  'removes-by-one-statement': {
    by: 'store/remove-by-subject-races-rotations',
    mistake:
      'one DELETE for a subject: it sees what was there when it began, and skips what has lost the subject since',
    setup: () =>
      setupOn(db => {
        const store = correctStore(db)
        const removeBySubject: typeof store.removeBySubject = async (subject, { except, now } = {}) => {
          const ids = await db.read(rows => [...rows].filter(([, row]) => row.subject === subject))
          return await db.write(rows => {
            const found = ids.filter(([id]) => id !== except && rows.get(id)?.subject === subject)
            const live = found.filter(([id]) => isLive(rows.get(id), now))
            for (const [id] of live) rows.delete(id)
            return live.length
          })
        }
        return { ...store, removeBySubject }
      }),
  },
  'rest-without-comparison': {
    by: 'store/replace-race-biggest',
    mistake:
      'a long payload is cut, and its rest is written before the head is compared: the loser’s rest stays',
    setup: () => setupOn(chunkedStore),
  },
  'rest-read-apart': {
    by: 'store/read-while-replaced-huge',
    mistake: 'the rest of a long payload is read apart: it may belong to another save than the head',
    setup: () => setupOn(chunkedStore),
  },
  'list-tidies-the-index': {
    by: 'store/everywhere-amid-scans',
    mistake: 'a list removes the entry of a login whose record is not written yet',
    setup: on({ listTidies: true }),
  },
  'answers-in-part': {
    by: 'store/everywhere-megabytes',
    mistake: 'what did not fit into one answer of the database is not asked for',
    setup: on({ answerLimit: 16_000_000 }),
  },
  'clean-up-ends-at-an-empty-page': {
    by: 'store/clear-expired-live-pages',
    mistake: 'a page in which nothing has expired is the last one: expired sessions behind it stay for ever',
    setup: () =>
      setupOn(db => {
        const store = correctStore(db)
        async function* clearExpired({ now }: StoreContext = {}) {
          const ids = await db.read(rows => [...rows.keys()].sort())
          for (let from = 0; from < ids.length; from += PAGE) {
            const batch = ids.slice(from, from + PAGE)
            const removed = await db.write(rows => {
              const old = batch.filter(id => rows.has(id) && !isLive(rows.get(id), now))
              for (const id of old) rows.delete(id)
              return old.length
            })
            if (removed === 0) return
            yield { removed }
          }
        }
        return { ...store, clearExpired }
      }),
  },
  'limit-without-the-subject': {
    by: 'store/life-size-longest-subject',
    mistake: '`maxBytes` is the limit of an item less something, which is too little for a long subject',
    setup: () =>
      setupOn(db => {
        const store = correctStore(db)
        const fits = ({ payload, subject = '' }: SessionRecord) => {
          if (Buffer.byteLength(payload) + Buffer.byteLength(subject) > 409_600)
            throw new Error('Item size has exceeded the maximum allowed size')
        }
        return {
          ...store,
          maxBytes: 409_600 - 150,
          async insert(id, record, context) {
            fits(record)
            return await store.insert(id, record, context)
          },
          async replace(id, record, version, context) {
            fits(record)
            return await store.replace(id, record, version, context)
          },
        }
      }),
  },
  'script-loaded-once': {
    by: 'store/restarted-backend',
    mistake:
      'a script is loaded once and called by its number: after a failover each call fails until the app is restarted',
    setup: () =>
      setupOn(db => {
        const store = correctStore(db)
        let loadedAt: number | undefined
        const replace: Store['replace'] = async (...args) => {
          loadedAt ??= db.starts
          if (loadedAt !== db.starts) throw new Error('NOSCRIPT No matching script.')
          return await store.replace(...args)
        }
        return { ...store, replace }
      }),
  },
}
