import type { Inspectable, WatchedHook } from '@sess/core/inspect'

/** How the pages colour a kind of event. */
export type Tone = 'plain' | 'begin' | 'end' | 'alarm'

/** Something that happened to a session, as the pages show it. */
export interface Activity {
  /** Counts up from 1. */
  number: number
  /** Milliseconds since the epoch. */
  at: number
  kind: string
  tone: Tone
  /** The session's id, where it may be shown. */
  id: string | undefined
  detail: string
}

/** What happened in one hour. */
export interface Hour {
  /** Milliseconds since the epoch at which it began. */
  start: number
  created: number
  ended: number
}

const HOUR = 3_600_000
const HOURS_KEPT = 24
const KEPT = 200

/** What is shown for an event of a hook. Details are of the store or of names, never of data. */
const KINDS: Readonly<Record<WatchedHook, readonly [kind: string, tone: Tone]>> = {
  created: ['created', 'begin'],
  saved: ['saved', 'plain'],
  touched: ['extended', 'plain'],
  rotated: ['new key', 'plain'],
  reused: ['old key used', 'alarm'],
  destroyed: ['ended', 'end'],
  conflict: ['conflict', 'alarm'],
  interrupted: ['interrupted', 'alarm'],
  corrupt: ['unreadable', 'alarm'],
  storeError: ['store error', 'alarm'],
}

/** What the events of several hooks say besides. */
interface Details {
  operation?: string
  reason?: string
  key?: string
  supersededBy?: string
}

/** Remembers what happened to the sessions of an engine in this process: counts of the last hours, and the last events. */
export class ActivityLog {
  readonly since: number
  readonly #now: () => number
  readonly #hours: Hour[] = []
  readonly #recent: Activity[] = []
  readonly #listeners = new Set<(activity: Activity) => void>()
  #count = 0

  constructor({ now, watch }: Inspectable) {
    this.#now = now
    this.since = now()
    watch((hook, event) => {
      const { operation, reason, key, supersededBy } = event as Details
      const detail = operation ?? reason ?? key ?? ''
      // Its session has, or has had, an event of its own.
      if (supersededBy !== undefined) return this.#add('old key removed', 'plain', event.id, detail)
      if (hook === 'created') this.#currentHour().created += 1
      if (hook === 'destroyed') this.#currentHour().ended += 1
      const [kind, tone] = KINDS[hook]
      this.#add(kind, tone, event.id, detail)
    })
  }

  /** Adds what hooks do not get: that the store has ended all sessions of a subject. */
  addEnded(count: number): void {
    this.#currentHour().ended += count
    this.#add('ended all', 'end', undefined, `${count} of one subject`)
  }

  /** The last 24 hours, or those since the start: the oldest first, and without gaps. */
  hours(): Hour[] {
    const last = this.#currentHour()
    const first = Math.max(last.start - (HOURS_KEPT - 1) * HOUR, hourOf(this.since))
    const count = (last.start - first) / HOUR + 1
    return Array.from({ length: count }, (_, at) => {
      const start = first + at * HOUR
      return this.#hours.find(hour => hour.start === start) ?? { start, created: 0, ended: 0 }
    })
  }

  /** The last events, the newest first. */
  recent(after = 0): Activity[] {
    return this.#recent.filter(activity => activity.number > after).reverse()
  }

  get listening(): number {
    return this.#listeners.size
  }

  /** Calls `listener` with each event from now on. Returns a function that ends it. */
  listen(listener: (activity: Activity) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #add(kind: string, tone: Tone, id: string | undefined, detail: string): void {
    const activity = { number: ++this.#count, at: this.#now(), kind, tone, id, detail }
    this.#recent.push(activity)
    if (this.#recent.length > KEPT) this.#recent.shift()
    for (const listener of this.#listeners) listener(activity)
  }

  #currentHour(): Hour {
    const start = hourOf(this.#now())
    const last = this.#hours.at(-1)
    if (last && last.start >= start) return last
    const hour = { start, created: 0, ended: 0 }
    this.#hours.push(hour)
    if (this.#hours.length > HOURS_KEPT) this.#hours.shift()
    return hour
  }
}

function hourOf(ms: number): number {
  return Math.floor(ms / HOUR) * HOUR
}
