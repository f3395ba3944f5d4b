import type { MaybePromise, Sessions, Store, StoredEntry } from '@sess/core'
import {
  type Decode,
  type Hides,
  hasValue,
  type Inspectable,
  inspect,
  isSecret,
  jsonReady,
  newestFirst,
  type SessionView,
  viewOf,
} from '@sess/core/inspect'
import { Rejection } from './request-check.ts'

/** How a text is searched for. */
export type SearchBy = 'any' | 'subject' | 'id' | 'value'

export interface Search {
  text: string
  by: SearchBy
}

/** A session in a list, without its data. */
export type Row = Omit<SessionView, 'data'> & {
  /** What the pages call the session. */
  handle: string
}

/** Where a page begins: after so many sorted matches, or after so many sessions of the scan. */
export interface Place {
  skip?: number
  after?: number
}

export interface Page {
  rows: Row[]
  /** Sessions that were looked at for this page. */
  examined: number
  /** `newest`: all matches are known and sorted. `store`: too many to sort, so they come as the store gives them. */
  order: 'newest' | 'store'
  /** All matches, where that is known. */
  total: number | undefined
  /** Where the next page begins, if there is one. */
  next: Place | undefined
  /** The subject was looked up by the store's index. */
  indexed: boolean
}

/** A number, or the least that it can be. */
export interface Count {
  count: number
  isAtLeast: boolean
}

/** What the overview shows of the first sessions of the store. */
export interface Sample {
  examined: number
  /** `false`: there are more sessions than were looked at. */
  isComplete: boolean
  bytes: number
  largest: number
  unreadable: number
  withoutSubject: number
  /** Sessions that are as large, and as old, as each class of the overview. */
  sizes: number[]
  ages: number[]
  unknownAge: number
  subjects: [subject: string, sessions: number][]
}

const KIB = 1_024
const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The classes of sizes (bytes) and ages (milliseconds): each is below its limit, and not below the one before. */
export const SIZES: readonly (readonly [name: string, below: number])[] = [
  ['under 256 B', 256],
  ['under 1 KiB', KIB],
  ['under 4 KiB', 4 * KIB],
  ['under 16 KiB', 16 * KIB],
  ['16 KiB and more', Number.POSITIVE_INFINITY],
]
export const AGES: readonly (readonly [name: string, below: number])[] = [
  ['under 1 hour', HOUR],
  ['under 1 day', DAY],
  ['under 1 week', 7 * DAY],
  ['under 30 days', 30 * DAY],
  ['older', Number.POSITIVE_INFINITY],
]

export const PAGE_SIZE = 50
/** As many matches are sorted, the newest first. */
const SORTED = 5_000
/** A store counts no further, so that a page takes no longer than this many entries of its index. */
const COUNTED = 100_000
/** Sessions that one page looks at, at the most, and milliseconds that it takes for it. */
const EXAMINED = 50_000
const SEARCH_TIME = 2_000
/** The same for the overview, which should be there at once. */
const SAMPLED = 10_000
const SAMPLE_TIME = 400
/** Subjects that are counted. The rest are only seen as being more. */
const COUNTED_SUBJECTS = 10_000
const TOP_SUBJECTS = 5

const ID = /^[0-9a-f]{40}$/
const KEY = /^[0-9a-z]{32}$/

/** The sessions of an engine, as the pages ask for them. Nothing here changes a session but `end` and `endAll`. */
export class Catalogue {
  readonly #sessions: Sessions<any>
  readonly #inspected: Inspectable
  readonly #hides: Hides
  readonly #decode: Decode
  readonly #age: number | undefined

  constructor(
    sessions: Sessions<any>,
    { redact, lastSeen }: { redact: Hides | undefined; lastSeen: boolean },
  ) {
    this.#sessions = sessions
    this.#inspected = inspect(sessions)
    const { codec, age } = this.#inspected
    this.#age = lastSeen ? age : undefined
    this.#decode = async payload => ({ data: await codec.decode(payload), verified: true })
    this.#hides = (path, value) => isSecret(path, value) || (redact !== undefined && isRedacted(path, value))

    function isRedacted(path: readonly string[], value: unknown): boolean {
      try {
        return redact!([...path], value)
      } catch (error) {
        inspect(sessions).tellError(error, 'redact')
        return true
      }
    }
  }

  get now(): number {
    return this.#inspected.now()
  }

  /** Whether the store can do something. Cookie sessions have no store that could. */
  can(method: keyof Store): boolean {
    return typeof this.#inspected.store?.[method] === 'function'
  }

  get isInCookies(): boolean {
    return this.#inspected.store === undefined
  }

  /** The handle that a text names, if it is a whole id or a session key: what stands in a session cookie. */
  async handleFor(text: string): Promise<string | undefined> {
    if (ID.test(text)) return text
    if (!KEY.test(text) || this.isInCookies) return undefined
    const { idOf, handleOf } = this.#inspected
    return handleOf(await idOf(text))
  }

