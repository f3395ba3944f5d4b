import {
  SessionDataError,
  type Store,
  type StoreContext,
  type StoredEntry,
  type StoredRecord,
} from '@sess/core'
import { flag, isSessionId, nowOf, readOptions } from '@sess/core/store'
import { commandsOf, type RedisClient } from './client.ts'
import {
  KEEP_EARLIER_SECONDS,
  newVersion,
  parseRecord,
  serializeExpiry,
  serializeRest,
  serializeSubject,
  splitVersion,
  stampOf,
} from './record.ts'
import { INSERT, REMOVE, REMOVE_OF_SUBJECT, REPLACE, runScript, type Script, TOUCH } from './scripts.ts'
import { subjectIndex } from './subject-index.ts'

/** Options of `redisStore`. */
export interface RedisStoreOptions {
  /**
   * The beginning of every key. Default `sess2:`, because connect-redis uses `sess:`. Each app on a server needs its own. It
   * must end in a separator such as `:`, so that no key of one app looks like a key of another.
   */
  prefix?: string
  /**
   * Keeps an index for `scanBySubject` and `removeBySubject`. It costs a round trip for each write of a record with a
   * subject. Default `true`. With `false` the store has neither method.
   */
  subjects?: boolean
}

/** Keys scanned, read or removed at a time. Each has a command of its own, because in a cluster their slots differ. */
const BATCH = 100

/** After this time a write that the client sent twice may no longer be recognised as done. */
const STALE_IS_SURE_MS = (KEEP_EARLIER_SECONDS - 1) * 1000

/**
 * Keeps sessions in Redis, Valkey or Redis Cluster, through your client of `redis` or `ioredis`. You connect the client,
 * listen to its `error` events and close it.
 *
 * Redis gets the time to live in milliseconds, counted from `now`. So its clock may differ from the engine's.
 *
 * @throws ConfigError (`CONFIG`) for a wrong client or option
 * @example
 * const sessions = createSessions({ store: redisStore(client) })
 */
