import { COOKIE_SALT, dumpJson } from '../../src/django.ts'
import { Dict, EXPIRY } from './dict.ts'
import type { Difference } from './differences.ts'
import { ModelSession } from './model-session.ts'
import {
  type Backend,
  type DjangoSettings,
  isCached,
  lifeOfSeed,
  type Operation,
  SECRET,
  type Seed,
} from './recordings.ts'
import { type Cookie, newKey, Raised, type SessionState, type StoreState, type World } from './script.ts'
import { readToken } from './token.ts'
import { isNaive, isoOf, momentOf, offsetAt, spell } from './values.ts'

/** What the store keeps of a session. Times in microseconds since the epoch. */
export interface Row {
  /** `null`: cannot be read. */
  data: Dict | null
  expires: number
  /** Of a file: when it was last written. */
  written: number
  /** A file of Django's without anything in it. */
  hollow?: boolean
}

/** 400 days. */
const LONGEST_COOKIE = 34_560_000
export interface ModelOptions {
  /** Those in which it is Sess. */
  differences: ReadonlySet<Difference>
  /** Takes down those that it came upon. */
  met: Set<Difference>
  /** Whether inserting under the id of an expired record fails. The contract leaves that to the store. */
  deadIdsAreTaken: boolean
}

/**
 * Django's sessions as SEMANTICS.md tells them, written as plainly as can be, and ours: each documented difference is a
 * branch. It keeps no log and no versions, and knows nothing of the engine.
 */
export class Model implements World<ModelSession> {
  now = 0
  readonly backend: Backend | 'engine_without_clear_expired'
  readonly settings: DjangoSettings
  readonly rows = new Map<string, Row>()
  /** The cache of `cached_db`. */
  readonly cache = new Map<string, Row>()
  /** Foreign files in the folder of sessions. */
  #files: string[] = []
  readonly #met: Set<Difference>
  readonly #differences: ReadonlySet<Difference>
  readonly deadIdsAreTaken: boolean
  #keys = 0

  constructor(
    backend: Model['backend'],
    settings: DjangoSettings,
    now: number,
    { differences, met, deadIdsAreTaken }: ModelOptions,
  ) {
    this.#met = met
    this.deadIdsAreTaken = deadIdsAreTaken
    this.backend = backend
    this.settings = settings
    this.#differences = differences
    this.now = Math.round(now * 1e6)
    const wrong = refusedSetting(settings)
    if (wrong !== undefined && this.differs('config-error')) throw new Raised(`config ${wrong}`)
  }

  /** Whether this is Sess as far as this difference goes. */
  differs(difference: Difference): boolean {
    this.#met.add(difference)
    return this.#differences.has(difference)
  }

  get inCookie(): boolean {
    return this.backend === 'signed_cookies'
  }

