import { setImmediate } from 'node:timers/promises'
import type { Store, StoredRecord } from '@sess/core'
import { memoryStore } from '../../src/memory-store.ts'
import type { BrokenStore } from './broken-stores.ts'
import type { Habitat } from './habitat.ts'

/**
 * The fourth zoo: mistakes that SQLite, PostgreSQL and files invite, by somebody who had read the guide alone. No case of that
 * time rejected the first six kinds.
 */

/** As many turns as a backend takes longer for a big payload. */
async function workOn(payload: string | undefined): Promise<void> {
  for (let turn = (payload?.length ?? 0) / 20_000; turn >= 1; turn--) await setImmediate()
}

/** Rows of an open cursor: while it is open, its connection reads the snapshot of its beginning. */
const cursor =
  (method: 'scan' | 'scanBySubject') =>
  ({ right, records }: Habitat): Partial<Store> => {
    const open = new Set<Store>()
    const list = right[method] as (...args: unknown[]) => ReturnType<typeof right.scan>
    return {
      async *[method](...args: unknown[]) {
        const snapshot = memoryStore(new Map(records))
        open.add(snapshot)
        try {
          yield* list(...args)
        } finally {
          open.delete(snapshot)
        }
      },
      read(id, context) {
        const [pinned] = open
        return pinned ? pinned.read(id, context) : right.read(id, context)
      },
    }
  }

/** Ids that a list gives as the column's type makes them. */
function listedAs(type: (id: string) => string) {
  return ({ right }: Habitat): Partial<Store> => ({
    async *scan(context) {
      for await (const entry of right.scan(context)) yield { ...entry, id: type(entry.id) }
    },
    async *scanBySubject(subject, context) {
      for await (const entry of right.scanBySubject(subject, context)) yield { ...entry, id: type(entry.id) }
    },
  })
}

/** Calls of one tick that are sent as one statement: all of them fail with the first that does. */
function sentTogether(...names: readonly ('read' | 'insert' | 'replace' | 'touch' | 'remove')[]) {
  return ({ right }: Habitat): Partial<Store> => {
    type Batch = { run: () => unknown; done: PromiseWithResolvers<unknown> }[]
    let batch: Batch | undefined
    const send = (run: () => unknown) => {
      if (batch === undefined) {
        const mine: Batch = []
        batch = mine
        queueMicrotask(() => {
          batch = undefined
          try {
            const answers = mine.map(call => call.run())
            for (const [n, { done }] of mine.entries()) done.resolve(answers[n])
          } catch (error) {
            for (const { done } of mine) done.reject(error)
          }
        })
      }
      const done = Promise.withResolvers<unknown>()
      batch.push({ run, done })
      return done.promise
    }
    return Object.fromEntries(
      names.map(name => {
        const call = right[name] as (...args: unknown[]) => unknown
        return [name, (...args: unknown[]) => send(() => call(...args))]
      }),
    )
  }
}

/** One transaction around all batches, which is rolled back with everything in it when it is not finished. */
function allOrNothing({ right, records }: Habitat): Partial<Store> {
  return {
    async *clearExpired(options) {
      const before = new Map(records)
      let committed = false
      try {
        for await (const batch of right.clearExpired(options)) {
          yield batch
          options?.signal?.throwIfAborted()
        }
        committed = true
      } finally {
        if (!committed) {
          records.clear()
          for (const [id, record] of before) records.set(id, record)
        }
      }
    },
  }
}

/** Reads of one id share the one that is under way. */
function singleFlight({ right }: Habitat): Partial<Store> {
  const flights = new Map<string, Promise<StoredRecord | null>>()
  return {
    read(id, context) {
      const begin = async () => {
        const found = await right.read(id, context)
        await workOn(found?.payload)
        flights.delete(id)
        return found
      }
      const flight = flights.get(id) ?? begin()
      flights.set(id, flight)
      return flight.then(found => found && { ...found })
    },
  }
}

