import { ConfigError, type Store, type StoreContext, type StoredEntry, type StoredRecord } from '@sess/core'
import { isSessionId, nowOf, readOptions, removeEach } from '@sess/core/store'
import { ROUNDING_MS } from './decide.ts'
import { Mover, type MoverOptions } from './mover.ts'
import { isReceipt, placeholderNonce } from './receipt.ts'

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
    return mover.carry(id, context)
  }

  async function remove(
    id: string,
    version?: string,
    context?: StoreContext,
  ): Promise<'ok' | 'stale' | 'gone'> {
    if (!isSessionId(id)) return 'gone'
    const copy = await to.remove(id, version, context)
    if (copy === 'stale') return 'stale'
    // Versions are those of copies. What is in the old store alone may be a session that is being inserted.
    if (copy === 'gone' && version !== undefined)
      return (await mover.carry(id, context)) === null ? 'gone' : 'stale'
    const old = await from.remove(id, undefined, context)
    // An insert may have written to both between the two removals.
    if (copy === 'gone' && old === 'ok') await to.remove(id, undefined, context)
    // Another process may have copied it between the two.
    await mover.carry(id, context)
    return old === 'ok' ? 'ok' : copy
  }

  /** An id with a receipt is taken, until its session has expired: its removal may be under way. */
  async function isFree(id: string, context: StoreContext = {}): Promise<boolean> {
    const { receipt, from: old, to: copy } = await mover.look(id, context)
    if (receipt === undefined) return true
    if (old !== null || copy !== null || receipt.expiresAt > nowOf(context)) return false
    await mover.carry(id, context)
    return true
  }

  const store: Store = {
    ...maxBytesOf(from, to),
    read,
    remove,

    async insert(id, record, context) {
      if (!isSessionId(id) || !(await isFree(id, context))) return false
      if (!(await to.insert(id, record, context))) return false
      let inserted = false
      try {
        inserted = await from.insert(id, record, context)
      } finally {
        if (!inserted) await to.remove(id, undefined, context)
      }
      if (!inserted) return false
      const seen = await mover.look(id, context ?? {})
      // The copy is gone, or was made again from the old store: a logout came between the two writes. Only copying makes a nonce.
      if (seen.to === null || seen.placeholder !== undefined || seen.receipt?.nonce) {
        await remove(id, undefined, context)
      } else await mover.carry(id, context, undefined, seen)
      return true
    },

    async replace(id, record, version, context) {
      if (!isSessionId(id)) return 'gone'
      const replaced = await to.replace(id, record, version, context)
      if (replaced !== 'ok') return replaced
      if (record.expiresAt <= nowOf(context)) {
        await remove(id, undefined, context)
        return 'ok'
      }
      // `null`: it ended on the old site meanwhile.
      return (await mover.carry(id, context)) === null ? 'gone' : 'ok'
    },

    async touch(id, expiresAt, version, context) {
      if (!isSessionId(id) || !(await to.touch(id, expiresAt, version, context))) return false
      const old = await from.read(id, context)
      // Between two records the later expiry would win, and this one may be the earlier.
      if (old) await from.touch(id, expiresAt, old.version, context)
      if (expiresAt > nowOf(context)) return (await mover.carry(id, context)) !== null
      await remove(id, undefined, context)
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
  return old.payload === copy.payload && Math.abs(old.expiresAt - copy.expiresAt) <= ROUNDING_MS
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