  /** The live session of a handle, with the data as they may be shown. `undefined` if there is none. */
  async find(handle: string): Promise<{ view: SessionView; shown: unknown } | undefined> {
    const entry = await this.#entryOf(handle)
    if (entry === undefined) return undefined
    const view = await viewOf(entry, this.#decode, this.#age)
    return { view, shown: jsonReady(view.data, this.#hides) }
  }

  /** Ends a session. Returns its subject and whether it was live. */
  async end(handle: string): Promise<{ ended: boolean; subject: string | undefined }> {
    const entry = await this.#entryOf(handle)
    if (entry === undefined) return { ended: false, subject: undefined }
    const { subject } = await viewOf(entry, this.#decode, undefined)
    return { ended: await this.#sessions.end(entry.id), subject }
  }

  /** Ends all sessions of a subject. Returns how many. */
  async endAll(subject: string): Promise<number> {
    if (this.can('removeBySubject')) return this.#sessions.removeBySubject(subject)
    const ids: string[] = []
    for await (const view of this.#live()) if (view.subject === subject) ids.push(view.id)
    let ended = 0
    for (const id of ids) if (await this.#sessions.end(id)) ended += 1
    return ended
  }

  /** Sessions that match, from a position on. Never reads the whole store if it is large. */
  async list(search: Search, place: Place): Promise<Page> {
    const { text, by } = search
    if (
      text !== '' &&
      (by === 'any' || by === 'subject') &&
      this.can('scanBySubject') &&
      text.length <= 255
    ) {
      const page = await this.#collect(this.#ofSubject(text), () => true, place)
      if (page.rows.length > 0 || by === 'subject') return { ...page, indexed: true }
    }
    if (!this.can('scan')) {
      throw new Rejection(
        501,
        'This store cannot list its sessions, because it has no scan().',
        this.can('scanBySubject')
          ? 'Search for a subject, or for a whole id or session key.'
          : 'Search for a whole id or session key.',
      )
    }
    // If a count tells that there are too many to sort, the first page need not find it out.
    const isTooLarge =
      text === '' && place.after === undefined && !place.skip && (await this.#isTooLargeToSort())
    return this.#collect(this.#scan(), this.#matcher(search), isTooLarge ? { after: 0 } : place)
  }

  /** How many records the store has, if it counts them. */
  async counts(): Promise<{ live: Count; expired: Count } | undefined> {
    const { store } = this.#inspected
    if (!store?.count) return undefined
    const { live, expired } = await store.count({ ...this.#context(), limit: COUNTED })
    return {
      live: { count: live, isAtLeast: live >= COUNTED },
      expired: { count: expired, isAtLeast: expired >= COUNTED },
    }
  }

  async #isTooLargeToSort(): Promise<boolean> {
    const { store } = this.#inspected
    const counts = await store?.count?.({ ...this.#context(), limit: SORTED + 1 })
    return counts !== undefined && counts.live > SORTED
  }

  /** The figures of the overview, of as many sessions as can be looked at in a moment. */
  async sample(): Promise<Sample | undefined> {
    if (!this.can('scan')) return undefined
    const started = performance.now()
    const now = this.now
    const sample: Sample = {
      examined: 0,
      isComplete: true,
      bytes: 0,
      largest: 0,
      unreadable: 0,
      withoutSubject: 0,
      sizes: SIZES.map(() => 0),
      ages: AGES.map(() => 0),
      unknownAge: 0,
      subjects: [],
    }
    const subjects = new Map<string, number>()
    for await (const { bytes, createdAt, subject, problem } of this.#live()) {
      if (sample.examined >= SAMPLED || performance.now() - started > SAMPLE_TIME) {
        sample.isComplete = false
        break
      }
      sample.examined += 1
      sample.bytes += bytes
      sample.largest = Math.max(sample.largest, bytes)
      if (problem !== undefined) sample.unreadable += 1
      sample.sizes[SIZES.findIndex(([, below]) => bytes < below)]! += 1
      if (createdAt === undefined) sample.unknownAge += 1
      else sample.ages[AGES.findIndex(([, below]) => now - createdAt < below)]! += 1
      if (subject === undefined) sample.withoutSubject += 1
      else if (subjects.has(subject) || subjects.size < COUNTED_SUBJECTS) {
        subjects.set(subject, (subjects.get(subject) ?? 0) + 1)
      }
    }
    sample.subjects = [...subjects]
      .filter(([, count]) => count > 1)
      .sort((a, b) => b[1] - a[1])
      .slice(0, TOP_SUBJECTS)
    return sample
  }

  async #entryOf(handle: string): Promise<StoredEntry | undefined> {
    if (!ID.test(handle) || this.isInCookies) return undefined
    const { store, hashKeys, handleOf } = this.#inspected
    if (hashKeys) {
      const record = await store!.read(handle, this.#context())
      return record === null ? undefined : { ...record, id: handle }
    }
    // Ids are keys, so the page knows digests of them alone.
    if (!this.can('scan')) return undefined
    for await (const entry of this.#scan()) if ((await handleOf(entry.id)) === handle) return entry
    return undefined
  }

  #context(): { now: number; signal: AbortSignal } {
    return { now: this.now, signal: AbortSignal.timeout(Math.max(this.#inspected.timeout, 10_000)) }
  }

  #scan(): AsyncIterable<StoredEntry> {
    return this.#inspected.store!.scan!(this.#context())
  }

  #ofSubject(subject: string): AsyncIterable<StoredEntry> {
    return this.#inspected.store!.scanBySubject!(subject, this.#context())
  }

  /** Decoded sessions, without the markers of rotations. A scan may give a session twice. */
  async *#live(): AsyncGenerator<SessionView> {
    for await (const entry of this.#scan()) {
      const view = await viewOf(entry, this.#decode, this.#age)
      if (view.supersededBy === undefined) yield view
    }
  }

  /**
   * Goes through the store until a page is full. If all of the store can be looked at for one page, the matches are sorted;
   * otherwise they come as the store gives them, and the next page begins after the last one.
   */
  async #collect(
    entries: AsyncIterable<StoredEntry>,
    matches: (view: SessionView) => MaybePromise<boolean>,
    { skip = 0, after }: Place,
  ): Promise<Page> {
    const start = after ?? 0
    const found = new Map<string, { view: SessionView; at: number }>()
    let position = 0
    let deadline = performance.now() + SEARCH_TIME
    let isWhole = true
    for await (const entry of entries) {
      if (position < start) {
        position += 1
        deadline = performance.now() + SEARCH_TIME
        continue
      }
      const mayBeSorted = after === undefined && position < SORTED
      const isFull = found.size > PAGE_SIZE || position - start >= EXAMINED
      if (performance.now() > deadline || (isFull && !mayBeSorted)) {
        isWhole = false
        break
      }
      position += 1
      const view = await viewOf(entry, this.#decode, this.#age)
      if (view.supersededBy !== undefined || !(await matches(view))) continue
      // A list shows no data. A scan may give a session twice.
      found.set(view.id, { view: { ...view, data: {} }, at: position })
    }
    const all = [...found.values()]
    const examined = position - start
    if (after === undefined && isWhole) {
      const sorted = all.map(({ view }) => view).sort(newestFirst)
      const shown = sorted.slice(skip, skip + PAGE_SIZE)
      const end = skip + shown.length
      const next = end < sorted.length ? { skip: end } : undefined
      return this.#page(shown, { examined, order: 'newest', total: sorted.length, next })
    }
    const shown = all.slice(0, PAGE_SIZE)
    const end = all.length > PAGE_SIZE ? shown.at(-1)!.at : position
    const next = all.length > PAGE_SIZE || !isWhole ? { after: end } : undefined
    const views = shown.map(({ view }) => view)
    return this.#page(views, { examined: end - start, order: 'store', total: undefined, next })
  }

  async #page(views: SessionView[], rest: Omit<Page, 'rows' | 'indexed'>): Promise<Page> {
    const { handleOf } = this.#inspected
    const rows: Row[] = []
    for (const { data: _, ...view } of views) rows.push({ ...view, handle: await handleOf(view.id) })
    return { rows, indexed: false, ...rest }
  }

  #matcher({ text, by }: Search): (view: SessionView) => MaybePromise<boolean> {
    if (text === '') return () => true
    const { handleOf } = this.#inspected
    const [, path, wanted = ''] = /^([^=\s]+)=(.*)$/s.exec(text) ?? []
    const lower = text.toLowerCase()
    const ofSubject = ({ subject }: SessionView) => subject === text
    const ofId = async ({ id }: SessionView) =>
      /^[0-9a-z]+$/.test(text) && (await handleOf(id)).startsWith(text)
    // Only what the page may show is searched. Otherwise a search could find out what a masked value is.
    const ofValue = ({ data }: SessionView) => {
      const shown = jsonReady(data, this.#hides) as Record<string, unknown>
      return path === undefined ? contains(shown, lower) : hasValue(shown, path, wanted)
    }
    if (by === 'subject') return ofSubject
    if (by === 'id') return ofId
    if (by === 'value') return ofValue
    return async view => ofSubject(view) || (await ofId(view)) || ofValue(view)
  }
}

function contains(value: unknown, text: string): boolean {
  if (Array.isArray(value)) return value.some(item => contains(item, text))
  if (typeof value === 'object' && value !== null) {
    return Object.values(value).some(item => contains(item, text))
  }
  return String(value).toLowerCase().includes(text)
}