/** `by`: a case that rejects it. */
export const sqlStores: readonly (BrokenStore & { by: string })[] = [
  {
    id: 'sql: subjects that look like numbers are passed as numbers',
    by: 'store/subject-numbers',
    mistake({ right, records }) {
      const stored = (subject: string) =>
        /^[ +]?\d+(?:\.0|e0)?$/.test(subject) ? String(Number(subject)) : subject
      const idsOf = (subject: string) =>
        [...records].filter(([, row]) => row.subject !== undefined && stored(row.subject) === stored(subject))
      return {
        removeBySubject: (subject, { except, ...context } = {}) =>
          idsOf(subject).filter(([id]) => id !== except && right.remove(id, undefined, context) === 'ok')
            .length,
      }
    },
  },
  {
    id: 'sql: a listing in pages by expires_at',
    by: 'store/scan-while-extended',
    mistake: ({ right, records }) => ({
      async *scan(context) {
        const key = ([id, { expiresAt }]: [string, StoredRecord]) =>
          `${String(expiresAt).padStart(20, '0')} ${id}`
        let after = ''
        for (;;) {
          const page = [...records]
            .filter(each => key(each) > after)
            .toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
            .slice(0, 100)
          const [last] = page.slice(-1)
          if (!last) return
          after = key(last)
          for (const [id] of page) {
            const record = await right.read(id, context)
            if (record) yield { ...record, id }
          }
        }
      },
    }),
  },
  {
    id: 'redis: a dot marks what is compressed, and long payloads alone are',
    by: 'store/payload-markers',
    mistake: ({ right }) => ({
      read(id, context) {
        const found = right.read(id, context) as StoredRecord | null
        if (found?.payload.startsWith('.')) throw new Error('incorrect header check')
        return found
      },
    }),
  },
  {
    id: 'dynamo: a listing of a subject ends at a page of expired records',
    by: 'store/few-among-expired',
    mistake: ({ right, records, live }) => ({
      async *scanBySubject(subject, context) {
        const all = [...records]
          .filter(([, row]) => row.subject === subject)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
        for (let from = 0; from < all.length; from += 5) {
          const page = all.slice(from, from + 5).filter(([id]) => live(id, context))
          if (page.length === 0) return
          for (const [id] of page) {
            const record = await right.read(id, context)
            if (record) yield { ...record, id }
          }
        }
      },
    }),
  },
  {
    id: 'sqlite: scan() hands out the rows of an open cursor',
    by: 'store/scan-open',
    mistake: cursor('scan'),
  },
  {
    id: 'sqlite: scanBySubject() hands out the rows of an open cursor',
    by: 'store/scan-by-subject-open',
    mistake: cursor('scanBySubject'),
  },
  {
    id: 'sqlite: the upsert over an expired row forgets the subject',
    by: 'store/insert-again-after-expiry',
    mistake: ({ right, records, live }) => ({
      insert(id, record, context) {
        const old = live(id, context) ? undefined : records.get(id)
        const done = right.insert(id, record, context)
        const row = records.get(id)
        if (!old || !done || !row) return done
        const { subject: _, ...rest } = row
        records.set(id, old.subject === undefined ? rest : { ...rest, subject: old.subject })
        return done
      },
    }),
  },
  {
    id: 'sql: the upsert over a row that is marked as deleted forgets the subject',
    by: 'store/insert-again-after-remove',
    mistake({ right, records }) {
      const deleted = new Map<string, string | undefined>()
      return {
        remove(id, ...rest) {
          const subject = records.get(id)?.subject
          const answer = right.remove(id, ...rest)
          if (answer === 'ok') deleted.set(id, subject)
          return answer
        },
        insert(id, record, context) {
          const { subject: own, ...rest } = record
          const subject = deleted.has(id) ? deleted.get(id) : own
          return right.insert(id, subject === undefined ? rest : { ...rest, subject }, context)
        },
      }
    },
  },
  {
    id: 'postgres: id char(40)',
    by: 'store/ids-listed',
    mistake: listedAs(id => id.padEnd(40)),
  },
  {
    id: 'sqlite: id of a column with numeric affinity',
    by: 'store/ids-listed',
    mistake: listedAs(id => (Number.isFinite(Number(id)) ? String(Number(id)) : id)),
  },
  {
    id: 'postgres: the id that stays is compared as char(40)',
    by: 'store/ids-listed',
    mistake: ({ right }) => ({
      removeBySubject: (subject, { except = '', ...context } = {}) =>
        right.removeBySubject(subject, { ...context, except: except.padEnd(40) }),
    }),
  },
  {
    id: 'postgres: removeBySubject() deletes FOR UPDATE SKIP LOCKED',
    by: 'store/remove-by-subject-races-big-replace',
    mistake({ right, records }) {
      const locked = new Set<string>()
      return {
        async replace(id, record, ...rest) {
          locked.add(id)
          try {
            await workOn(record.payload)
            return await right.replace(id, record, ...rest)
          } finally {
            locked.delete(id)
          }
        },
        removeBySubject(subject, { except, ...context } = {}) {
          right.read('', context)
          const ids = [...records].filter(([id, row]) => row.subject === subject && !locked.has(id))
          return ids.filter(([id]) => id !== except && right.remove(id, undefined, context) === 'ok').length
        },
      }
    },
  },
  {
    id: 'postgres: inserts of one tick are one statement',
    by: 'store/rejected-beside-insert',
    mistake: sentTogether('insert'),
  },
  ...(['replace', 'touch', 'remove', 'read'] as const).map(name => ({
    id: `sql: ${name} and inserts of one tick are one transaction`,
    by: `store/rejected-beside-${name}`,
    mistake: sentTogether(name, 'insert'),
  })),
  ...(['break', 'abort'] as const).map(way => ({
    id: `sqlite: clearExpired() is one transaction, left by ${way}`,
    by: `store/clear-expired-left-by-${way}`,
    mistake: allOrNothing,
  })),
  ...(['replace', 'touch', 'remove', 'remove-by-subject'] as const).map(name => ({
    id: `postgres: reads of one id share a query, and ${name} comes between`,
    by: `store/fresh-while-read-${name}`,
    mistake: singleFlight,
  })),
  {
    id: 'postgres: the version is the place of the row, which is used again',
    by: 'store/version-never-again',
    mistake({ right, records }) {
      const move = (id: string) => {
        const row = records.get(id)
        if (row) records.set(id, { ...row, version: `(0,${(places = (places + 1) % 30)})` })
      }
      let places = 0
      return {
        insert(id, ...rest) {
          const done = right.insert(id, ...rest)
          if (done) move(id)
          return done
        },
        replace(id, ...rest) {
          const answer = right.replace(id, ...rest)
          if (answer === 'ok') move(id)
          return answer
        },
      }
    },
  },
  {
    id: 'files: a stale removal takes the mark out of the subject’s folder',
    by: 'store/refused-keeps-subject',
    mistake({ right, records }) {
      const unmarked = new Set<string>()
      return {
        remove(id, version, context) {
          const answer = right.remove(id, version, context)
          if (answer === 'stale') unmarked.add(id)
          return answer
        },
        removeBySubject(subject, { except, ...context } = {}) {
          right.read('', context)
          const ids = [...records].filter(([id, row]) => row.subject === subject && !unmarked.has(id))
          return ids.filter(([id]) => id !== except && right.remove(id, undefined, context) === 'ok').length
        },
      }
    },
  },
  {
    id: 'sql: a replacement that is stale moves the row in the index of subjects',
    by: 'store/refused-keeps-subject',
    mistake: ({ right, records }) => ({
      replace(id, record, version, context) {
        const answer = right.replace(id, record, version, context)
        const row = records.get(id)
        if (answer === 'stale' && row && record.subject) records.set(id, { ...row, subject: record.subject })
        return answer
      },
    }),
  },
  {
    id: 'sqlite: touch() sets max(expires_at, ?)',
    by: 'store/touch-shortens',
    mistake: ({ right, records }) => ({
      touch: (id, expiresAt, ...rest) =>
        right.touch(id, Math.max(expiresAt, records.get(id)?.expiresAt ?? 0), ...rest),
    }),
  },
]
