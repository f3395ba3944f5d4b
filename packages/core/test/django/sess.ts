import { varyByCookie } from '../../src/adapter.ts'
import { djangoCodec, dumps, loads, STORE_SALT } from '../../src/django.ts'
import {
  ConfigError,
  type CookieStore,
  createSessions,
  type Session,
  type SessionError,
  type Sessions,
  type SessionsOptions,
  type Store,
} from '../../src/index.ts'
import { stateOf } from '../../src/session.ts'
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
import { keyText, spell, Timedelta, toJavaScript } from './values.ts'

/** What the replay needs of a store: the store, how to leave a foreign file beside it, and how to end it. */
export interface StoreUnderTest {
  readonly store: Store | CookieStore
  /** Whether `insert` fails for the id of an expired record. Both are allowed. */
  readonly deadIdsAreTaken?: boolean
  writeFile?(name: string): void
  /** Those of the foreign files that are left. */
  files?(): string[]
  close?(): unknown
}

const CODES: Record<string, string> = {
  SESSION_INTERRUPTED: 'gone',
  SESSION_EXISTS: 'exists',
  SESSION_DATA: 'data',
  SESSION_COMMITTED: 'committed',
}

/** Sess over a store, used as an application and an adapter use it, with the options that mean Django. */
export class SessWorld implements World<Session<any>> {
  readonly #backend: string
  readonly #settings: DjangoSettings
  readonly #sessions: Sessions<any>
  /** Another process. Django's session does not notice its own `delete()`, and the engine would end the session that asks. */
  readonly #elsewhere: Sessions<any>
  readonly #under: StoreUnderTest
  /** The store, when it has a server side. */
  readonly #store: Store | undefined
  readonly #expires = new Map<string, number>()
  readonly #codec = djangoCodec({ secret: SECRET, clock: () => this.#ms })
  #files: string[] = []
  #ms: number
  #keys = 0

