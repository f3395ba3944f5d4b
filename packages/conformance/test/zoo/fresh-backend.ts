import { setImmediate } from 'node:timers/promises'
import type { SessionRecord, Store, StoredEntry } from '@sess/core'
import type { FailKind, StoreSetup } from '../../src/index.ts'

/** A document: what a table row, a MongoDB document or a DynamoDB item keeps. */
export interface Row {
  payload: string
  expiresAt: number
  subject?: string | undefined
  version: string
  /** When the database drops it by its own clock. */
  ttl?: number
}

/** A database behind a connection: each call is a turn of the event loop, is atomic, and fails when the connection does. */
export class Database {
  rows = new Map<string, Row>()
  /** What a store may keep here besides rows: indexes, chunks, meta data. */
  readonly extra = new Map<string, unknown>()
  down = false
  failing: FailKind | undefined
  /** How many calls work before they fail. */
  failsAfter = 0
  /** Writes until the one whose reply is lost. 0: none is. */
  losing = 0
  /** Grows when the database starts again: scripts and prepared statements of before are unknown. */
  starts = 0
  #reads = 0

  /** A statement that reads. */
  async read<T>(run: (rows: Map<string, Row>) => T): Promise<T> {
    await setImmediate()
    this.#check(false)
    const result = run(this.#live())
    // A reply crosses the network, and some take longer than others.
    for (let turn = this.#reads++ % 4; turn >= 0; turn--) await setImmediate()
    this.#reach()
    return result
  }

  /** A statement that writes, atomic with its comparisons. */
  async write<T>(run: (rows: Map<string, Row>) => T): Promise<T> {
    await setImmediate()
    this.#check(true)
    const result = run(this.#live())
    if (this.losing > 0 && --this.losing === 0) {
      throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    }
    await setImmediate()
    return result
  }

  #live(): Map<string, Row> {
    const now = Date.now()
    for (const [id, { ttl }] of this.rows) if (ttl !== undefined && ttl <= now) this.rows.delete(id)
    return this.rows
  }

  #reach(): void {
    if (this.down) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  }

  #check(writes: boolean): void {
    this.#reach()
    if (!this.failing || (this.failing === 'read-only' && !writes)) return
    if (this.failsAfter-- <= 0) throw new Error(this.failing)
  }
}

/** The setup of a factory: two store objects on one database, and all the means to disturb it. */
export function setupOn(make: (db: Database) => Store, db = new Database()): StoreSetup {
  return {
    store: make(db),
    second: make(db),
    breakBackend: () => {
      db.down = true
    },
    healBackend: () => {
      db.down = false
      db.failing = undefined
    },
    fail: (kind, { after = 0 } = {}) => {
      db.failing = kind
      db.failsAfter = after
    },
    loseAnswer: (nth = 1) => {
      db.losing = nth
    },
    restartBackend: () => {
      db.starts += 1
    },
    expiryOf: id => db.rows.get(id)?.ttl,
    pageSize: PAGE,
  }
}

export const PAGE = 100

export const rowOf = (record: SessionRecord): Row => ({ ...record, version: crypto.randomUUID() })
export const isLive = (row: Row | undefined, now = Date.now()): row is Row =>
  row !== undefined && row.expiresAt > now
export const entryOf = (id: string, { payload, expiresAt, subject, version }: Row): StoredEntry =>
  subject === undefined ? { id, payload, expiresAt, version } : { id, payload, expiresAt, version, subject }

type Paged = Required<Omit<Store, 'close' | 'maxBytes'>>

/** A correct store on it: each broken one is this with a few lines changed. */
export function correctStore(db: Database): Paged {
  /** By id, a page at a time, each page a statement of its own. */
  async function* select(
    now: number | undefined,
    matches: (row: Row) => boolean,
  ): AsyncGenerator<StoredEntry> {
    for (let last = ''; ; ) {
      const page = await db.read(rows =>
        [...rows]
          .filter(([id]) => id > last)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, PAGE),
      )
      for (const [id, row] of page) if (isLive(row, now) && matches(row)) yield entryOf(id, row)
      if (page.length < PAGE) return
      last = page.at(-1)?.[0] ?? ''
    }
  }

  const store: Paged = {
    async read(id, { now } = {}) {
      const row = await db.read(rows => rows.get(id))
      if (!isLive(row, now)) return null
      const { id: _, ...record } = entryOf(id, row)
      return record
    },
    insert: (id, record, { now } = {}) =>
      db.write(rows => {
        if (isLive(rows.get(id), now)) return false
        rows.set(id, rowOf(record))
        return true
      }),
    replace: (id, record, version, { now } = {}) =>
      db.write(rows => {
        const row = rows.get(id)
        if (!isLive(row, now)) return 'gone'
        if (row.version !== version) return 'stale'
        rows.set(id, rowOf(record))
        return 'ok'
      }),
    touch: (id, expiresAt, version, { now } = {}) =>
      db.write(rows => {
        const row = rows.get(id)
        if (!isLive(row, now) || row.version !== version) return false
        rows.set(id, { ...row, expiresAt })
        return true
      }),
    remove: (id, version, { now } = {}) =>
      db.write(rows => {
        const row = rows.get(id)
        if (!isLive(row, now)) return 'gone'
        if (version !== undefined && row.version !== version) return 'stale'
        rows.delete(id)
        return 'ok'
      }),
    async *clearExpired({ now, batchSize = 1_000 } = {}) {
      for (;;) {
        const removed = await db.write(rows => {
          const ids = [...rows.keys()].filter(id => !isLive(rows.get(id), now)).slice(0, batchSize)
          for (const id of ids) rows.delete(id)
          return ids.length
        })
        if (removed === 0) return
        yield { removed }
      }
    },
    scan: ({ now } = {}) => select(now, () => true),
    count: ({ now, limit }) =>
      db.read(rows => {
        const live = [...rows.values()].filter(row => isLive(row, now)).length
        return { live: Math.min(live, limit), expired: Math.min(rows.size - live, limit) }
      }),
    scanBySubject: (subject, { now } = {}) => select(now, row => row.subject === subject),
    async removeBySubject(subject, { except, now } = {}) {
      let removed = 0
      for (let found = true; found; ) {
        found = false
        for await (const { id, version } of store.scanBySubject(subject, { now })) {
          if (id === except) continue
          found = true
          if ((await store.remove(id, version, { now })) === 'ok') removed += 1
        }
      }
      return removed
    },
  }
  return store
}
