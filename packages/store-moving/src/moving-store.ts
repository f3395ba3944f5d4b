import {
  ConfigError,
  SessionDataError,
  type SessionRecord,
  type Store,
  type StoreContext,
  type StoredEntry,
  type StoredRecord,
} from '@sess/core'
import { isSessionId, nowOf, readOptions, removeEach } from '@sess/core/store'
import { isNear } from './decide.ts'
import { Mover, type MoverOptions, OldStoreRejects } from './mover.ts'
import { isReceipt, newNonce, placeholderNonce } from './receipt.ts'

/**
 * The store of the new site while sessions move from one store to another. A session that is only in the old store is copied when its
 * browser comes. Saves go to both stores, and logouts remove from both, so the old site may run meanwhile.
 *
 * Each request costs a call more to the old store. Use `to` alone when `sess move --finish` is next.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const store = movingStore({ from: sqliteStore('sessions.db'), to: postgresStore(url) })
 */
export function movingStore(options: MoverOptions): Store {
  const { from, to, codec } = checked(options)
  const mover = new Mover({ from, to, codec })

  async function read(id: string, context?: StoreContext): Promise<StoredRecord | null> {
    if (!isSessionId(id)) return null
    const [old, copy] = await Promise.all([from.read(id, context), to.read(id, context)])
    if (old === null && copy === null) return null
    if (isReceipt(copy?.payload ?? '')) return null
    if (old && copy && isSame(old, copy)) return copy
    return carry(id, context)
  }

  /** Makes both stores equal. If the old one cannot hold the session, the new one alone has the newest data. */
  async function carry(id: string, context?: StoreContext): Promise<StoredRecord | null> {
    try {
      return await mover.carry(id, context)
    } catch (error) {
      if (error instanceof OldStoreRejects) return error.copy
      throw error
    }
  }

  // The new store decides what each call did. The old store follows, and any process may bring a change over to it.

  async function remove(
    id: string,
    version?: string,
    context?: StoreContext,
  ): Promise<'ok' | 'stale' | 'gone'> {
    if (!isSessionId(id)) return 'gone'
    for (;;) {
      let record: StoredRecord | null
      try {
        // A copy with a receipt is not copied again after it is gone.
        record = await carry(id, context)
      } catch (error) {
        if (!(error instanceof SessionDataError)) throw error
        return removeUnmovable(id, version, context)
      }
      if (record === null) return 'gone'
      const removed = await to.remove(id, version ?? record.version, context)
      if (removed === 'stale' && version === undefined) continue
      if (removed === 'stale') return staleOrGone(id, context)
      if (removed === 'ok') await carry(id, context)
      return removed
    }
  }

  /** What has another version may be the placeholder of a late copier, and no session. */
  async function staleOrGone(id: string, context?: StoreContext): Promise<'stale' | 'gone'> {
    return (await read(id, context)) === null ? 'gone' : 'stale'
  }

  /** Removes a session that the new store cannot hold. It can be ended, although it cannot be read. */
  async function removeUnmovable(id: string, version?: string, context?: StoreContext) {
    // Versions are those of copies.
    if (version !== undefined) return 'stale'
    const removed = await from.remove(id, undefined, context)
    await carry(id, context)
    return removed
  }

  async function insertCopy(id: string, record: SessionRecord, context: StoreContext): Promise<boolean> {
    if (await to.insert(id, record, context)) return true
    // A copier that was late may have left a placeholder.
    return (await carry(id, context)) === null && to.insert(id, record, context)
  }

  /** If the old store does not take it, removes it from the new one. */
  async function insertOld(id: string, record: SessionRecord, context: StoreContext): Promise<boolean> {
    let inserted = false
    try {
      inserted = await from.insert(id, record, context)
    } finally {
      if (!inserted) await to.remove(id, undefined, context)
    }
    return inserted
  }

  /** What the old site did before a call counts for it. A call that ends the session needs a receipt, which `carry` writes. */
  async function upToDate(
    id: string,
    expiresAt: number,
    context?: StoreContext,
  ): Promise<StoredRecord | null> {
    return expiresAt > nowOf(context) ? read(id, context) : carry(id, context)
  }

  /** The old store rejected what a save wrote to the new one, so the save fails. */
  async function putBack(
    id: string,
    saved: SessionRecord,
    { payload, expiresAt, subject }: StoredRecord,
    context?: StoreContext,
  ): Promise<void> {
    const copy = await to.read(id, context)
    const record = { payload, expiresAt, ...(subject !== undefined && { subject }) }
    if (copy?.payload === saved.payload) await to.replace(id, record, copy.version, context)
  }

  const store: Store = {
    ...maxBytesOf(from, to),
    read,
    remove,

    async insert(id, record, context = {}) {
      if (!isSessionId(id)) return false
      const nonce = newNonce()
      if (!(await mover.claim(id, record, nonce, context))) return false
      const settle = async () => {
        if ((await carry(id, context)) === null) await mover.unclaim(id, nonce, context)
      }
      try {
        const inserted = (await insertCopy(id, record, context)) && (await insertOld(id, record, context))
        await settle()
        return inserted
      } catch (error) {
        // After any other error the write may still arrive. The receipt ends it then.
        if (error instanceof SessionDataError) await settle()
        throw error
      }
    },

    async replace(id, record, version, context) {
      if (!isSessionId(id)) return 'gone'
      const before = await upToDate(id, record.expiresAt, context)
      if (before === null) return 'gone'
      const replaced = await to.replace(id, record, version, context)
      if (replaced === 'stale') return staleOrGone(id, context)
      if (replaced === 'gone') return 'gone'
      try {
        await mover.carry(id, context)
      } catch (error) {
        if (error instanceof OldStoreRejects) await putBack(id, record, before, context)
        throw error
      }
      return 'ok'
    },

    async touch(id, expiresAt, version, context) {
      if (!isSessionId(id) || (await upToDate(id, expiresAt, context)) === null) return false
      if (!(await to.touch(id, expiresAt, version, context))) return false
      await carry(id, context)
      return true
    },
  }

  if (from.scan && to.scan) store.scan = context => both(context, each => each.scan!(context))
  if (from.scanBySubject && to.scanBySubject) {
    const scanBySubject: Store['scanBySubject'] = (subject, context) =>
      both(context, each => each.scanBySubject!(subject, context), subject)
    store.scanBySubject = scanBySubject
    store.removeBySubject = removeEach(scanBySubject, remove)
  }
  if (from.clearExpired || to.clearExpired) {
    store.clearExpired = async function* (options) {
      for (const each of [to, from]) if (each.clearExpired) yield* each.clearExpired(options)
    }
  }
  if (from.close || to.close) {
    store.close = async () => {
      await Promise.all([from.close?.(), to.close?.()])
    }
  }
  return store

  /** The sessions of both stores, each once, as they are in the new store. */
  async function* both(
    context: StoreContext | undefined,
    entriesOf: (store: Store) => AsyncIterable<StoredEntry>,
    subject?: string,
  ): AsyncGenerator<StoredEntry> {
    const seen = new Set<string>()
    for (const each of [from, to]) {
      for await (const { id, payload } of entriesOf(each)) {
        if (seen.has(id) || isReceipt(payload) || placeholderNonce(id, payload) !== undefined) continue
        seen.add(id)
        const record = await read(id, context)
        if (record !== null && (subject === undefined || record.subject === subject)) yield { ...record, id }
      }
    }
  }
}

