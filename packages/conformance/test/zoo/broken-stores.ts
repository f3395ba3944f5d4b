import { readdir, stat } from 'node:fs/promises'
import type { SessionRecord, Store, StoreContext, StoredEntry, StoredRecord } from '@sess/core'
import type { Habitat } from './habitat.ts'

/** A store with one plausible mistake: what differs from the reference store. */
export interface BrokenStore {
  id: string
  mistake(habitat: Habitat): Partial<Store>
}

type Replaced = 'ok' | 'stale' | 'gone'

/** A reference store that compares versions in a way of its own. */
function comparing(equal: (a: string, b: string) => boolean, versionOf?: (record: StoredRecord) => string) {
  return ({ right, records, live }: Habitat): Partial<Store> => {
    const own = (record: StoredRecord) => versionOf?.(record) ?? record.version
    const exact = (id: string, version: string, context?: StoreContext) => {
      const found = live(id, context)
      return found && equal(own(found), version) ? found.version : 'another'
    }
    return {
      read(id, context) {
        const found = live(id, context)
        return found ? { ...found, version: own(found) } : null
      },
      replace: (id, record, version, context) =>
        right.replace(id, record, exact(id, version, context), context),
      touch: (id, expiresAt, version, context) =>
        right.touch(id, expiresAt, exact(id, version, context), context),
      remove: (id, version, context) =>
        right.remove(id, version === undefined ? undefined : exact(id, version, context), context),
      async *scan(context) {
        for (const id of records.keys()) {
          const found = live(id, context)
          if (found) yield { id, ...found, version: own(found) }
        }
      },
    }
  }
}

/** A store that changes each payload on its way in. */
function garbling(garble: (payload: string) => string) {
  return ({ right }: Habitat): Partial<Store> => {
    const altered = (record: SessionRecord) => ({ ...record, payload: garble(record.payload) })
    return {
      insert: (id, record, context) => right.insert(id, altered(record), context),
      replace: (id, record, version, context) => right.replace(id, altered(record), version, context),
    }
  }
}

/** A store that keeps records under something else than the id. */
function keyedBy(name: (id: string) => string) {
  return ({ right }: Habitat): Partial<Store> => ({
    read: (id, context) => right.read(name(id), context),
    insert: (id, record, context) => right.insert(name(id), record, context),
    replace: (id, record, version, context) => right.replace(name(id), record, version, context),
    touch: (id, expiresAt, version, context) => right.touch(name(id), expiresAt, version, context),
    remove: (id, version, context) => right.remove(name(id), version, context),
  })
}

/** A store that finds the sessions of a subject by a comparison of its own. */
function matching(equal: (a: string, b: string) => boolean) {
  return ({ right, records, live }: Habitat): Partial<Store> => ({
    removeBySubject(subject, { except, ...context } = {}) {
      const ids = [...records.keys()].filter(id => {
        const theirs = live(id, context)?.subject
        return id !== except && theirs !== undefined && equal(theirs, subject)
      })
      return ids.filter(id => right.remove(id, undefined, context) === 'ok').length
    },
  })
}

/** A store that changes each expiry on its way in. */
function timing(change: (expiresAt: number, now: number) => number) {
  return ({ right }: Habitat): Partial<Store> => {
    const at = (expiresAt: number, context?: StoreContext) => change(expiresAt, context?.now ?? Date.now())
    const timed = (record: SessionRecord, context?: StoreContext) => ({
      ...record,
      expiresAt: at(record.expiresAt, context),
    })
    return {
      insert: (id, record, context) => right.insert(id, timed(record, context), context),
      replace: (id, record, version, context) => right.replace(id, timed(record, context), version, context),
      touch: (id, expiresAt, version, context) => right.touch(id, at(expiresAt, context), version, context),
    }
  }
}

function swallowing<T>(run: () => T | PromiseLike<T>, answer: T): T | PromiseLike<T> {
  try {
    return run()
  } catch {
    return answer
  }
}

