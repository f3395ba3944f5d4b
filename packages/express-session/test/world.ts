import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { unsign } from 'cookie-signature'
import express from 'express'
import facade from '../src/index.ts'

const require = createRequire(import.meta.url)
/** express-session itself. */
export const original = require('express-session-original') as Library
export const ours = facade as unknown as Library

/** What both libraries export. */
export type Library = {
  (options?: any): (req: any, res: any, next: (error?: any) => void) => void
  Session: any
  Store: any
  Cookie: any
  MemoryStore: any
}

export type Handler = (req: any, res: any, next: (error?: any) => void) => unknown

export interface Served {
  url: string
  /** Sends a request and notes its response. Cookies of earlier responses are sent, unless `cookie` is given. */
  call(path?: string, options?: CallOptions): Promise<Seen>
  get(path?: string, options?: CallOptions): Promise<Seen>
}

export interface CallOptions {
  method?: string
  /** The `Cookie` header. `''`: none. */
  cookie?: string
  headers?: Record<string, string>
}

export interface Seen {
  status: number
  body: string
  setCookies: string[]
  /** What the client sends from now on. */
  cookie: string
}

export interface ServeOptions {
  /** With Express instead of plain `node:http`. */
  express?: boolean
  trustProxy?: unknown
  /** Middleware above the session's. */
  before?: Handler[]
  /** The path at which the middleware is mounted. */
  mount?: string
}

/** Times are compared in steps of so many ms. A slow machine takes five seconds for some scenarios. */
const STEP = 30_000
const SECRETS = ['keyboard cat', 'older secret']

