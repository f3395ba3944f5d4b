import type { StoredEntry } from '@sess/core'
import { type SessionView, viewOf } from '@sess/core/inspect'
import { need, type Target } from './target.ts'

export interface ScanOptions {
  subject?: string | undefined
}

/**
 * The live sessions of the store, or of a subject, without the markers of rotations. Where the store has no index by
 * subject (Django's table as it is), every session is looked at.
 */
export async function* scanLive(
  target: Target,
  command: string,
  { subject }: ScanOptions = {},
): AsyncGenerator<SessionView> {
  // No signal for the store: it would throw, while Ctrl-C shows what was seen so far.
  const context = { now: Date.now() }
  const indexed = subject !== undefined && typeof target.store?.scanBySubject === 'function'
  const entries: AsyncIterable<StoredEntry> = indexed
    ? need(target, 'scanBySubject', command)(subject, context)
    : need(target, 'scan', command)(context)
  // A scan names a record at least once: some, when the store changes meanwhile, twice.
  const seen = target.kind === 'redis' ? new Set<string>() : undefined
  for await (const entry of entries) {
    if (seen?.has(entry.id)) continue
    seen?.add(entry.id)
    const view = await viewOf(entry, target.decode, target.age)
    if (view.supersededBy !== undefined) continue
    if (subject === undefined || view.subject === subject) yield view
  }
}
