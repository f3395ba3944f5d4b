import { Dict, EXPIRY, identity } from './dict.ts'
import type { Model, Row } from './model.ts'
import type { Operation } from './recordings.ts'
import { Raised } from './script.ts'
import { canonical, isoOf, keyText, momentOf, naiveIsoOf, spell } from './values.ts'

/** One object of Django's SessionBase, or one Session of ours: see `Model`. */
export class ModelSession {
  readonly model: Model
  /** Whether the request had the cookie. */
  readonly sent: boolean
  key: string | null
  accessed = false
  /** Something about the visitor was told without a look at the data. */
  told = false
  modified = false
  data: Dict | undefined
  committed = false
  /** A record was stored under the present key by this object. */
  newlyStored = false
  /** Something changed, or was said to, since the last save. */
  isUnsaved = false
  /** What `load()` fetched ahead of the first look. */
  #fetched: Dict | null | undefined
  /** What the store had when this object last loaded or saved. */
  #base: Dict | undefined
  /** The keys that were changed since. */
  #changed = new Map<string, any>()
  #cleared = false
  /** The present key was chosen and nothing is stored under it. */
  #pending = false
  /** That key is the work of `cycleKey`, which is to be carried out. */
  #isCycled = false
  /** What `flush` has left to remove. */
  #doomed: string | undefined
  /** `flush` was called, and nothing was saved since. */
  #flushed = false
  /** What `cycleKey` has left to replace. */
  #rotatedFrom: string | undefined

  constructor(model: Model, key: string | null, sent: boolean) {
    this.model = model
    this.sent = sent
    const isLong = key !== null && [...key].length >= 8
    this.key = key && (isLong || (model.inCookie && model.differs('cookie-life'))) ? key : null
    if (
      this.key !== null &&
      !model.inCookie &&
      !model.isIssued(this.key) &&
      model.differs('issued-keys-only')
    )
      this.key = null
  }

  get isEmpty(): boolean {
    return this.key === null && !this.data?.size
  }

  // -- Loading

  load(): Dict {
    if (this.data) return this.data
    if (this.key === null) return (this.data = new Dict())
    const found = this.#fetched === undefined ? this.#find() : (this.#fetched ?? undefined)
    // The file backend may have made a session of its own.
    if (this.data) return this.data
    this.data = found ?? new Dict()
    if (found === undefined) this.#notFound()
    else this.#base = found.copy()
    return this.data
  }

