import type { SessionRecord, Store, StoreContext, StoredRecord } from '@sess/core'
import type { BrokenStore } from './broken-stores.ts'
import type { Habitat } from './habitat.ts'

/**
 * The second zoo: stores as people write them who know one database well. Written after the first zoo and before any case
 * that was made for it; each mistake is one that the database invites.
 */

/** What the store objects of one backend share, under a name. */
function shared<T>(habitat: Habitat, name: string, make: () => T): T {
  const all = backends.get(habitat.records) ?? new Map<string, unknown>()
  backends.set(habitat.records, all)
  if (!all.has(name)) all.set(name, make())
  return all.get(name) as T
}
const backends = new WeakMap<object, Map<string, unknown>>()

const timeOf = (context: StoreContext | undefined) => context?.now ?? Date.now()

/** The right store that removes the sessions of a subject among the ids that `find` gives. */
function finding(
  find: (habitat: Habitat, subject: string, now: number, except?: string) => Iterable<string>,
) {
  return (habitat: Habitat): Partial<Store> => ({
    removeBySubject(subject, { except, ...context } = {}) {
      habitat.right.read('', context) // throws while the backend is down
      let removed = 0
      for (const id of [...find(habitat, subject, timeOf(context), except)]) {
        if (id !== except && habitat.right.remove(id, undefined, context) === 'ok') removed++
      }
      return removed
    },
  })
}

function* idsOf({ records }: Habitat, subject: string, now: number): Iterable<string> {
  for (const [id, record] of records) if (record.subject === subject && record.expiresAt > now) yield id
}

/** An index from subjects to ids that the store keeps beside the records, and what the mistake makes of each call. */
function indexed(change: {
  added?(index: Map<string, number>, id: string, record: SessionRecord): void
  touched?(index: Map<string, number>, id: string, expiresAt: number): void
  removed?(index: Map<string, number>, id: string): void
  listed?(index: Map<string, number>, now: number): Iterable<string>
  cleared?(index: Map<string, number>, id: string): void
}) {
  return (habitat: Habitat): Partial<Store> => {
    const { right, records } = habitat
    const indexes = shared(habitat, 'subjects', () => new Map<string, Map<string, number>>())
    const indexOf = (subject: string) => {
      const index = indexes.get(subject) ?? new Map<string, number>()
      indexes.set(subject, index)
      return index
    }
    const add = (id: string, record: SessionRecord) => {
      if (record.subject === undefined) return
      const index = indexOf(record.subject)
      if (change.added) change.added(index, id, record)
      else index.set(id, record.expiresAt)
    }
    const drop = (id: string, subject: string | undefined) => {
      if (subject === undefined) return
      const index = indexOf(subject)
      if (change.removed) change.removed(index, id)
      else index.delete(id)
    }
    return {
      insert(id, record, context) {
        const done = right.insert(id, record, context)
        if (done) add(id, record)
        return done
      },
      replace(id, record, version, context) {
        const before = records.get(id)?.subject
        const answer = right.replace(id, record, version, context)
        if (answer === 'ok') {
          if (before !== record.subject) drop(id, before)
          add(id, record)
        }
        return answer
      },
      touch(id, expiresAt, version, context) {
        const done = right.touch(id, expiresAt, version, context)
        const subject = records.get(id)?.subject
        if (done && subject !== undefined) {
          if (change.touched) change.touched(indexOf(subject), id, expiresAt)
          else indexOf(subject).set(id, expiresAt)
        }
        return done
      },
      remove(id, version, context) {
        const before = records.get(id)?.subject
        const answer = right.remove(id, version, context)
        if (answer === 'ok') drop(id, before)
        return answer
      },
      removeBySubject(subject, { except, ...context } = {}) {
        right.read('', context)
        const index = indexOf(subject)
        const listed = change.listed?.(index, timeOf(context)) ?? index.keys()
        let removed = 0
        for (const id of [...listed]) {
          if (id === except) continue
          if (right.remove(id, undefined, context) === 'ok') removed++
          index.delete(id)
        }
        return removed
      },
      async *clearExpired({ batchSize = 1000, ...context } = {}) {
        right.read('', context)
        const now = timeOf(context)
        const old = [...records].filter(([, record]) => record.expiresAt <= now)
        for (let at = 0; at < old.length; at += batchSize) {
          const batch = old.slice(at, at + batchSize).filter(([id, record]) => records.get(id) === record)
          for (const [id, { subject }] of batch) {
            records.delete(id)
            if (subject === undefined) continue
            if (change.cleared) change.cleared(indexOf(subject), id)
            else indexOf(subject).delete(id)
          }
          yield { removed: batch.length }
        }
      },
    }
  }
}