export const brokenStores: readonly BrokenStore[] = [
  {
    id: 'deadline: the store’s own time limit is asked before the answer',
    mistake: ({ right }) => ({
      read: (id, context) => {
        // The answer comes by I/O, as over a socket.
        const answer = readdir('.')
          .then(() => stat('.'))
          .then(() => right.read(id, context))
        let timer: ReturnType<typeof setTimeout> | undefined
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error('no answer within 400 ms')), 400)
        })
        return Promise.race([answer, late]).finally(() => clearTimeout(timer))
      },
    }),
  },
  {
    id: 'frozen: calls that were given up stay in the queue of the client',
    mistake: ({ right, backend }) => ({
      insert(id, record, context) {
        const { frozen } = backend
        if (!frozen) return right.insert(id, record, context)
        void frozen.promise.then(() => right.insert(id, record, context))
        return new Promise<boolean>((_, reject) => {
          context?.signal?.addEventListener('abort', () => reject(new Error('given up')))
        })
      },
    }),
  },
  // --- read
  {
    id: 'read: undefined for what is absent',
    mistake: ({ right }) => ({
      read: (id, context) => right.read(id, context) ?? (undefined as unknown as null),
    }),
  },
  {
    id: 'read: throws for what is absent',
    mistake: ({ right }) => ({
      read(id, context) {
        const found = right.read(id, context)
        if (!found) throw new Error('not found')
        return found
      },
    }),
  },
  {
    id: 'read: null as the subject of an anonymous session',
    mistake: ({ live }) => ({
      read(id, context) {
        const found = live(id, context)
        return found ? { ...found, subject: found.subject ?? (null as unknown as string) } : null
      },
    }),
  },
  {
    id: 'read: a placeholder is written for an unknown id',
    mistake: ({ right, records }) => ({
      read(id, context) {
        const found = right.read(id, context)
        if (!records.has(id)) records.set(id, { payload: '', expiresAt: 9e15, version: 'new' })
        return found
      },
    }),
  },
  {
    id: 'read: an expired record is returned',
    mistake: ({ records }) => ({
      read: id => structuredClone(records.get(id)) ?? null,
    }),
  },
  {
    id: 'read: still there at the millisecond of expiresAt',
    mistake: ({ records }) => ({
      read(id, { now = Date.now() } = {}) {
        const found = records.get(id)
        return found && found.expiresAt >= now ? { ...found } : null
      },
    }),
  },
  {
    id: 'read: the live object is returned',
    mistake: ({ live }) => ({
      read: (id, context) => live(id, context) ?? null,
    }),
  },
  {
    id: 'read: a cache of its own in each store object',
    mistake: ({ right }) => {
      const cache = new Map<string, StoredRecord>()
      return {
        async read(id, context) {
          const found = cache.get(id) ?? (await right.read(id, context))
          if (found) cache.set(id, found)
          return found && { ...found }
        },
        replace(id, record, version, context) {
          cache.delete(id)
          return right.replace(id, record, version, context)
        },
        touch(id, expiresAt, version, context) {
          cache.delete(id)
          return right.touch(id, expiresAt, version, context)
        },
        remove(id, version, context) {
          cache.delete(id)
          return right.remove(id, version, context)
        },
      }
    },
  },
  {
    id: 'read: without `now` nothing is live',
    mistake: ({ right }) => ({
      read: (id, context) => (context?.now === undefined ? null : right.read(id, context)),
    }),
  },
  {
    id: 'read: a pattern instead of an id',
    mistake: ({ right, records }) => ({
      read(id, context) {
        if (!id.endsWith('*')) return right.read(id, context)
        const found = [...records.keys()].find(key => key.startsWith(id.slice(0, -1)))
        return found ? right.read(found, context) : null
      },
    }),
  },
  {
    id: 'read: records in a plain object',
    mistake: ({ records, live }) => ({
      read(id, context) {
        const object = Object.fromEntries([...records.keys()].map(key => [key, live(key, context)]))
        return (object as Record<string, StoredRecord | undefined>)[id] ?? null
      },
    }),
  },
  {
    id: 'read: throws for a malformed id',
    mistake: ({ right }) => ({
      read(id, context) {
        if (!/^[0-9a-z]{32,40}$/i.test(id)) throw new TypeError('malformed id')
        return right.read(id, context)
      },
    }),
  },
  {
    id: 'read: an expired record is removed',
    mistake: ({ right, records, pause }) => ({
      async read(id, context) {
        const found = right.read(id, context)
        if (found || !records.has(id)) return found
        await pause()
        records.delete(id)
        return null
      },
    }),
  },
  {
    id: 'read: an expired record is removed when the answer is out',
    mistake: ({ right, records, pause }) => ({
      read(id, context) {
        const found = right.read(id, context)
        if (!found && records.has(id)) pause().then(() => records.delete(id))
        return found
      },
    }),
  },

  // --- ids
  { id: 'ids: compared without regard to case', mistake: keyedBy(id => id.toLowerCase()) },
  { id: 'ids: blanks at the ends are cut', mistake: keyedBy(id => id.trim()) },
  {
    id: 'ids: accents do not count',
    mistake: keyedBy(id => id.normalize('NFD').replace(/[\u0300-\u036f]/g, '')),
  },
  { id: 'ids: cut to 32 characters', mistake: keyedBy(id => id.slice(0, 32)) },
  { id: 'ids: cut to 40 characters', mistake: keyedBy(id => id.slice(0, 40)) },
  {
    id: 'ids: read as hexadecimal numbers',
    mistake: keyedBy(id => {
      if (/[^0-9a-f]/.test(id)) throw new TypeError('not hexadecimal')
      return id
    }),
  },
  { id: 'ids: a bucket of the first eight digits', mistake: keyedBy(id => id.slice(0, 8)) },

  // --- insert
  {
    id: 'insert: overwrites',
    mistake: ({ right }) => ({
      insert(id, record, context) {
        right.remove(id, undefined, context)
        return right.insert(id, record, context)
      },
    }),
  },
  {
    id: 'insert: overwrites, and says false',
    mistake: ({ right, live }) => ({
      async insert(id, record, context) {
        const taken = live(id, context) !== undefined
        await right.remove(id, undefined, context)
        await right.insert(id, record, context)
        return !taken
      },
    }),
  },
  {
    id: 'insert: looks first, then writes',
    mistake: ({ right, live, pause }) => ({
      async insert(id, record, context) {
        if (live(id, context)) return false
        await pause()
        await right.remove(id, undefined, context)
        return await right.insert(id, record, context)
      },
    }),
  },
  {
    id: 'insert: throws for a taken id',
    mistake: ({ right }) => ({
      insert(id, record, context) {
        if (!right.insert(id, record, context)) throw new Error('UNIQUE constraint failed')
        return true
      },
    }),
  },
  {
    id: 'insert: the answer of the driver instead of true',
    mistake: ({ right }) => ({
      insert: (id, record, context) =>
        (right.insert(id, record, context) ? 'OK' : null) as unknown as boolean,
    }),
  },
  {
    id: 'insert: removed ids stay taken',
    mistake: ({ right }) => {
      const buried = new Set<string>()
      return {
        insert: (id, record, context) => !buried.has(id) && right.insert(id, record, context),
        remove(id, version, context) {
          const answer = right.remove(id, version, context)
          if (answer === 'ok') buried.add(id)
          return answer
        },
      }
    },
  },
  {
    id: 'insert: true over an expired record, which stays',
    mistake: ({ right, records }) => ({
      insert: (id, record, context) =>
        records.has(id) && !right.read(id, context) ? true : right.insert(id, record, context),
    }),
  },
  {
    id: 'insert: parameters in a variable that calls share',
    mistake: ({ right, pause }) => {
      let parameters: [string, SessionRecord] | undefined
      return {
        async insert(id, record, context) {
          parameters = [id, record]
          await pause()
          await right.insert(...parameters, context)
          return true
        },
      }
    },
  },
  {
    id: 'insert: keeps the object it was given',
    mistake: ({ right, records }) => ({
      insert(id, record, context) {
        const done = right.insert(id, record, context)
        const version = records.get(id)?.version ?? ''
        if (done)
          records.set(
            id,
            new Proxy(record, {
              get: (target, key) => (key === 'version' ? version : Reflect.get(target, key)),
              ownKeys: target => [...Reflect.ownKeys(target), 'version'],
              getOwnPropertyDescriptor: (target, key) =>
                key === 'version'
                  ? { value: version, enumerable: true, configurable: true }
                  : Reflect.getOwnPropertyDescriptor(target, key),
            }) as StoredRecord,
          )
        return done
      },
      read(id, { now = Date.now() } = {}) {
        const found = records.get(id)
        return found && found.expiresAt > now ? { ...found } : null
      },
    }),
  },
  {
    id: 'insert: writes into the record it was given',
    mistake: ({ right }) => ({
      insert(id, record, context) {
        Object.assign(record, { id })
        return right.insert(id, record, context)
      },
    }),
  },
  {
    id: 'insert: loses the subject',
    mistake: ({ right }) => ({
      insert: (id, { subject: _, ...record }, context) => right.insert(id, record, context),
    }),
  },
  {
    id: 'insert: cannot take an expired record',
    mistake: ({ right }) => ({
      insert(id, record, context) {
        if (record.expiresAt <= (context?.now ?? Date.now())) throw new RangeError('ERR invalid expire time')
        return right.insert(id, record, context)
      },
    }),
  },

  // --- expiry
  { id: 'expiry: kept in whole seconds', mistake: timing(at => Math.floor(at / 1_000) * 1_000) },
  { id: 'expiry: seconds taken for milliseconds', mistake: timing(at => at * 1_000) },
  { id: 'expiry: milliseconds taken for seconds', mistake: timing(at => Math.floor(at / 1_000)) },
  { id: 'expiry: nothing means for ever', mistake: timing(at => at || 9e15) },
  { id: 'expiry: seconds in 32 bits', mistake: timing(at => ((at / 1_000) | 0) * 1_000 + (at % 1_000)) },
  {
    id: 'expiry: a timer, which overflows',
    mistake: ({ right, records }) => ({
      insert(id, record, context) {
        const done = right.insert(id, record, context)
        const wait = record.expiresAt - (context?.now ?? Date.now())
        // What setTimeout makes of it: 2^31 ms and more fire at once.
        if (done) setTimeout(() => records.delete(id), wait > 2_147_483_647 ? 1 : Math.max(wait, 1)).unref()
        return done
      },
    }),
  },
  {
    id: 'expiry: Date.now() instead of `now`',
    mistake: ({ right }) => ({
      read: id => right.read(id),
      replace: (id, record, version) => right.replace(id, record, version),
      touch: (id, expiresAt, version) => right.touch(id, expiresAt, version),
    }),
  },
  {
    id: 'expiry: a `now` of undefined is the time',
    mistake: ({ right, records }) => ({
      read(id, context) {
        const { now } = { now: Date.now(), ...context }
        const found = right.read(id, { ...context, now: (records.get(id)?.expiresAt ?? 0) - 1 })
        return Number(records.get(id)?.expiresAt) > (now as number) ? found : null
      },
    }),
  },
  { id: 'expiry: a lifetime of its own', mistake: timing((_, now) => now + 1_209_600_000) },
  {
    id: 'expiry: a lifetime of its own at replace',
    mistake: ({ right }) => ({
      replace: (id, record, version, context) =>
        right.replace(
          id,
          { ...record, expiresAt: (context?.now ?? Date.now()) + 1_209_600_000 },
          version,
          context,
        ),
    }),
  },

  // --- replace
  {
    id: 'replace: an upsert',
    mistake: ({ right }) => ({
      replace(id, record, version, context) {
        const answer = right.replace(id, record, version, context)
        if (answer === 'gone') right.insert(id, record, context)
        return answer
      },
    }),
  },
  {
    id: 'replace: an upsert that says ok',
    mistake: ({ right }) => ({
      replace: (id, record, version, context) =>
        right.insert(id, record, context) ? 'ok' : right.replace(id, record, version, context),
    }),
  },
  {
    id: 'replace: the version is ignored',
    mistake: ({ right, live }) => ({
      replace: (id, record, _, context) =>
        right.replace(id, record, live(id, context)?.version ?? '', context),
    }),
  },
  {
    id: 'replace: stale where it is gone',
    mistake: ({ right }) => ({
      replace(id, record, version, context) {
        const answer = right.replace(id, record, version, context)
        return answer === 'gone' ? 'stale' : answer
      },
    }),
  },
  {
    id: 'replace: gone where it is stale',
    mistake: ({ right }) => ({
      replace(id, record, version, context) {
        const answer = right.replace(id, record, version, context)
        return answer === 'stale' ? 'gone' : answer
      },
    }),
  },
  {
    id: 'replace: no row changed means gone',
    mistake: ({ right, live }) => ({
      replace(id, record, version, context) {
        const found = live(id, context)
        const same = found?.payload === record.payload && found.expiresAt === record.expiresAt
        return same && found.subject === record.subject ? 'gone' : right.replace(id, record, version, context)
      },
    }),
  },
  {
    id: 'replace: the old subject stays',
    mistake: ({ right, live }) => ({
      replace(id, record, version, context) {
        const subject = record.subject ?? live(id, context)?.subject
        return right.replace(id, subject === undefined ? record : { ...record, subject }, version, context)
      },
    }),
  },
  {
    id: 'replace: the subject of the insert is for good',
    mistake: ({ right, live }) => ({
      replace(id, { subject: _, ...record }, version, context) {
        const subject = live(id, context)?.subject
        return right.replace(id, subject === undefined ? record : { ...record, subject }, version, context)
      },
    }),
  },
  {
    id: 'replace: the old expiry stays',
    mistake: ({ right, live }) => ({
      replace: (id, record, version, context) =>
        right.replace(id, { ...record, expiresAt: live(id, context)?.expiresAt ?? 0 }, version, context),
    }),
  },
  {
    id: 'replace: the TTL is dropped',
    mistake: ({ right }) => ({
      replace: (id, record, version, context) =>
        right.replace(id, { ...record, expiresAt: 9e15 }, version, context),
    }),
  },
  {
    id: 'replace: revives an expired record',
    mistake: ({ right, records }) => ({
      replace: (id, record, version, context) =>
        right.replace(id, record, version, { ...context, now: (records.get(id)?.expiresAt ?? 0) - 1 }),
    }),
  },
  {
    id: 'replace: looks first, then writes',
    mistake: ({ right, live, pause }) => ({
      async replace(id, record, version, context) {
        const found = live(id, context)
        if (found?.version !== version) return found ? 'stale' : 'gone'
        await pause()
        return await right.replace(id, record, live(id, context)?.version ?? '', context)
      },
    }),
  },
  {
    id: 'replace: looks first, then sets',
    mistake: ({ live, records, pause }) => ({
      async replace(id, record, version, context) {
        const found = live(id, context)
        if (found?.version !== version) return found ? 'stale' : 'gone'
        await pause()
        records.set(id, { ...record, version: crypto.randomUUID() })
        return 'ok'
      },
    }),
  },
  {
    id: 'replace: keeps the object it was given',
    mistake: ({ right, records }) => ({
      replace(id, record, version, context) {
        const answer = right.replace(id, record, version, context)
        const kept = records.get(id)
        if (answer === 'ok' && kept)
          Object.defineProperty(kept, 'payload', { get: () => record.payload, enumerable: true })
        return answer
      },
    }),
  },
  {
    id: 'replace: payload only',
    mistake: ({ right, live }) => ({
      replace(id, { payload }, version, context) {
        const { expiresAt = 0, subject } = live(id, context) ?? {}
        const record = { payload, expiresAt, ...(subject === undefined ? {} : { subject }) }
        return right.replace(id, record, version, context)
      },
    }),
  },

  // --- versions
  {
    id: 'version: compared without regard to case',
    mistake: comparing((a, b) => a.toLowerCase() === b.toLowerCase()),
  },
  {
    id: 'version: the payload, without regard to case',
    mistake: comparing(
      (a, b) => a.toLowerCase() === b.toLowerCase(),
      record => record.payload,
    ),
  },
  {
    id: 'version: the payload, blanks at the end cut',
    mistake: comparing(
      (a, b) => a.trimEnd() === b.trimEnd(),
      record => record.payload,
    ),
  },
  {
    id: 'version: the payload, accents do not count',
    mistake: comparing(
      (a, b) => a.localeCompare(b, 'en', { sensitivity: 'base' }) === 0,
      record => record.payload,
    ),
  },
  {
    id: 'version: the payload, compared as a number',
    mistake: comparing(
      (a, b) => a === b || Number(a) === Number(b),
      record => record.payload,
    ),
  },
  {
    id: 'version: the first 255 characters of the payload',
    mistake: comparing(
      (a, b) => a === b,
      record => record.payload.slice(0, 255),
    ),
  },
  {
    id: 'version: a checksum that adds up',
    mistake: comparing(
      (a, b) => a === b,
      record => String([...record.payload].reduce((sum, c) => sum + c.charCodeAt(0), 0)),
    ),
  },
  {
    id: 'version: the length of the payload',
    mistake: comparing(
      (a, b) => a === b,
      record => String(record.payload.length),
    ),
  },
  {
    id: 'version: the time of the write in seconds',
    mistake: comparing(
      (a, b) => a === b,
      () => 'Sun, 06 Nov 1994 08:49:37 GMT',
    ),
  },
  {
    id: 'version: a new one at each read',
    mistake: ({ right }) => ({
      async read(id, context) {
        const found = await right.read(id, context)
        return found && { ...found, version: crypto.randomUUID() }
      },
    }),
  },
  {
    id: 'version: a counter that wraps at four',
    mistake: ({ right, live }) => {
      const counters = new Map<string, number>()
      const shown = (id: string) => String((counters.get(id) ?? 0) % 4)
      const exact = (id: string, version: string, context?: StoreContext) =>
        version === shown(id) ? (live(id, context)?.version ?? '') : 'another'
      return {
        async read(id, context) {
          const found = await right.read(id, context)
          return found && { ...found, version: shown(id) }
        },
        replace(id, record, version, context) {
          const answer = right.replace(id, record, exact(id, version, context), context)
          if (answer === 'ok') counters.set(id, (counters.get(id) ?? 0) + 1)
          return answer
        },
      }
    },
  },
  {
    id: 'version: looked up in the whole table',
    mistake: ({ right, records, live }) => ({
      replace(id, record, version, context) {
        const known = [...records.values()].some(each => each.version === version)
        return right.replace(id, record, known ? (live(id, context)?.version ?? '') : version, context)
      },
    }),
  },
  {
    id: 'version: not the one that read gave after a touch',
    mistake: ({ right, live }) => {
      const touched = new Map<string, string>()
      return {
        touch(id, expiresAt, version, context) {
          const done = right.touch(id, expiresAt, version, context)
          if (done) touched.set(id, version)
          return done
        },
        replace(id, record, version, context) {
          const spoilt = touched.get(id) === version && live(id, context)?.version === version
          return spoilt ? 'stale' : right.replace(id, record, version, context)
        },
      }
    },
  },

  // --- touch
  {
    id: 'touch: does nothing, and says true',
    mistake: ({ live }) => ({
      touch: (id, _, version, context) => live(id, context)?.version === version,
    }),
  },
  {
    id: 'touch: rewrites the payload',
    mistake: ({ right, live, records }) => ({
      touch(id, expiresAt, version, context) {
        const done = right.touch(id, expiresAt, version, context)
        const found = live(id, context)
        if (done && found) records.set(id, { ...found, payload: '{}' })
        return done
      },
    }),
  },
  {
    id: 'touch: loses the subject',
    mistake: ({ right, live, records }) => ({
      touch(id, expiresAt, version, context) {
        const done = right.touch(id, expiresAt, version, context)
        const { subject: _, ...rest } = live(id, context) ?? {}
        if (done && 'payload' in rest) records.set(id, rest as StoredRecord)
        return done
      },
    }),
  },
  {
    id: 'touch: no row changed means false',
    mistake: ({ right, live }) => ({
      touch: (id, expiresAt, version, context) =>
        live(id, context)?.expiresAt !== expiresAt && right.touch(id, expiresAt, version, context),
    }),
  },
  {
    id: 'touch: the expiry that it last saw needs no look',
    mistake({ right }) {
      const seen = new Map<string, number>()
      return {
        insert(id, record, context) {
          const done = right.insert(id, record, context)
          if (done) seen.set(id, record.expiresAt)
          return done
        },
        touch: (id, expiresAt, version, context) =>
          seen.get(id) === expiresAt || right.touch(id, expiresAt, version, context),
      }
    },
  },
  {
    id: 'touch: makes the record it does not find',
    mistake: ({ right, records }) => ({
      touch(id, expiresAt, version, context) {
        if (!records.has(id)) records.set(id, { payload: '{}', expiresAt, version })
        return right.touch(id, expiresAt, version, context)
      },
    }),
  },
  {
    id: 'touch: the version is ignored',
    mistake: ({ right, live }) => ({
      touch: (id, expiresAt, _, context) =>
        right.touch(id, expiresAt, live(id, context)?.version ?? '', context),
    }),
  },
  {
    id: 'touch: revives an expired record',
    mistake: ({ right, records }) => ({
      touch: (id, expiresAt, version, context) =>
        right.touch(id, expiresAt, version, { ...context, now: (records.get(id)?.expiresAt ?? 0) - 1 }),
    }),
  },
  {
    id: 'touch: later only',
    mistake: ({ right, live }) => ({
      touch: (id, expiresAt, version, context) =>
        right.touch(id, Math.max(expiresAt, live(id, context)?.expiresAt ?? 0), version, context),
    }),
  },
  {
    id: 'touch: reads, then sets the whole record',
    mistake: ({ live, records, pause }) => ({
      async touch(id, expiresAt, version, context) {
        const found = live(id, context)
        if (found?.version !== version) return false
        await pause()
        records.set(id, { ...found, expiresAt })
        return true
      },
    }),
  },
  {
    id: 'touch: reads, then sets if it is still there',
    mistake: ({ live, records, pause }) => ({
      async touch(id, expiresAt, version, context) {
        const found = live(id, context)
        if (found?.version !== version) return false
        await pause()
        if (!records.has(id)) return false
        records.set(id, { ...found, expiresAt })
        return true
      },
    }),
  },
  {
    id: 'touch: throws where it is gone',
    mistake: ({ right }) => ({
      touch(id, expiresAt, version, context) {
        if (!right.touch(id, expiresAt, version, context)) throw new Error('no such session')
        return true
      },
    }),
  },

  // --- remove
  {
    id: 'remove: does nothing, and says ok',
    mistake: ({ live }) => ({
      remove: (id, _, context) => (live(id, context) ? 'ok' : 'gone'),
    }),
  },
  {
    id: 'remove: not idempotent',
    mistake: ({ right }) => ({
      remove(id, version, context) {
        const answer = right.remove(id, version, context)
        if (answer === 'gone') throw new Error('no such session')
        return answer
      },
    }),
  },
  {
    id: 'remove: ok for what is not there',
    mistake: ({ right }) => ({
      remove(id, version, context) {
        const answer = right.remove(id, version, context)
        return answer === 'gone' ? 'ok' : answer
      },
    }),
  },
  {
    id: 'remove: the version is ignored',
    mistake: ({ right }) => ({
      remove: (id, _, context) => right.remove(id, undefined, context),
    }),
  },
  {
    id: 'remove: stale at every version',
    mistake: ({ right, live }) => ({
      remove: (id, version, context) =>
        version !== undefined && live(id, context) ? 'stale' : right.remove(id, undefined, context),
    }),
  },
  {
    id: 'remove: stale, and removed all the same',
    mistake: ({ right }) => ({
      remove(id, version, context) {
        const answer = right.remove(id, version, context)
        if (answer === 'stale') right.remove(id, undefined, context)
        return answer
      },
    }),
  },
  {
    id: 'remove: gone where it is stale',
    mistake: ({ right }) => ({
      remove(id, version, context) {
        const answer = right.remove(id, version, context)
        return answer === 'stale' ? 'gone' : answer
      },
    }),
  },
  {
    id: 'remove: ok for an expired record',
    mistake: ({ right, records }) => ({
      remove: (id, version, context) =>
        right.remove(id, version, { ...context, now: (records.get(id)?.expiresAt ?? 0) - 1 }),
    }),
  },
  {
    id: 'remove: looks first, then removes',
    mistake: ({ live, records, pause }) => ({
      async remove(id, version, context): Promise<Replaced> {
        const found = live(id, context)
        if (!found) return 'gone'
        if (version !== undefined && found.version !== version) return 'stale'
        await pause()
        records.delete(id)
        return 'ok'
      },
    }),
  },
  {
    id: 'remove: every session of the subject goes along',
    mistake: ({ right, live }) => ({
      remove(id, version, context) {
        const subject = live(id, context)?.subject
        const answer = right.remove(id, version, context)
        if (answer === 'ok' && subject !== undefined) right.removeBySubject(subject, { ...context })
        return answer
      },
    }),
  },

  // --- payloads
  { id: 'payload: cut at 64 KB', mistake: garbling(payload => payload.slice(0, 65_535)) },
  { id: 'payload: cut at a million characters', mistake: garbling(payload => payload.slice(0, 1_000_000)) },
  {
    id: 'payload: three bytes a character at the most',
    mistake: garbling(payload => payload.replace(/[\u{10000}-\u{10ffff}]/gu, '?')),
  },
  { id: 'payload: latin1', mistake: garbling(payload => payload.replace(/[^\0-\xff]/g, '?')) },
  { id: 'payload: normalized', mistake: garbling(payload => payload.normalize('NFC')) },
  {
    id: 'payload: a byte order mark is dropped',
    mistake: garbling(payload => payload.replace(/^\uFEFF/, '')),
  },
  { id: 'payload: trimmed', mistake: garbling(payload => payload.trim()) },
  { id: 'payload: line ends made one', mistake: garbling(payload => payload.replace(/\r\n?/g, '\n')) },
  { id: 'payload: backslashes unescaped', mistake: garbling(payload => payload.replace(/\\(.)/g, '$1')) },
  {
    id: 'payload: control characters removed',
    mistake: garbling(payload => payload.replaceAll('\u0007', '').replaceAll('\u001b', '')),
  },
  { id: 'payload: cut at NUL', mistake: garbling(payload => payload.split('\0')[0] ?? '') },
  {
    id: 'payload: parsed and written again',
    mistake: garbling(payload => {
      try {
        return JSON.stringify(JSON.parse(payload))
      } catch {
        return payload
      }
    }),
  },
  {
    id: 'payload: an empty one counts as none',
    mistake: ({ right }) => ({
      async read(id, context) {
        const found = await right.read(id, context)
        return found?.payload ? found : null
      },
    }),
  },

  // --- subjects
  {
    id: 'subject: removeBySubject removes one',
    mistake: ({ right, records }) => ({
      removeBySubject(subject, context) {
        const id = [...records.keys()].find(key => records.get(key)?.subject === subject)
        if (id === undefined) return 0
        right.remove(id, undefined, context)
        return 1
      },
    }),
  },
  {
    id: 'subject: removeBySubject does not count',
    mistake: ({ right }) => ({
      removeBySubject(subject, options) {
        right.removeBySubject(subject, options)
        return undefined as unknown as number
      },
    }),
  },
  {
    id: 'subject: `except` is ignored',
    mistake: ({ right }) => ({
      removeBySubject: (subject, { except: _, ...context } = {}) => right.removeBySubject(subject, context),
    }),
  },
  {
    id: 'subject: an unknown one is everybody without',
    mistake: ({ right, records }) => ({
      removeBySubject(subject, { except: _, ...context } = {}) {
        const known = [...records.values()].some(record => record.subject === subject)
        if (known) return right.removeBySubject(subject, { ...context })
        const ids = [...records.keys()].filter(id => records.get(id)?.subject === undefined)
        for (const id of ids) records.delete(id)
        return 0
      },
    }),
  },
  {
    id: 'subject: compared without regard to case',
    mistake: matching((a, b) => a.toLowerCase() === b.toLowerCase()),
  },
  { id: 'subject: blanks at the end cut', mistake: matching((a, b) => a.trimEnd() === b.trimEnd()) },
  {
    id: 'subject: compared after normalization',
    mistake: matching((a, b) => a.normalize('NFC') === b.normalize('NFC')),
  },
  { id: 'subject: a prefix is enough', mistake: matching((a, b) => a.startsWith(b)) },
  {
    id: 'subject: only the first 200 characters',
    mistake: matching((a, b) => a.slice(0, 200) === b.slice(0, 200)),
  },
  {
    id: 'subject: LIKE',
    mistake: matching((a, b) => {
      const pattern = b
        .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
        .replaceAll('%', '.*')
        .replaceAll('_', '.')
      return new RegExp(`^${pattern}$`, 'su').test(a)
    }),
  },
  {
    id: 'subject: the index of the insert is for good',
    mistake: ({ right, live }) => {
      const index = new Map<string, string>()
      return {
        insert(id, record, context) {
          const done = right.insert(id, record, context)
          if (done && record.subject !== undefined) index.set(id, record.subject)
          return done
        },
        removeBySubject(subject, { except, ...context } = {}) {
          const ids = [...index.keys()].filter(
            id => index.get(id) === subject && id !== except && live(id, context),
          )
          return ids.filter(id => right.remove(id, undefined, context) === 'ok').length
        },
      }
    },
  },
  {
    id: 'subject: expired sessions are counted',
    mistake: ({ records }) => ({
      removeBySubject(subject, { except } = {}) {
        const ids = [...records.keys()].filter(id => records.get(id)?.subject === subject && id !== except)
        for (const id of ids) records.delete(id)
        return ids.length
      },
    }),
  },
  {
    id: 'subject: removed at the version listed, once',
    mistake: ({ right, records, live, pause }) => ({
      async removeBySubject(subject, { except, ...context } = {}) {
        const theirs = [...records.keys()].filter(
          id => live(id, context)?.subject === subject && id !== except,
        )
        const versions = theirs.map(id => [id, live(id, context)?.version ?? ''] as const)
        await pause()
        let count = 0
        for (const [id, version] of versions) {
          if ((await right.remove(id, version, context)) === 'ok') count++
        }
        return count
      },
    }),
  },
  {
    id: 'subject: listed once, then removed if it is still theirs',
    mistake: ({ right, records, live, pause }) => ({
      async removeBySubject(subject, { except, ...context } = {}) {
        let count = 0
        for (let before = -1; before !== count; ) {
          before = count
          const ids = [...records.keys()].filter(
            id => live(id, context)?.subject === subject && id !== except,
          )
          await pause()
          for (const id of ids) {
            const found = live(id, context)
            if (found?.subject !== subject) continue
            if ((await right.remove(id, found.version, context)) === 'ok') count++
          }
        }
        return count
      },
    }),
  },
  {
    id: 'subject: listed first, then removed, whosever it is',
    mistake: ({ right, records, live, pause }) => ({
      async removeBySubject(subject, { except, ...context } = {}) {
        let count = 0
        for (;;) {
          const ids = [...records.keys()].filter(
            id => live(id, context)?.subject === subject && id !== except,
          )
          if (ids.length === 0) return count
          await pause()
          for (const id of ids) if ((await right.remove(id, undefined, context)) === 'ok') count++
        }
      },
    }),
  },
  {
    id: 'subject: a range of the keys `subject!id`',
    mistake: ({ right, records, live }) => ({
      removeBySubject(subject, { except, ...context } = {}) {
        const keys = [...records.keys()].map(id => [`${live(id, context)?.subject}!${id}`, id] as const)
        const found = keys.filter(([key, id]) => key > `${subject}!` && key < `${subject}!~` && id !== except)
        return found.filter(([, id]) => right.remove(id, undefined, context) === 'ok').length
      },
    }),
  },
  {
    id: 'subject: an index that is read, changed and written',
    mistake: ({ right, pause }) => {
      const index = new Map<string, string[]>()
      return {
        async insert(id, record, context) {
          const subject = record.subject
          if (subject !== undefined) {
            const ids = index.get(subject) ?? []
            await pause()
            index.set(subject, [...ids, id])
          }
          return await right.insert(id, record, context)
        },
        async removeBySubject(subject, { except, ...context } = {}) {
          let count = 0
          for (const id of index.get(subject) ?? []) {
            if (id === except || (await right.read(id, context))?.subject !== subject) continue
            if ((await right.remove(id, undefined, context)) === 'ok') count++
          }
          return count
        },
      }
    },
  },
  {
    id: 'subject: scanBySubject gives expired ones',
    mistake: ({ records }) => ({
      async *scanBySubject(subject) {
        for (const [id, record] of records) if (record.subject === subject) yield { id, ...record }
      },
    }),
  },
  {
    id: 'subject: scanBySubject gives no version',
    mistake: ({ right }) => ({
      async *scanBySubject(subject, context) {
        for await (const { version: _, ...entry } of right.scanBySubject(subject, context))
          yield entry as StoredEntry
      },
    }),
  },
  {
    id: 'subject: scanBySubject remembers the first list for a second',
    mistake: ({ right }) => {
      const lists = new Map<string, { at: number; list: StoredEntry[] }>()
      return {
        async *scanBySubject(subject, context) {
          const known = lists.get(subject)
          if (known && Date.now() - known.at < 1_000) return yield* known.list
          const list = await Array.fromAsync(right.scanBySubject(subject, context))
          lists.set(subject, { at: Date.now(), list })
          yield* list
        },
      }
    },
  },
  {
    id: 'subject: scanBySubject knows what another process inserted only at the next list',
    mistake: ({ right }) => {
      const lists = new Map<string, StoredEntry[]>()
      return {
        async *scanBySubject(subject, context) {
          const list = lists.get(subject) ?? []
          lists.set(subject, await Array.fromAsync(right.scanBySubject(subject, context)))
          for (const entry of list) if (await right.read(entry.id, context)) yield entry
        },
      }
    },
  },
  {
    id: 'subject: scanBySubject stops at ten',
    mistake: ({ right }) => ({
      async *scanBySubject(subject, context) {
        let count = 0
        for await (const entry of right.scanBySubject(subject, context)) if (count++ < 10) yield entry
      },
    }),
  },

  // --- clean-up
  {
    id: 'clearExpired: does nothing',
    mistake: () => ({
      async *clearExpired() {
        yield { removed: 0 }
      },
    }),
  },
  {
    id: 'clearExpired: live ones of the same second as well',
    mistake: ({ right }) => ({
      clearExpired: ({ now = Date.now(), ...options } = {}) =>
        right.clearExpired({ ...options, now: now + 1_005 }),
    }),
  },
  {
    id: 'clearExpired: reports the same number again',
    mistake: ({ right }) => {
      let total = 0
      return {
        async *clearExpired(options) {
          for await (const { removed } of right.clearExpired(options)) total += removed
          yield { removed: total }
        },
      }
    },
  },
  {
    id: 'clearExpired: all in one',
    mistake: ({ right }) => ({
      clearExpired: ({ batchSize: _, ...context } = {}) => right.clearExpired(context),
    }),
  },
  {
    id: 'clearExpired: all is gone before the first report',
    mistake: ({ right }) => ({
      async *clearExpired(options) {
        const batches: { removed: number }[] = []
        for await (const batch of right.clearExpired(options)) batches.push(batch)
        yield* batches
      },
    }),
  },
  {
    id: 'clearExpired: lists first, then removes',
    mistake: ({ records, live }) => ({
      async *clearExpired({ batchSize = 1_000, ...context } = {}) {
        const ids = [...records.keys()].filter(id => !live(id, context))
        for (let at = 0; at < ids.length; at += batchSize) {
          const batch = ids.slice(at, at + batchSize)
          for (const id of batch) records.delete(id)
          yield { removed: batch.length }
        }
      },
    }),
  },
  {
    id: 'clearExpired: finds a batch, then removes it',
    mistake: ({ records, live, pause, backend }) => ({
      async *clearExpired({ batchSize = 1_000, ...context } = {}) {
        if (backend.down) throw new Error('connect ECONNREFUSED')
        for (;;) {
          const ids = [...records.keys()].filter(id => !live(id, context)).slice(0, batchSize)
          if (ids.length === 0) return
          await pause()
          yield { removed: ids.filter(id => records.delete(id)).length }
        }
      },
    }),
  },
  {
    id: 'clearExpired: writes the table anew',
    mistake: ({ records, live, pause, backend }) => ({
      async *clearExpired(context) {
        if (backend.down) throw new Error('connect ECONNREFUSED')
        const before = [...records]
        await pause()
        const kept = before.filter(([id]) => live(id, context))
        records.clear()
        for (const [id, record] of kept) records.set(id, record)
        if (kept.length < before.length) yield { removed: before.length - kept.length }
      },
    }),
  },

  // --- count
  {
    id: 'count: counts expired ones as live',
    mistake: ({ records }) => ({
      count: ({ limit }) => ({ live: Math.min(records.size, limit), expired: 0 }),
    }),
  },
  {
    id: 'count: knows no limit',
    mistake: ({ right }) => ({
      count: context => right.count!({ ...context, limit: Number.MAX_SAFE_INTEGER }),
    }),
  },
  // --- scan
  {
    id: 'scan: gives expired ones',
    mistake: ({ records }) => ({
      async *scan() {
        for (const [id, record] of [...records]) yield { id, ...record }
      },
    }),
  },
  {
    id: 'scan: the first page only',
    mistake: ({ right }) => ({
      async *scan(context) {
        let count = 0
        for await (const entry of right.scan(context)) if (count++ < 25) yield entry
      },
    }),
  },
  {
    id: 'scan: pages by offset, and each write moves the record',
    mistake: ({ right, records }) => ({
      replace(id, record, version, context) {
        const answer = right.replace(id, record, version, context)
        const kept = records.get(id)
        if (answer === 'ok' && kept) {
          records.delete(id)
          records.set(id, kept)
        }
        return answer
      },
      async *scan(context) {
        for (let offset = 0; offset < records.size; offset++) {
          const [id, record] = [...records][offset] ?? []
          if (id && record && record.expiresAt > (context?.now ?? Date.now())) yield { id, ...record }
        }
      },
    }),
  },
  {
    id: 'scan: pages by offset',
    mistake: ({ records, live, backend }) => ({
      async *scan(context) {
        if (backend.down) throw new Error('connect ECONNREFUSED')
        for (let offset = 0; offset < records.size; offset += 100) {
          for (const id of [...records.keys()].slice(offset, offset + 100)) {
            const record = live(id, context)
            if (record) yield { id, ...record }
          }
        }
      },
    }),
  },
  {
    id: 'scan: chases its own tail',
    mistake: ({ right, records, live }) => ({
      replace(id, record, version, context) {
        const answer = right.replace(id, record, version, context)
        const kept = records.get(id)
        if (answer === 'ok' && kept) {
          records.delete(id)
          records.set(id, kept)
        }
        return answer
      },
      async *scan(context) {
        const busy = records.size > 21
        for (const [id] of records) {
          const record = live(id, context)
          if (record) yield { id, ...record }
          if (busy && records.size > 1_000) return
        }
        throw new Error('cursor lost')
      },
    }),
  },
  {
    id: 'scan: holds a connection when it is left',
    mistake: ({ right, records, live }) => {
      let connections = 10
      return {
        async *scan(context) {
          if (connections === 0) throw new Error('timeout: no connection is free')
          connections--
          for (const id of [...records.keys()]) {
            const record = live(id, context)
            if (record) yield { id, ...record }
          }
          connections++
        },
        replace(id, record, version, context) {
          if (connections === 0) throw new Error('timeout: no connection is free')
          return right.replace(id, record, version, context)
        },
      }
    },
  },

  // --- outages
  {
    id: 'down: read says null',
    mistake: ({ right }) => ({
      read: (id, context) => swallowing(() => right.read(id, context), null),
    }),
  },
  {
    id: 'down: insert says false',
    mistake: ({ right }) => ({
      insert: (id, record, context) => swallowing(() => right.insert(id, record, context), false),
    }),
  },
  {
    id: 'down: insert is postponed, and says true',
    mistake: ({ right }) => ({
      insert: (id, record, context) => swallowing(() => right.insert(id, record, context), true),
    }),
  },
  {
    id: 'down: replace says gone',
    mistake: ({ right }) => ({
      replace: (id, record, version, context) =>
        swallowing<Replaced>(() => right.replace(id, record, version, context), 'gone'),
    }),
  },
  {
    id: 'down: touch says false',
    mistake: ({ right }) => ({
      touch: (id, expiresAt, version, context) =>
        swallowing<boolean>(() => right.touch(id, expiresAt, version, context), false),
    }),
  },
  {
    id: 'down: remove says gone',
    mistake: ({ right }) => ({
      remove: (id, version, context) =>
        swallowing<Replaced>(() => right.remove(id, version, context), 'gone'),
    }),
  },
  {
    id: 'down: removeBySubject says 0',
    mistake: ({ right }) => ({
      removeBySubject: (subject, options) =>
        swallowing<number>(() => right.removeBySubject(subject, options), 0),
    }),
  },
  {
    id: 'down: scan is empty',
    mistake: ({ right, backend }) => ({
      async *scan(context) {
        if (!backend.down) yield* right.scan(context)
      },
    }),
  },
  {
    id: 'down: read never answers',
    mistake: ({ right, backend }) => ({
      read: (id, context) => (backend.down ? new Promise(() => undefined) : right.read(id, context)),
    }),
  },
  {
    id: 'down: for ever',
    mistake: ({ right, backend }) => {
      let failed = false
      return {
        read(id, context) {
          failed ||= backend.down !== false
          if (failed) throw new Error('the connection is closed')
          return right.read(id, context)
        },
      }
    },
  },

  // --- signals, closing
  {
    id: 'signal: an aborted read says null',
    mistake: ({ right }) => ({
      read: (id, context) => (context?.signal?.aborted ? null : right.read(id, context)),
    }),
  },
  {
    id: 'signal: a read aborted in flight says null',
    mistake: ({ right, pause }) => ({
      async read(id, context) {
        if (context?.signal?.aborted) throw context.signal.reason
        await pause()
        return context?.signal?.aborted ? null : await right.read(id, context)
      },
    }),
  },
  {
    id: 'signal: an aborted insert says true',
    mistake: ({ right }) => ({
      insert: (id, record, context) => (context?.signal?.aborted ? true : right.insert(id, record, context)),
    }),
  },
  {
    id: 'signal: an aborted replace leaves half a record',
    mistake: ({ right, records, pause }) => ({
      async replace(id, record, version, context) {
        const answer = await right.replace(id, record, version, context)
        if (answer === 'ok' && context?.signal) {
          await pause()
          const kept = records.get(id)
          if (context.signal.aborted && kept) records.set(id, { ...kept, payload: kept.payload.slice(0, 9) })
          if (context.signal.aborted) throw context.signal.reason
        }
        return answer
      },
    }),
  },
  {
    id: 'close: closes the connection of others',
    mistake: ({ backend }) => ({
      close() {
        backend.down = true
      },
    }),
  },
]
