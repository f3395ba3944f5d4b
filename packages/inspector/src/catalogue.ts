import type { Sessions, Store, StoredEntry } from '@sess/core'
import {
  type Decode,
  type Hides,
  type Inspectable,
  inspect,
  isSecret,
  jsonReady,
  newestFirst,
  type SessionView,
  viewOf,
} from '@sess/core/inspect'
import { Rejection } from './request-check.ts'
import { type Sample, sampleOf } from './sample.ts'
import { type Matches, matcher, type Search } from './search.ts'

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

/** What a handle names: a session and its data as they may be shown, or the id that it has got instead. */
export type Found =
  | { view: SessionView; shown: unknown; successor?: never }
  | { successor: string; view?: never }

/** A number, or the least that it can be. */
export interface Count {
  count: number
  isAtLeast: boolean
}

export const PAGE_SIZE = 50
/** As many matches are sorted, the newest first. */
const SORTED = 5_000
/** A store counts no further, so that a page takes no longer than this many entries of its index. */
const COUNTED = 100_000
/** Sessions that one page looks at, at the most, and milliseconds that it takes for it. */
const EXAMINED = 50_000
const SEARCH_TIME = 2_000

/** Old ids that lead from one to the next, of which a page follows so many. */
const MAX_ROTATIONS = 100

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

  /**
   * The handle that a text names, if it is the whole id or the key of a session that the store has. Other texts may look
   * like one: the id of a user, for example.
   */
  async handleFor(text: string): Promise<string | undefined> {
    if (this.isInCookies) return undefined
    if (KEY.test(text)) {
      const { store, idOf, handleOf } = this.#inspected
      const id = await idOf(text)
      return (await store!.read(id, this.#context())) === null ? undefined : handleOf(id)
    }
    return (await this.#entryOf(text)) === undefined ? undefined : text
  }

  /**
   * What a handle names: a live session, or the old id of one that has got another (`successor`). `undefined` if it has
   * ended. The data are as they may be shown.
   */
  async find(handle: string): Promise<Found | undefined> {
    const entry = await this.#entryOf(handle)
    if (entry === undefined) return undefined
    const view = await this.#viewOf(entry)
    if (view.supersededBy === undefined) return { view, shown: jsonReady(view.data, this.#hides) }
    const successor = await this.#lastAfter(view.supersededBy)
    return successor === undefined ? undefined : { successor }
  }

  /**
   * Ends the session that `find` returns for a handle, and returns it. Ends nothing if it has another id now, because the visitor has
   * not seen what it has become.
   */
  async end(handle: string): Promise<Found | undefined> {
    const found = await this.find(handle)
    if (found === undefined || found.view === undefined) return found
    return (await this.#sessions.end(found.view.id)) ? found : undefined
  }

  /** Ends all sessions of a subject. Returns how many, and whether the hook `destroyed` got each. */
  async endAll(subject: string): Promise<{ ended: number; isReported: boolean }> {
    if (this.can('removeBySubject')) {
      return { ended: await this.#sessions.removeBySubject(subject), isReported: false }
    }
    const ids: string[] = []
    for await (const view of this.#live()) if (view.subject === subject) ids.push(view.id)
    let ended = 0
    for (const id of ids) if (await this.#sessions.end(id)) ended += 1
    return { ended, isReported: true }
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
    return this.#collect(
      this.#scan(),
      matcher(search, { hides: this.#hides, handleOf: this.#inspected.handleOf }),
      isTooLarge ? { after: 0 } : place,
    )
  }

  /** Whether a subject has sessions, as far as a page can find out. */
  async isSubject(text: string): Promise<boolean> {
    if (!this.can('scanBySubject') && !this.can('scan')) return false
    return (await this.list({ text, by: 'subject' }, {})).rows.length > 0
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

  /** The figures of the overview, if the store can be looked through. */
  async sample(): Promise<Sample | undefined> {
    return this.can('scan') ? sampleOf(this.#live(), this.now) : undefined
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

  #viewOf(entry: StoredEntry): Promise<SessionView> {
    return viewOf(entry, this.#decode, this.#age)
  }

  /** The id that a session has after its rotations. `undefined` if it has ended. */
  async #lastAfter(id: string): Promise<string | undefined> {
    let last = id
    for (let steps = 0; steps < MAX_ROTATIONS; steps++) {
      const entry = await this.#entryOf(last)
      if (entry === undefined) return undefined
      const { supersededBy } = await this.#viewOf(entry)
      if (supersededBy === undefined) return last
      last = supersededBy
    }
    return last
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
      const view = await this.#viewOf(entry)
      if (view.supersededBy === undefined) yield view
    }
  }

  /**
   * Goes through the store until a page is full. If all of the store can be looked at for one page, the matches are sorted;
   * otherwise they come as the store gives them, and the next page begins after the last one.
   */
  async #collect(
    entries: AsyncIterable<StoredEntry>,
    matches: Matches,
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
      const view = await this.#viewOf(entry)
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
}