/** The right store whose payloads are kept as something else; `read` and both scans take them back. */
function kept(
  pack: (payload: string, before: string | undefined) => string,
  unpack: (packed: string) => string,
) {
  return ({ right, records }: Habitat): Partial<Store> => {
    const packed = (id: string, record: SessionRecord) => ({
      ...record,
      payload: pack(record.payload, records.get(id)?.payload),
    })
    const open = (found: StoredRecord | null) => found && { ...found, payload: unpack(found.payload) }
    return {
      read: (id, context) => open(right.read(id, context) as StoredRecord | null),
      insert: (id, record, context) => right.insert(id, packed(id, record), context),
      replace: (id, record, version, context) => right.replace(id, packed(id, record), version, context),
      async *scan(context) {
        for await (const entry of right.scan(context)) yield { ...entry, payload: unpack(entry.payload) }
      },
      async *scanBySubject(subject, context) {
        for await (const entry of right.scanBySubject(subject, context))
          yield { ...entry, payload: unpack(entry.payload) }
      },
    }
  }
}

/** UTF-8 of each piece by itself, as it looks when the pieces are decoded one by one. */
function piecewise(text: string, size: number): string {
  let out = ''
  for (let at = 0; at < text.length; at += size) out += Buffer.from(text.slice(at, at + size)).toString()
  return out
}

/** One gate for all calls of a store object; `leave` may be forgotten. */
function gated(places: number, leaks: (answer: unknown, error: unknown) => boolean) {
  return ({ right }: Habitat): Partial<Store> => {
    let taken = 0
    const through = (run: () => unknown): never => {
      if (taken >= places) throw new Error('Timeout acquiring a connection. The pool is probably full.')
      taken++
      try {
        const answer = run()
        if (!leaks(answer, undefined)) taken--
        return answer as never
      } catch (error) {
        if (!leaks(undefined, error)) taken--
        throw error
      }
    }
    return {
      read: (...args) => through(() => right.read(...args)),
      insert: (...args) => through(() => right.insert(...args)),
      replace: (...args) => through(() => right.replace(...args)),
      touch: (...args) => through(() => right.touch(...args)),
      remove: (...args) => through(() => right.remove(...args)),
    }
  }
}

/** A 32-bit hash as Java makes it: "Aa" and "BB" are equal. */
function javaHash(text: string): number {
  let hash = 0
  for (let at = 0; at < text.length; at++) hash = (Math.imul(31, hash) + text.charCodeAt(at)) | 0
  return hash
}

