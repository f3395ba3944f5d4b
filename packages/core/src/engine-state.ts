import type { Hooks } from './hooks.ts'
import type { RecordId } from './key.ts'
import { UnderWay } from './under-way.ts'

/** Enough for the caller's `await` to return through several async functions. */
const CALLER_MICROTASKS = 30

/** A call of `removeBySubject`, `delete` or `end` that has removed something. */
export interface Removal {
  /** Its number, from `nextRemovalNumber`. */
  readonly number: number
  /** All sessions of this subject were removed, but for the record `except`. */
  readonly subject?: string
  readonly except?: RecordId | undefined
  /** One session was removed: the record that was named, and those that took its place. */
  readonly ids?: ReadonlySet<RecordId>
}

/**
 * What changes while an engine runs, and is shared by all its requests. Options never change: those are `Settings`. The
 * fields are assigned in this file alone.
 */
export class EngineState {
  /** The application's hooks, with the watchers of tools behind them. */
  hooks: Hooks
  /**
   * For each record, the last of the requests that lost a race for it and wait for their turn to write. With `maxSessions` also
   * the logins of each subject, under `subject …`.
   */
  readonly queue = new Map<string, Promise<void>>()
  /** Loads, saves and commits that wait for the store. */
  readonly underWay = new UnderWay()
  /** Counts the calls of `removeBySubject`, `delete` and `end` that have begun. */
  removalsBegun = 0
  /** Removals whose caller has not used its session yet. `undefined` if there is none, which is quick to check. */
  removals: readonly Removal[] | undefined
  /** The hook `warning` was called. */
  hasWarned = false

  constructor(hooks: Hooks) {
    this.hooks = hooks
  }

  /** A watcher was put behind the hooks, or taken away. */
  hooksReplaced(hooks: Hooks): void {
    this.hooks = hooks
  }

  /** Returns the number of a removal that begins. */
  nextRemovalNumber(): number {
    return ++this.removalsBegun
  }

  /**
   * A removal has succeeded. For 30 microtasks the first request that uses a session which it ended counts as its caller
   * (`endIfRemoved` in `ended-elsewhere.ts`; the reasons are in decision 0032). A timer would let other requests run.
   */
  async removalDone(removal: Removal): Promise<void> {
    this.removals = [...(this.removals ?? []), removal]
    for (let ticks = 0; ticks < CALLER_MICROTASKS; ticks++) await undefined
    this.removalTaken(removal)
  }

  /** The caller was found, or the time for it is over. */
  removalTaken(removal: Removal): void {
    const others = this.removals?.filter(each => each !== removal)
    this.removals = others?.[0] && others
  }

  warned(): void {
    this.hasWarned = true
  }
}