function isSame(old: StoredRecord, copy: StoredRecord): boolean {
  return old.payload === copy.payload && isNear(old.expiresAt, copy.expiresAt)
}

function maxBytesOf(from: Store, to: Store): Pick<Store, 'maxBytes'> {
  const limits = [from.maxBytes, to.maxBytes].filter(limit => limit !== undefined)
  return limits.length > 0 ? { maxBytes: Math.min(...limits) } : {}
}

function checked(options: MoverOptions): MoverOptions {
  const isStore = (value: unknown): boolean =>
    ['read', 'insert', 'replace', 'touch', 'remove'].every(
      method => typeof (value as Record<string, unknown> | null)?.[method] === 'function',
    )
  const what = 'a store, such as sqliteStore(file) or redisStore(client)'
  const read = readOptions<MoverOptions, 'codec'>(options, {
    from: [undefined, [isStore, what]],
    to: [undefined, [isStore, what]],
    codec: [
      undefined,
      [
        value => typeof (value as { encode?: unknown } | null)?.encode === 'function',
        'a codec, such as json()',
      ],
    ],
  })
  for (const name of ['from', 'to'] as const) {
    if (read[name] === undefined) throw new ConfigError(name, `must be ${what}.`)
  }
  if (read.from === read.to) throw new ConfigError('to', 'must not be the old store itself.')
  return read
}