  constructor(
    backend: Backend | 'engine_without_clear_expired',
    settings: DjangoSettings,
    now: number,
    under: StoreUnderTest,
  ) {
    this.#backend = backend
    this.#settings = settings
    this.#ms = now * 1000
    this.#under = under
    const inCookie = 'seal' in under.store
    this.#store = inCookie ? undefined : this.#watched(under.store as Store)
    try {
      const options: SessionsOptions = {
        ...optionsOf(settings),
        store: this.#store ?? under.store,
        ...(inCookie ? { secret: SECRET } : { codec: this.#codec }),
        hashKeys: false,
        trackMutations: false,
        lazy: true,
        clock: () => this.#ms,
        random: size => this.#random(size),
      }
      this.#sessions = createSessions(options)
      this.#elsewhere = createSessions(options)
    } catch (error) {
      if (error instanceof ConfigError) throw new Raised(`config ${error.option}`)
      throw error
    }
  }

  #random(size: number): Uint8Array {
    const bytes = new Uint8Array(size)
    if (size < 32) return bytes
    const key = newKey(++this.#keys)
    for (let at = 0; at < 32; at++) bytes[at] = 'abcdefghijklmnopqrstuvwxyz0123456789'.indexOf(key[at]!)
    return bytes
  }

  /** The store, with a note of when each record ends: no store tells that of one that has ended. */
  #watched(store: Store): Store {
    const note = (id: string, expiresAt: number): number => this.#expires.set(id, expiresAt).size
    return {
      ...bound(store),
      insert: (id, record, context) => {
        note(id, record.expiresAt)
        return store.insert(id, record, context)
      },
      replace: (id, record, version, context) => {
        note(id, record.expiresAt)
        return store.replace(id, record, version, context)
      },
    }
  }

  advance(seconds: number): void {
    this.#ms += seconds * 1000
  }

  async seed(key: string, seed: Seed): Promise<void> {
    if (!this.#store) return
    const backend = this.#backend
    if (backend === 'cache' && !isCached(seed)) return
    if (seed.where === 'cache' && backend === 'cached_db') return
    const { savedAgo, ttl } = lifeOfSeed(seed, this.#settings.age)
    const savedAt = this.#ms - savedAgo * 1000
    let payload = seed.raw
    payload ??= (await dumps(toJavaScript(seed.data ?? {}), {
      secret: SECRET,
      salt: STORE_SALT,
      compress: true,
      now: savedAt,
    })) as string
    if (seed.state === 'corrupt') payload = `${payload.slice(0, -1)}${payload.endsWith('A') ? 'B' : 'A'}`
    const expiresAt = this.#ms + ttl * 1000
    // An expired one was alive when it was saved.
    await this.#store.insert(key, { payload, expiresAt }, { now: Math.min(savedAt, expiresAt - 1) })
  }

  seedFile(name: string): void {
    this.#files.push(name)
    this.#under.writeFile?.(name)
  }

  files(): string[] {
    return this.#under.files?.() ?? this.#files
  }

  open(key: string | null): Session<any> {
    return this.#sessions.open(key === null ? null : `${this.#settings.cookieName}=${key}`)
  }

  openHeader(header: string | undefined): Session<any> {
    return this.#sessions.open(header)
  }

  async act(session: Session<any>, [name, ...args]: Operation, inRequest: boolean): Promise<unknown> {
    try {
      if (LOOKS.has(name) && !(args[0] && typeof args[0] === 'object' && 'expiry' in args[0]))
        await session.load()
      const value = await this.#act(session, name, args)
      if (!inRequest && (name === 'flush' || name === 'cycle_key')) await session.save()
      return value
    } catch (error) {
      throw this.#refusal(error)
    }
  }

  #refusal(error: unknown): unknown {
    const reason = CODES[(error as SessionError).code]
    if (reason !== undefined) return new Raised(reason)
    return error instanceof TypeError ? new Raised('data') : error
  }

  #act(session: Session<any>, name: string, args: any[]): unknown {
    const key = keyText(args[0] ?? null)
    const value = (at: number): any => toJavaScript(args[at], this.#settings.zone)
    switch (name) {
      case 'get':
        return session.get(key, value(1))
      case 'getitem':
        return session.get(key)
      case 'contains':
      case 'has_key':
        return session.has(key)
      case 'keys':
        return [...session.keys()]
      case 'values':
        return [...session.values()]
      case 'items':
        return [...session.entries()]
      case 'iter':
        return [...session].map(([name]) => name)
      case 'len':
        return session.size
      case 'bool':
        return Boolean(session)
      case 'is_empty':
        return session.isEmpty
      case 'session_key':
        return session.sessionKey
      case 'set':
        return void session.set(key, value(1))
      case 'del':
        return void session.delete(key)
      case 'pop':
        return session.pop(key, value(1))
      case 'setdefault':
        return session.setDefault(key, value(1))
      case 'update':
        return void session.update(Array.isArray(args[0]) ? Object.fromEntries(value(0)) : value(0))
      case 'clear':
        return session.clear()
      case 'flush':
        return session.flush()
      case 'cycle_key':
        return session.cycleKey()
      case 'save':
        return session.save()
      case 'save_must_create':
        return session.save({ mustCreate: true })
      case 'create':
        return session.create()
      case 'load':
        return this.#loaded(session)
      case 'delete': {
        const target = args.length > 0 && args[0] !== null ? String(args[0]) : session.sessionKey
        return target === null ? undefined : this.#elsewhere.delete(target).then(() => undefined)
      }
      case 'exists':
        return this.#sessions.exists(String(args[0]))
      case 'append':
        return void session.get(key).push(value(1))
      case 'nested_set':
        session.get(key)[args[1]] = value(2)
        return
      case 'mark_modified':
        session.modified = args[0]
        return
      case 'mark_accessed':
        session.accessed = args[0]
        return
      case 'set_test_cookie':
        return session.setTestCookie()
      case 'test_cookie_worked':
        return session.testCookieWorked()
      case 'delete_test_cookie':
        return session.deleteTestCookie()
      case 'set_expiry': {
        const expiry = value(0)
        // The types leave no other way; Django takes whatever it is given.
        const isTyped =
          expiry === null ||
          typeof expiry === 'number' ||
          expiry instanceof Date ||
          expiry instanceof Timedelta
        return isTyped ? session.setExpiry(expiry) : void session.set('_session_expiry', expiry)
      }
      case 'get_expire_at_browser_close':
        return session.getExpireAtBrowserClose()
      case 'get_session_cookie_age':
        return session.getExpiryAge({ expiry: null })
      case 'get_expiry_age':
        return session.getExpiryAge(value(0))
      case 'get_expiry_date':
        return session.getExpiryDate(value(0))
      default:
        throw new Error(`The replay does not know the operation ${name}.`)
    }
  }

  /** What a load at this moment finds. */
  async #loaded(session: Session<any>): Promise<Record<string, any>> {
    const fresh = this.open(session.sessionKey)
    await Promise.all([session.load(), fresh.load()])
    return fresh.toJSON()
  }

  async state(session: Session<any>, withData: boolean): Promise<SessionState> {
    const { accessed } = session
    let data: Record<string, any> | undefined
    if (withData) {
      await session.load()
      data = spell(session.toJSON())
      // It was the replay that looked.
      session.accessed = accessed
    }
    const state = stateOf(session)
    const { metadataRead } = state
    const { modified, sessionKey, isEmpty } = session
    state.metadataRead = metadataRead
    return { accessed, modified, ...(data && { data }), key: sessionKey, empty: isEmpty }
  }

  async external(name: string, key: string, data?: Record<string, any>): Promise<void> {
    const store = this.#store
    const now = this.#ms
    // Here is one store only: what Django has in a cache besides is not there to be evicted.
    if (!store || (name === 'ext_evict' && this.#backend !== 'cache')) return
    if (name === 'ext_delete_row' && !this.#backend.endsWith('db')) return
    if (name !== 'ext_put') {
      await store.remove(key, undefined, { now })
      return
    }
    const record = await store.read(key, { now })
    const payload = await this.#codec.encode(toJavaScript(data))
    const expiresAt =
      record && this.#backend.endsWith('db') ? record.expiresAt : now + this.#settings.age * 1000
    if (record) await store.replace(key, { payload, expiresAt }, record.version, { now })
    else if (!this.#backend.endsWith('db')) await store.insert(key, { payload, expiresAt }, { now })
  }

  async store(): Promise<StoreState> {
    const state: StoreState = {}
    if (!this.#store) return state
    for await (const { id, payload, expiresAt } of this.#store.scan!({ now: this.#ms })) {
      let data: any
      try {
        data = spell(await loads(payload, { secret: SECRET, salt: STORE_SALT }))
      } catch {
        data = { $corrupt: true }
      }
      state[id] = { data, ttl: Math.round(expiresAt * 1000 - this.#ms * 1000) / 1e6 }
    }
    return state
  }

  expiresAt(key: string): number | undefined {
    const ms = this.#expires.get(key)
    return ms === undefined ? undefined : ms * 1000
  }

  /** What an adapter does at the end of a request. It holds the session itself, wherever the handler's copy went. */
  async finish(session: Session<any>, status: number): Promise<{ cookie?: Cookie; vary: boolean }> {
    try {
      const { setCookies, vary } = await this.#sessions.commit(session, { status })
      const [header] = setCookies
      return {
        vary: vary && varyByCookie(undefined) === 'Cookie',
        ...(header !== undefined && { cookie: parsed(header) }),
      }
    } catch (error) {
      throw this.#refusal(error)
    }
  }

  async clearExpired(): Promise<number> {
    return this.#sessions.clearExpired()
  }
}

/** Operations for which Django loads the session, or that this API has on loaded sessions only. */
const LOOKS = new Set(
  (
    'get getitem contains has_key keys values items iter len set del pop setdefault update clear flush cycle_key append ' +
    'nested_set set_test_cookie test_cookie_worked delete_test_cookie set_expiry get_expire_at_browser_close ' +
    'get_expiry_age get_expiry_date'
  ).split(' '),
)

function optionsOf(settings: DjangoSettings): Omit<SessionsOptions, 'store'> {
  const {
    age,
    expireAtBrowserClose,
    saveEveryRequest,
    cookieName,
    path,
    domain,
    secure,
    httpOnly,
    sameSite,
  } = settings
  return {
    age,
    expireAtBrowserClose,
    saveEveryRequest,
    cookie: {
      name: cookieName,
      path: path as string,
      domain: domain ?? undefined,
      secure,
      httpOnly,
      sameSite: (sameSite ? sameSite.toLowerCase() : false) as 'lax',
    },
  }
}

function bound(store: Store): Store {
  const methods = ['read', 'touch', 'remove', 'clearExpired', 'scan'] as const
  return Object.fromEntries(
    methods.filter(name => store[name]).map(name => [name, (store[name] as () => unknown).bind(store)]),
  ) as unknown as Store
}

/** A `Set-Cookie` taken apart. */
function parsed(header: string): Cookie {
  const [pair = '', ...attributes] = header.split('; ')
  const equals = pair.indexOf('=')
  const cookie: Cookie = {
    name: pair.slice(0, equals),
    value: pair.slice(equals + 1),
    deleted: pair.endsWith('='),
  }
  for (const attribute of attributes) {
    const [name = '', value = ''] = attribute.split('=')
    if (name === 'Max-Age') cookie.maxAge = Number(value)
    else if (name === 'Expires') cookie.expires = value
    else if (name === 'Path') cookie.path = value
    else if (name === 'Domain') cookie.domain = value
    else if (name === 'Secure') cookie.secure = true
    else if (name === 'HttpOnly') cookie.httpOnly = true
    else if (name === 'SameSite') cookie.sameSite = value.toLowerCase()
    else throw new Error(`An attribute that Django does not know: ${name}`)
  }
  return cookie
}