export function redisStore(client: RedisClient, options: RedisStoreOptions = {}): Store {
  const { prefix, subjects } = readOptions<RedisStoreOptions>(options, {
    prefix: ['sess2:', [isPrefix, "a string without { and } that ends in a separator, such as 'shop:'"]],
    subjects: [true, flag],
  })
  const commands = commandsOf(client)
  const index = subjectIndex(commands, prefix)
  const run = (
    script: Script,
    id: string,
    args: (string | number)[],
    signal?: AbortSignal,
    removes?: boolean,
  ) => runScript(commands, script, prefix + id, args, signal, removes)

  const store: Store = {
    async read(id, context) {
      const key = prefix + id
      return parseRecord(await commands.send(key, ['GET', key], context?.signal), nowOf(context))
    },

    async insert(id, record, context) {
      assertStorable(record.payload)
      const { subject, expiresAt } = record
      const now = nowOf(context)
      const ttl = millisecondsLeft(expiresAt, now)
      const version = newVersion(now)
      if (subjects && subject !== undefined && ttl > 0) {
        await index.announce(subject, id, version, undefined, expiresAt, now, context?.signal)
      }
      const value = `${serializeExpiry(expiresAt)} ${version} ${serializeRest(record)}`
      const answer = await run(INSERT, id, [now, ttl, version, value], context?.signal)
      return answer === 'ok'
    },

    async replace(id, record, version, context) {
      assertStorable(record.payload)
      const { subject, expiresAt } = record
      const now = nowOf(context)
      const ttl = millisecondsLeft(expiresAt, now)
      const old = splitVersion(version)
      const next = newVersion(now)
      if (subjects && subject !== undefined && ttl > 0) {
        const before = subject === old.subject ? old.written : undefined
        await index.announce(subject, id, next, before, expiresAt, now, context?.signal)
      }
      const parts = [serializeExpiry(expiresAt), serializeRest(record)]
      const args = [now, ttl, old.written, next, stampOf(now), ...parts]
      const started = performance.now()
      const answer = (await run(REPLACE, id, args, context?.signal, ttl <= 0)) as 'ok' | 'stale' | 'gone'
      if (answer === 'stale' && performance.now() - started > STALE_IS_SURE_MS) {
        throw new Error('Redis answered too late. It is not known whether the session was saved. Try again.')
      }
      if (subjects && answer === 'stale' && subject !== undefined) index.withdraw(subject, [id + next])
      if (subjects && answer === 'ok' && old.subject !== undefined && old.subject !== subject) {
        index.withdraw(old.subject, [id + old.written])
      }
      return answer
    },

    async touch(id, expiresAt, version, context) {
      const now = nowOf(context)
      const ttl = millisecondsLeft(expiresAt, now)
      const { subject, written } = splitVersion(version)
      if (subjects && subject !== undefined && ttl > 0) {
        await index.announce(subject, id, written, written, expiresAt, now, context?.signal)
      }
      const args = [now, ttl, written, serializeExpiry(expiresAt)]
      return (await run(TOUCH, id, args, context?.signal, ttl <= 0)) === 'ok'
    },

    async remove(id, version, context) {
      const { subject, written } = splitVersion(version ?? '')
      const answer = await run(REMOVE, id, [nowOf(context), written], context?.signal, true)
      if (subjects && answer === 'ok' && subject !== undefined) index.withdraw(subject, [id + written])
      return answer as 'ok' | 'stale' | 'gone'
    },

    async *scan(context) {
      const start = commands.keyPrefix + prefix
      const pattern = `${start.replace(/[\\*?[\]]/g, '\\$&')}*`
      for (const send of await commands.primaries(context?.signal)) {
        let cursor = '0'
        do {
          const scan = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(BATCH)]
          const [next, keys] = (await send(scan)) as [string | number, string[]]
          cursor = String(next)
          const ids = keys.map(key => key.slice(start.length)).filter(isSessionId)
          yield* live(ids, await readAll(ids, context))
        } while (cursor !== '0')
      }
    },
  }
  if (!subjects) return store

  return {
    ...store,

    async removeBySubject(subject, options) {
      const now = nowOf(options)
      const endOfHeader = serializeSubject(subject)
      const known = new Set<string>()
      let removed = 0
      // Until a list has no id that is new since the list before, and nothing was removed: a session that gets a new key
      // is listed under it first.
      for (let isOver = false; !isOver; ) {
        const named = await index.members(subject, options?.signal)
        named.delete(options?.except ?? '')
        isOver = [...named.keys()].every(id => known.has(id))
        for (const batch of batches([...named])) {
          const answers = await Promise.all(
            batch.map(([id]) => run(REMOVE_OF_SUBJECT, id, [now, endOfHeader], options?.signal, true)),
          )
          // An id is never used again, so the members of a removed record can go at once.
          const over = batch.flatMap(([, members], at) =>
            answers[at] === 'ok' ? members : index.dead(members, now),
          )
          index.withdraw(subject, over)
          for (const [id] of batch) known.add(id)
          const count = answers.filter(answer => answer === 'ok').length
          if (count > 0) isOver = false
          removed += count
        }
      }
      return removed
    },

    async *scanBySubject(subject, context) {
      const named = await index.members(subject, context?.signal)
      for (const batch of batches([...named])) {
        const ids = batch.map(([id]) => id)
        const records = await readAll(ids, context)
        const theirs = records.map(record => (record?.subject === subject ? record : null))
        const over = batch.flatMap(([, members], at) =>
          theirs[at] ? [] : index.dead(members, nowOf(context)),
        )
        index.withdraw(subject, over)
        yield* live(ids, theirs)
      }
    },
  }

  function readAll(ids: string[], context: StoreContext | undefined): Promise<(StoredRecord | null)[]> {
    return Promise.all(ids.map(id => store.read(id, context)))
  }
}

/** In a cluster, braces would put all sessions into one slot. */
function isPrefix(value: unknown): boolean {
  return typeof value === 'string' && /[^0-9a-zA-Z]$/.test(value) && !/[{}]/.test(value)
}

/** The clients would write U+FFFD instead. A subject is written as JSON, which can express it. */
function assertStorable(payload: string): void {
  if (payload.isWellFormed()) return
  throw new SessionDataError(
    'The payload cannot be stored exactly. It contains a lone surrogate, which UTF-8 cannot express.',
  )
}

/** Whole milliseconds, as Redis needs them. */
function millisecondsLeft(expiresAt: number, now: number): number {
  if (!Number.isFinite(expiresAt))
    throw new RangeError('expiresAt must be a finite number of milliseconds since the epoch.')
  return Math.ceil(expiresAt - now)
}

function* live(ids: string[], records: (StoredRecord | null)[]): Generator<StoredEntry> {
  for (const [at, id] of ids.entries()) {
    const record = records[at]
    if (record) yield { id, ...record }
  }
}

function* batches<T>(all: T[]): Generator<T[]> {
  for (let from = 0; from < all.length; from += BATCH) yield all.slice(from, from + BATCH)
}