/** Runs one scenario with one library, and notes what can be seen from outside. */
export class World {
  readonly lib: Library
  readonly log: unknown[] = []
  readonly #ids = new Map<string, string>()
  readonly #servers: Server[] = []
  readonly #deprecations = (error: any): void => {
    if (error.namespace === 'express-session') this.note('deprecated', error.message)
  }

  constructor(lib: Library) {
    this.lib = lib
    process.on('deprecation', this.#deprecations)
  }

  /** Adds something to what is compared. */
  note(...values: unknown[]): void {
    this.log.push(this.#mask(values.length === 1 ? values[0] : values))
  }

  /** A store whose calls are noted. */
  store({ quiet = false }: { quiet?: boolean } = {}): any {
    const store = new this.lib.MemoryStore()
    if (!quiet) this.watch(store)
    return store
  }

  /** Notes the calls of a store. */
  watch(store: any, methods = ['get', 'set', 'destroy', 'touch']): any {
    for (const method of methods) {
      const inner = store[method]
      store[method] = (...args: any[]) => {
        const [id, session] = args
        this.note(method, id, typeof session === 'function' ? undefined : jsonOf(session))
        return inner.apply(store, args)
      }
    }
    return store
  }

  /** Notes what is stored. */
  noteStored(store: any): void {
    this.note(
      'stored',
      Object.fromEntries(
        Object.entries(store.sessions).map(([id, text]) => [id, JSON.parse(text as string)]),
      ),
    )
  }

  async serve(options: any, handler: Handler, how: ServeOptions = {}): Promise<Served> {
    const middleware = this.lib(
      options && { secret: SECRETS[0], resave: false, saveUninitialized: false, ...options },
    )
    const listener =
      how.express || how.mount
        ? this.#expressApp(middleware, handler, how)
        : this.#plain(middleware, handler, how)
    return this.#listen(listener)
  }

  /** Serves a listener. */
  async serveListener(listener: (req: any, res: any) => void): Promise<Served> {
    return this.#listen(listener)
  }

  #plain(middleware: Handler, handler: Handler, { before = [] }: ServeOptions) {
    return (req: any, res: any) => {
      const stack = [...before, middleware, handler]
      let at = 0
      const next = (error?: any): void => {
        const layer = stack[at++]
        if (error) this.#fail(res, error)
        else if (!layer) res.end('not found')
        else layer(req, res, at === stack.length ? (late?: any) => this.#fail(res, late) : next)
      }
      next()
    }
  }

  #fail(res: any, error: any): void {
    this.note('error', error?.message)
    if (res.headersSent) return
    res.statusCode = error?.status ?? 500
    res.end(error?.message)
  }

  #expressApp(middleware: Handler, handler: Handler, { before = [], mount, trustProxy }: ServeOptions) {
    const app = express()
    if (trustProxy !== undefined) app.set('trust proxy', trustProxy)
    for (const layer of before) app.use(layer as any)
    if (mount) app.use(mount, middleware as any)
    else app.use(middleware as any)
    app.use(handler as any)
    app.use((error: any, _req: any, res: any, _next: any) => this.#fail(res, error))
    return app
  }

  async #listen(listener: (req: any, res: any) => void): Promise<Served> {
    const server = createServer(listener)
    this.#servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    let jar = ''
    const call = async (path = '/', options: CallOptions = {}): Promise<Seen> => {
      const seen = await send(url, path, { ...options, cookie: options.cookie ?? jar })
      const setCookies = seen.setCookies.map(line => this.#readCookie(line))
      const pair = seen.setCookies.at(-1)?.split(';')[0]
      if (pair && options.cookie === undefined) jar = pair
      this.note({ path, status: seen.status, body: seen.body, setCookies })
      return { ...seen, cookie: pair ?? options.cookie ?? jar }
    }
    return { url, call, get: call }
  }

  /** A cookie as its attributes, with the ID masked, the signature checked, and times relative. */
  #readCookie(line: string): unknown {
    const [pair = '', ...attributes] = line.split('; ')
    const [name, value = ''] = pair.split('=')
    const decoded = decodeURIComponent(value)
    const id = decoded.startsWith('s:')
      ? SECRETS.map(secret => unsign(decoded.slice(2), secret)).find(Boolean)
      : undefined
    return [
      name,
      id ? ['signed', this.#maskText(id)] : decoded,
      ...attributes.map(attribute => relative(attribute)),
    ]
  }

  /** IDs become `sid1`, `sid2` in the order in which they are seen, and moments become seconds from now. */
  #mask(value: unknown): unknown {
    if (typeof value === 'string') return this.#maskText(value)
    if (typeof value === 'number' && value > 1e12) return relativeTime(value)
    if (value instanceof Date) return relativeTime(value.getTime())
    if (value instanceof Error) return ['error', value.message]
    if (Array.isArray(value)) return value.map(each => this.#mask(each))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => {
        // express-session loses a millisecond where the clock moves on between two of its calls.
        if (key === 'originalMaxAge' && typeof each === 'number') return [key, Math.round(each / STEP) * STEP]
        return [this.#maskText(key), this.#mask(each)]
      }),
    )
  }

  #maskText(text: string): string {
    if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text)) return relativeTime(Date.parse(text))
    return text.replace(/(?<![\w-])[\w-]{32}(?![\w-])/g, id => {
      const known = this.#ids.get(id) ?? `sid${this.#ids.size + 1}`
      this.#ids.set(id, known)
      return known
    })
  }

  async close(): Promise<void> {
    process.off('deprecation', this.#deprecations)
    for (const server of this.#servers) {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

function jsonOf(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

function relative(attribute: string): string {
  const [name, value] = attribute.split('=')
  return name === 'Expires' ? `Expires=${relativeTime(Date.parse(value!))}` : attribute
}

function relativeTime(ms: number): string {
  const seconds = (Math.round((ms - Date.now()) / STEP) * STEP) / 1000
  return Math.abs(seconds) > 1e8 ? new Date(ms).toISOString() : `now+${seconds}s`
}

function send(
  url: string,
  path: string,
  { method = 'GET', cookie = '', headers = {} }: CallOptions,
): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const req = httpRequest(url + path, {
      method,
      headers: { ...(cookie && { cookie }), ...headers },
      agent: false,
    })
    req.on('error', reject)
    req.on('response', (res: IncomingMessage) => {
      let body = ''
      res.setEncoding('utf8')
      res.on('data', chunk => (body += chunk))
      const done = (end: string): void =>
        resolve({
          status: res.statusCode!,
          body: body + end,
          setCookies: res.headers['set-cookie'] ?? [],
          cookie,
        })
      res.on('end', () => done(''))
      res.on('error', () => done(' (cut off)'))
    })
    req.end()
  })
}