  #find(): Dict | undefined {
    const { model } = this
    const key = this.key!
    if (model.inCookie) return model.unseal(key)
    const row = model.found(key)
    const isDeadFile = model.backend === 'file' && row && model.isIssued(key) && !model.isLive(row)
    if (isDeadFile && !model.differs('one-rule-for-all-stores')) {
      // Django puts a new, empty session in the place of an expired file.
      model.remove(key)
      this.data ??= new Dict()
      this.#create()
      return new Dict()
    }
    return model.lookUp(key)
  }

  #notFound(): void {
    if (this.model.inCookie && !this.model.differs('cookie-life')) this.modified = true
    else this.key = null
  }

  #look(): Dict {
    this.accessed = true
    return this.load()
  }

  /** `load()` as an operation. */
  #reload(): any {
    const { model } = this
    if (model.differs('loaded-once')) {
      const other = new ModelSession(model, this.key, true)
      const data = other.load()
      if (this.data === undefined && this.#fetched === undefined)
        this.#fetched = other.key === null ? null : data.copy()
      return data.spell(model.settings.zone)
    }
    if (this.key === null) {
      if (model.inCookie) this.modified = true
      return {}
    }
    const found = this.#find()
    if (model.inCookie && found === undefined) this.modified = true
    else if (found === undefined) this.key = null
    return (found ?? new Dict()).spell(model.settings.zone)
  }

  // -- Changing

  /** For what changes the session, which nobody would save any more once the response has begun. */
  #assertOpen(): void {
    if (this.committed && this.model.differs('no-late-changes')) throw new Raised('committed')
  }

  #set(key: any, value: any): void {
    this.#assertOpen()
    this.#look().set(key, value)
    this.#changes(key)
  }

  #delete(key: any): void {
    this.#assertOpen()
    this.#look().delete(key)
    this.#changes(key)
  }

  #changes(key: any): void {
    this.modified = true
    this.isUnsaved = true
    this.#changed.set(identity(key), key)
  }

  #clear(): void {
    this.#assertOpen()
    if (this.model.differs('loaded-once')) this.load()
    this.data = new Dict()
    this.accessed = true
    this.modified = true
    this.isUnsaved = true
    this.#cleared = true
    this.#changed.clear()
  }

  #flush(): void {
    const { model } = this
    this.#clear()
    this.isUnsaved = false
    this.newlyStored = false
    this.#cleared = false
    this.#base = undefined
    if (model.differs('end-of-request')) {
      if (!this.#pending && !model.inCookie) this.#doomed ??= this.#rotatedFrom ?? this.key ?? undefined
      else this.#doomed ??= this.#rotatedFrom
      this.#flushed = true
    } else if (this.key !== null && !model.inCookie) model.remove(this.key)
    this.#rotatedFrom = undefined
    this.#pending = this.#isCycled = false
    this.key = null
  }

  carryOutFlush(): void {
    if (this.#doomed !== undefined) this.model.remove(this.#doomed)
    this.#doomed = undefined
  }

  #cycle(): void {
    const { model } = this
    this.#assertOpen()
    this.#look()
    if (model.inCookie && !model.differs('end-of-request')) {
      this.save(false)
      return
    }
    if (!model.differs('end-of-request')) {
      const old = this.#pending ? null : this.key
      if (old !== null && !model.exists(old) && model.differs('ended-is-ended')) throw new Raised('gone')
      this.#create()
      if (old !== null) model.remove(old)
      return
    }
    this.modified = true
    this.isUnsaved = true
    if (model.inCookie) return
    if (this.key === null) this.#pending = this.#isCycled = true
    else if (!this.#pending) this.#rotatedFrom ??= this.key
    this.key = model.newKey()
  }

  // -- Saving

  save(mustCreate: boolean): void {
    const { model } = this
    this.#assertOpen()
    if (model.differs('loaded-once')) this.load()
    else if (!this.data && !mustCreate && model.backend === 'cache' && this.key !== null) {
      // Django's cache backend asks first and loads after.
      if (!model.found(this.key)) throw new Raised('gone')
    }
    this.accessed = true
    this.carryOutFlush()
    if (this.#flushed && this.isEmpty && !mustCreate && model.differs('end-of-request')) return
    if (model.inCookie) this.#seal()
    else if (this.#rotatedFrom !== undefined) this.#rotate(this.#rotatedFrom)
    else if (this.key === null) this.#create()
    else if (mustCreate) this.#insertChosen(this.key)
    else if (this.#pending && (this.#isCycled || model.differs('failed-save'))) this.#insert(this.key)
    else this.#update()
  }

  #insertChosen(key: string): void {
    this.data ??= new Dict()
    // The longest name that file systems take is 255 bytes, with the cookie's name before the key.
    if (this.model.backend === 'file' && key.length > 240) throw new Raised('OSError')
    // A file is opened before the data are encoded.
    if (this.model.backend !== 'file' || this.model.differs('failed-save')) this.#checkStorable(this.data)
    if (this.#isTaken(key)) throw new Raised('exists')
    this.#insert(key)
  }

  #isTaken(key: string): boolean {
    this.model.checkPath(key)
    const row = this.model.found(key)
    if (!row || this.model.isLive(row)) return row !== undefined
    return this.model.differs('ended-is-ended') ? this.model.deadIdsAreTaken : true
  }

  #update(): void {
    const { model } = this
    model.checkPath(this.data ? this.key! : '')
    const data = this.load()
    if (this.key === null) {
      this.key = model.newKey()
      this.#pending = true
    }
    const key = this.key
    const row = model.found(key)
    const isGone = !row || (!model.isLive(row) && model.differs('ended-is-ended'))
    // A file is opened before the data are encoded.
    if (isGone && model.backend === 'file') throw new Raised('gone')
    this.#checkStorable(data)
    if (isGone) throw new Raised('gone')
    this.#merge(row)
    model.write(key, this.data!)
    this.#saved()
  }

  #create(): void {
    if (this.model.differs('loaded-once')) this.load()
    this.data ??= new Dict()
    this.#insert()
    this.modified = true
  }

  /** A new record, under a new key unless one is given. */
  #insert(given?: string): void {
    const { model } = this
    this.key = given ?? model.newKey()
    this.#pending = true
    this.accessed = true
    try {
      this.#checkStorable(this.data!)
    } catch (error) {
      if (model.backend === 'file' && !model.differs('failed-save'))
        model.rows.set(this.key, {
          data: null,
          expires: model.now + model.age,
          written: model.now,
          hollow: true,
        })
      throw error
    }
    model.write(this.key, this.data!)
    this.#pending = false
    this.newlyStored = true
    this.#saved()
  }

  #rotate(old: string): void {
    const { model } = this
    this.#checkStorable(this.data!)
    const row = model.found(old)
    if ((!row || !model.isLive(row)) && model.differs('ended-is-ended')) throw new Raised('gone')
    this.#merge(row)
    model.write(this.key!, this.data!)
    model.remove(old)
    this.#rotatedFrom = undefined
    this.newlyStored = true
    this.#saved()
  }

  #seal(): void {
    this.#look()
    this.#checkStorable(this.data!)
    this.key = this.model.seal(this.data!)
    this.modified = true
    this.newlyStored = true
    this.#saved()
  }

  #saved(): void {
    this.#base = this.data!.reloaded()
    this.#changed.clear()
    this.#cleared = false
    this.isUnsaved = false
    this.#flushed = false
  }

  /** Does to what others saved meanwhile what was done to what was loaded. */
  #merge(row: Row | undefined): void {
    const theirs = row?.data
    const base = this.#base
    if (!theirs || !base || this.#cleared) return
    const spelled = (dict: Dict): string => canonical(dict.spell(undefined))
    if (spelled(theirs) === spelled(base) || !this.model.differs('merge')) return
    const mine = this.data!
    const isMine = (key: any): boolean =>
      this.#changed.has(identity(key)) || canonical(mine.get(key)) !== canonical(base.get(key))
    this.data = theirs.copy()
    for (const [key, value] of mine.entries()) if (isMine(key)) this.data.set(key, value)
    for (const [key] of base.entries()) if (!mine.has(key)) this.data.delete(key)
  }

  /** `saveEveryRequest` for a session that nobody changed; `false`: it is gone. */
  extend(): boolean {
    const { model } = this
    if (model.inCookie) {
      this.#seal()
      return true
    }
    const row = this.key === null ? undefined : model.found(this.key)
    if (!row || !model.isLive(row)) return false
    // Another request has saved meanwhile, and so extended it.
    if (
      row.data &&
      this.#base &&
      canonical(row.data.spell(undefined)) !== canonical(this.#base.spell(undefined))
    )
      return false
    const expires = model.endOf(this.data!)
    if (expires < row.expires) return false
    row.expires = expires
    row.written = model.now
    return true
  }

  #checkStorable(data: Dict): void {
    const { model } = this
    const pickled = model.backend === 'cache' && !model.differs('json-data')
    if (!pickled && !data.entries().every(([, value]) => isJson(value))) throw new Raised('data')
    // Python's JSON has NaN; the codec of cookies for Django has not.
    if (model.inCookie && data.entries().some(([, value]) => hasNaN(value)) && model.differs('json-data'))
      throw new Raised('data')
    model.endOf(data)
  }

  // -- Operations

  endsWithBrowser(): boolean {
    const expiry = this.load().get(EXPIRY) ?? null
    if (expiry === null) return this.model.settings.expireAtBrowserClose
    return expiry === 0 || expiry === false
  }

  act([name, ...args]: Operation, inRequest: boolean): unknown {
    const { model } = this
    const isText = typeof args[0] === 'string'
    const key = !isText && model.differs('json-data') ? keyText(args[0] ?? null) : args[0]
    const missing = (): void => {
      if (!model.differs('map-like')) throw new Raised('KeyError')
    }
    switch (name) {
      case 'get':
        return this.#look().has(key) ? this.data!.get(key) : args[1]
      case 'getitem':
        if (!this.#look().has(key)) missing()
        return this.data!.get(key)
      case 'contains':
      case 'has_key':
        return this.#look().has(key)
      case 'keys':
        return this.#entries().map(([name]) => name)
      case 'values':
        return this.#entries().map(([, value]) => value)
      case 'items':
        return this.#entries()
      case 'iter':
        // Without the difference Python asks for the items 0, 1, 2, … until one is missing.
        if (model.differs('map-like')) return this.#entries().map(([name]) => name)
        this.#look()
        throw new Raised('KeyError')
      case 'len':
        if (!model.differs('map-like')) throw new Raised('data')
        return this.#look().size
      case 'bool':
        return true
      case 'is_empty':
        this.told = true
        return this.isEmpty
      case 'session_key':
        this.told = true
        return this.key
      case 'set':
        return this.#set(key, structuredClone(args[1]))
      case 'del':
        if (this.#look().has(key)) this.#delete(key)
        else missing()
        return
      case 'pop': {
        // Python looks at `modified` first: what loading makes of it is forgotten.
        const { modified } = this
        const isThere = this.#look().has(key)
        this.modified = modified
        if (!isThere) {
          if (args.length === 1) missing()
          return args[1]
        }
        const value = this.data!.get(key)
        this.#delete(key)
        return value
      }
      case 'setdefault':
        if (!this.#look().has(key)) this.#set(key, structuredClone(args[1]))
        return this.data!.get(key)
      case 'update': {
        this.#look()
        this.modified = true
        this.isUnsaved = true
        const pairs: [any, any][] = Array.isArray(args[0]) ? args[0] : Object.entries(args[0])
        for (const [name, value] of pairs) this.#set(name, structuredClone(value))
        return
      }
      case 'clear':
        return this.#clear()
      case 'flush':
        this.#flush()
        if (!inRequest && model.differs('end-of-request')) this.save(false)
        return
      case 'cycle_key':
        this.#cycle()
        if (!inRequest && model.differs('end-of-request')) this.save(false)
        return
      case 'save':
        return this.save(false)
      case 'save_must_create':
        return this.save(true)
      case 'create':
        return this.#createOperation()
      case 'load':
        return this.#reload()
      case 'delete':
        if (args.length > 0 && args[0] !== null) return this.#deleteOperation(String(args[0]))
        this.told = true
        return this.#deleteOperation(this.key)
      case 'exists':
        return model.exists(String(args[0]))
      case 'append': {
        if (!this.#look().has(key)) throw new Raised(model.differs('map-like') ? 'data' : 'KeyError')
        const list = this.data!.get(key)
        if (!Array.isArray(list)) throw new Raised('data')
        list.push(structuredClone(args[1]))
        return
      }
      case 'nested_set': {
        if (!this.#look().has(key)) throw new Raised(model.differs('map-like') ? 'data' : 'KeyError')
        this.data!.get(key)[args[1]] = structuredClone(args[2])
        return
      }
      case 'mark_modified':
        this.#assertOpen()
        this.modified = args[0]
        this.isUnsaved = args[0]
        return
      case 'mark_accessed':
        this.accessed = args[0]
        return
      case 'set_test_cookie':
        return this.#set('testcookie', 'worked')
      case 'test_cookie_worked':
        return this.#look().get('testcookie') === 'worked'
      case 'delete_test_cookie':
        if (this.#look().has('testcookie')) this.#delete('testcookie')
        else missing()
        return
      case 'set_expiry':
        return this.#setExpiry(args[0])
      case 'get_expire_at_browser_close':
        this.accessed = true
        return this.endsWithBrowser()
      case 'get_session_cookie_age':
        return model.settings.age
      case 'get_expiry_age':
      case 'get_expiry_date': {
        const query = args[0] ?? {}
        const expiry = 'expiry' in query ? query.expiry : (this.#look().get(EXPIRY) ?? null)
        const modification = query.modification
          ? spell(query.modification, model.settings.zone).$moment
          : model.now
        if (name === 'get_expiry_age') return model.expiryAge(expiry, modification)
        const date = model.expiryDate(expiry, modification)
        if (typeof date !== 'number') return date
        return { $moment: model.differs('expiry-is-a-moment') ? Math.trunc(date / 1000) * 1000 : date }
      }
      default:
        throw new Error(`The model does not know the operation ${name}.`)
    }
  }

  #entries(): [any, any][] {
    const entries = this.#look().entries()
    if (!this.model.differs('json-data')) return entries
    // JavaScript's objects put whole numbers first.
    return Object.entries(Object.fromEntries(entries))
  }

  #createOperation(): void {
    const { model } = this
    this.#assertOpen()
    if (model.inCookie) {
      if (model.differs('cookie-methods')) this.#look()
      this.modified = true
      this.isUnsaved = true
      return
    }
    if (model.differs('loaded-once')) {
      this.#look()
      this.modified = true
    }
    this.carryOutFlush()
    if (this.#rotatedFrom !== undefined) this.#rotate(this.#rotatedFrom)
    this.#create()
  }

  #deleteOperation(key: string | null): void {
    const { model } = this
    if (!model.inCookie) {
      if (key === null || (!model.isIssued(key) && model.differs('issued-keys-only'))) return
      model.remove(key)
    } else if (!model.differs('cookie-methods')) {
      this.key = null
      this.data = new Dict()
      this.modified = true
    }
  }

  #setExpiry(value: any): void {
    if (value === null) {
      if (this.#look().has(EXPIRY)) this.#delete(EXPIRY)
      return
    }
    this.#set(EXPIRY, this.#storedExpiry(value))
  }

  #storedExpiry(value: any): any {
    const { model } = this
    const { zone } = model.settings
    if (typeof value !== 'object' || !('$timedelta' in value || '$datetime' in value)) return value
    const moment =
      '$timedelta' in value ? model.now + Math.round(value.$timedelta * 1e6) : momentOf(value.$datetime, zone)
    if (model.differs('expiry-is-a-moment')) return isoOf(Math.floor(moment / 1000) * 1000)
    if ('$datetime' in value) return value.$datetime
    return zone === undefined ? isoOf(moment) : naiveIsoOf(moment, zone)
  }
}

function isJson(value: any): boolean {
  if (typeof value !== 'object' || value === null) return true
  if ('$datetime' in value || '$timedelta' in value || '$other' in value) return false
  return Object.values(value).every(isJson)
}

function hasNaN(value: any): boolean {
  if (typeof value !== 'object' || value === null) return false
  return '$float' in value ? value.$float !== '-0.0' : Object.values(value).some(hasNaN)
}
