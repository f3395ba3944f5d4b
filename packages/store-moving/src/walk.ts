import { SessionDataError, type StoreContext, type StoredEntry } from '@sess/core'
import { nowOf } from '@sess/core/store'
import { isNear } from './decide.ts'
import { type Mover, newTally, type Tally } from './mover.ts'
import { digestOf, isReceipt, parseReceipt, placeholderNonce, type Receipt } from './receipt.ts'

/** What a walk has done so far. */
export interface Walked extends Tally {
  /** Sessions of the old store that were looked at. */
  seen: number
  /** Sessions that one of the stores cannot hold, with the reason. */
  unmovable: { id: string; reason: string }[]
}

/** Options of `walk`. */
export interface WalkOptions extends StoreContext {
  /** Believe the old store even if it has lost most sessions since the last walk. */
  believeLoss?: boolean | undefined
}

/** Most sessions are gone from the old store at once: more likely it lost its data than that all users logged out. */
export class StoreLostSessions extends Error {
  readonly gone: number
  readonly of: number

  constructor(gone: number, of: number) {
    super(`${gone} of ${of} moved sessions are gone from the old store.`)
    this.name = 'StoreLostSessions'
    this.gone = gone
    this.of = of
  }
}

/** Sessions that are carried at the same time. */
const AT_ONCE = 32
/** A loss of fewer sessions is no reason to ask. */
const FEW = 20

/**
 * Goes once through both stores, and carries each session that differs. Yields what was done so far after each batch. It may
 * stop between two batches.
 *
 * Memory grows by about 200 bytes for each session of the new store.
 *
 * @throws StoreLostSessions if more than half of the moved sessions, and more than 20, are gone from the old store
 * @example
 * for await (const { copied } of walk(mover)) console.log(copied)
 */
export async function* walk(mover: Mover, options: WalkOptions = {}): AsyncGenerator<Walked> {
  const { believeLoss = false, ...context } = options
  const walked: Walked = { ...newTally(), seen: 0, unmovable: [] }
  const { receipts, copies, placeholders } = await survey(mover, context)
  const moved = receipts.size

  const carry = async (id: string, entry?: StoredEntry): Promise<void> => {
    try {
      const isNew = entry !== undefined && !receipts.has(id) && !copies.has(id)
      const known = isNew
        ? { receipt: undefined, receiptVersion: undefined, from: entry, to: null, placeholder: undefined }
        : undefined
      await mover.carry(id, context, walked, known)
    } catch (error) {
      if (!(error instanceof SessionDataError)) throw error
      walked.unmovable.push({ id, reason: error.message })
    }
  }

  for await (const batch of batches(mover.from.scan!(context))) {
    await Promise.all(
      batch.map(async entry => {
        const { id, payload } = entry
        // Of an earlier move, to the store that is left now.
        if (isReceipt(payload) || placeholderNonce(id, payload) !== undefined) return
        walked.seen += 1
        if (!isSettled(entry, receipts.get(id), copies.get(id))) await carry(id, entry)
        receipts.delete(id)
        placeholders.delete(id)
      }),
    )
    yield walked
  }

  // The receipts that are left are of sessions that the old store does not have any more.
  const left = [...receipts.values()]
  const now = nowOf(context)
  const gone = left.filter(
    ({ id, expiresAt, released }) => !released && expiresAt > now && copies.has(id),
  ).length
  if (!believeLoss && gone > FEW && gone > moved / 2) throw new StoreLostSessions(gone, moved)
  for (let at = 0; at < left.length; at += AT_ONCE) {
    await Promise.all(left.slice(at, at + AT_ONCE).map(({ id }) => carry(id)))
    yield walked
  }
  // A copier was killed before its receipt, and the session has ended since.
  for (const id of placeholders) if (!receipts.has(id)) await carry(id)
  yield walked
}

/**
 * Ends a move: removes each copied session from the old store, and the records of the move from the new one. Yields how many
 * sessions are done. No process may use the old store any more.
 *
 * @example
 * for await (const { released } of finish(mover)) console.log(released)
 */
export async function* finish(
  mover: Mover,
  context: StoreContext = {},
): AsyncGenerator<{ released: number }> {
  let released = 0
  for await (const batch of batches(mover.to.scan!(context))) {
    await Promise.all(
      batch.map(async ({ payload, version }) => {
        const receipt = parseReceipt(payload)
        if (receipt === undefined) return
        await mover.release(receipt, version, context)
        released += 1
      }),
    )
    yield { released }
  }
}

interface Copy {
  digest: string
  expiresAt: number
}

/** What the new store holds, by the ids of sessions. Payloads are not kept. */
async function survey({ to }: Mover, context: StoreContext) {
  const receipts = new Map<string, Receipt>()
  const copies = new Map<string, Copy>()
  const placeholders = new Set<string>()
  for await (const { id, payload, expiresAt } of to.scan!(context)) {
    const receipt = parseReceipt(payload)
    if (receipt) receipts.set(receipt.id, receipt)
    else if (placeholderNonce(id, payload) !== undefined) placeholders.add(id)
    else copies.set(id, { digest: digestOf(payload), expiresAt })
  }
  return { receipts, copies, placeholders }
}

/** Both stores were equal when they were read, so there is nothing to do in this walk. */
function isSettled(entry: StoredEntry, receipt: Receipt | undefined, copy: Copy | undefined): boolean {
  if (!receipt || !copy || receipt.released) return false
  return (
    copy.digest === receipt.digest &&
    digestOf(entry.payload) === receipt.digest &&
    isNear(entry.expiresAt, copy.expiresAt) &&
    isNear(entry.expiresAt, receipt.expiresAt)
  )
}

async function* batches(entries: AsyncIterable<StoredEntry>): AsyncGenerator<StoredEntry[]> {
  let batch: StoredEntry[] = []
  for await (const entry of entries) {
    if (batch.push(entry) < AT_ONCE) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