  newKey(): string {
    return newKey(++this.#keys)
  }

  isIssued(key: string): boolean {
    return /^[a-z0-9]{32}$/.test(key)
  }

  /** Django's file backend: no other characters reach the file system. */
  checkPath(key: string): void {
    if (this.backend === 'file' && !/^[a-z0-9]*$/.test(key)) throw new Raised('InvalidSessionKey')
  }

  // -- Expiry

  get age(): number {
    return this.settings.age * 1e6
  }

  /** A stored text as a moment; `undefined` for a time that does not say which moment it is. */
  moment(text: string): number | undefined {
    const { zone } = this.settings
    const moment = momentOf(text, zone)
    if (Number.isNaN(moment)) throw new Raised('data')
    if (this.differs('expiry-is-a-moment')) {
      if (isNaive(text) || !/^\d{4}-?\d\d-?\d\d[T ]\d/.test(text)) throw new Raised('data')
      return moment
    }
    return isNaive(text) === (zone !== undefined) ? moment : undefined
  }

  /** get_expiry_age */
  expiryAge(expiry: any, modification = this.now): any {
    const end = spell(expiry, this.settings.zone)
    if (end !== null && typeof end === 'object' && '$moment' in end)
      return Math.floor((end.$moment - modification) / 1e6)
    if (typeof expiry === 'object' && expiry !== null && this.differs('expiry-is-a-moment'))
      throw new Raised('data')
    if (isFalsy(expiry)) return this.settings.age
    // Python's True is 1.
    if (typeof expiry !== 'string') return typeof expiry === 'boolean' ? Number(expiry) : expiry
    const moment = this.moment(expiry)
    if (moment === undefined) throw new Raised('data')
    return Math.floor((moment - modification) / 1e6)
  }

  /** get_expiry_date: microseconds since the epoch, or what is left of a naive time. */
  expiryDate(expiry: any, modification = this.now): number | { $naive: string } {
    const end = spell(expiry, this.settings.zone)
    if (end !== null && typeof end === 'object' && '$moment' in end) return end.$moment
    if (typeof expiry === 'string') {
      const moment = this.moment(expiry)
      if (moment !== undefined) return moment
      return isNaive(expiry) ? { $naive: isoOf(momentOf(expiry)).slice(0, -6) } : momentOf(expiry)
    }
    if (typeof expiry === 'object' && expiry !== null) {
      if (!isFalsy(expiry) || this.differs('expiry-is-a-moment')) throw new Raised('data')
    }
    return modification + (isFalsy(expiry) ? this.age : Number(expiry) * 1e6)
  }

  /** When a session ends that is saved now. */
  endOf(data: Dict): number {
    const expiry = data.get(EXPIRY)
    const date = this.expiryDate(expiry)
    const end = typeof date === 'number' ? date : momentOf(date.$naive)
    // Without time zones Django's database takes no moments.
    if (this.settings.zone !== undefined && typeof expiry === 'string' && !isNaive(expiry)) {
      if (!this.differs('expiry-is-a-moment')) throw new Raised('data')
    }
    return this.differs('expiry-is-a-moment') ? Math.floor(end / 1000) * 1000 : end
  }

  // -- The store

  /** The row, dead or alive. */
  found(key: string): Row | undefined {
    const row = this.rows.get(key)
    // Nothing dead stays in a cache.
    return this.backend === 'cache' && row && row.expires <= this.now ? undefined : row
  }

  isLive(row: Row): boolean {
    if (this.backend !== 'file' || this.differs('one-rule-for-all-stores')) return row.expires > this.now
    return this.lifeOfFile(row) > 0
  }

  /** Whole seconds that Django's file backend gives a file: a number counts as it is, from no moment on. */
  lifeOfFile({ data, written, hollow }: Row): number {
    if (hollow) return Number.POSITIVE_INFINITY
    const expiry = data?.get(EXPIRY)
    if (!isFalsy(expiry)) {
      const age = this.expiryAge(expiry)
      return typeof expiry === 'string' || age <= 0 ? age : Number.POSITIVE_INFINITY
    }
    return Math.floor((this.endOfFile(written) - this.now) / 1e6)
  }

  /** With naive times the clocks may have been changed since it was written. */
  endOfFile(written: number): number {
    const { zone } = this.settings
    const shift = zone === undefined ? 0 : offsetAt(written, zone) - offsetAt(this.now, zone)
    return written + shift + this.age
  }

  /** What a load finds: the data, or nothing. */
  lookUp(key: string): Dict | undefined {
    if (!this.isIssued(key) && this.differs('issued-keys-only')) return undefined
    if (this.backend === 'cached_db' && !this.differs('one-rule-for-all-stores')) {
      const entry = this.cache.get(key)
      if (entry && entry.expires > this.now) return entry.data!.copy()
      const row = this.rows.get(key)
      if (!row || row.expires <= this.now) return undefined
      const data = row.data ?? new Dict()
      this.cache.set(key, { ...row, data: data.copy() })
      return data.copy()
    }
    const row = this.found(key)
    return row && this.isLive(row) ? (row.data ?? new Dict()).copy() : undefined
  }

  write(key: string, data: Dict): void {
    let expires = this.endOf(data)
    // A cache counts whole seconds.
    if (this.backend === 'cache' && !this.differs('one-rule-for-all-stores'))
      expires = this.now + Math.round(Number(this.expiryAge(data.get(EXPIRY))) * 1e6)
    const pickled = this.backend === 'cache' && !this.differs('json-data')
    this.rows.set(key, { data: pickled ? data.copy() : data.reloaded(), expires, written: this.now })
    if (this.backend === 'cached_db') this.cache.set(key, { data: data.copy(), expires, written: this.now })
  }

  remove(key: string): void {
    this.checkPath(key)
    const row = this.rows.get(key)
    const isDead = row !== undefined && !this.isLive(row)
    // A store that keeps the dead until they are cleared has nothing of that id to remove.
    if (!(isDead && this.differs('ended-is-ended') && this.deadIdsAreTaken)) this.rows.delete(key)
    this.cache.delete(key)
  }

  exists(key: string): boolean {
    if (this.inCookie || key === '') return false
    if (!this.isIssued(key) && this.differs('issued-keys-only')) return false
    this.checkPath(key)
    if (this.differs('ended-is-ended')) {
      const row = this.rows.get(key)
      return row !== undefined && this.isLive(row)
    }
    const entry = this.cache.get(key)
    return (entry !== undefined && entry.expires > this.now) || this.found(key) !== undefined
  }

  // -- Cookie sessions

  seal(data: Dict): string {
    let signedAt = this.now
    if (this.differs('cookie-life')) {
      // A life beyond the age that readers know is dated later.
      signedAt = Math.max(this.now, this.endOf(data) - this.age)
    }
    const text = JSON.stringify(data.reloaded().spell(undefined)).replace(
      /\{"\$float":"(-?)(nan|inf)"\}/g,
      (_, sign, word) => (word === 'nan' ? 'NaN' : `${sign}Infinity`),
    )
    return dumpJson(text, {
      secret: SECRET,
      salt: COOKIE_SALT,
      compress: true,
      now: signedAt / 1000,
    }) as string
  }

  unseal(token: string): Dict | undefined {
    const content = readToken(token)
    if (content === undefined) return undefined
    const signedAt = content.signedAt * 1e6
    const data = Dict.of(content.data)
    const end = signedAt + this.age
    if (this.differs('cookie-life')) {
      const expiry = data.get(EXPIRY)
      const own =
        typeof expiry === 'string'
          ? this.moment(expiry)!
          : signedAt + Number(expiry || this.settings.age) * 1e6
      return Math.min(end, own) > this.now ? data : undefined
    }
    return end >= this.now ? data : undefined
  }

  // -- What a script asks of a world

  advance(seconds: number): void {
    this.now += Math.round(seconds * 1e6)
  }

  seed(key: string, seed: Seed): void {
    if (this.inCookie) return
    const { savedAgo, ttl } = lifeOfSeed(seed, this.settings.age)
    const data = Dict.of(seed.data ?? {})
    const readable = seed.state !== 'corrupt' && !('raw' in seed)
    const where = seed.where ?? 'both'
    const expires = this.now + Math.round(ttl * 1e6)
    const row: Row = { data: readable ? data : null, expires, written: this.now - Math.round(savedAgo * 1e6) }
    if (seed.raw === '' && this.backend === 'file') row.hollow = true
    const cached = isCached(seed)
    if (this.backend === 'cache' ? cached : where !== 'cache') this.rows.set(key, row)
    if (this.backend === 'cached_db' && where !== 'db' && cached)
      this.cache.set(key, { ...row, data: seed.cached_data ? Dict.of(seed.cached_data) : data.copy() })
  }

  seedFile(name: string, writtenAgo: number): void {
    const key = name.slice(this.settings.cookieName.length)
    const ours = name.startsWith(this.settings.cookieName) && /^[a-z0-9]*$/.test(key)
    this.#files.push(name)
    if (ours && !this.differs('one-rule-for-all-stores')) {
      const written = this.now - writtenAgo * 1e6
      this.rows.set(key, { data: null, expires: written + this.age, written })
    }
  }

  /** The foreign files that are left. */
  files(): string[] {
    const { cookieName } = this.settings
    const removed = (name: string): boolean =>
      !this.differs('one-rule-for-all-stores') &&
      name.startsWith(cookieName) &&
      /^[a-z0-9]*$/.test(name.slice(cookieName.length)) &&
      !this.rows.has(name.slice(cookieName.length))
    return this.#files.filter(name => !removed(name))
  }

  open(key: string | null): ModelSession {
    return new ModelSession(this, key, key !== null)
  }

  openHeader(header: string | undefined): ModelSession {
    const values = cookieValues(header ?? '', this.settings.cookieName)
    if (new Set(values).size > 1 && this.differs('one-cookie')) return new ModelSession(this, null, false)
    return new ModelSession(this, values.at(-1) ?? null, values.length > 0)
  }

  act(session: ModelSession, operation: Operation, inRequest: boolean): unknown {
    return session.act(operation, inRequest)
  }

  state(session: ModelSession, withData: boolean): SessionState {
    return {
      accessed: session.accessed,
      modified: session.modified,
      ...(withData && { data: session.load().spell(this.settings.zone) }),
      key: session.key,
      empty: session.isEmpty,
    }
  }

  external(name: string, key: string, data?: Record<string, any>): void {
    if (this.inCookie) return
    if (name === 'ext_put') {
      const row = this.backend === 'cache' || this.rows.has(key) || this.backend === 'file'
      if (!row) return
      const expires = this.backend.endsWith('db') ? this.rows.get(key)!.expires : this.now + this.age
      this.rows.set(key, { data: Dict.of(data!), expires, written: this.now })
      return
    }
    if (name !== 'ext_evict' || this.backend === 'cache') {
      if (name !== 'ext_delete_row' || this.backend.endsWith('db')) this.rows.delete(key)
    }
    if (name !== 'ext_delete_row') this.cache.delete(key)
  }

  store(): StoreState {
    const state: StoreState = {}
    for (const [key, row] of this.rows) {
      if (!this.isLive(row)) continue
      const data = row.hollow && !this.differs('one-rule-for-all-stores') ? { $empty_file: true } : undefined
      state[key] = {
        data: data ?? row.data?.spell(this.settings.zone) ?? { $corrupt: true },
        ttl: this.ttlOf(row),
      }
    }
    return state
  }

  ttlOf(row: Row): number | 'never ends' {
    if (this.backend !== 'file' || this.differs('one-rule-for-all-stores'))
      return (row.expires - this.now) / 1e6
    const life = this.lifeOfFile(row)
    if (life === Number.POSITIVE_INFINITY) return 'never ends'
    const expiry = row.data?.get(EXPIRY)
    const end = typeof expiry === 'string' && expiry ? this.moment(expiry)! : this.endOfFile(row.written)
    return (end - this.now) / 1e6
  }

  expiresAt(key: string): number | undefined {
    return this.rows.get(key)?.expires
  }

  /** How many sessions it removed. */
  clearExpired(): number {
    if (this.backend === 'engine_without_clear_expired') {
      if (!this.differs('one-rule-for-all-stores')) throw new Raised('CommandError')
      return 0
    }
    let removed = 0
    if (this.backend === 'cache' || this.inCookie) return removed
    for (const [key, row] of this.rows) {
      const isRemoved =
        this.backend === 'file' && !this.differs('one-rule-for-all-stores')
          ? this.lifeOfFile(row) <= 0
          : this.differs('ended-is-ended')
            ? row.expires <= this.now
            : row.expires < this.now
      if (!isRemoved) continue
      this.rows.delete(key)
      removed++
    }
    return removed
  }

  // -- The middleware

  finish(session: ModelSession, status: number, dropped: boolean): { cookie?: Cookie; vary: boolean } {
    try {
      return this.commit(session, status, dropped)
    } finally {
      session.committed = true
    }
  }

  commit(session: ModelSession, status: number, dropped: boolean): { cookie?: Cookie; vary: boolean } {
    if (dropped && !this.differs('end-of-request')) return { vary: false }
    const { saveEveryRequest } = this.settings
    session.carryOutFlush()
    const untouched = { vary: session.accessed || (session.told && this.differs('told-is-varied')) }
    if (session.sent && session.isEmpty) return { cookie: this.deletion(), vary: true }
    const isDue =
      session.modified || saveEveryRequest || (session.newlyStored && this.differs('saved-is-sent'))
    if (!isDue || session.isEmpty) return untouched
    // The cookie's life is needed first, so the data are loaded.
    session.load()
    if (session.isEmpty && this.differs('nothing-from-nothing'))
      return session.sent ? { cookie: this.deletion(), vary: true } : untouched
    const life = session.endsWithBrowser() ? undefined : this.expiryAge(session.data!.get(EXPIRY))
    if (status < 500) {
      if (session.modified || (session.newlyStored && this.differs('saved-is-sent'))) {
        if (session.isUnsaved || !session.newlyStored || !this.differs('saved-is-sent')) session.save(false)
      } else if (this.differs('extend-is-touch')) {
        if (!session.extend()) return untouched
      } else session.save(false)
    } else if (!(session.newlyStored && this.differs('saved-is-sent'))) return untouched
    return { cookie: this.cookie(session.key!, life), vary: true }
  }

  cookie(value: string, life: number | undefined): Cookie {
    const { cookieName, path, domain, secure, httpOnly, sameSite } = this.settings
    const word = typeof sameSite === 'string' ? sameSite.toLowerCase() : undefined
    if (word !== undefined && !['lax', 'strict', 'none'].includes(word)) throw new Raised('data')
    const cookie: Cookie = { name: cookieName, value, deleted: false }
    if (life !== undefined) {
      const seconds =
        Number(life) > LONGEST_COOKIE && this.differs('cookie-attributes') ? LONGEST_COOKIE : Number(life)
      cookie.maxAge = Math.trunc(seconds) + 0
      cookie.expires = new Date(this.now / 1000 + seconds * 1000).toUTCString()
    }
    if (path !== null) cookie.path = path
    if (domain !== null) cookie.domain = domain
    if (secure) cookie.secure = true
    if (httpOnly) cookie.httpOnly = true
    if (word !== undefined) cookie.sameSite = word
    return cookie
  }

  deletion(): Cookie {
    const { secure, httpOnly, ...cookie } = this.cookie('', undefined)
    cookie.deleted = true
    cookie.maxAge = 0
    cookie.expires = 'Thu, 01 Jan 1970 00:00:00 GMT'
    if (this.differs('cookie-attributes'))
      return { ...cookie, ...(secure && { secure }), ...(httpOnly && { httpOnly }) }
    const demanded = /^__(?:Secure|Host)-/.test(cookie.name) || cookie.sameSite === 'none'
    return demanded ? { ...cookie, secure: true } : cookie
  }
}

/** The setting that no browser or nobody could make sense of. */
function refusedSetting({
  age,
  cookieName,
  path,
  domain,
  secure,
  sameSite,
}: DjangoSettings): string | undefined {
  const word = typeof sameSite === 'string' ? sameSite.toLowerCase() : sameSite
  if (!(age > 0)) return 'age'
  if (path === null) return 'cookie.path'
  if (typeof word === 'string' && !['lax', 'strict', 'none'].includes(word)) return 'cookie.sameSite'
  if (!secure && (word === 'none' || /^__(?:Host|Secure)-/i.test(cookieName))) return 'cookie.secure'
  if (/^__Host-/i.test(cookieName)) {
    if (domain !== null) return 'cookie.domain'
    if (path !== '/') return 'cookie.path'
  }
  return undefined
}

/** The values of all cookies of a name, as Django's parse_cookie takes them apart. */
function cookieValues(header: string, name: string): string[] {
  const values: string[] = []
  for (const chunk of header.split(';')) {
    const equals = chunk.indexOf('=')
    if (equals === -1 || chunk.slice(0, equals).trim() !== name) continue
    values.push(
      chunk
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    )
  }
  return values
}

function isFalsy(value: any): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0
  return !value
}
