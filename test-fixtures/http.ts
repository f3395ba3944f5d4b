import { once } from 'node:events'
import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  Server,
  ServerResponse,
  request as send,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** A server on a free port of 127.0.0.1. `await using` stops it. */
export interface Running {
  url: string
  server: Server
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Serves what `http.createServer` takes, an Express app say, or a server that is not listening yet. */
export async function serve(
  app: RequestListener | Server,
  port = 0,
  certificate?: { key: string; cert: string },
): Promise<Running> {
  const server =
    app instanceof Server
      ? app
      : certificate
        ? createTlsServer(certificate, app)
        : new Server({ shouldUpgradeCallback }, app)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const stop = (): Promise<void> => stopServer(server)
  const url = `${certificate ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, server, stop, [Symbol.asyncDispose]: stop }
}

/** As by default, but an offer of HTTP/2 is not taken up. */
function shouldUpgradeCallback(this: Server, { headers }: IncomingMessage): boolean {
  return this.listenerCount('upgrade') > 0 && headers.upgrade?.toLowerCase() !== 'h2c'
}

/** Hands upgrades to the app as well, with a response that is never sent, as express-ws does. */
export function withUpgrades(running: Running, app: RequestListener): Running & { upgrades: true } {
  running.server.on('upgrade', (req, socket) => {
    socket.on('error', () => socket.destroy())
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    app(req, new ServerResponse(req))
  })
  return { ...running, upgrades: true }
}

/** Ends a server when the requests under way are answered, or after a second: an aborted client is not waited for. */
export async function stopServer(server: Server): Promise<void> {
  const ended = once(server, 'close')
  server.close()
  const deadline = Date.now() + 1000
  const timer = setInterval(() => {
    // A connection that is kept alive is idle once its last response is sent.
    if (Date.now() < deadline) server.closeIdleConnections()
    else server.closeAllConnections()
  }, 20)
  await ended
  clearInterval(timer)
}

export interface HttpResponse {
  status: number
  statusMessage: string
  headers: IncomingHttpHeaders
  /** As they came, names and values in turn. */
  rawHeaders: string[]
  /** Every `Set-Cookie`, whole. */
  setCookies: string[]
  body: Buffer
  text: string
  readonly json: any
}

export interface RequestOptions {
  method?: string
  headers?: Record<string, string>
  /** The `Cookie` header. */
  cookie?: string | undefined
  body?: string
}

// No connection is shared, so none is found closed by a server that stopped.
const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY })

/** One request, with nothing done on the way: no redirect followed, no encoding undone. */
export async function request(url: string, options: RequestOptions = {}): Promise<HttpResponse> {
  const headers = { ...options.headers, ...(options.cookie && { cookie: options.cookie }) }
  const req = send(url, { method: options.method ?? 'GET', headers, agent })
  req.end(options.body)
  const [res] = await once(req, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of res) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  return {
    status: res.statusCode,
    statusMessage: res.statusMessage,
    headers: res.headers,
    rawHeaders: res.rawHeaders,
    setCookies: res.headers['set-cookie'] ?? [],
    body,
    text: body.toString(),
    get json() {
      return JSON.parse(body.toString())
    },
  }
}

/** The `Cookie` header of a browser that got these `Set-Cookie` headers and keeps every cookie with a value. */
export function cookiesOf(response: HttpResponse): string {
  return response.setCookies
    .map(cookie => cookie.slice(0, cookie.indexOf(';')))
    .filter(pair => !pair.endsWith('='))
    .join('; ')
}
