import type { StoredEntry } from '@sess/core'
import { type SessionView, viewOf } from '@sess/core/inspect'
import { Failure, MISUSED } from './failure.ts'
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
  if (target.engine && subject !== undefined) {
    yield* ofEngine(target, subject)
    return
  }
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

/** An engine without its store shows the sessions of a subject, already decoded. */
async function* ofEngine({ engine }: Target, subject: string): AsyncGenerator<SessionView> {
  if (!engine) throw new Failure(MISUSED, 'There is no engine.')
  for await (const info of engine.scanBySubject(subject)) {
    yield {
      id: info.id,
      subject: info.subject,
      createdAt: info.createdAt?.getTime(),
      authenticatedAt: info.authenticatedAt?.getTime(),
      lastSeenAt: info.lastSeenAt?.getTime(),
      expiresAt: info.expiresAt.getTime(),
      device: info.device,
      bytes: Buffer.byteLength(JSON.stringify(info.data)),
      data: info.data as Record<string, unknown>,
      supersededBy: undefined,
      problem: undefined,
      verified: true,
    }
  }
}
