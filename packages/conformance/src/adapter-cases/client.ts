import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { request as requestOverTls, Agent as TlsAgent } from 'node:https'
import { connect } from 'node:net'
import { fail } from '../check.ts'

export interface HttpResponse {
  status: number
  /** Names in lower case; several of one name joined by a comma. Without Set-Cookie. */
  headers: Record<string, string>
  setCookies: SetCookie[]
  body: string
  /** The body, if it is a JSON object; otherwise the failure that it is not. */
  readonly json: Record<string, unknown>
  /** The pieces of the body with the time at which each arrived, in ms of `performance.now()`. */
  chunks: { at: number; text: string }[]
  /** The status of each 1xx response before it. */
  informed: number[]
}

export interface SetCookie {
  whole: string
  name: string
  value: string
  /** Names in lower case; an attribute without a value has the empty one. */
  attributes: Map<string, string>
  /** Whether it removes the cookie. */
  deletes: boolean
}

export interface SendOptions {
  method?: string
  cookie?: string | undefined
  headers?: Record<string, string>
  agent?: Agent
  body?: string
  signal?: AbortSignal
  /** How the body of the response is read; `utf8` unless given. In `latin1` each byte is one character. */
  encoding?: BufferEncoding
}

/** Resolves when something listens there; else an error that says what to do. */
export async function reach(url: string): Promise<void> {
  const { protocol, hostname, port } = new URL(url)
  if (protocol !== 'http:') throw new Error(`the address of the probe app begins with http://, unlike ${url}`)
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) })
  socket.setTimeout(5_000, () => socket.destroy(new Error('no response within 5 s')))
  try {
    await once(socket, 'connect')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`cannot reach ${url}: start the probe app first (${code ?? message})`, { cause: error })
  } finally {
    socket.destroy()
  }
}

/** Resolves when a probe app listens there; else an error that says what is missing. */
export async function findProbe(address: string): Promise<void> {
  await reach(address)
  const url = `${address.replace(/\/$/, '')}/none`
  const missing = (happened: string) =>
    new Error(
      `there is no probe app at ${address}: GET /none must answer 200 and "ok", but ${happened}. ` +
        'docs/probe-routes.md tells its routes',
    )
  const signal = AbortSignal.timeout(5_000)
  const { status, body } = await send(url, { signal }).catch((error: Error) => {
    throw missing(signal.aborted ? 'there was no response within 5 s' : `it failed: ${error.message}`)
  })
  if (status !== 200 || body !== 'ok')
    throw missing(`it answered ${status} and ${JSON.stringify(body.slice(0, 60))}`)
}

/** For a connection over TLS. */
const TRUSTING = { rejectUnauthorized: false }

/** One request, with nothing done on the way: no redirect followed, no header merged away. */
export async function send(url: string, options: SendOptions = {}): Promise<HttpResponse> {
  const { method = 'GET', cookie, agent, signal, encoding = 'utf8' } = options
  const isTls = url.startsWith('https:')
  // The certificate is the suite's, or one that the author made.
  const own = agent ?? new (isTls ? TlsAgent : Agent)({ keepAlive: false, ...TRUSTING })
  const begin = isTls ? requestOverTls : request
  return await new Promise((resolve, reject) => {
    const headers = { ...options.headers, ...(cookie !== undefined && { cookie }) }
    const sent = begin(url, { method, agent: own, headers, ...(signal && { signal }) }, response => {
      const chunks: HttpResponse['chunks'] = []
      response.setEncoding(encoding)
      response.on('data', (text: string) => void chunks.push({ at: performance.now(), text }))
      response.on('error', reject)
      response.on('end', () => {
        const { 'set-cookie': cookies = [], ...rest } = response.headersDistinct
        const entries = Object.entries(rest).map(
          ([name, values]) => [name, (values ?? []).join(', ')] as const,
        )
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(entries),
          setCookies: cookies.map(parseSetCookie),
          chunks,
          informed,
          body: chunks.map(({ text }) => text).join(''),
          get json() {
            return parseObject(this.body, `${method} ${new URL(url).pathname}`)
          },
        })
      })
    })
    const informed: number[] = []
    sent.on('information', ({ statusCode }) => void informed.push(statusCode))
    sent.on('error', reject)
    sent.end(options.body)
  })
}

function parseObject(body: string, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  fail(`a JSON object as the response to ${what}`, `it was ${JSON.stringify(body.slice(0, 200))}`)
}