/** `by`: a case that rejects it. */
export const strangersStores: readonly (BrokenStore & { by: string })[] = [
  // --- people who know Redis
  {
    id: 'redis: SSCAN of a subject’s set, the first page only',
    by: 'store/everywhere-pages',
    mistake: finding((h, subject, now) => [...idsOf(h, subject, now)].slice(0, 100)),
  },
  {
    id: 'redis: the set of a subject expires with the session added last',
    by: 'store/everywhere-lives-short-last',
    mistake: indexed({
      added(index, id, { expiresAt }) {
        index.set(id, expiresAt)
        index.set('ttl', expiresAt)
      },
      listed: (index, now) =>
        (index.get('ttl') ?? Infinity) > now ? [...index.keys()].filter(id => id !== 'ttl') : [],
    }),
  },
  {
    id: 'redis: a touch leaves the score in the subject’s set',
    by: 'store/everywhere-origin-touch',
    mistake: indexed({
      touched: () => undefined,
      listed: (index, now) => [...index].filter(([, expiresAt]) => expiresAt > now).map(([id]) => id),
    }),
  },
  {
    id: 'redis: the key of a removed session stays in the subject’s set',
    by: 'store/subject-follows-replace',
    mistake: indexed({ removed: () => undefined }),
  },
  {
    id: 'redis: the payload is put into a script by String.replace',
    by: 'store/life-text-patterns',
    mistake: kept(
      payload => "SET '{}'".replace('{}', payload).slice(5, -1),
      packed => packed,
    ),
  },
  {
    id: 'redis: seconds to live, rounded down',
    by: 'store/replace-shortens-life',
    mistake: ({ right }) => {
      const at = (expiresAt: number, now: number) => now + Math.floor((expiresAt - now) / 1000) * 1000
      const ends = new Map<string, number>()
      return {
        read: (id, context) =>
          (ends.get(id) ?? Infinity) > timeOf(context) ? right.read(id, context) : null,
        insert(id, record, context) {
          const done = right.insert(id, record, context)
          if (done) ends.set(id, at(record.expiresAt, timeOf(context)))
          return done
        },
      }
    },
  },
  {
    id: 'redis: PEXPIRE at touch, and expiresAt in the value stays',
    by: 'store/life-written-touch',
    mistake: ({ right, records }) => {
      const before = new Map<string, number>()
      return {
        touch(id, expiresAt, version, context) {
          const old = before.get(id) ?? records.get(id)?.expiresAt
          const done = right.touch(id, expiresAt, version, context)
          if (done && old !== undefined) before.set(id, old)
          return done
        },
        read(id, context) {
          const found = right.read(id, context) as StoredRecord | null
          return found && { ...found, expiresAt: before.get(id) ?? found.expiresAt }
        },
        replace(id, ...rest) {
          before.delete(id)
          return right.replace(id, ...rest)
        },
      }
    },
  },
  {
    id: 'redis: reads of one id share a request that is under way',
    by: 'store/fresh-after-insert',
    mistake: ({ right, pause }) => {
      const running = new Map<string, Promise<StoredRecord | null>>()
      return {
        read(id, context) {
          const going = running.get(id)
          if (going) return going.then(found => found && { ...found })
          const read = (async () => {
            try {
              const found = await right.read(id, context)
              await pause()
              await pause()
              return found
            } finally {
              running.delete(id)
            }
          })()
          running.set(id, read)
          return read
        },
      }
    },
  },
  {
    id: 'redis: versions counted by each process',
    by: 'store/replace-race',
    mistake: ({ right, records, live }) => {
      let count = 0
      const put = (id: string, record: SessionRecord) =>
        void records.set(id, { ...structuredClone(record), version: String(++count) })
      return {
        insert(id, record, context) {
          right.read('', context)
          if (live(id, context)) return false
          put(id, record)
          return true
        },
        replace(id, record, version, context) {
          right.read('', context)
          const found = live(id, context)
          if (!found) return 'gone'
          if (found.version !== version) return 'stale'
          put(id, record)
          return 'ok'
        },
      }
    },
  },
  {
    id: 'redis: five failures open a breaker for a minute',
    by: 'store/many-failures',
    mistake: ({ right }) => {
      let failures = 0
      return {
        read(id, context) {
          if (failures >= 5) throw new Error('the circuit is open')
          try {
            return right.read(id, context)
          } catch (error) {
            failures++
            throw error
          }
        },
      }
    },
  },
  {
    id: 'redis: an aborted call ends the pipeline it shares',
    by: 'store/abort-read',
    mistake: ({ right }) => {
      let batch: { aborted: boolean; sent: Promise<void> } | undefined
      return {
        async read(id, context) {
          batch ??= {
            aborted: false,
            sent: Promise.resolve().then(() => {
              batch = undefined
            }),
          }
          const mine = batch
          context?.signal?.addEventListener('abort', () => {
            mine.aborted = true
          })
          if (context?.signal?.aborted) mine.aborted = true
          await mine.sent
          if (mine.aborted) throw new Error('This operation was aborted')
          return right.read(id, context)
        },
      }
    },
  },
  {
    id: 'redis: an aborted write keeps the lock of its id',
    by: 'store/abort-replace',
    mistake: ({ right }) => {
      const locks = new Map<string, Promise<void>>()
      return {
        async replace(id, record, version, context) {
          await locks.get(id)
          const { promise, resolve: unlock } = Promise.withResolvers<void>()
          locks.set(id, promise)
          await null
          context?.signal?.throwIfAborted()
          try {
            return await right.replace(id, record, version, context)
          } finally {
            unlock()
          }
        },
      }
    },
  },
  {
    id: 'redis: a subject with more than 500 sessions is too much for one DEL',
    by: 'store/everywhere-pages',
    mistake: habitat => ({
      removeBySubject(subject, options = {}) {
        if ([...idsOf(habitat, subject, timeOf(options))].length > 500)
          throw new Error('too many results to unpack')
        return habitat.right.removeBySubject(subject, options)
      },
    }),
  },
  // --- people who know MongoDB
  {
    id: 'mongo: subjects are field names of an object',
    by: 'store/everywhere-name-constructor',
    mistake: habitat => {
      const index = shared<Record<string, string[]>>(habitat, 'index', () => ({}))
      const add = (id: string, { subject }: SessionRecord) => {
        if (subject !== undefined) (index[subject] ??= []).push(id)
      }
      const { right, live } = habitat
      return {
        insert(id, record, context) {
          add(id, record)
          return right.insert(id, record, context)
        },
        replace(id, record, version, context) {
          add(id, record)
          return right.replace(id, record, version, context)
        },
        removeBySubject(subject, { except, ...context } = {}) {
          right.read('', context)
          let removed = 0
          for (const id of index[subject] ?? []) {
            if (id === except || live(id, context)?.subject !== subject) continue
            if (right.remove(id, undefined, context) === 'ok') removed++
          }
          return removed
        },
      }
    },
  },
  {
    id: 'mongo: the subject as a regular expression',
    by: 'store/everywhere-name-any-character',
    mistake: finding(function* ({ records }, subject, now) {
      for (const [id, record] of records) {
        if (record.subject === undefined || record.expiresAt <= now) continue
        if (
          record.subject === subject ||
          new RegExp(`^${subject.replace(/[\\^$*+?()[\]{}|/]/g, '\\$&')}$`).test(record.subject)
        )
          yield id
      }
    }),
  },
  {
    id: 'mongo: subjects in one field, divided by commas',
    by: 'store/everywhere-name-list',
    mistake: finding(function* ({ records }, subject, now) {
      const asked = subject.split(',')
      for (const [id, record] of records) {
        if (record.expiresAt > now && record.subject?.split(',').some(part => asked.includes(part))) yield id
      }
    }),
  },
  {
    id: 'mongo: batches of 1,000 and no second one',
    by: 'store/everywhere-pages',
    mistake: finding((h, subject, now) => [...idsOf(h, subject, now)].slice(0, 1000)),
  },
  {
    id: 'mongo: clearExpired goes by the clock of the server',
    by: 'store/clear-expired',
    mistake: ({ right }) => ({
      clearExpired: ({ now: _, ...options } = {}) => right.clearExpired(options),
    }),
  },
  {
    id: 'mongo: an empty version is no version',
    by: 'store/version-of-empty',
    mistake: ({ right, live }) => ({
      read(id, context) {
        right.read('', context)
        const found = live(id, context)
        return found ? { ...found, version: found.payload } : null
      },
      replace(id, record, version, context) {
        const found = live(id, context)
        return right.replace(id, record, found?.payload === version ? found.version : 'other', context)
      },
      touch(id, expiresAt, version, context) {
        const found = live(id, context)
        return right.touch(id, expiresAt, found?.payload === version ? found.version : 'other', context)
      },
      remove(id, version, context) {
        const found = live(id, context)
        if (!version) return right.remove(id, undefined, context)
        return right.remove(id, found?.payload === version ? found.version : 'other', context)
      },
      async *scan(context) {
        for await (const entry of right.scan(context)) yield { ...entry, version: entry.payload }
      },
      async *scanBySubject(subject, context) {
        for await (const entry of right.scanBySubject(subject, context))
          yield { ...entry, version: entry.payload }
      },
    }),
  },
  {
    id: 'mongo: `except` ends the loop',
    by: 'store/everywhere-except-first',
    mistake: finding(function* (h, subject, now, except) {
      for (const id of idsOf(h, subject, now)) {
        if (id === except) return
        yield id
      }
    }),
  },
  // --- people who know DynamoDB
  {
    id: 'dynamo: a page without a hit ends the scan',
    by: 'store/scan-pages',
    mistake: ({ right, records, live }) => ({
      async *scan(context) {
        right.read('', context)
        const ids = [...records.keys()]
        for (let at = 0; at < ids.length; at += 100) {
          const page = ids.slice(at, at + 100).filter(id => live(id, context))
          if (page.length === 0) return
          for (const id of page) {
            const record = live(id, context)
            if (record) yield { id, ...structuredClone(record) }
          }
        }
      },
    }),
  },
  {
    id: 'dynamo: Limit counts before the filter',
    by: 'store/everywhere-pages',
    mistake: finding(function* ({ records }, subject, now) {
      for (const [id, record] of [...records].slice(0, 1000)) {
        if (record.subject === subject && record.expiresAt > now) yield id
      }
    }),
  },
  {
    id: 'dynamo: only full batches of 25 are written',
    by: 'store/everywhere-count-batch',
    mistake: finding((h, subject, now) => {
      const ids = [...idsOf(h, subject, now)]
      return ids.length > 25 ? ids.slice(0, ids.length - (ids.length % 25)) : ids
    }),
  },
  {
    id: 'dynamo: scanBySubject without LastEvaluatedKey',
    by: 'store/everywhere-pages',
    mistake: ({ right }) => ({
      async *scanBySubject(subject, context) {
        let count = 0
        for await (const entry of right.scanBySubject(subject, context)) {
          if (++count > 200) return
          yield entry
        }
      },
    }),
  },
  {
    id: 'dynamo: items of 64 Ki characters, each UTF-8 by itself',
    by: 'store/payload-boundaries',
    mistake: kept(
      payload => piecewise(payload, 65_536),
      packed => packed,
    ),
  },
  {
    id: 'dynamo: chunks of 1,000 bytes, each decoded by itself',
    by: 'store/payload-boundaries',
    mistake: kept(
      payload => {
        const bytes = Buffer.from(payload)
        let out = ''
        for (let at = 0; at < bytes.length; at += 1000) out += bytes.subarray(at, at + 1000).toString()
        return out
      },
      packed => packed,
    ),
  },
  {
    id: 'dynamo: chunks of a longer payload stay behind a shorter one',
    by: 'store/life-written-shrink',
    mistake: kept(
      (payload, before = '') => (payload.length > 32_768 ? payload : payload + before.slice(32_768)),
      packed => packed,
    ),
  },
  {
    id: 'dynamo: the parts of a big payload are read one by one',
    by: 'store/overlap-read-replace',
    mistake: ({ right, records, live, pause }) => ({
      async read(id, context) {
        right.read('', context)
        const first = live(id, context)
        if (!first) return null
        if (first.payload.length < 20_000) return structuredClone(first)
        await pause()
        const second = records.get(id)
        return { ...first, payload: first.payload.slice(0, 10_000) + (second?.payload.slice(10_000) ?? '') }
      },
    }),
  },
  {
    id: 'dynamo: a throttled write that was done counts as a lost condition',
    by: 'store/payload-big',
    mistake: habitat => ({
      replace(id, record, version, context) {
        const first = habitat.right.replace(id, record, version, context)
        // Sent again by the client, as SDKs do after a timeout.
        return (
          record.payload.length > 200_000 ? habitat.right.replace(id, record, version, context) : first
        ) as 'ok'
      },
    }),
  },
  // --- people who know SQL
  {
    id: 'sql: more than 999 parameters',
    by: 'store/everywhere-pages',
    mistake: habitat => ({
      removeBySubject(subject, options = {}) {
        if ([...idsOf(habitat, subject, timeOf(options))].length > 999)
          throw new Error('too many SQL variables')
        return habitat.right.removeBySubject(subject, options)
      },
    }),
  },
  {
    id: 'sql: the index of subjects is a CRC of 32 bits',
    by: 'store/everywhere-name-equal-hashes',
    mistake: finding(function* ({ records }, subject, now) {
      for (const [id, record] of records) {
        if (
          record.subject !== undefined &&
          javaHash(record.subject) === javaHash(subject) &&
          record.expiresAt > now
        )
          yield id
      }
    }),
  },
  {
    id: 'sql: the version is a hash of 32 bits',
    by: 'store/version-equal-hashes',
    mistake: ({ right, live }) => {
      const mark = (record: SessionRecord) => String(javaHash(record.payload))
      const at = (id: string, version: string, context?: StoreContext) => {
        const found = live(id, context)
        return found && mark(found) === version ? found.version : 'other'
      }
      return {
        read(id, context) {
          right.read('', context)
          const found = live(id, context)
          return found ? { ...found, version: mark(found) } : null
        },
        replace: (id, record, version, context) =>
          right.replace(id, record, at(id, version, context), context),
        touch: (id, expiresAt, version, context) =>
          right.touch(id, expiresAt, at(id, version, context), context),
        remove: (id, version, context) =>
          right.remove(id, version === undefined ? undefined : at(id, version, context), context),
        async *scan(context) {
          for await (const entry of right.scan(context)) yield { ...entry, version: mark(entry) }
        },
        async *scanBySubject(subject, context) {
          for await (const entry of right.scanBySubject(subject, context))
            yield { ...entry, version: mark(entry) }
        },
      }
    },
  },
  {
    id: 'sql: a connection is lost with each stale write',
    by: 'store/many-refusals',
    mistake: gated(50, answer => answer === 'stale'),
  },
  {
    id: 'sql: a connection is lost with each error',
    by: 'store/many-failures',
    mistake: gated(10, (_, error) => error !== undefined),
  },
  {
    id: 'sql: a connection is lost with each aborted call',
    by: 'store/abort-read',
    mistake: ({ right }) => {
      let lost = 0
      return {
        async read(id, context) {
          if (lost >= 20) throw new Error('Timeout acquiring a connection. The pool is probably full.')
          if (context?.signal) {
            lost++
            await null
            context.signal.throwIfAborted()
            lost--
          }
          return right.read(id, context)
        },
      }
    },
  },
  {
    id: 'sql: expiry in local time, where an hour happens twice',
    by: 'store/zones',
    mistake: ({ right }) => {
      const local = (ms: number) => {
        const d = new Date(ms)
        return new Date(
          d.getFullYear(),
          d.getMonth(),
          d.getDate(),
          d.getHours(),
          d.getMinutes(),
          d.getSeconds(),
          d.getMilliseconds(),
        ).getTime()
      }
      const zoned = <R extends SessionRecord>(record: R): R =>
        record.expiresAt > 0 && record.expiresAt < 8e15
          ? { ...record, expiresAt: local(record.expiresAt) }
          : record
      return {
        insert: (id, record, context) => right.insert(id, zoned(record), context),
        replace: (id, record, version, context) => right.replace(id, zoned(record), version, context),
      }
    },
  },
  {
    id: 'sql: clearExpired takes the index of the subject along',
    by: 'store/everywhere-lives-short-first',
    mistake: indexed({ cleared: index => index.clear() }),
  },
  {
    id: 'sql: clearExpired looks at the first 500 rows only',
    by: 'store/clear-expired-pages',
    mistake: ({ right, records }) => ({
      async *clearExpired({ batchSize = 1000, ...context } = {}) {
        right.read('', context)
        const now = timeOf(context)
        const old = [...records].slice(0, 500).filter(([, record]) => record.expiresAt <= now)
        for (let at = 0; at < old.length; at += batchSize) {
          const batch = old.slice(at, at + batchSize).filter(([id, record]) => records.get(id) === record)
          for (const [id] of batch) records.delete(id)
          yield { removed: batch.length }
        }
      },
    }),
  },
  // --- people who know memcached, files, key-value stores
  {
    id: 'memcached: 30 days and more at touch are a date long past',
    by: 'store/life-written-touch',
    mistake: ({ right }) => ({
      touch: (id, expiresAt, version, context) =>
        right.touch(id, expiresAt - timeOf(context) > 2_592_000_000 ? 1 : expiresAt, version, context),
    }),
  },
  {
    id: 'memcached: 30 days and more at replace are a date long past',
    by: 'store/life-written-replace',
    mistake: ({ right }) => ({
      replace(id, record, version, context) {
        const { expiresAt } = record
        // A record of two weeks that was renewed: the insert is right, and nobody looked at the second path.
        const late = expiresAt - timeOf(context) > 2_592_000_000 && record.subject !== undefined
        return right.replace(id, late ? { ...record, expiresAt: 1 } : record, version, context)
      },
    }),
  },
  {
    id: 'file: a folder for each subject, by its name',
    by: 'store/everywhere-name-dot',
    mistake: finding(function* ({ records }, subject, now) {
      const folder = (name: string) =>
        new URL(`http://x/${encodeURIComponent(name).replace(/%2E/g, '.')}/`).pathname
      for (const [id, record] of records) {
        if (record.subject === undefined || record.expiresAt <= now) continue
        if (folder(record.subject).startsWith(folder(subject))) yield id
      }
    }),
  },
  {
    id: 'file: index keys end at U+0000',
    by: 'store/hidden-in-subject',
    mistake: finding(function* ({ records }, subject, now) {
      const cut = (text: string | undefined) => text?.split('\0')[0]
      for (const [id, record] of records) {
        if (record.subject !== undefined && cut(record.subject) === cut(subject) && record.expiresAt > now)
          yield id
      }
    }),
  },
  {
    id: 'kv: the index knows lives of 30 days at the most',
    by: 'store/everywhere-after-months',
    mistake: indexed({
      added: (index, id, { expiresAt }) =>
        void index.set(id, Math.min(expiresAt, Date.now() + 2_592_000_000)),
      listed: (index, now) => [...index].filter(([, expiresAt]) => expiresAt > now).map(([id]) => id),
    }),
  },
  {
    id: 'kv: a session that returns under another subject is still the first one’s',
    by: 'store/everywhere-origin-reborn',
    mistake: habitat => {
      const owners = shared(habitat, 'owners', () => new Map<string, string>())
      const { right, live } = habitat
      return {
        insert(id, record, context) {
          const done = right.insert(id, record, context)
          if (done && record.subject !== undefined && !owners.has(id)) owners.set(id, record.subject)
          return done
        },
        replace(id, record, version, context) {
          const answer = right.replace(id, record, version, context)
          if (answer === 'ok') {
            if (record.subject === undefined) owners.delete(id)
            else owners.set(id, record.subject)
          }
          return answer
        },
        removeBySubject(subject, { except, ...context } = {}) {
          right.read('', context)
          let removed = 0
          for (const [id, owner] of owners) {
            if (owner !== subject || id === except || !live(id, context)) continue
            if (right.remove(id, undefined, context) === 'ok') removed++
          }
          return removed
        },
      }
    },
  },
  // --- errors of the backend
  {
    id: 'retry: an insert that was sent again finds its own first time',
    by: 'store/lost-insert',
    mistake: ({ right }) => ({
      insert(id, record, context) {
        try {
          return right.insert(id, record, context)
        } catch (error) {
          if (!/hang up/.test(String(error))) throw error
          return right.insert(id, record, context)
        }
      },
    }),
  },
  {
    id: 'retry: a replace that was sent again finds its own first time',
    by: 'store/lost-replace',
    mistake: ({ right }) => ({
      replace(...args) {
        try {
          return right.replace(...args)
        } catch (error) {
          if (!/hang up/.test(String(error))) throw error
          return right.replace(...args)
        }
      },
    }),
  },
  {
    id: 'retry: a remove that was sent again says gone',
    by: 'store/lost-remove',
    mistake: ({ right }) => ({
      remove(...args) {
        try {
          return right.remove(...args)
        } catch (error) {
          if (!/hang up/.test(String(error))) throw error
          return right.remove(...args)
        }
      },
    }),
  },
  {
    id: 'retry: a touch whose reply is lost is said to be refused',
    by: 'store/lost-touch',
    mistake: ({ right }) => ({
      touch(...args) {
        try {
          return right.touch(...args)
        } catch (error) {
          if (!/hang up/.test(String(error))) throw error
          return false
        }
      },
    }),
  },
  {
    id: 'retry: removeBySubject stops at a lost reply, and gives the number of those before it',
    by: 'store/lost-remove-by-subject',
    mistake: ({ right, records }) => ({
      removeBySubject(subject, { except, ...context } = {}) {
        const ids = [...records]
          .filter(([id, row]) => row.subject === subject && id !== except)
          .map(([id]) => id)
        let removed = 0
        try {
          for (const id of ids) if (right.remove(id, undefined, context) === 'ok') removed++
        } catch (error) {
          if (!/hang up/.test(String(error))) throw error
        }
        return removed
      },
    }),
  },
  {
    id: 'errors: LOADING is an empty database',
    by: 'store/fails-loading',
    mistake: ({ right }) => ({
      read(id, context) {
        try {
          return right.read(id, context)
        } catch (error) {
          if (!/loading/.test(String(error))) throw error
          return null
        }
      },
    }),
  },
  {
    id: 'errors: READONLY is a lost comparison',
    by: 'store/fails-read-only',
    mistake: ({ right }) => ({
      replace(...args) {
        try {
          return right.replace(...args)
        } catch (error) {
          if (!/read-only/.test(String(error))) throw error
          return 'stale'
        }
      },
    }),
  },
  {
    id: 'errors: OOM is an id that is taken',
    by: 'store/fails-out-of-memory',
    mistake: ({ right }) => ({
      insert(...args) {
        try {
          return right.insert(...args)
        } catch (error) {
          if (!/out-of-memory/.test(String(error))) throw error
          return false
        }
      },
    }),
  },
  {
    id: 'errors: too many connections, and nobody was logged out',
    by: 'store/fails-too-many-connections',
    mistake: ({ right }) => ({
      removeBySubject(...args) {
        try {
          return right.removeBySubject(...args)
        } catch (error) {
          if (!/too-many/.test(String(error))) throw error
          return 0
        }
      },
    }),
  },
  {
    id: 'errors: an error of the backend is waited out for ever',
    by: 'store/fails-too-many-connections',
    mistake: ({ right }) => ({
      async replace(...args) {
        try {
          return right.replace(...args)
        } catch (error) {
          if (!/too-many/.test(String(error))) throw error
          return await new Promise<never>(() => undefined)
        }
      },
    }),
  },
  {
    id: 'three at once: an insert of one id while another id is being inserted is not sent',
    by: 'store/random-programs',
    mistake: ({ right }) => {
      const running = new Set<string>()
      return {
        async insert(id, ...rest) {
          running.add(id)
          for (let tick = 0; tick < 20; tick++) await null
          try {
            return running.size > 1 ? true : await right.insert(id, ...rest)
          } finally {
            running.delete(id)
          }
        },
      }
    },
  },
]