export function parseSetCookie(whole: string): SetCookie {
  const [pair = '', ...rest] = whole.split(';')
  const equals = pair.indexOf('=')
  const attributes = new Map<string, string>()
  for (const part of rest) {
    const [name = '', ...value] = part.trim().split('=')
    attributes.set(name.toLowerCase(), value.join('='))
  }
  const expires = attributes.get('expires')
  const past = expires !== undefined && Date.parse(expires) <= Date.now()
  const deletes = attributes.has('max-age') ? Number(attributes.get('max-age')) <= 0 : past
  return { whole, name: pair.slice(0, equals).trim(), value: pair.slice(equals + 1), attributes, deletes }
}

/** A connection on which bytes are sent as given, and seen as they come. */
export interface RawConnection {
  received(): string
  /** Resolves when the other side is done. */
  ended: Promise<void>
  destroy(): void
}

export function sendRaw(url: string, lines: readonly string[], body = ''): RawConnection {
  const { hostname, port, pathname, search } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  let received = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    received += text
  })
  const [method = 'GET', ...headers] = lines
  const head = [`${method} ${pathname}${search} HTTP/1.1`, `Host: ${hostname}:${port}`, 'Connection: close']
  socket.write([...head, ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n'))
  const ended = new Promise<void>(resolve => {
    socket.on('close', () => resolve())
    socket.on('error', () => resolve())
  })
  return { received: () => received, ended, destroy: () => socket.destroy() }
}

/**
 * Several requests in one packet on one connection, which is closed after the last. Each response as it came, head and body.
 */
export async function pipelined(
  url: string,
  requests: readonly { method: string; path: string; cookie?: string | undefined }[],
): Promise<string[]> {
  const { host } = new URL(url)
  const heads = requests.map(({ method, path, cookie }, n) => [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    ...(cookie === undefined ? [] : [`Cookie: ${cookie}`]),
    ...(n === requests.length - 1 ? ['Connection: close'] : []),
    'Content-Length: 0',
    '',
    '',
  ])
  const received = await exchange(url, heads.map(lines => lines.join('\r\n')).join(''), 3_000)
  return received.split(/(?=HTTP\/1\.1 \d{3} )/)
}

/** What comes back for this text, until the server closes the connection or is silent for so many ms. */
export async function exchange(url: string, text: string, silence = 2_000): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  let received = ''
  socket.setEncoding('utf8')
  socket.on('data', (piece: string) => {
    received += piece
  })
  socket.write(text)
  socket.setTimeout(silence, () => socket.destroy())
  await new Promise<void>(resolve => {
    socket.on('close', () => resolve())
    // What came before it is the result.
    socket.on('error', () => resolve())
  })
  return received
}

/** A browser with a cookie jar, for one app. */
export class HttpBrowser {
  readonly url: string
  readonly #via: Record<string, string>
  cookies = new Map<string, string>()

  /**
   * @param url of the app
   * @param via the headers that a proxy adds to each request
   */
  constructor(url: string, via: Record<string, string> = {}) {
    this.url = url
    this.#via = via
  }

  /** Another browser with the same cookies. */
  copy(): HttpBrowser {
    const copy = new HttpBrowser(this.url, this.#via)
    copy.cookies = new Map(this.cookies)
    return copy
  }

  get header(): string | undefined {
    return this.cookies.size === 0 ? undefined : [...this.cookies].map(pair => pair.join('=')).join('; ')
  }

  get(path: string): Promise<HttpResponse> {
    return this.#send('GET', path)
  }

  post(path: string): Promise<HttpResponse> {
    return this.#send('POST', path)
  }

  head(path: string): Promise<HttpResponse> {
    return this.#send('HEAD', path)
  }

  /** The value of a key, by `GET /get`. */
  async value(key: string): Promise<unknown> {
    return (await this.get(`/get?k=${key}`)).json['value']
  }

  /** A request whose session key is in the header `X-Session`, too. */
  withHeader(method: string, path: string, key?: string): Promise<HttpResponse> {
    return this.#send(method, path, key === undefined ? {} : { 'x-session': key })
  }

  async #send(method: string, path: string, own: Record<string, string> = {}): Promise<HttpResponse> {
    const headers = { ...this.#via, ...own }
    const response = await send(this.url + path, { method, cookie: this.header, headers })
    for (const { name, value, deletes } of response.setCookies) {
      if (deletes) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return response
  }
}
